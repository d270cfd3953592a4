//! One system in memory, which misbehaves as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use concord_core::manifest::{CreateSafe, Stream as Caps};
use concord_core::ports::{Clock, Connector};
use concord_core::record::{
    Absence, Action, Applied, Change, Description, Op, Outcome, Page, PullMode, RemoteRecord,
    Selection, StreamInfo,
};
use concord_core::{Fault, Fields, Manifest, RemoteId, StreamName, Timestamp, Value};
use serde_json::json;

use super::WorldClock;

/// What a system does besides keeping records.  The default one is honest:
/// etags, the stored record in the answer, a delete feed.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Lines of the stream's manifest in place of the honest ones.
    pub caps: &'static str,
    /// Stores another text than it was given.
    pub rewrite: fn(&str, &Value) -> Value,
    /// Answers to writes carry no record.
    pub silent: bool,
    /// Refuses a record with this value in any field.
    pub refuses: Option<&'static str>,
    /// No walk lists more records than these.
    pub lists: Option<usize>,
}

pub const HONEST: &str = "
read = true
create = true
update = true
etags = true
ordered-versions = true
answer-is-record = true
delete-feed = true
merged-into = true
404-means-gone = true
create-safe = { unique-field = \"mail\" }
batch-max = 4
fetch-max = 10
";

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            caps: HONEST,
            rewrite: |_, value| value.clone(),
            silent: false,
            refuses: None,
            lists: None,
        }
    }
}

#[derive(Clone, Debug)]
struct Row {
    fields: Fields,
    version: u64,
    modified: Timestamp,
    deleted: bool,
    /// The record that it was made a part of; it counts as deleted then.
    merged: Option<String>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<String, Row>,
    /// What was made under which key, where it takes keys.
    made: BTreeMap<String, String>,
    /// Rises with every change of any row.
    clock: u64,
    next: u64,
    writes: Vec<Op>,
    /// The next pushes are carried out, and the answer is lost.
    lose_answers: u32,
    /// The next pushes fail as a whole.
    fail: Vec<Fault>,
    /// Records that are not written before this moment.
    resting: BTreeMap<String, Timestamp>,
    /// Pulls list nothing and say that it is all.
    blind: bool,
    /// Pulls list nothing new: the index lags behind.
    lags: bool,
    /// What it refused is fine now.
    relents: bool,
    /// The next pulls fail.
    fail_pull: Vec<Fault>,
    /// Records that come out as nobody can read them.
    spoilt: BTreeSet<String>,
    /// Not even whose they are.
    nameless: bool,
    /// What a record was: a page lists that too, and direct reads show nothing
    /// else before this moment.
    late: BTreeMap<String, (Row, Timestamp)>,
}

pub struct System {
    pub name: String,
    manifest: Manifest,
    behaviour: Behaviour,
    clock: Arc<WorldClock>,
    state: Mutex<State>,
}

impl System {
    pub fn new(name: &str, behaviour: Behaviour, clock: Arc<WorldClock>) -> Self {
        Self::of_stream(name, "people", behaviour, clock)
    }

