//! CardDAV (RFC 6352) address books: one vCard is one record.

mod account;
mod book;
mod card;
mod contact;
mod dav;
mod edit;
mod find;
mod line;
mod name;
mod pull;
mod push;
#[cfg(test)]
mod tests;

use concord_sdk::prelude::*;

pub struct CardDav;

fn known(stream: &str) -> Result<(), Fault> {
    match stream {
        account::STREAM => Ok(()),
        other => Err(Fault::unknown_stream(other)),
    }
}

impl Connector for CardDav {
    fn check(host: &dyn Host) -> Result<Description, Fault> {
        account::check(host)
    }

    fn discover(_host: &dyn Host) -> Result<Vec<StreamInfo>, Fault> {
        Ok(account::discover())
    }

    fn pull(
        host: &dyn Host,
        stream: &str,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        known(stream)?;
        pull::pull(host, selection, cursor)
    }

    fn fetch(
        host: &dyn Host,
        stream: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        known(stream)?;
        pull::read(&book::Book::open(host)?, ids, fields)
    }

    fn find(
        host: &dyn Host,
        stream: &str,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        known(stream)?;
        find::find(host, values, fields)
    }

    fn push(host: &dyn Host, stream: &str, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        known(stream)?;
        push::push(host, ops)
    }
}

concord_sdk::export!(
    CardDav,
    manifest = "../manifest.toml",
    mapping = "../mapping.yaml"
);
