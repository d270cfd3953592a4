//! A party with its addresses and contact mechanisms as one record.

use concord_sdk::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::value::{micros, plain};

pub const STREAM: &str = "parties";
pub const MODEL: &str = "party.party";

/// The fields of the record; every other name is a field of `party.party` that
/// is passed through (`code`, or one that a module added).
pub const OWN_FIELDS: [&str; 4] = ["name", "language", "contact_mechanisms", "address"];

/// What is read of each of the three models to tell versions.
const STAMPS: [&str; 3] = ["_timestamp", "write_date", "create_date"];
const ADDRESS: [&str; 6] = [
    "active",
    "street",
    "city",
    "postal_code",
    "country.code",
    "subdivision.name",
];
const MECHANISM: [&str; 3] = ["active", "type", "value"];

pub fn read_fields(asked: &[String]) -> Vec<String> {
    let mut fields: Vec<String> = ["name", "active", "replaced_by", "lang.code"]
        .iter()
        .chain(&STAMPS)
        .map(|f| (*f).to_owned())
        .collect();
    fields.extend(
        ADDRESS
            .iter()
            .chain(&STAMPS)
            .map(|f| format!("addresses.{f}")),
    );
    fields.extend(
        MECHANISM
            .iter()
            .chain(&STAMPS)
            .map(|f| format!("contact_mechanisms.{f}")),
    );
    fields.extend(extra(asked).cloned());
    fields
}

fn extra(asked: &[String]) -> impl Iterator<Item = &String> {
    asked.iter().filter(|f| !OWN_FIELDS.contains(&f.as_str()))
}

/// A row of `search_read`.
#[derive(Clone, Debug)]
pub struct Party {
    row: Fields,
    pub id: i64,
}

/// One of the rows that a party is made of.
pub struct Part<'a> {
    pub model: &'static str,
    pub id: i64,
    row: &'a Fields,
}

impl Part<'_> {
    /// When it last changed; `write_date` is null until the first change.
    pub fn changed_at(&self) -> Option<i64> {
        let date = |name: &str| self.row.get(name).and_then(micros);
        date("write_date").or_else(|| date("create_date"))
    }

    /// What the server compares before it writes.
    pub fn timestamp(&self) -> Option<&str> {
        self.row.get("_timestamp")?.as_str()
    }

    /// `party.party,7`
    pub fn name(&self) -> String {
        format!("{},{}", self.model, self.id)
    }
}

impl Party {
    pub fn new(row: Fields) -> Option<Self> {
        let id = row.get("id")?.as_i64()?;
        Some(Self { row, id })
    }

