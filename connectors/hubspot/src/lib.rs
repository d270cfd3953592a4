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

concord_sdk::export!(
    HubSpot,
    manifest = "../manifest.toml",
    mapping = "../mapping.yaml"
);
