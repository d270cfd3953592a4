//! One system in memory: its records with their whole history, what people do
//! there, and, in the parts, what it answers.

mod line;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use concord_core::manifest::Stream as Caps;
use concord_core::ports::Clock;
use concord_core::record::Op;
use concord_core::{Fields, Manifest, Timestamp, Value};
use serde_json::json;

use crate::behaviour::{Behaviour, Safe, Versions};
use crate::clock::lock;
use crate::ledger::Ledger;
use crate::lenses::{Lenses, Relens};
use crate::town::Town;
use crate::value::{Unit, is_empty, tokens};
use crate::weather::{PullWeather, PushWeather};

pub(crate) use line::Line;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Live,
    Deleted,
    Merged(String),
}

/// A record as it was from one moment on.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub at: Timestamp,
    pub version: u64,
    pub modified: Timestamp,
    pub fields: Fields,
    pub presence: Presence,
    /// During which run of a hub, or after it, it came to be.
    pub run: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub id: String,
    /// Ids that it had before its id moved.
    pub old_ids: Vec<String>,
    pub human: u32,
    /// Made by a hub.
    pub by_hub: bool,
    pub history: Vec<Snapshot>,
    /// The numbers of what stands in each unit, also where it was emptied.
    pub marks: BTreeMap<Unit, Vec<u64>>,
    pub spoilt: bool,
    pub hidden: bool,
    /// It was deleted once.
    pub was_deleted: bool,
    /// The numbers that a hub wrote here.
    pub brought: BTreeSet<u64>,
}

impl Row {
    pub(crate) fn now(&self) -> &Snapshot {
        &self.history[self.history.len() - 1]
    }

    pub(crate) fn is_live(&self) -> bool {
        self.now().presence == Presence::Live
    }

    pub(crate) fn is_merged(&self) -> bool {
        matches!(self.now().presence, Presence::Merged(_))
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub rows: Vec<Row>,
    versions: u64,
    next_id: u64,
    /// Requests that arrive later than their hub waited.
    late: Vec<(Timestamp, Op)>,
    /// When the request arrived that is being worked on, if not now.
    arrived: Option<Timestamp>,
    pub pushes: Vec<PushWeather>,
    pub pulls: Vec<PullWeather>,
    pub blind: bool,
    pub forbidden: bool,
    /// How the hub's admin maps its fields now.
    pub lenses: Lenses,
    /// Intents that made a record, for systems with idempotency keys.
    keys: BTreeMap<String, String>,
    pub writes: u64,
    /// Writes that were asked for, done or not.
    pub asked: u64,
    chance: fastrand::Rng,
}

pub(crate) struct System {
    pub number: usize,
    pub name: String,
    pub behaviour: Behaviour,
    manifest: Manifest,
    town: Weak<Town>,
    state: Mutex<State>,
}

impl System {
    pub(crate) fn new(
        number: usize,
        behaviour: Behaviour,
        town: &Arc<Town>,
        seed: u64,
    ) -> Result<Self, concord_core::manifest::ManifestError> {
        Ok(Self {
            number,
            name: format!("s{number}"),
            manifest: Manifest::parse(&behaviour.manifest())?,
            behaviour,
            town: Arc::downgrade(town),
            state: Mutex::new(State {
                chance: fastrand::Rng::with_seed(seed),
                ..State::default()
            }),
        })
    }

