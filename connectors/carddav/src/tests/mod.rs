//! The connector against scripted answers of a server (RFC 6352, RFC 6578; the
//! answers below `fixtures` are those of Radicale 3.9.0).

mod account;
mod reading;
mod writing;

use crate::CardDav;
use concord_sdk::prelude::*;
use concord_sdk::testing::{Expected, FakeHost, request};

pub const BOOK: &str = "https://dav.example.com/ann/contacts/";

pub fn host() -> FakeHost {
    FakeHost::new().with_config("base_url", BOOK)
}

pub fn report() -> Expected {
    request("REPORT", BOOK)
}

pub fn selection(mode: PullMode, page_size: u32) -> Selection {
    Selection {
        mode,
        fields: Vec::new(),
        page_size,
        window: None,
    }
}

pub fn delta(token: &str, here: &[&str], gone: &[&str]) -> String {
    let here = here.iter().map(|id| {
        format!("<response><href>/ann/contacts/{id}</href><propstat><prop><getetag>\"e\"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>")
    });
    let gone = gone.iter().map(|id| {
        format!("<response><href>/ann/contacts/{id}</href><status>HTTP/1.1 404 Not Found</status></response>")
    });
    let all: String = here.chain(gone).collect();
    format!("<multistatus xmlns=\"DAV:\"><sync-token>{token}</sync-token>{all}</multistatus>")
}

pub fn cards(cards: &[(&str, &str, &str)]) -> String {
    let one = |(id, etag, card): &(&str, &str, &str)| {
        format!(
            "<response><href>/ann/contacts/{id}</href><propstat><prop><getetag>\"{etag}\"</getetag><C:address-data>{card}</C:address-data></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
        )
    };
    let all: String = cards.iter().map(one).collect();
    format!(
        "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:carddav\">{all}</multistatus>"
    )
}

pub fn card(name: &str) -> String {
    format!(
        "BEGIN:VCARD\nVERSION:3.0\nUID:{name}\nFN:{name}\nN:;{name};;;\nX-KEEP;A=b:c\nEND:VCARD\n"
    )
}

pub fn pull(
    host: &FakeHost,
    mode: PullMode,
    size: u32,
    cursor: Option<&str>,
) -> Result<Page, Fault> {
    CardDav::pull(host, "contacts", &selection(mode, size), cursor)
}

pub fn ids(page: &Page) -> Vec<&str> {
    page.changes
        .iter()
        .map(|change| match change {
            Change::Upsert(record) => record.id.as_str(),
            Change::Gone(gone) => gone.id.as_str(),
            Change::Malformed(malformed) => malformed.id.as_deref().unwrap_or_default(),
        })
        .collect()
}
