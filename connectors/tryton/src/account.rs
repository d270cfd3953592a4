//! The account: which database it is, what its user may read, and which
//! fields its modules have.

use concord_sdk::prelude::*;
use serde_json::json;

use crate::invoice;
use crate::party::{self, MODEL};
use crate::rpc::Rpc;

pub fn check(host: &dyn Host) -> Result<Description, Fault> {
    let rpc = Rpc::open(host)?;
    let count = |model: &str| {
        rpc.read(
            &format!("model.{model}.search_count"),
            json!([[], 0, 1, {}]),
        )
    };
    count(MODEL)?;
    let mut unavailable = Vec::new();
    match count(invoice::MODEL) {
        Ok(_) => {}
        // An unknown model is a plain KeyError of the server.
        Err(Fault::Bug(_)) => {
            unavailable.push((
                invoice::STREAM.to_owned(),
                "the module account_invoice is not active".to_owned(),
            ));
        }
        Err(Fault::Forbidden(why)) => unavailable.push((invoice::STREAM.to_owned(), why)),
        Err(fault) => return Err(fault),
    }
    Ok(Description {
        account_id: rpc.url().to_owned(),
        account_name: host.config_or_fault("database")?,
        unavailable,
    })
}

pub fn discover(host: &dyn Host) -> Result<Vec<StreamInfo>, Fault> {
    let rpc = Rpc::open(host)?;
    let answer = rpc.read(&format!("model.{MODEL}.fields_get"), json!([null, {}]))?;
    let all: Fields = serde_json::from_value(answer.result)
        .map_err(|e| Fault::bug(format!("fields_get gave no fields: {e}")))?;
    let own = |name: &str, label: &str, kind| FieldInfo {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        read_only: false,
        required: false,
        unique: false,
        values: Vec::new(),
    };
    let mut fields = vec![
        own("name", "Name", FieldType::Text),
        own("language", "Language code", FieldType::Text),
        own(
            "contact_mechanisms",
            "Contact Mechanisms: id, type, value",
            FieldType::List,
        ),
        own("address", "The first address", FieldType::Object),
    ];
    fields.extend(all.iter().filter_map(|(name, info)| simple(name, info)));
    let mut streams = vec![StreamInfo {
        name: party::STREAM.to_owned(),
        label: "Parties".to_owned(),
        fields,
    }];
    streams.push(StreamInfo {
        name: invoice::STREAM.to_owned(),
        label: "Customer invoices".to_owned(),
        fields: invoice::infos(),
    });
    Ok(streams)
}

/// A field of `party.party` that is one plain value.  Those that Tryton wraps
/// (dates, amounts) can be read only.
fn simple(name: &str, info: &Value) -> Option<FieldInfo> {
    if party::OWN_FIELDS.contains(&name) || matches!(name, "id" | "active" | "rec_name") {
        return None;
    }
    let (kind, wrapped) = match info["type"].as_str()? {
        "char" | "text" => (FieldType::Text, false),
        "boolean" => (FieldType::Boolean, false),
        "integer" => (FieldType::Integer, false),
        "selection" => (FieldType::Enum, false),
        "numeric" => (FieldType::Decimal, true),
        "date" => (FieldType::Date, true),
        "timestamp" | "datetime" => (FieldType::Timestamp, true),
        _ => return None,
    };
    let values = info["selection"].as_array().into_iter().flatten();
    Some(FieldInfo {
        name: name.to_owned(),
        label: info["string"].as_str().unwrap_or(name).to_owned(),
        kind,
        read_only: wrapped || info["readonly"] == true,
        required: info["required"] == true,
        unique: name == "code",
        values: values
            .filter_map(|v| v[0].as_str().map(str::to_owned))
            .collect(),
    })
}
