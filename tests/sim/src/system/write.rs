//! What a system does with a write, and the checks that only the system itself
//! can make at that moment.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::ports::Clock;
use concord_core::record::{Action, Applied, Op, Outcome, RemoteRecord};
use concord_core::{Fault, Fields, RemoteId, Value};

use super::{Presence, State, System};
use crate::behaviour::{Answer, Safe, Versions};
use crate::clock::lock;
use crate::ledger::{Ledger, Taken};
use crate::value::{Unit, is_empty, tokens};
use crate::weather::PushWeather;

impl System {
    pub(super) fn answer_push(&self, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let mut state = self.state();
        self.arrive(&mut state);
        state.asked += ops.len() as u64;
        let sent = ops;
        let ops: Vec<Op> = ops.iter().map(|op| understood(&state, op)).collect();
        let ops = ops.as_slice();
        if state.forbidden {
            return Err(Fault::Forbidden("the account has no rights".into()));
        }
        let now = self.town().clock.now();
        let weather = state.pushes.pop();
        if let Some(weather) = &weather {
            self.town()
                .tell(|| format!("{}: the write meets {weather:?}", self.name));
        }
        let lost = || Fault::UnknownOutcome("no answer came".into());
        match weather {
            Some(PushWeather::NeverArrives) => return Err(lost()),
            Some(PushWeather::ArrivesLate(late)) => {
                state
                    .late
                    .extend(sent.iter().map(|op| (now.plus(late), op.clone())));
                return Err(lost());
            }
            Some(PushWeather::Refused429(wait)) => {
                return Err(Fault::RateLimited {
                    until: Some(now.plus(Duration::from_secs(wait))),
                    message: "too many requests".into(),
                });
            }
            Some(PushWeather::Passing) => return Err(Fault::transient("a passing failure")),
            Some(PushWeather::SignInExpired) => {
                return Err(Fault::AuthExpired("sign in again".into()));
            }
            Some(PushWeather::Forbidden) => return Err(Fault::Forbidden("no rights".into())),
            Some(PushWeather::AnswerLost | PushWeather::HalfDone) | None => {}
        }
        if self.behaviour.batch_atomic && ops.len() > 1 {
            // One that would fail refuses all, and nothing is done.
            if let Some(fault) = ops.iter().find_map(|op| self.obstacle(&state, op)) {
                return Err(fault);
            }
        }
        let done = match weather {
            Some(PushWeather::HalfDone) => &ops[..ops.len() / 2],
            _ => ops,
        };
        let outcomes: Vec<Outcome> = done
            .iter()
            .map(|op| self.carry_out(&mut state, op))
            .collect();
        match weather {
            Some(_) => Err(lost()),
            None => {
                self.note_answers(&state, &outcomes);
                Ok(outcomes)
            }
        }
    }