    pub(crate) fn caps(&self) -> &Caps {
        &self.manifest.streams[0]
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The town outlives its systems' work.
    fn town(&self) -> Arc<Town> {
        self.town
            .upgrade()
            .expect("a world drops its systems with its town")
    }

    /// The admin changes the mapping, and the system with it where a field moves.
    /// Says whether anything is different now.
    pub(crate) fn relens(&self, relens: Relens) -> bool {
        let mut state = self.state();
        let is_new = state.lenses.change(relens);
        if let Relens::Move {
            unit,
            values: false,
        } = relens
            && is_new
        {
            // The other field never held anything of this one, and what is in
            // this one stays there, unread or not.
            lock(&self.town().ledger).overlook(self.number, unit);
            for row in &mut state.rows {
                row.marks.remove(&unit);
                for snapshot in &mut row.history {
                    for field in unit.fields() {
                        snapshot.fields.insert((*field).to_owned(), Value::Null);
                    }
                }
            }
        }
        is_new
    }

    /// All trouble is over, and what came into sight again counts as changed.
    pub(crate) fn calm(&self) {
        let mut state = self.state();
        state.pushes.clear();
        state.pulls.clear();
        state.blind = false;
        state.forbidden = false;
        for at in 0..state.rows.len() {
            // Some stay broken for ever.
            let mended = !state.rows[at].human.is_multiple_of(3)
                && std::mem::take(&mut state.rows[at].spoilt);
            if std::mem::take(&mut state.rows[at].hidden) || mended {
                self.change(&mut state, at, |_, _| {});
            }
        }
    }

    fn change(&self, state: &mut State, at: usize, edit: impl FnOnce(&mut Fields, &mut Presence)) {
        let now = state.arrived.unwrap_or_else(|| self.town().clock.now());
        state.versions += 1;
        let version = state.versions;
        let row = &mut state.rows[at];
        let mut next = row.now().clone();
        next.at = now;
        next.version = version;
        next.run = self.town().runs();
        next.modified = self.dated(now);
        edit(&mut next.fields, &mut next.presence);
        row.history.push(next);
    }

    /// The system's own date of a moment.
    fn dated(&self, moment: Timestamp) -> Timestamp {
        let skewed = Timestamp(moment.0 + self.behaviour.skew_ms * 1_000);
        if self.behaviour.coarse {
            Timestamp(skewed.0.div_euclid(1_000_000) * 1_000_000)
        } else {
            skewed
        }
    }

    fn version_text(&self, version: u64) -> Option<String> {
        match self.behaviour.versions {
            Versions::None => None,
            // Neither rises nor tells anything but equality.
            Versions::Opaque => Some(format!(
                "{:016x}",
                version.wrapping_mul(0x9E37_79B9_7F4A_7C15)
            )),
            Versions::Ordered => Some(version.to_string()),
        }
    }

    fn find_live(state: &State, human: u32) -> Option<usize> {
        state
            .rows
            .iter()
            .position(|row| row.human == human && row.is_live())
    }

    /// By what the human is known here.
    pub(crate) fn name_of(&self, human: u32) -> Option<String> {
        let state = self.state();
        let row = &state.rows[Self::find_live(&state, human)?];
        let fields = &row.now().fields;
        Some(format!("{} {} {}", fields["first"], fields["last"], fields["mail"]).to_lowercase())
    }

    /// A hub entered the human here, and none has written down that it is so.
    pub(crate) fn is_unheard_of(&self, human: u32, ledger: &Ledger) -> bool {
        let state = self.state();
        let Some(at) = Self::find_live(&state, human) else {
            return false;
        };
        let row = &state.rows[at];
        let was_seen = |number: &u64| {
            let sighting = (self.number, row.id.clone(), Unit::Mail, *number);
            ledger.seen.contains(&sighting)
        };
        row.by_hub && !tokens(&row.now().fields["mail"]).iter().all(was_seen)
    }

    pub(crate) fn add(&self, human: u32, identity: &[(Unit, u64)], with_more: bool) {
        let mut state = self.state();
        if state.rows.iter().any(|row| row.human == human) {
            return;
        }
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        let mut fields: Fields = Unit::ALL
            .iter()
            .flat_map(|unit| unit.fields())
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect();
        let mut marks = BTreeMap::new();
        let mut units = identity.to_vec();
        if with_more {
            for unit in [Unit::Title, Unit::Org] {
                units.push((unit, self.mint(&mut ledger, human, unit, &[])));
            }
        }
        for (unit, number) in units {
            for field in unit.fields() {
                let value = self.behaviour.store(field, &unit.text(field, number));
                ledger.allow(field, &value);
                ledger
                    .latest
                    .entry((human, unit))
                    .or_default()
                    .insert(field, value.clone());
                fields.insert((*field).to_owned(), value);
            }
            marks.insert(unit, vec![number]);
        }
        drop(ledger);
        let id = self.new_id(&mut state, &fields);
        self.insert(&mut state, id, human, fields, marks, false);
    }

    /// Enters the same person once more, where the system lets somebody.
    pub(crate) fn double(&self, human: u32) {
        let mut state = self.state();
        let is_unique = self.behaviour.safe == Safe::Unique;
        let Some(at) = Self::find_live(&state, human).filter(|_| !is_unique) else {
            return;
        };
        let row = &state.rows[at];
        let mut fields = row.now().fields.clone();
        let mut marks = row.marks.clone();
        for unit in Unit::DAILY {
            marks.remove(&unit);
            for field in unit.fields() {
                fields.insert((*field).to_owned(), Value::Null);
            }
        }
        lock(&self.town().ledger).doubled.insert(human);
        let id = self.new_id(&mut state, &fields);
        self.insert(&mut state, id, human, fields, marks, false);
    }

    fn new_id(&self, state: &mut State, fields: &Fields) -> String {
        if self.behaviour.id_moves {
            return mail_id(fields);
        }
        state.next_id += 1;
        format!("{}-{}", self.name, state.next_id)
    }

    fn insert(
        &self,
        state: &mut State,
        id: String,
        human: u32,
        fields: Fields,
        marks: BTreeMap<Unit, Vec<u64>>,
        by_hub: bool,
    ) {
        let now = state.arrived.unwrap_or_else(|| self.town().clock.now());
        let numbers = fields.values().flat_map(tokens).collect();
        state.versions += 1;
        let snapshot = Snapshot {
            at: now,
            version: state.versions,
            modified: self.dated(now),
            fields,
            presence: Presence::Live,
            run: self.town().runs(),
        };
        state.rows.push(Row {
            id,
            old_ids: Vec::new(),
            human,
            by_hub,
            history: vec![snapshot],
            marks,
            spoilt: false,
            hidden: false,
            was_deleted: false,
            brought: if by_hub { numbers } else { BTreeSet::new() },
        });
    }

    /// A value of a person's own that the system takes.
    fn mint(&self, ledger: &mut Ledger, human: u32, unit: Unit, parents: &[u64]) -> u64 {
        loop {
            let number = ledger.mint(human, parents.to_vec());
            let is_taken = |field: &&str| !self.behaviour.refuses(unit, &unit.text(field, number));
            if unit.fields().iter().all(is_taken) {
                return number;
            }
        }
    }

    /// A person leaves something in a field that no lens can read.
    pub(crate) fn garble(&self, human: u32, unit: Unit) {
        let mut state = self.state();
        let Some(at) = Self::find_live(&state, human) else {
            return;
        };
        self.change(&mut state, at, |fields, _| {
            fields.insert(unit.fields()[0].to_owned(), json!({"odd": 1}));
        });
    }

    /// A person writes something new into one unit.
    pub(crate) fn edit(&self, human: u32, unit: Unit) {
        let mut state = self.state();
        self.arrive(&mut state);
        let Some(at) = Self::find_live(&state, human) else {
            return;
        };
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        let parents = state.rows[at].marks.get(&unit).cloned().unwrap_or_default();
        let number = self.mint(&mut ledger, human, unit, &parents);
        let mut values = Vec::new();
        for field in unit.fields() {
            let value = self.behaviour.store(field, &unit.text(field, number));
            ledger.allow(field, &value);
            ledger
                .latest
                .entry((human, unit))
                .or_default()
                .insert(field, value.clone());
            values.push((*field, value));
        }
        drop(ledger);
        state.rows[at].marks.insert(unit, vec![number]);
        self.change(&mut state, at, |fields, _| {
            for (field, value) in values {
                fields.insert(field.to_owned(), value);
            }
        });
        self.move_id(&mut state, at);
    }

    /// Where the id is made of the address it moves with it.
    fn move_id(&self, state: &mut State, at: usize) {
        let row = &mut state.rows[at];
        if self.behaviour.id_moves {
            let id = mail_id(&row.now().fields);
            if id != row.id {
                let old = std::mem::replace(&mut row.id, id);
                row.old_ids.push(old);
            }
        }
    }

    pub(crate) fn clear(&self, human: u32, unit: Unit) {
        let mut state = self.state();
        let Some(at) = Self::find_live(&state, human) else {
            return;
        };
        let row = &state.rows[at];
        if unit
            .fields()
            .iter()
            .all(|field| is_empty(&row.now().fields[*field]))
        {
            return;
        }
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        let parents = row.marks.get(&unit).cloned().unwrap_or_default();
        let number = ledger.mint(human, parents);
        ledger.empty(human, unit, number);
        let latest = ledger.latest.entry((human, unit)).or_default();
        for field in unit.fields() {
            latest.insert(field, Value::Null);
        }
        drop(ledger);
        state.rows[at].marks.insert(unit, vec![number]);
        self.change(&mut state, at, |fields, _| {
            for field in unit.fields() {
                fields.insert((*field).to_owned(), Value::Null);
            }
        });
    }

    pub(crate) fn tag(&self, human: u32) {
        let mut state = self.state();
        let Some(at) = Self::find_live(&state, human) else {
            return;
        };
        let mut list = tags(&state.rows[at]);
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        if self.behaviour.tag_cap.is_some_and(|cap| list.len() >= cap)
            && let Some(taken) = list.pop()
        {
            ledger.untagged.extend(tokens(&taken));
        }
        let number = ledger.mint(human, Vec::new());
        let tag = Unit::Tags.text("tags", number);
        ledger.allow("tags", &tag);
        list.push(tag);
        drop(ledger);
        self.put_tags(&mut state, at, list);
    }

    pub(crate) fn untag(&self, human: u32) {
        let mut state = self.state();
        let Some(at) = Self::find_live(&state, human) else {
            return;
        };
        let mut list = tags(&state.rows[at]);
        if list.is_empty() {
            return;
        }
        let taken = list.remove(0);
        lock(&self.town().ledger).untagged.extend(tokens(&taken));
        self.put_tags(&mut state, at, list);
    }

    fn put_tags(&self, state: &mut State, at: usize, list: Vec<Value>) {
        let row = &mut state.rows[at];
        row.marks.insert(Unit::Tags, tokens(&json!(list)));
        self.change(state, at, |fields, _| {
            fields.insert("tags".into(), json!(list));
        });
    }

    pub(crate) fn delete(&self, human: u32) {
        let mut state = self.state();
        if let Some(at) = Self::find_live(&state, human) {
            lock(&self.town().ledger).counts.deletes += 1;
            state.rows[at].was_deleted = true;
            self.change(&mut state, at, |_, presence| *presence = Presence::Deleted);
        }
    }

    pub(crate) fn restore(&self, human: u32) {
        let mut state = self.state();
        let deleted = |row: &Row| row.human == human && row.now().presence == Presence::Deleted;
        let is_there = Self::find_live(&state, human).is_some();
        if let Some(at) = state.rows.iter().position(deleted)
            && !is_there
        {
            self.change(&mut state, at, |_, presence| *presence = Presence::Live);
        }
    }

    pub(crate) fn merge(&self, human: u32, into: u32) {
        let mut state = self.state();
        let (Some(from), Some(to)) = (
            Self::find_live(&state, human),
            Self::find_live(&state, into),
        ) else {
            return;
        };
        if from == to {
            return;
        }
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        ledger.counts.merges += 1;
        if self.behaviour.merged_into {
            ledger.unite(human, into);
        }
        let ended = state.rows[from].now().fields.values();
        ledger.given_up.extend(ended.flat_map(tokens));
        drop(ledger);
        let id = state.rows[to].id.clone();
        state.rows[from].was_deleted = true;
        self.change(&mut state, from, |_, presence| {
            *presence = Presence::Merged(id);
        });
    }

    pub(crate) fn spoil(&self, human: u32, spoilt: bool) {
        let mut state = self.state();
        if let Some(at) = Self::find_live(&state, human) {
            state.rows[at].spoilt = spoilt;
            self.change(&mut state, at, |_, _| {});
        }
    }

    /// Where a 404 means that a record is gone, its system does not say 404 of a
    /// record that may not be seen.
    pub(crate) fn hide(&self, human: u32, hidden: bool) {
        let mut state = self.state();
        if self.behaviour.not_found_means_gone {
            return;
        }
        if let Some(at) = Self::find_live(&state, human) {
            state.rows[at].hidden = hidden;
            self.change(&mut state, at, |_, _| {});
        }
    }

    /// Requests that were under way arrive.
    fn arrive(&self, state: &mut State) {
        let now = self.town().clock.now();
        let (due, later) = state.late.drain(..).partition(|(at, _)| *at <= now);
        state.late = later;
        let due: Vec<(Timestamp, Op)> = due;
        for (at, op) in due {
            self.town().tell(|| {
                format!(
                    "{}: a late request had arrived, intent {}",
                    self.name, op.intent
                )
            });
            state.arrived = Some(at);
            let op = write::understood(state, &op);
            let _ = self.carry_out(state, &op);
            state.arrived = None;
        }
    }
}

fn tags(row: &Row) -> Vec<Value> {
    row.now().fields["tags"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn mail_id(fields: &Fields) -> String {
    let mail = fields
        .get("mail")
        .and_then(Value::as_str)
        .unwrap_or("nobody");
    format!("m-{}", mail.to_lowercase())
}

const RESOLUTION: Duration = Duration::from_secs(1);