    /// The party itself first.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = vec![Part {
            model: MODEL,
            id: self.id,
            row: &self.row,
        }];
        for (field, model) in [
            ("addresses.", "party.address"),
            ("contact_mechanisms.", "party.contact_mechanism"),
        ] {
            parts.extend(self.rows(field).map(|row| Part {
                model,
                id: id_of(row),
                row,
            }));
        }
        parts
    }

    fn rows(&self, field: &str) -> impl Iterator<Item = &Fields> {
        self.row
            .get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
    }

    fn active_rows(&self, field: &str) -> impl Iterator<Item = &Fields> {
        self.rows(field).filter(|row| is_true(row.get("active")))
    }

    /// Tryton has no version of the whole.  One stamp of the newest change
    /// would not do: a transaction's rows carry the time when it began, so an
    /// older stamp can appear after a newer one.
    pub fn version(&self) -> String {
        let mut hash = Sha256::new();
        for part in self.parts() {
            hash.update(
                format!(
                    "{}@{}\n",
                    part.name(),
                    part.changed_at().unwrap_or_default()
                )
                .as_bytes(),
            );
        }
        hash.finalize()
            .iter()
            .take(12)
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    pub fn changed_at(&self) -> Option<i64> {
        self.parts().iter().filter_map(Part::changed_at).max()
    }

    pub fn is_active(&self) -> bool {
        is_true(self.row.get("active"))
    }

    pub fn replaced_by(&self) -> Option<i64> {
        self.row.get("replaced_by")?.as_i64()
    }

    pub fn name(&self) -> Option<&str> {
        self.row.get("name")?.as_str()
    }

    pub fn language(&self) -> Option<&str> {
        self.row.get("lang.")?.get("code")?.as_str()
    }

    pub fn mechanisms(&self) -> Value {
        let rows = self.active_rows("contact_mechanisms.");
        rows.map(
            |row| json!({"id": id_of(row), "type": row.get("type"), "value": row.get("value")}),
        )
        .collect()
    }

    /// The first address that is in use.
    pub fn address(&self) -> Value {
        let Some(row) = self.active_rows("addresses.").next() else {
            return Value::Null;
        };
        let member = |name: &str, of: &str| {
            row.get(name)
                .and_then(|r| r.get(of))
                .cloned()
                .unwrap_or_default()
        };
        json!({
            "id": id_of(row),
            "street": row.get("street"),
            "city": row.get("city"),
            "postal_code": row.get("postal_code"),
            "country": member("country.", "code"),
            "subdivision": member("subdivision.", "name"),
        })
    }

    /// `asked` empty asks for the own fields.
    pub fn fields(&self, asked: &[String]) -> Fields {
        let mut fields = Fields::new();
        for name in OWN_FIELDS
            .iter()
            .filter(|n| asked.is_empty() || asked.iter().any(|a| a == *n))
        {
            let value = match *name {
                "name" => json!(self.name()),
                "language" => json!(self.language()),
                "contact_mechanisms" => self.mechanisms(),
                _ => self.address(),
            };
            fields.insert((*name).to_owned(), value);
        }
        for name in extra(asked) {
            fields.insert(
                name.clone(),
                self.row.get(name).map(plain).unwrap_or_default(),
            );
        }
        fields
    }

    pub fn record(&self, asked: &[String]) -> Result<RemoteRecord, Malformed> {
        let record = RemoteRecord::new(self.id.to_string(), &self.fields(asked))?;
        Ok(record.versioned(self.version()).modified(self.changed_at()))
    }

    pub fn change(&self, asked: &[String]) -> Change {
        let id = self.id.to_string();
        match (self.replaced_by(), self.is_active()) {
            (Some(other), _) => Change::gone(
                id,
                Absence::MergedInto(other.to_string()),
                self.changed_at(),
            ),
            (None, false) => Change::gone(id, Absence::Archived, self.changed_at()),
            (None, true) => self.record(asked).into(),
        }
    }
}

fn id_of(row: &Fields) -> i64 {
    row.get("id").and_then(Value::as_i64).unwrap_or_default()
}

/// SQLite gives 1 where PostgreSQL gives true.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of trytond 7.0.59 on SQLite.
    fn fixture() -> Vec<Fields> {
        let text = include_str!("../fixtures/parties.json");
        let body: Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(body["result"].clone()).unwrap()
    }

    fn party(id: i64) -> Party {
        fixture()
            .into_iter()
            .filter_map(Party::new)
            .find(|p| p.id == id)
            .unwrap()
    }

    #[test]
    fn a_party_is_one_record_with_its_parts() {
        let fields = party(2).fields(&[]);
        assert_eq!(fields["name"], "Ann Lee");
        assert_eq!(fields["language"], "de");
        assert_eq!(fields["address"]["street"], "Hauptstr 1");
        assert_eq!(fields["address"]["country"], "DE");
        let mechanisms = fields["contact_mechanisms"].as_array().unwrap();
        let plain: Vec<_> = mechanisms
            .iter()
            .map(|m| (m["type"].as_str(), m["value"].as_str()))
            .collect();
        assert_eq!(
            plain,
            [
                (Some("email"), Some("ann@example.com")),
                (Some("phone"), Some("+4930123456"))
            ]
        );
    }

    #[test]
    fn the_version_moves_with_every_part() {
        let (one, mut moved) = (party(2), party(2));
        assert_eq!(one.version(), party(2).version());
        moved.row["contact_mechanisms."][0]["write_date"]["microsecond"] = json!(1);
        assert_ne!(one.version(), moved.version());
        let mut fewer = party(2);
        fewer.row["contact_mechanisms."]
            .as_array_mut()
            .unwrap()
            .pop();
        assert_ne!(one.version(), fewer.version());
    }

    #[test]
    fn archived_and_replaced_parties_are_gone_with_their_reason() {
        let absence = |id| match party(id).change(&[]) {
            Change::Gone(gone) => Some(gone.absence),
            _ => None,
        };
        assert_eq!(absence(2), None);
        assert_eq!(absence(3), Some(Absence::Archived));
        assert_eq!(absence(4), Some(Absence::MergedInto("2".into())));
    }

    #[test]
    fn fields_of_modules_are_passed_through() {
        let asked = ["name".to_owned(), "code".to_owned()];
        assert!(read_fields(&asked).contains(&"code".to_owned()));
        assert_eq!(
            party(2).fields(&asked).keys().collect::<Vec<_>>(),
            ["code", "name"]
        );
    }
}
