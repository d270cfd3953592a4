//! Customer invoices, which are only read: what a posted invoice says is fixed
//! by law, not by a hub.

use concord_sdk::prelude::*;
use serde_json::json;

use crate::value::{micros, plain};

pub const STREAM: &str = "invoices";
pub const MODEL: &str = "account.invoice";

const OWN_FIELDS: [&str; 11] = [
    "number",
    "reference",
    "party",
    "invoice_date",
    "state",
    "currency",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "amount_to_pay",
    "description",
];

pub fn domain() -> Value {
    json!(["type", "=", "out"])
}

pub fn read_fields(asked: &[String]) -> Vec<String> {
    let mut fields: Vec<String> = OWN_FIELDS
        .iter()
        .filter(|f| **f != "currency")
        .map(|f| (*f).to_owned())
        .collect();
    fields.extend(["currency.code", "write_date", "create_date"].map(str::to_owned));
    fields.extend(
        asked
            .iter()
            .filter(|f| !OWN_FIELDS.contains(&f.as_str()))
            .cloned(),
    );
    fields
}

pub fn record(row: &Fields, asked: &[String]) -> Result<RemoteRecord, Malformed> {
    let Some(id) = row.get("id").and_then(Value::as_i64) else {
        return Err(Malformed::new(
            None,
            "the invoice has no id",
            &Value::Object(row.clone()).to_string(),
        ));
    };
    let mut fields = Fields::new();
    let names = OWN_FIELDS.iter().map(|f| (*f).to_owned());
    for name in names.filter(|n| asked.is_empty() || asked.contains(n)) {
        let value = match name.as_str() {
            // Ids are text everywhere in the contract.
            "party" => row
                .get("party")
                .and_then(Value::as_i64)
                .map_or(Value::Null, |id| json!(id.to_string())),
            "currency" => row
                .get("currency.")
                .and_then(|c| c.get("code"))
                .cloned()
                .unwrap_or_default(),
            other => row.get(other).map(plain).unwrap_or_default(),
        };
        fields.insert(name, value);
    }
    for name in asked.iter().filter(|f| !OWN_FIELDS.contains(&f.as_str())) {
        fields.insert(name.clone(), row.get(name).map(plain).unwrap_or_default());
    }
    let date = |name: &str| row.get(name).and_then(micros);
    let changed_at = date("write_date").or_else(|| date("create_date"));
    let record = RemoteRecord::new(id.to_string(), &fields)?;
    Ok(record
        .versioned(changed_at.map(|at| at.to_string()))
        .modified(changed_at))
}

pub fn infos() -> Vec<FieldInfo> {
    use FieldType::{Date, Decimal, Enum, Text};
    let field = |name: &str, label: &str, kind| FieldInfo {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        read_only: true,
        required: false,
        unique: false,
        values: match name {
            "state" => ["draft", "validated", "posted", "paid", "cancelled"]
                .map(str::to_owned)
                .to_vec(),
            _ => Vec::new(),
        },
    };
    vec![
        field("number", "Number", Text),
        field("reference", "Reference", Text),
        field("description", "Description", Text),
        field("party", "Party: an id of the stream parties", Text),
        field("invoice_date", "Invoice Date", Date),
        field("state", "State", Enum),
        field("currency", "Currency code", Text),
        field("untaxed_amount", "Untaxed", Decimal),
        field("tax_amount", "Tax", Decimal),
        field("total_amount", "Total", Decimal),
        field("amount_to_pay", "Amount to Pay", Decimal),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_of_a_real_server_is_read() {
        // Answer of trytond 7.0.59 on SQLite.
        let body: Value = serde_json::from_str(include_str!("../fixtures/invoices.json")).unwrap();
        let record = record(body["result"][0].as_object().unwrap(), &[]).unwrap();
        let fields: Value = serde_json::from_str(&record.fields).unwrap();
        assert_eq!(fields["state"], "posted");
        assert_eq!(fields["number"], "1");
        assert_eq!(fields["currency"], "EUR");
        assert_eq!(fields["total_amount"], "25.50");
        assert_eq!(fields["invoice_date"], "2026-11-21");
        assert!(fields["party"].is_string());
        assert!(record.version.is_some() && record.modified_at.is_some());
    }
}
