//! The rules of design.md §5, one by one, over small worlds: one stream of one
//! system `a`, one person, and what other systems said of that person (`b`).

use concord_core::manifest::{SettleMs, Stream};
use concord_core::record::RemoteRecord;
use concord_core::schema::MergeRule;
use concord_core::state::{
    Cell, Conflict, ConflictKind, Entity, EntityState, Hold, Intent, IntentAction, IntentState,
    Link, LinkKey, LinkState, Origin, Winner,
};
use concord_core::{
    ConnectionId, EntityId, FieldName, Fields, IntentId, Kind, RemoteId, RunId, Timestamp, Value,
};
use serde_json::json;

use crate::absorb::{Absorbed, absorb};
use crate::lens::References;
use crate::mapping::{Mapping, StreamMapping};
use crate::observe::{Read, ReadKind};
use crate::scene::{Held, LensHistory, Rules, Scene};
use crate::schemas;

mod absence;
mod approve;
mod bases;
mod compose;
mod confirm;
mod consent;
mod contact;
mod deletes;
mod doubt;
mod emit;
mod holds;
mod matching;
mod observe;
mod policy;
mod quiet;
mod retention;
mod rules;
mod sets;
mod undo;

const A: ConnectionId = ConnectionId(1);
const B: ConnectionId = ConnectionId(2);

/// One field of each sort that goes through the core differently.
const LENSES: &str = "
version: 1
streams:
  companies:
    entity: organization
    fields:
      name: { path: name }
  contacts:
    entity: person
    fields:
      given_name: { path: name, split: { part: given, with: family_name } }
      family_name: { path: name, split: { part: family, with: given_name } }
      email: { path: mail }
      other_email: { path: mail2, rewrites: [lower] }
      phone: { path: tel, phone: { region: US } }
      job_title: { path: title }
      department: { path: dept }
      company: { path: firm, rewrites: [{ truncate: 5 }] }
      stage: { path: stage, enum: { lead: L, customer: C } }
      birthday: { path: born, date: '%Y-%m-%d' }
      tags: { path: tags, set: {} }
      employer: { path: company_id, reference: { stream: companies } }
      email_consent:
        consent: { path: news, opted-in: ['yes'], opted-out: ['no'], neither: [pending], at: news_at }
      address:
        path: addr
        group: { street: { path: street }, city: { path: city }, country: { path: land, country: alpha2 } }
";

fn mapping_of(text: &str) -> StreamMapping {
    let mapping = Mapping::parse(text, &schemas::builtin()).unwrap();
    mapping.streams["contacts"].clone()
}

/// An edit of a title at `a` that met another one.
fn conflict_at(at: Timestamp, winner: Winner) -> Conflict {
    Conflict {
        id: 1,
        kind: ConflictKind::Edit,
        entity: EntityId::new("person", 1),
        field: "job_title".into(),
        link: LinkKey {
            connection: A,
            stream: "contacts".into(),
            remote_id: "r1".into(),
        },
        base: json!("x"),
        canonical: json!("y"),
        remote: json!("z"),
        rule: "hold".into(),
        winner,
        at,
        decision: None,
        provenance: None,
    }
}