    pub fn of_stream(
        name: &str,
        stream: &str,
        behaviour: Behaviour,
        clock: Arc<WorldClock>,
    ) -> Self {
        let text = format!(
            "id = \"world\"\nname = \"World\"\nversion = \"1.0.0\"\ncontract = \"1.0.0\"\n\
             family = \"crm\"\nauth = {{ kind = \"none\" }}\negress = {{}}\n\
             [[streams]]\nname = \"{stream}\"\n{}",
            behaviour.caps
        );
        let manifest = Manifest::parse(&text).unwrap();
        Self {
            name: name.to_owned(),
            manifest,
            behaviour,
            clock,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn caps(&self) -> &Caps {
        &self.manifest.streams[0]
    }

    /// A person adds a record.
    pub fn add(&self, fields: Value) -> String {
        let mut state = self.state();
        state.next += 1;
        let id = format!("{}-{}", self.name, state.next);
        self.put(&mut state, &id, fields.as_object().unwrap());
        id
    }

    /// A person changes fields of a record.
    pub fn edit(&self, id: &str, fields: Value) {
        let mut state = self.state();
        self.put(&mut state, id, fields.as_object().unwrap());
    }

    /// A person changes fields of a record, and until a moment only pages show
    /// it, beside what it was.
    pub fn edit_late(&self, id: &str, fields: Value, until: Timestamp) {
        let mut state = self.state();
        let before = state.rows[id].clone();
        state.late.insert(id.to_owned(), (before, until));
        self.put(&mut state, id, fields.as_object().unwrap());
    }

    /// From now on nobody can read a record.
    pub fn spoil(&self, id: &str) {
        let mut state = self.state();
        let fields = Fields::default();
        self.put(&mut state, id, &fields);
        state.spoilt.insert(id.to_owned());
    }

    /// From now on nobody can read a record, nor tell whose it is.
    pub fn garble(&self, id: &str) {
        let mut state = self.state();
        state.spoilt.insert(id.to_owned());
        state.nameless = true;
    }

    /// A person deletes a record.
    pub fn delete(&self, id: &str) {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let row = state.rows.get_mut(id).unwrap();
        row.deleted = true;
        row.version = clock;
    }

    /// A person makes one record a part of another.
    pub fn merge(&self, id: &str, into: &str) {
        self.delete(id);
        let mut state = self.state();
        state.rows.get_mut(id).unwrap().merged = Some(into.to_owned());
    }

    /// A record gets another id, and the one that it had leads there.
    pub fn move_to(&self, id: &str, into: &str) {
        let row = self.state().rows[id].clone();
        self.edit(into, Value::Object(row.fields));
        self.restore(into);
        self.merge(id, into);
    }

    /// A person brings a deleted record back.
    pub fn restore(&self, id: &str) {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let row = state.rows.get_mut(id).unwrap();
        row.deleted = false;
        row.merged = None;
        row.version = clock;
    }

    pub fn lose_answers(&self, count: u32) {
        self.state().lose_answers = count;
    }

    pub fn fail_next(&self, fault: Fault) {
        self.state().fail.push(fault);
    }

    /// Writes to this record have to wait, and the others need not.
    pub fn rest(&self, id: &str, until: Timestamp) {
        self.state().resting.insert(id.to_owned(), until);
    }

    /// A record is deleted, and nothing but a look at it says so.
    pub fn vanish(&self, id: &str) {
        self.state().rows.remove(id).unwrap();
    }

    pub fn lag(&self, lags: bool) {
        self.state().lags = lags;
    }

    pub fn fail_pull(&self, fault: Fault) {
        self.state().fail_pull.push(fault);
    }

    /// From now on it takes what it refused.
    pub fn relent(&self) {
        self.state().relents = true;
    }

    pub fn blind(&self, blind: bool) {
        self.state().blind = blind;
    }

    pub fn take_writes(&self) -> usize {
        std::mem::take(&mut self.state().writes).len()
    }

    /// A field of a record as the system holds it.
    pub fn value(&self, id: &str, field: &str) -> Value {
        self.state().rows[id]
            .fields
            .get(field)
            .cloned()
            .unwrap_or_default()
    }

    /// The ids of the records that are not deleted.
    pub fn ids(&self) -> Vec<String> {
        let state = self.state();
        state
            .rows
            .iter()
            .filter(|(_, row)| !row.deleted)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The record that holds a value.
    pub fn find_by(&self, field: &str, value: &str) -> Option<String> {
        let ids = self.ids();
        ids.into_iter()
            .find(|id| self.value(id, field) == json!(value))
    }

    fn put(&self, state: &mut State, id: &str, fields: &Fields) {
        state.clock += 1;
        let version = state.clock;
        let modified = self.clock.now();
        let empty = Row {
            fields: Fields::new(),
            version,
            modified,
            deleted: false,
            merged: None,
        };
        let row = state.rows.entry(id.to_owned()).or_insert(empty);
        for name in ["mail", "first", "last", "tel", "title", "tags"] {
            row.fields.entry(name).or_insert(Value::Null);
        }
        for (name, value) in fields {
            row.fields
                .insert(name.clone(), (self.behaviour.rewrite)(name, value));
        }
        row.version = version;
        row.modified = modified;
    }

    fn record(&self, id: &str, row: &Row) -> RemoteRecord {
        RemoteRecord {
            id: RemoteId::new(id),
            version: self.caps().etags.then(|| row.version.to_string()),
            modified_at: Some(row.modified),
            fields: row.fields.clone(),
            partial: false,
        }
    }

    fn shown(&self, state: &State, id: &str, row: &Row) -> Change {
        match state.spoilt.contains(id) {
            true => Change::Malformed {
                id: (!state.nameless).then(|| RemoteId::new(id)),
                reason: "half of it is missing".into(),
                raw: "{\"mail\":".into(),
            },
            false => Change::Upsert(self.record(id, row)),
        }
    }

    fn erase(&self, state: &mut State, id: &RemoteId, base: Option<&String>) -> Outcome {
        state.clock += 1;
        let clock = state.clock;
        let etags = self.caps().etags;
        let Some(row) = state.rows.get_mut(id.as_str()).filter(|row| !row.deleted) else {
            return Outcome::Failed(Fault::NotFound(id.to_string()));
        };
        if etags && base.is_some_and(|base| *base != row.version.to_string()) {
            return Outcome::Failed(Fault::VersionConflict(None));
        }
        row.deleted = true;
        row.version = clock;
        Outcome::Applied(Applied {
            id: id.clone(),
            version: None,
            stored: None,
        })
    }

    fn write(&self, state: &mut State, op: &Op) -> Outcome {
        if let Some(bad) = self.behaviour.refuses
            && !state.relents
            && let Some((name, _)) = op.fields.iter().find(|(_, value)| **value == json!(bad))
        {
            return Outcome::Failed(Fault::invalid(name, "this value is not allowed"));
        }
        let id = match &op.action {
            Action::Create if self.caps().create_safe == Some(CreateSafe::Key) => {
                // The same key again makes nothing new.
                if let Some(id) = state.made.get(&op.intent) {
                    return self.applied(&id.clone(), state);
                }
                state.next += 1;
                let id = format!("{}-{}", self.name, state.next);
                state.made.insert(op.intent.clone(), id.clone());
                id
            }
            Action::Create => {
                let unique = op.fields.get("mail").filter(|mail| !mail.is_null());
                let twice = state.rows.values().any(|row| {
                    !row.deleted && unique.is_some() && row.fields.get("mail") == unique
                });
                if twice {
                    return Outcome::Failed(Fault::invalid("mail", "there is one already"));
                }
                state.next += 1;
                format!("{}-{}", self.name, state.next)
            }
            Action::Update(id) => {
                let rests = state.resting.get(id.as_str()).copied();
                if let Some(until) = rests.filter(|until| self.clock.now() < *until) {
                    return Outcome::Failed(Fault::Transient {
                        until: Some(until),
                        message: "this record rests".into(),
                    });
                }
                let Some(row) = state.rows.get(id.as_str()).filter(|row| !row.deleted) else {
                    return Outcome::Failed(Fault::NotFound(id.to_string()));
                };
                let conditional = self.caps().etags && op.base_version.is_some();
                if conditional && op.base_version != Some(row.version.to_string()) {
                    let current = self.record(id.as_str(), row);
                    return Outcome::Failed(Fault::VersionConflict(Some(Box::new(current))));
                }
                id.to_string()
            }
            Action::Delete(id) => return self.erase(state, id, op.base_version.as_ref()),
        };
        self.put(state, &id, &op.fields);
        self.applied(&id, state)
    }

    fn applied(&self, id: &str, state: &State) -> Outcome {
        let record = self.record(id, &state.rows[id]);
        Outcome::Applied(Applied {
            id: record.id.clone(),
            version: record.version.clone(),
            stored: (!self.behaviour.silent).then_some(record),
        })
    }
}

#[async_trait]
impl Connector for System {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn check(&self) -> Result<Description, Fault> {
        Ok(Description {
            account_id: self.name.clone(),
            account_name: self.name.clone(),
            unavailable: Vec::new(),
        })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        Ok(Vec::new())
    }

    async fn pull(
        &self,
        _: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        let mut state = self.state();
        if let Some(fault) = state.fail_pull.pop() {
            return Err(fault);
        }
        if state.lags {
            let next = cursor.map(str::to_owned);
            return Ok(Page {
                next,
                ..Page::default()
            });
        }
        if state.blind {
            let next = Some("0".to_owned());
            return Ok(Page {
                changes: Vec::new(),
                next,
                more: false,
                complete: true,
            });
        }
        let after: u64 = cursor
            .map_or(Ok(0), str::parse)
            .map_err(|_| Fault::CursorExpired("no cursor of this system".into()))?;
        let full = selection.mode == PullMode::Full;
        let inside = |row: &Row| match selection.window {
            Some(window) => window.from <= row.modified && row.modified < window.until,
            None => true,
        };
        let of_walk = state.rows.values().filter(|row| inside(row)).count();
        if full && self.behaviour.lists.is_some_and(|most| of_walk > most) {
            return Err(Fault::WindowTooLarge(format!("{of_walk} records")));
        }
        let mut rows: Vec<_> = state
            .rows
            .iter()
            .filter(|(_, row)| row.version > after && inside(row))
            .collect();
        rows.sort_by_key(|(_, row)| row.version);
        let more = rows.len() > selection.page_size as usize;
        rows.truncate(selection.page_size as usize);
        let next = rows
            .last()
            .map_or(after, |(_, row)| row.version)
            .to_string();
        let changes = rows
            .into_iter()
            .filter(|(_, row)| !(full && row.deleted))
            .map(|(id, row)| match row.deleted {
                true => Change::Gone {
                    id: RemoteId::new(id),
                    absence: match &row.merged {
                        Some(into) => Absence::MergedInto(RemoteId::new(into)),
                        None => Absence::Tombstone,
                    },
                    at: None,
                },
                false => self.shown(&state, id, row),
            });
        let mut changes: Vec<Change> = changes.collect();
        let listed: BTreeSet<_> = changes.iter().filter_map(Change::id).cloned().collect();
        for (id, (row, until)) in &state.late {
            if self.clock.now() < *until && listed.contains(&RemoteId::new(id)) {
                changes.push(Change::Upsert(self.record(id, row)));
            }
        }
        Ok(Page {
            changes,
            next: Some(next),
            more,
            complete: full && !more && selection.window.is_none(),
        })
    }

    async fn fetch(
        &self,
        _: &StreamName,
        ids: &[RemoteId],
        _: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let state = self.state();
        let now = self.clock.now();
        let row = |id: &str| match state.late.get(id) {
            Some((row, until)) if now < *until => Some(row),
            _ => state.rows.get(id).filter(|row| !row.deleted),
        };
        let found = ids.iter().map(|id| match row(id.as_str()) {
            Some(row) => self.shown(&state, id.as_str(), row),
            None => {
                let became = state
                    .rows
                    .get(id.as_str())
                    .and_then(|row| row.merged.as_ref());
                let absence = became.map_or(Absence::Hidden, |into| {
                    Absence::MergedInto(RemoteId::new(into))
                });
                Change::Gone {
                    id: id.clone(),
                    absence,
                    at: None,
                }
            }
        });
        Ok(found.collect())
    }

    async fn find(
        &self,
        _: &StreamName,
        values: &Fields,
        _: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let state = self.state();
        let equal = |row: &&Row| {
            values
                .iter()
                .all(|(name, value)| row.fields.get(name) == Some(value))
        };
        Ok(state
            .rows
            .iter()
            .filter(|(_, row)| !row.deleted && equal(row))
            .map(|(id, row)| self.record(id, row))
            .collect())
    }

    async fn push(&self, _: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let mut state = self.state();
        if let Some(fault) = state.fail.pop() {
            return Err(fault);
        }
        let bad = self.behaviour.refuses;
        let is_bad = |op: &Op| {
            op.fields
                .values()
                .any(|value| bad.is_some_and(|bad| *value == json!(bad)))
        };
        if self.caps().batch_atomic && ops.len() > 1 && ops.iter().any(is_bad) {
            return Err(Fault::invalid("", "one of the inputs is not valid"));
        }
        let outcomes: Vec<Outcome> = ops.iter().map(|op| self.write(&mut state, op)).collect();
        state.writes.extend(ops.iter().cloned());
        if state.lose_answers > 0 {
            state.lose_answers -= 1;
            return Err(Fault::UnknownOutcome("the answer was lost".into()));
        }
        Ok(outcomes)
    }
}
