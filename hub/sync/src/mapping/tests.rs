use concord_core::record::{FieldInfo, FieldType};
use concord_core::{EntityId, Fields, RemoteId, Value};
use serde_json::json;

use super::*;
use crate::lens::{LensFault, References};
use crate::schemas;

mod example;
mod lawful;
mod lenses;
mod written;

/// Company 7 of the system is organization 42; nothing else is linked.
struct OneCompany;

impl References for OneCompany {
    fn entity_of(&self, stream: &str, remote_id: &str) -> Option<EntityId> {
        (stream == "companies" && remote_id == "7").then(|| EntityId::new("organization", 42))
    }

    fn remote_of(&self, stream: &str, entity: &EntityId) -> Option<RemoteId> {
        (stream == "companies" && entity.number == 42).then(|| RemoteId::new("7"))
    }
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

/// A mapping of persons with these lenses, as YAML lines of `field: lens`.
fn text_of(lenses: &str) -> String {
    let mut text = String::from(
        "version: 1\nstreams:\n  companies:\n    entity: organization\n    fields:\n      \
         name: { path: name }\n  contacts:\n    entity: person\n    fields:\n",
    );
    for line in lenses.lines() {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

fn parse(lenses: &str) -> Result<Mapping, MappingError> {
    Mapping::parse(&text_of(lenses), &schemas::builtin())
}

fn contacts(lenses: &str) -> StreamMapping {
    let mapping = parse(lenses).unwrap();
    mapping.streams["contacts"].clone()
}

#[test]
fn the_hash_follows_lenses_and_types_only() {
    let hash = |lenses: &str| contacts(lenses).hash;
    let one = hash("email: { path: email }");
    assert_eq!(hash("email: {   path: email   }   # a remark"), one);
    assert_ne!(hash("email: { path: mail }"), one);
    assert_ne!(hash("email: { path: email, rewrites: [lower] }"), one);
    assert_ne!(hash("other_email: { path: email }"), one);
    assert_ne!(hash("email: { path: email, direction: read }"), one);
}

#[test]
fn an_override_adds_replaces_and_removes() {
    let schemas = schemas::builtin();
    let base =
        parse("email: { path: email }\nphone: { path: tel, phone: { region: US } }").unwrap();
    let over = "streams:\n  companies: null\n  contacts:\n    fields:\n      phone: { path: tel, \
                phone: { region: DE } }\n      email: null\n      note: { path: remarks }\n";
    let mapping = base.overridden_by(over, &schemas).unwrap();
    assert_eq!(mapping.streams.len(), 1);
    let contacts = &mapping.streams["contacts"];
    assert_eq!(contacts.remote_fields(), ["remarks", "tel"]);
    assert!(contacts.lens("email").is_none());
    let phone = contacts.lens("phone").unwrap();
    let raw = fields(json!({"tel": "030 901820"}));
    let got = phone.get(&raw, &Fields::new(), &OneCompany).unwrap();
    assert_eq!(got, json!("+4930901820"));

    let wrong = "streams:\n  contacts:\n    fields:\n      emial: null\n";
    let error = base.overridden_by(wrong, &schemas).unwrap_err().to_string();
    assert!(error.contains("did you mean 'email'"), "{error}");
}

#[test]
fn an_account_is_held_against_the_mapping() {
    let field = |name: &str, read_only: bool| FieldInfo {
        name: name.into(),
        label: name.into(),
        kind: FieldType::Text,
        read_only,
        required: false,
        unique: false,
        values: Vec::new(),
    };
    let stream = |name: &str, fields: Vec<FieldInfo>| StreamInfo {
        name: name.into(),
        label: name.into(),
        fields,
    };
    let mapping = parse(
        "email: { path: email }\nnote: { path: remarks }\ncompany: { path: firm }\n\
         job_title: { path: title, direction: read }",
    )
    .unwrap();
    let streams = [stream(
        "contacts",
        vec![
            field("email", false),
            field("firm", true),
            field("title", true),
            field("remark", false),
        ],
    )];
    let problems: Vec<String> = mapping
        .check_against(&streams)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("no such stream"), "{problems:?}");
    assert!(problems[1].contains("'firm' is read-only"), "{problems:?}");
    assert!(
        problems[2].contains("did you mean 'remark'"),
        "{problems:?}"
    );
}
