//! Mailchimp: the members of one audience, and the account's audiences, through
//! the Marketing API 3.0.
//!
//! BEHAVIOR.md says what Mailchimp does and where that was learned.

mod account;
mod api;
mod errors;
mod lists;
mod members;
mod pull;
mod push;
mod read;
mod status;
mod webhooks;

use concord_sdk::prelude::*;

use crate::api::Api;

pub struct Mailchimp;

const MEMBERS: &str = "members";
const LISTS: &str = "lists";

impl Connector for Mailchimp {
    fn check(host: &dyn Host) -> Result<Description, Fault> {
        account::check(&Api::new(host)?)
    }

    fn discover(host: &dyn Host) -> Result<Vec<StreamInfo>, Fault> {
        account::discover(&Api::new(host)?)
    }

    fn pull(
        host: &dyn Host,
        stream: &str,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        let api = Api::new(host)?;
        match stream {
            MEMBERS => pull::pull(&api, selection, cursor),
            LISTS => lists::pull(&api, cursor),
            other => Err(Fault::unknown_stream(other)),
        }
    }

    fn fetch(
        host: &dyn Host,
        stream: &str,
        ids: &[String],
        _fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let api = Api::new(host)?;
        match stream {
            MEMBERS => read::fetch(&api, ids),
            LISTS => lists::fetch(&api, ids),
            other => Err(Fault::unknown_stream(other)),
        }
    }

    fn find(
        host: &dyn Host,
        stream: &str,
        values: &Fields,
        _fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let api = Api::new(host)?;
        match stream {
            MEMBERS => read::find(&api, values),
            LISTS => lists::find(&api, values),
            other => Err(Fault::unknown_stream(other)),
        }
    }

    fn push(host: &dyn Host, stream: &str, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        match stream {
            MEMBERS => Ok(push::push(&Api::new(host)?, ops)),
            LISTS => Err(Fault::Forbidden(
                "audiences are read only: an audience is made in Mailchimp".into(),
            )),
            other => Err(Fault::unknown_stream(other)),
        }
    }
}

impl Webhooks for Mailchimp {
    fn register(host: &dyn Host, callback_url: &str) -> Result<String, Fault> {
        webhooks::register(&Api::new(host)?, callback_url)
    }

    fn unregister(host: &dyn Host, subscription: &str) -> Result<(), Fault> {
        webhooks::unregister(&Api::new(host)?, subscription)
    }

    fn parse(host: &dyn Host, request: &RawRequest) -> Result<Vec<Hint>, Fault> {
        webhooks::parse(&Api::new(host)?, request)
    }
}

concord_sdk::export!(
    Mailchimp,
    webhooks,
    manifest = "../manifest.toml",
    mapping = "../mapping.yaml"
);
