//! Where Mailchimp answers and how it is asked.

use concord_sdk::prelude::*;
use serde::Serialize;

use crate::errors;

pub struct Api<'a> {
    host: &'a dyn Host,
    /// Up to and with `/3.0`.
    base: String,
    list_id: String,
}

impl<'a> Api<'a> {
    pub fn new(host: &'a dyn Host) -> Result<Self, Fault> {
        let address = host.config_or_fault("base_url")?;
        let address = address.trim_end_matches('/');
        let address = address.strip_suffix("/3.0").unwrap_or(address);
        Ok(Self {
            host,
            base: format!("{address}/3.0"),
            list_id: host.config_or_fault("list_id")?,
        })
    }

    pub fn now(&self) -> i64 {
        self.host.now()
    }

    pub fn list_id(&self) -> &str {
        &self.list_id
    }

    /// A path below the audience of this connection.
    pub fn list_path(&self, below: &str) -> String {
        format!("/lists/{}{below}", http::encode(&self.list_id))
    }

    pub fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Response, Fault> {
        let request = Request::get(format!("{}{path}", self.base));
        let request = query
            .iter()
            .fold(request, |request, (name, value)| request.query(name, value));
        self.send(request)
    }

    /// No write is called repeatable, though Mailchimp's mostly are: after a
    /// lost answer the hub is to look what is there before it writes again.
    pub fn write(
        &self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response, Fault> {
        self.send(Request::new(method, format!("{}{path}", self.base)).json(body)?)
    }

    pub fn delete(&self, path: &str) -> Result<Response, Fault> {
        self.send(Request::delete(format!("{}{path}", self.base)))
    }

    fn send(&self, request: Request) -> Result<Response, Fault> {
        self.host.call_judged(request, errors::judge)
    }
}
