//! HubSpot: contacts and companies through the CRM objects API 2026-03.
//!
//! BEHAVIOR.md says what HubSpot does and where that was learned.

mod account;
mod api;
mod errors;
mod objects;
mod pull;
mod push;
mod read;
mod records;
mod webhooks;

use concord_sdk::prelude::*;

use crate::api::Api;

pub struct HubSpot;

impl Connector for HubSpot {
    fn check(host: &dyn Host) -> Result<Description, Fault> {
        account::check(&Api::new(host))
    }

    fn discover(host: &dyn Host) -> Result<Vec<StreamInfo>, Fault> {
        account::discover(&Api::new(host))
    }

    fn pull(
        host: &dyn Host,
        stream: &str,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        pull::pull(
            &Api::new(host),
            objects::of_stream(stream)?,
            selection,
            cursor,
        )
    }

    fn fetch(
        host: &dyn Host,
        stream: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        read::fetch(&Api::new(host), objects::of_stream(stream)?, ids, fields)
    }

    fn find(
        host: &dyn Host,
        stream: &str,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        read::find(&Api::new(host), objects::of_stream(stream)?, values, fields)
    }

    fn push(host: &dyn Host, stream: &str, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        push::push(&Api::new(host), objects::of_stream(stream)?, ops)
    }
}

impl Webhooks for HubSpot {
    fn register(_host: &dyn Host, _callback_url: &str) -> Result<String, Fault> {
        Err(by_hand())
    }

    fn unregister(_host: &dyn Host, _subscription: &str) -> Result<(), Fault> {
        Err(by_hand())
    }

    fn parse(_host: &dyn Host, request: &RawRequest) -> Result<Vec<Hint>, Fault> {
        webhooks::parse(request)
    }
}

/// Subscriptions are the app's and not the account's; an account's token cannot
/// change them.
fn by_hand() -> Fault {
    Fault::Forbidden("HubSpot's webhooks are set up in the app's settings".into())
}

concord_sdk::export!(
    HubSpot,
    webhooks,
    manifest = "../manifest.toml",
    mapping = "../mapping.yaml"
);
