//! Values for the tests, with text and numbers that are easily mangled.

use std::path::Path;

use concord_core::secret::SealedSecret;
use concord_core::state::{
    Cell, Conflict, ConflictKind, Entity, EntityState, Event, Hold, Intent, IntentAction,
    IntentState, Link, LinkKey, LinkState, Origin, Provenance, Review, Winner,
};
use concord_core::webhook::Delivery;
use concord_core::{
    Changeset, ConnectionId, EntityId, Fields, IntentId, RunId, TenantId, Timestamp,
};
use concord_store::{SqliteStore, StoreOptions};
use serde_json::{Value, json};

/// Quotes, other scripts, an emoji beyond the first plane, a combining mark,
/// a line break, and what would be a placeholder or a comment in SQL.
pub const HARD_TEXT: &str = "O'Brien \"Ann\"; -- $1 ? Ελλάδα 山田 🦀 e\u{301}\n\t\\ \0 \u{fdd0}";

pub const TENANT: TenantId = TenantId(7);

pub async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, TENANT, StoreOptions::default())
        .await
        .unwrap()
}

pub fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

pub fn hard_fields() -> Fields {
    fields(json!({
        "name": HARD_TEXT, "empty": "", "none": null, "list": ["a", null, {"b": []}],
        "big": i64::MAX, "small": i64::MIN, "half": 0.5, "yes": true,
        HARD_TEXT: "a name may be hard too",
    }))
}

pub fn person(number: i64) -> EntityId {
    EntityId::new("person", number)
}

pub fn key(id: impl ToString) -> LinkKey {
    LinkKey {
        connection: ConnectionId(1),
        stream: "contacts".into(),
        remote_id: id.to_string().into(),
    }
}

pub fn entity(number: i64, state: EntityState) -> Entity {
    let cell = |value: &Value, origin: Origin| Cell {
        value: value.clone(),
        origin,
        after: Timestamp(-1),
        until: Timestamp(i64::MAX),
        changes: 3,
        fight_since: Timestamp(9),
    };
    Entity {
        id: person(number),
        state,
        cells: hard_fields()
            .iter()
            .enumerate()
            .map(|(index, (name, value))| {
                let origin = match index % 2 {
                    0 => Origin::Connection(ConnectionId(4)),
                    _ => Origin::Person(HARD_TEXT.to_owned()),
                };
                (name.as_str().into(), cell(value, origin))
            })
            .collect(),
        dirty: number % 2 == 0,
    }
}

/// A link with every optional part there.
pub fn link(id: impl ToString, number: i64, state: LinkState) -> Link {
    Link {
        key: key(id),
        entity: person(number),
        state,
        version: Some(HARD_TEXT.to_owned()),
        modified_at: Some(Timestamp(-5)),
        raw: hard_fields(),
        sent: fields(json!({"email": "ann@example.com"})),
        mapping: "hash".to_owned(),
        read_at: Timestamp(i64::MIN),
        written_at: Some(Timestamp(11)),
        walk: 3,
        again_at: Some(Timestamp(100)),
        missing_since: Some(Timestamp(12)),
        first_contact: vec!["email".into(), HARD_TEXT.into()],
        refused: fields(json!({"phone": "+49"})),
        unread: fields(json!({"born": "yesterday"})),
    }
}

/// A link with every optional part absent.
pub fn bare_link(id: impl ToString, number: i64) -> Link {
    Link {
        version: None,
        modified_at: None,
        raw: Fields::new(),
        sent: Fields::new(),
        mapping: String::new(),
        written_at: None,
        again_at: None,
        missing_since: None,
        first_contact: Vec::new(),
        refused: Fields::new(),
        unread: Fields::new(),
        ..link(id, number, LinkState::Live)
    }
}

pub fn intent(id: i64, number: i64, state: IntentState) -> Intent {
    Intent {
        id: IntentId(id),
        run: RunId(2),
        connection: ConnectionId(1),
        stream: "contacts".into(),
        entity: person(number),
        remote_id: Some(HARD_TEXT.into()),
        action: IntentAction::Update,
        state,
        values: hard_fields(),
        before: fields(json!({"email": null})),
        payload: fields(json!({"Email": "x"})),
        seen: fields(json!({"email": "third"})),
        base_version: Some("1".to_owned()),
        answer_version: Some("2".to_owned()),
        created_at: Timestamp(1),
        sent_at: Some(Timestamp(2)),
        deadline: Some(Timestamp(3)),
        not_before: Some(Timestamp(4)),
        attempts: u32::MAX,
        reason: HARD_TEXT.to_owned(),
    }
}

pub fn conflict(id: i64, remote: &str) -> Conflict {
    Conflict {
        id,
        kind: ConflictKind::Edit,
        entity: person(1),
        field: "email".into(),
        link: key("r1"),
        base: Value::Null,
        canonical: json!({"a": [1, HARD_TEXT]}),
        remote: json!(remote),
        rule: "hold".to_owned(),
        winner: Winner::Held,
        at: Timestamp(5),
        decision: None,
        provenance: Some(Provenance {
            origin: Origin::Person(HARD_TEXT.to_owned()),
            after: Timestamp(-1),
            until: Timestamp(1),
            edited_after: Timestamp(2),
            edited_until: Timestamp(i64::MAX),
        }),
    }
}

pub fn hold(number: i64, field: Option<&str>, reason: &str) -> Hold {
    Hold {
        entity: person(number),
        field: field.map(Into::into),
        reason: reason.to_owned(),
        at: Timestamp(8),
    }
}

pub fn review(id: i64, record: &str) -> Review {
    Review {
        id,
        link: key(record),
        kind: "person".into(),
        candidates: vec![person(1), EntityId::new("organization", 2)],
        reason: HARD_TEXT.to_owned(),
        values: hard_fields(),
        at: Timestamp(6),
        verdict: None,
    }
}

pub fn event(id: i64, number: i64) -> Event {
    Event {
        id,
        entity: person(number),
        at: Timestamp(id),
        run: RunId(2),
        origin: Origin::Person(HARD_TEXT.to_owned()),
        what: "changed".to_owned(),
        changes: vec![(HARD_TEXT.into(), Value::Null, json!({"b": HARD_TEXT}))],
        link: (id % 2 == 0).then(|| key("r1")),
    }
}

/// A changeset of one kind of thing.
pub fn only(fill: impl FnOnce(&mut Changeset)) -> Changeset {
    let mut changes = Changeset::default();
    fill(&mut changes);
    changes
}

pub fn secret(connection: i64, sealed: &str, revision: i64) -> SealedSecret {
    SealedSecret {
        connection: ConnectionId(connection),
        name: "token".to_owned(),
        key: "0123456789abcdef".to_owned(),
        sealed: sealed.to_owned(),
        changed_at: Timestamp(4),
        revision,
    }
}

pub fn delivery(connection: i64, digest: &str) -> Delivery {
    Delivery {
        connection: ConnectionId(connection),
        digest: digest.to_owned(),
        times: 1,
        arrived_at: Timestamp(5),
        method: "POST".to_owned(),
        url: "https://hub.example/webhooks/crm".to_owned(),
        headers: vec![("content-type".to_owned(), HARD_TEXT.to_owned())],
        body: HARD_TEXT.as_bytes().to_vec(),
    }
}
