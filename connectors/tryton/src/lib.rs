//! Tryton over its JSON-RPC: parties with addresses and contact mechanisms,
//! and customer invoices.

mod account;
mod edit;
mod find;
mod invoice;
mod party;
mod pull;
mod push;
mod rpc;
#[cfg(test)]
mod tests;
mod value;

use concord_sdk::prelude::*;

use pull::Stream;

pub struct Tryton;

impl Connector for Tryton {
    fn check(host: &dyn Host) -> Result<Description, Fault> {
        account::check(host)
    }

    fn discover(host: &dyn Host) -> Result<Vec<StreamInfo>, Fault> {
        account::discover(host)
    }

    fn pull(
        host: &dyn Host,
        stream: &str,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        pull::pull(host, Stream::named(stream)?, selection, cursor)
    }

    fn fetch(
        host: &dyn Host,
        stream: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        pull::fetch(host, Stream::named(stream)?, ids, fields)
    }

    fn find(
        host: &dyn Host,
        stream: &str,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        writable(stream)?;
        find::find(host, values, fields)
    }

    fn push(host: &dyn Host, stream: &str, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        writable(stream)?;
        push::push(host, ops)
    }
}

fn writable(stream: &str) -> Result<(), Fault> {
    match Stream::named(stream)? {
        Stream::Parties => Ok(()),
        Stream::Invoices => Err(Fault::Forbidden("invoices are only read".into())),
    }
}

concord_sdk::export!(
    Tryton,
    manifest = "../manifest.toml",
    mapping = "../mapping.yaml"
);
