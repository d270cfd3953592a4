//! HubSpot's endpoints and which allowance each of them spends.

use concord_sdk::prelude::*;
use serde::Serialize;

use crate::errors;
use crate::objects::ObjectType;

/// The search has an allowance of its own.
const SEARCH_QUOTA: &str = "search";

pub struct Api<'a> {
    host: &'a dyn Host,
    base: String,
}

impl<'a> Api<'a> {
    pub fn new(host: &'a dyn Host) -> Self {
        let base = host
            .config("base_url")
            .filter(|base| !base.is_empty())
            .unwrap_or_else(|| "https://api.hubapi.com".to_owned());
        Self {
            host,
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    pub fn now_ms(&self) -> i64 {
        self.host.now().div_euclid(1_000)
    }

    pub fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Response, Fault> {
        let request = Request::get(format!("{}{path}", self.base));
        let request = query
            .iter()
            .fold(request, |request, (name, value)| request.query(name, value));
        self.reading(request)
    }

    pub fn search(&self, object: ObjectType, body: &impl Serialize) -> Result<Response, Fault> {
        let request = Request::post(format!("{}{}/search", self.base, object.path()));
        self.reading(request.json(body)?.quota(SEARCH_QUOTA).repeatable())
    }

    /// Reads up to 100 records by id.  Where not one of them is there the whole
    /// answer may be a 404 that says so: `None`.
    pub fn batch_read(
        &self,
        object: ObjectType,
        body: &impl Serialize,
        archived: bool,
    ) -> Result<Option<Response>, Fault> {
        let request = Request::post(format!("{}{}/batch/read", self.base, object.path()))
            .query("archived", archived)
            .json(body)?
            .repeatable();
        let response = self.host.call(request)?;
        if response.is_success() {
            return Ok(Some(response));
        }
        if errors::says_not_found(&response) {
            return Ok(None);
        }
        Err(errors::of_read(&response, self.host.now()))
    }

    /// One of the batch writes: `create`, `update` or `archive`.
    pub fn write(
        &self,
        object: ObjectType,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<Response, Fault> {
        let url = format!("{}{}/batch/{verb}", self.base, object.path());
        let now = self.host.now();
        self.host
            .call_judged(Request::post(url).json(body)?, |response| {
                errors::of_write(response, now)
            })
    }

    fn reading(&self, request: Request) -> Result<Response, Fault> {
        let response = self.host.call(request)?;
        if response.is_success() {
            Ok(response)
        } else {
            Err(errors::of_read(&response, self.host.now()))
        }
    }
}
