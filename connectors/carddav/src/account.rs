//! The account: which address book it is, and what its cards hold.

use concord_sdk::prelude::*;

use crate::book::Book;
use crate::dav::Resource;

pub const STREAM: &str = "contacts";

pub fn check(host: &dyn Host) -> Result<Description, Fault> {
    let book = Book::open(host)?;
    let here = match book.propfind(&book.url(book.path()), "0") {
        Ok(found) => found.into_iter().next().unwrap_or_default(),
        Err(Fault::NotFound(_)) => Resource::default(),
        Err(fault) => return Err(fault),
    };
    if !here.is_address_book {
        return Err(elsewhere(&book, here)?);
    }
    let mut unavailable = Vec::new();
    if !here.can_sync {
        let reason = "the server does not offer sync-collection (RFC 6578) for this address book, \
                      so changes and deletes cannot be followed";
        unavailable.push((STREAM.to_owned(), reason.to_owned()));
    }
    Ok(Description {
        account_id: book.path().to_owned(),
        account_name: here.display_name.unwrap_or_else(|| book.path().to_owned()),
        unavailable,
    })
}

/// The configured URL is no address book: RFC 6764 §6 leads to those that the
/// account has, so that the admin can choose one.
fn elsewhere(book: &Book<'_>, here: Resource) -> Result<Fault, Fault> {
    let mut start = here;
    if start.principal.is_none() && start.homes.is_empty() {
        let well_known = book.url("/.well-known/carddav");
        start = first(book.propfind(&well_known, "0"))?;
    }
    if start.homes.is_empty()
        && let Some(principal) = &start.principal
    {
        start = first(book.propfind(&book.url(principal), "0"))?;
    }
    let mut books = Vec::new();
    for home in &start.homes {
        let found = book.propfind(&book.url(home), "1")?;
        books.extend(found.into_iter().filter(|r| r.is_address_book).map(|r| {
            let name = r.display_name.unwrap_or_default();
            format!("{} ({name})", book.url(&r.href))
        }));
    }
    let message = match books.len() {
        0 => "this is not an address book, and none could be found from here: \
              take the URL of one from the server's web page or another client"
            .to_owned(),
        _ => format!(
            "this is not an address book; the account has {}",
            books.join(", ")
        ),
    };
    Ok(Fault::invalid("base_url", message))
}

/// A server without discovery answers with an error; that is no fault of the
/// account.
fn first(found: Result<Vec<Resource>, Fault>) -> Result<Resource, Fault> {
    match found {
        Ok(found) => Ok(found.into_iter().next().unwrap_or_default()),
        Err(fault @ (Fault::AuthRevoked(_) | Fault::Transient(_) | Fault::RateLimited(_))) => {
            Err(fault)
        }
        Err(_) => Ok(Resource::default()),
    }
}

pub fn discover() -> Vec<StreamInfo> {
    let field = |name: &str, label: &str, kind: FieldType| FieldInfo {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        read_only: matches!(name, "uid" | "fn"),
        required: false,
        unique: name == "uid",
        values: Vec::new(),
    };
    let fields = vec![
        field("uid", "UID", FieldType::Text),
        field("fn", "FN: the name as it is shown", FieldType::Text),
        field(
            "n",
            "N: family, given, additional, prefix, suffix",
            FieldType::Object,
        ),
        field("nickname", "NICKNAME", FieldType::Text),
        field("org", "ORG: name, unit", FieldType::Object),
        field("title", "TITLE", FieldType::Text),
        field("bday", "BDAY", FieldType::Date),
        field("note", "NOTE", FieldType::Text),
        field("url", "URL", FieldType::Text),
        field("categories", "CATEGORIES", FieldType::List),
        field("emails", "EMAIL: rank, type, value", FieldType::List),
        field("tels", "TEL: rank, type, value", FieldType::List),
        field("address", "ADR, the preferred one", FieldType::Object),
    ];
    vec![StreamInfo {
        name: STREAM.to_owned(),
        label: "Contacts".to_owned(),
        fields,
    }]
}