fn secs(secs: i64) -> Timestamp {
    Timestamp(secs * 1_000_000)
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

/// What surrounds a decision.
struct World {
    mapping: StreamMapping,
    stream: Stream,
    rules: Rules,
    history: LensHistory,
    approved: bool,
    now: Timestamp,
    companies: Companies,
}

/// Company 7 is organization 42, once it is linked.
struct Companies {
    linked: bool,
}

impl References for Companies {
    fn entity_of(&self, stream: &str, remote_id: &str) -> Option<EntityId> {
        let known = self.linked && stream == "companies" && remote_id == "7";
        known.then(|| EntityId::new("organization", 42))
    }

    fn remote_of(&self, stream: &str, entity: &EntityId) -> Option<RemoteId> {
        let known = self.linked && stream == "companies" && entity.number == 42;
        known.then(|| RemoteId::new("7"))
    }
}

fn world() -> World {
    World {
        mapping: mapping_of(LENSES),
        stream: Stream {
            name: "contacts".into(),
            label: String::new(),
            read: true,
            create: true,
            update: true,
            delete: false,
            etags: false,
            ordered_versions: false,
            create_safe: None,
            answer_is_record: false,
            delete_feed: false,
            not_found_means_gone: false,
            merged_into: false,
            soft_delete: false,
            batch_max: 1,
            batch_atomic: false,
            exact_modified: false,
            result_window: None,
            fetch_max: 1,
            rewrites_declared: false,
            settle_ms: SettleMs::default(),
            page_size: None,
            webhooks: false,
            id_moves_with: None,
        },
        rules: Rules::new([(A, "a".into()), (B, "b".into())]),
        history: LensHistory::new(),
        approved: true,
        now: secs(1000),
        companies: Companies { linked: true },
    }
}

impl World {
    fn scene(&self) -> Scene<'_> {
        Scene {
            connection: A,
            approved: self.approved,
            mapping: &self.mapping,
            stream: &self.stream,
            refs: &self.companies,
            rules: &self.rules,
            history: &self.history,
            now: self.now,
        }
    }

    fn rule(mut self, field: &str, rule: MergeRule) -> Self {
        self.rules.set(Kind::new("person"), field.into(), rule);
        self
    }

    /// Absorbs a record that is read now.
    fn absorb(&self, link: &mut Link, entity: &mut Entity, remote: Value) -> Absorbed {
        self.absorb_held(link, entity, remote, &[])
    }

    fn absorb_held(
        &self,
        link: &mut Link,
        entity: &mut Entity,
        remote: Value,
        held: &[&str],
    ) -> Absorbed {
        self.absorb_record(link, entity, &record(remote), held)
    }

    fn absorb_record(
        &self,
        link: &mut Link,
        entity: &mut Entity,
        record: &RemoteRecord,
        held: &[&str],
    ) -> Absorbed {
        let none = |_: &_| false;
        absorb(
            link,
            entity,
            record,
            self.read(),
            &none,
            &holding(held),
            &self.scene(),
        )
    }

    fn read(&self) -> Read {
        Read {
            kind: ReadKind::Fetch,
            started: self.now,
        }
    }

    /// A link whose record was last read at second 900.
    fn link(&self, raw: Value, sent: Value) -> Link {
        Link {
            key: LinkKey {
                connection: A,
                stream: "contacts".into(),
                remote_id: "r1".into(),
            },
            entity: EntityId::new("person", 1),
            state: LinkState::Live,
            version: Some("1".into()),
            modified_at: None,
            raw: fields(raw),
            sent: fields(sent),
            mapping: self.mapping.hash.clone(),
            read_at: secs(900),
            written_at: None,
            walk: 0,
            again_at: None,
            missing_since: None,
            first_contact: Vec::new(),
            refused: Fields::new(),
            unread: Fields::new(),
        }
    }
}

/// A record of version 2, without a date of its own.
fn record(remote: Value) -> RemoteRecord {
    RemoteRecord {
        id: "r1".into(),
        version: Some("2".into()),
        modified_at: None,
        fields: fields(remote),
        partial: false,
    }
}

/// A person whose values were put by `b`, long before the last look at `a`.
fn person(values: Value) -> Entity {
    person_since(values, secs(100), secs(200))
}

fn person_since(values: Value, after: Timestamp, until: Timestamp) -> Entity {
    let mut entity = Entity::new(EntityId::new("person", 1));
    entity.state = EntityState::Live;
    for (name, value) in fields(values) {
        let cell = Cell {
            value,
            origin: Origin::Connection(B),
            after,
            until,
            changes: 0,
            fight_since: Timestamp::ZERO,
        };
        entity.cells.insert(FieldName::from(name), cell);
    }
    entity
}

fn holding(names: &[&str]) -> Held {
    let holds: Vec<Hold> = names
        .iter()
        .map(|name| Hold {
            entity: EntityId::new("person", 1),
            field: Some(FieldName::new(name)),
            reason: "for a test".into(),
            at: secs(1),
        })
        .collect();
    Held::of(&holds)
}

/// An update that was sent at second 990 and can arrive until second 1020.
fn intent(values: Value, before: Value) -> Intent {
    Intent {
        id: IntentId(7),
        run: RunId(1),
        connection: A,
        stream: "contacts".into(),
        entity: EntityId::new("person", 1),
        remote_id: Some("r1".into()),
        action: IntentAction::Update,
        state: IntentState::Sent,
        values: fields(values),
        before: fields(before),
        payload: Fields::new(),
        seen: Fields::new(),
        base_version: Some("1".into()),
        answer_version: None,
        created_at: secs(980),
        sent_at: Some(secs(990)),
        deadline: Some(secs(1020)),
        not_before: None,
        attempts: 1,
        reason: String::new(),
    }
}

fn names(list: &[FieldName]) -> Vec<&str> {
    list.iter().map(FieldName::as_str).collect()
}

fn subset(all: &Fields, of: &Value) -> Value {
    let kept = fields(of.clone());
    let pairs = kept
        .keys()
        .filter_map(|k| Some((k.clone(), all.get(k)?.clone())));
    Value::Object(pairs.collect())
}

/// Both bases and the canonical values, so far as they are named.
fn assert_holds(link: &Link, entity: &Entity, canonical: Value, sent: Value, raw: Value) {
    assert_eq!(subset(&entity.values(), &canonical), canonical, "canonical");
    assert_eq!(subset(&link.sent, &sent), sent, "sent");
    assert_eq!(subset(&link.raw, &raw), raw, "stored");
}

fn nothing() -> Value {
    json!({})
}