    /// What the answers say has been seen.
    fn note_answers(&self, state: &State, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let told = match outcome {
                Outcome::Applied(applied) => applied.stored.as_ref(),
                Outcome::Failed(Fault::VersionConflict(current)) => current.as_deref(),
                Outcome::Failed(_) => None,
            };
            if let Some(record) = told
                && let Some(row) = state.rows.iter().find(|row| row.id == record.id.as_str())
            {
                self.note_seen(&state.lenses, row, record);
            }
        }
    }

    /// Why an op cannot be done.
    fn obstacle(&self, state: &State, op: &Op) -> Option<Fault> {
        let at = match &op.action {
            Action::Create => None,
            Action::Update(id) | Action::Delete(id) => {
                let live = |row: &super::Row| row.id == id.as_str() && row.is_live() && !row.hidden;
                let Some(at) = state.rows.iter().position(live) else {
                    return Some(Fault::NotFound(id.to_string()));
                };
                Some(at)
            }
        };
        if let Some(at) = at {
            let row = &state.rows[at];
            let version = self.version_text(row.now().version);
            if self.behaviour.versions != Versions::None
                && op.base_version.is_some()
                && op.base_version != version
            {
                let record = || Box::new(self.record(&state.lenses, row, row.now()));
                let told = (!row.spoilt).then(record);
                return Some(Fault::VersionConflict(told));
            }
        }
        for (field, value) in &op.fields {
            if Unit::of_field(field).is_some_and(|unit| self.behaviour.refuses(unit, value)) {
                let name = state.lenses.name_of(field);
                return Some(Fault::invalid(&name, "such a value is not taken here"));
            }
        }
        let mail = op.fields.get("mail").filter(|mail| !is_empty(mail));
        if self.behaviour.safe == Safe::Unique
            && let Some(mail) = mail
        {
            let mail = self.behaviour.store("mail", mail);
            let taken = state.rows.iter().enumerate().any(|(other, row)| {
                let is_other = Some(other) != at;
                is_other && row.is_live() && same_mail(&row.now().fields, &mail)
            });
            if taken {
                return Some(Fault::invalid("mail", "there is one already"));
            }
        }
        if self.behaviour.id_moves {
            let emptied = op.fields.get("mail").is_some_and(is_empty);
            if emptied || op.action == Action::Create && mail.is_none() {
                return Some(Fault::invalid("mail", "a record needs an address"));
            }
            let dead = mail.is_some_and(|mail| {
                let rows = state.rows.iter().enumerate();
                rows.into_iter()
                    .any(|(other, row)| Some(other) != at && same_mail(&row.now().fields, mail))
            });
            if dead {
                return Some(Fault::invalid("mail", "was deleted for good"));
            }
        }
        None
    }

    pub(super) fn carry_out(&self, state: &mut State, op: &Op) -> Outcome {
        if self.behaviour.safe == Safe::Key
            && op.action == Action::Create
            && let Some(id) = state.keys.get(&op.intent)
            && let Some(row) = state.rows.iter().find(|row| row.id == *id)
        {
            // The same key again is answered as it was the first time.
            return self.applied(state, row, op);
        }
        if let Some(fault) = self.obstacle(state, op) {
            return Outcome::Failed(fault);
        }
        state.writes += 1;
        let at = match &op.action {
            Action::Create => self.create(state, op),
            Action::Update(id) => {
                let row = state.rows.iter().position(|row| row.id == id.as_str());
                let Some(at) = row else {
                    return Outcome::Failed(Fault::NotFound(id.to_string()));
                };
                self.update(state, at, op);
                at
            }
            Action::Delete(id) => {
                let row = state.rows.iter().position(|row| row.id == id.as_str());
                let Some(at) = row else {
                    return Outcome::Failed(Fault::NotFound(id.to_string()));
                };
                self.take_away(state, at);
                at
            }
        };
        self.applied(state, &state.rows[at], op)
    }

    /// A hub deletes a record.  What stands in it has been read before.
    fn take_away(&self, state: &mut State, at: usize) {
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        ledger.counts.carried += 1;
        let row = &state.rows[at];
        let mut numbers = Vec::new();
        let looked_at = Unit::ALL.into_iter().filter(|u| state.lenses.reads(*u));
        for unit in looked_at {
            for field in unit.fields() {
                let held = tokens(&row.now().fields[*field]);
                numbers.extend(held.iter().map(|number| (unit, *number)));
                let is_guarded = self.behaviour.versions != Versions::None;
                let unread = held.iter().find(|number| {
                    !row.brought.contains(number) && !self.was_read(&ledger, row, unit, **number)
                });
                if let Some(number) = unread.filter(|_| is_guarded) {
                    let what = format!(
                        "{}: human {} was deleted with {field} unread ({number})",
                        self.name, row.human
                    );
                    ledger.breaks("P10", what);
                }
                if !is_guarded && state.arrived.is_none() {
                    self.was_looked_at(&mut ledger, row, unit, field, &Value::Null);
                }
            }
        }
        ledger.taken.push(Taken {
            system: self.number,
            id: row.id.clone(),
            human: row.human,
            at: state.arrived.unwrap_or_else(|| town.clock.now()),
            numbers,
        });
        drop(ledger);
        state.rows[at].was_deleted = true;
        self.change(state, at, |_, presence| *presence = Presence::Deleted);
    }

    /// A hub was shown this number in the record, whatever its id was then.
    fn was_read(&self, ledger: &Ledger, row: &super::Row, unit: Unit, number: u64) -> bool {
        let mut ids = row.old_ids.iter().chain([&row.id]);
        ids.any(|id| ledger.has_seen(&(self.number, id.clone(), unit, number)))
    }

    /// The records of the op's human that were deleted.
    pub(super) fn deleted_like(&self, op: &Op) -> Vec<RemoteId> {
        let town = self.town();
        let (human, is_doubled) = {
            let ledger = lock(&town.ledger);
            let human = human_of(&ledger, &op.fields);
            (human, ledger.doubled.contains(&human))
        };
        if is_doubled {
            return Vec::new();
        }
        let state = self.state();
        let dead = state
            .rows
            .iter()
            .filter(|row| row.human == human && row.was_deleted && !row.is_live());
        dead.map(|row| RemoteId::new(&row.id)).collect()
    }

    fn create(&self, state: &mut State, op: &Op) -> usize {
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        ledger.counts.creates += 1;
        let human = human_of(&ledger, &op.fields);
        let mut fields = Fields::new();
        let mut marks = BTreeMap::new();
        for unit in Unit::ALL {
            for field in unit.fields() {
                let given = op.fields.get(*field).unwrap_or(&Value::Null);
                if !is_empty(given) && !ledger.is_legit(human, field, given) {
                    ledger.breaks(
                        "P11",
                        format!(
                            "{} was given {field} = {given}, which nobody wrote",
                            self.name
                        ),
                    );
                }
                let stored = self.behaviour.store(field, given);
                marks.insert(unit, tokens(&stored));
                fields.insert((*field).to_owned(), stored);
            }
        }
        // It is there already, in a record that nobody can read.
        let is_there = |row: &super::Row| row.human == human && row.is_live() && row.spoilt;
        if state.rows.iter().any(is_there) {
            ledger.doubled.insert(human);
        }
        drop(ledger);
        let id = self.new_id(state, &fields);
        state.keys.insert(op.intent.clone(), id.clone());
        self.insert(state, id, human, fields, marks, true);
        state.rows.len() - 1
    }

    fn update(&self, state: &mut State, at: usize, op: &Op) {
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        ledger.counts.updates += 1;
        let row = &state.rows[at];
        let human = row.human;
        let mut values = Vec::new();
        let mut marks = Vec::new();
        let mut brought = Vec::new();
        for (field, given) in &op.fields {
            let Some(unit) = Unit::of_field(field) else {
                continue;
            };
            let name = unit.fields().iter().find(|name| *name == field).copied();
            let Some(name) = name else { continue };
            if is_empty(given) && self.behaviour.ignores_null {
                continue;
            }
            if !ledger.is_legit(human, name, given) {
                ledger.breaks(
                    "P11",
                    format!(
                        "{} was given {field} = {given} for human {human}, which nobody wrote",
                        self.name
                    ),
                );
            }
            // P10: where versions exist, what is overwritten has been read.
            if self.behaviour.versions != Versions::None {
                for number in tokens(&row.now().fields[name]) {
                    let written: Vec<u64> = tokens(given);
                    let was_read = self.was_read(&ledger, row, unit, number);
                    if !written.contains(&number) && !was_read && !row.brought.contains(&number) {
                        ledger.breaks(
                            "P10",
                            format!(
                                "{}: {field} of human {human} was overwritten unread ({number})",
                                self.name
                            ),
                        );
                    }
                }
            }
            // Where there are none it is looked at right before it is written, and
            // what is nonsense can be seen anywhere.
            let is_nonsense = row.now().fields[name].is_object();
            let is_unguarded = self.behaviour.versions == Versions::None;
            if (is_unguarded || is_nonsense) && state.arrived.is_none() {
                self.was_looked_at(&mut ledger, row, unit, name, given);
            }
            let stored = self.behaviour.store(field, given);
            brought.extend(tokens(&stored));
            let mark = if is_empty(&stored) {
                ledger.emptiness(human, unit)
            } else {
                tokens(&stored)
            };
            marks.push((unit, mark));
            values.push((name, stored));
        }
        drop(ledger);
        state.rows[at].brought.extend(brought);
        for (unit, mark) in marks {
            state.rows[at].marks.insert(unit, mark);
        }
        self.change(state, at, |fields, _| {
            for (field, value) in values {
                fields.insert(field.to_owned(), value);
            }
        });
        self.move_id(state, at);
    }

    /// What stood in a field before this run began has been seen by whoever writes
    /// over it.
    fn was_looked_at(
        &self,
        ledger: &mut Ledger,
        row: &super::Row,
        unit: Unit,
        name: &str,
        given: &Value,
    ) {
        let held = &row.now().fields[name];
        let came = row.history.iter().find(|one| one.fields[name] == *held);
        let is_fresh = came.is_none_or(|came| came.run >= self.town().runs());
        if is_fresh || !self.behaviour.fetch_lag.is_zero() {
            return;
        }
        if held.is_object() {
            let what = format!(
                "{}: {name} of human {} was written over, and nobody could read it",
                self.name, row.human
            );
            ledger.breaks("P10", what);
        }
        for number in tokens(held) {
            let was_read = self.was_read(ledger, row, unit, number);
            if !was_read && !row.brought.contains(&number) && !tokens(given).contains(&number) {
                let what = format!(
                    "{}: {name} of human {} was written over without a look ({number})",
                    self.name, row.human
                );
                ledger.breaks("P10", what);
            }
        }
    }

    fn applied(&self, state: &State, row: &super::Row, op: &Op) -> Outcome {
        let mut record = self.record(&state.lenses, row, row.now());
        let stored: Option<RemoteRecord> = match self.behaviour.answer {
            Answer::Record => Some(record),
            Answer::Written => {
                record.partial = true;
                let field = |name: &str| state.lenses.field(name);
                record.fields.retain(|name, _| {
                    field(name).is_some_and(|field| op.fields.contains_key(field))
                });
                Some(record)
            }
            Answer::Nothing => None,
        };
        let stored = stored.filter(|_| row.is_live());
        Outcome::Applied(Applied {
            id: RemoteId::new(&row.id),
            version: self.version_text(row.now().version),
            stored,
        })
    }
}

/// An op in the fields that are in use now: what goes to another one changes
/// nothing that anybody looks at.
pub(super) fn understood(state: &State, op: &Op) -> Op {
    let mut op = op.clone();
    let given = std::mem::take(&mut op.fields);
    for (name, value) in given {
        if let Some(field) = state.lenses.field(&name) {
            op.fields.insert(field.to_owned(), value);
        }
    }
    op
}

/// Whom a new record is of, by what is written into it.
fn human_of(ledger: &Ledger, fields: &Fields) -> u32 {
    ["mail", "last", "first", "title", "org", "note"]
        .into_iter()
        .filter_map(|field| fields.get(field))
        .find_map(|value| ledger.human_of(value))
        .unwrap_or(u32::MAX)
}

fn same_mail(fields: &Fields, mail: &Value) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_lowercase);
    text(fields.get("mail")) == text(Some(mail)) && mail.is_string()
}
