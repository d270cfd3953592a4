//! What a system answers to those who read: as late, as untidy and as
//! incomplete as its behaviour says.

use std::time::Duration;

use concord_core::ports::Clock;
use concord_core::record::{Absence, Change, Page, PullMode, RemoteRecord, Selection};
use concord_core::{Fault, Fields, RemoteId, Timestamp, Value};

use super::{Presence, RESOLUTION, Row, Snapshot, State, System};
use crate::clock::lock;
use crate::lenses::Lenses;
use crate::value::{Unit, tokens};
use crate::weather::PullWeather;

/// A place in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Within a full walk: since when, and behind which record.
    Walk(i64, String),
    /// Changes after a moment, and within a page behind this one.
    Since(i64, Option<(i64, String)>),
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('|').collect();
        match parts.as_slice() {
            ["walk", since, behind] => Some(Place::Walk(since.parse().ok()?, (*behind).into())),
            ["since", from] => Some(Place::Since(from.parse().ok()?, None)),
            ["since", from, at, id] => Some(Place::Since(
                from.parse().ok()?,
                Some((at.parse().ok()?, (*id).into())),
            )),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Place::Walk(since, behind) => format!("walk|{since}|{behind}"),
            Place::Since(from, None) => format!("since|{from}"),
            Place::Since(from, Some((at, id))) => format!("since|{from}|{at}|{id}"),
        }
    }
}

/// A record as some read shows it.
struct Sighting {
    row: usize,
    snapshot: Snapshot,
}

impl System {
    pub(super) fn answer_pull(
        &self,
        selection: &Selection,
        cursor: Option<&str>,
        is_known: bool,
    ) -> Result<Page, Fault> {
        let mut state = self.state();
        self.arrive(&mut state);
        // A first list that lies cannot be told from the truth.
        let truncated = self.trouble(&mut state)? && is_known;
        let now = self.town().clock.now();
        let walking = selection.mode == PullMode::Full;
        if state.blind && is_known {
            let next = cursor.map_or_else(|| Place::Since(self.safe(now), None).text(), Into::into);
            return Ok(Page {
                changes: Vec::new(),
                next: Some(next),
                more: false,
                complete: walking,
            });
        }
        let place = match cursor {
            None => Place::Walk(now.0, String::new()),
            Some(text) => Place::parse(text)
                .ok_or_else(|| Fault::CursorExpired("no cursor of this system".into()))?,
        };
        let size = selection.page_size as usize;
        match place {
            Place::Walk(since, behind) => {
                Ok(self.walk(&mut state, since, &behind, size, walking, truncated))
            }
            Place::Since(from, within) => self.changes(&mut state, from, within, size, now),
        }
    }

    /// Where a cursor may stand: before everything that an index may not show yet.
    fn safe(&self, now: Timestamp) -> i64 {
        now.minus(self.behaviour.pull_lag).minus(RESOLUTION).0
    }

    fn walk(
        &self,
        state: &mut State,
        since: i64,
        behind: &str,
        size: usize,
        walking: bool,
        truncated: bool,
    ) -> Page {
        let mut seen = self.look(state, self.behaviour.pull_lag);
        seen.retain(|one| {
            let row = &state.rows[one.row];
            one.snapshot.presence == Presence::Live && !row.hidden && row.id.as_str() > behind
        });
        seen.sort_by(|a, b| state.rows[a.row].id.cmp(&state.rows[b.row].id));
        let mut more = seen.len() > size;
        seen.truncate(size);
        if truncated {
            seen.truncate(seen.len() / 2);
            more = false;
        }
        let next = match seen.last() {
            Some(last) if more => Place::Walk(since, state.rows[last.row].id.clone()),
            _ => Place::Since(self.safe(Timestamp(since)), None),
        };
        let changes = self.show(state, seen);
        Page {
            changes,
            next: Some(next.text()),
            more,
            complete: walking && !more,
        }
    }

    fn changes(
        &self,
        state: &mut State,
        from: i64,
        within: Option<(i64, String)>,
        size: usize,
        now: Timestamp,
    ) -> Result<Page, Fault> {
        let mut seen = self.look(state, self.behaviour.pull_lag);
        let kept = now.minus(self.behaviour.tombstones_kept);
        seen.retain(|one| {
            let row = &state.rows[one.row];
            let listed = one.snapshot.presence == Presence::Live
                || self.behaviour.delete_feed && one.snapshot.at > kept;
            one.snapshot.at.0 > from && listed && !row.hidden
        });
        if self.behaviour.window.is_some_and(|most| seen.len() > most) {
            return Err(Fault::WindowTooLarge("too many changes".into()));
        }
        let place =
            |state: &State, one: &Sighting| (one.snapshot.at.0, state.rows[one.row].id.clone());
        seen.sort_by_key(|one| place(state, one));
        if let Some(within) = &within {
            seen.retain(|one| place(state, one) > *within);
        }
        let more = seen.len() > size;
        seen.truncate(size);
        let next = match seen.last() {
            Some(last) if more => Place::Since(from, Some(place(state, last))),
            _ => Place::Since(from.max(self.safe(now)), None),
        };
        let changes = self.show(state, seen);
        Ok(Page {
            changes,
            next: Some(next.text()),
            more,
            complete: false,
        })
    }

    /// Every record as a read sees it that may lag behind.
    fn look(&self, state: &mut State, lag: Duration) -> Vec<Sighting> {
        (0..state.rows.len())
            .filter_map(|row| {
                let snapshot = self.visible(state, row, lag)?;
                Some(Sighting { row, snapshot })
            })
            .collect()
    }

    /// One record as it was at some moment within the lag; none before it was
    /// there.
    fn visible(&self, state: &mut State, row: usize, lag: Duration) -> Option<Snapshot> {
        let now = self.town().clock.now();
        let most = i64::try_from(lag.as_micros()).unwrap_or(i64::MAX);
        let behind = match most {
            0 => 0,
            most if state.chance.bool() => state.chance.i64(0..=most),
            _ => 0,
        };
        let instant = Timestamp(now.0 - behind);
        let history = &state.rows[row].history;
        history.iter().rev().find(|one| one.at <= instant).cloned()
    }

    /// Puts sightings on the wire.
    fn show(&self, state: &mut State, seen: Vec<Sighting>) -> Vec<Change> {
        let mut changes = Vec::new();
        for Sighting { row, snapshot } in seen {
            // An address that somebody else has taken since is nobody's old id.
            let is_taken = |id: &String| state.rows.iter().any(|other| other.id == *id);
            for old in state.rows[row].old_ids.iter().filter(|id| !is_taken(id)) {
                let into = RemoteId::new(&state.rows[row].id);
                changes.push(gone(RemoteId::new(old), Absence::MergedInto(into)));
            }
            let repeat = self.behaviour.untidy && state.chance.u32(0..6) == 0;
            let row = &state.rows[row];
            if repeat && row.history.len() > 1 && snapshot.presence == Presence::Live {
                // The same record twice, once as it was before.
                let before = row.history[row.history.len() - 2].clone();
                if before.presence == Presence::Live {
                    changes.push(self.shown(&state.lenses, row, &before));
                }
            }
            changes.push(self.shown(&state.lenses, row, &snapshot));
        }
        if self.behaviour.untidy {
            self.add_hints(state, &mut changes);
            state.chance.shuffle(&mut changes);
        }
        changes
    }

    /// Hints come twice, late or not at all, and say little.
    fn add_hints(&self, state: &mut State, changes: &mut Vec<Change>) {
        if state.rows.is_empty() || state.chance.bool() {
            return;
        }
        let at = state.chance.usize(0..state.rows.len());
        let row = &state.rows[at];
        let listed = changes
            .iter()
            .any(|change| change.id().is_some_and(|id| id.as_str() == row.id));
        if !row.is_live() || row.hidden || row.spoilt || listed {
            return;
        }
        let old = &row.history[state.chance.usize(0..row.history.len())];
        let mut record = self.record(&state.lenses, row, old);
        record.partial = true;
        let told = ["title", "org"].map(|field| state.lenses.name(field));
        record
            .fields
            .retain(|name, _| told.contains(&name.as_str()));
        changes.push(Change::Upsert(record));
    }

    fn shown(&self, lenses: &Lenses, row: &Row, snapshot: &Snapshot) -> Change {
        let id = RemoteId::new(&row.id);
        match &snapshot.presence {
            Presence::Live if row.spoilt => Change::Malformed {
                id: Some(id),
                reason: "the record is broken".into(),
                raw: "{".into(),
            },
            Presence::Live => {
                let record = self.record(lenses, row, snapshot);
                self.note_seen(lenses, row, &record);
                Change::Upsert(record)
            }
            Presence::Deleted if self.behaviour.soft_delete => gone(id, Absence::Archived),
            Presence::Deleted => gone(id, Absence::Tombstone),
            Presence::Merged(into) if self.behaviour.merged_into => {
                gone(id, Absence::MergedInto(RemoteId::new(into)))
            }
            Presence::Merged(_) => gone(id, Absence::Tombstone),
        }
    }

    pub(super) fn record(&self, lenses: &Lenses, row: &Row, snapshot: &Snapshot) -> RemoteRecord {
        let held = snapshot.fields.iter();
        let mut fields: Fields = held
            .map(|(field, value)| (lenses.name_of(field), value.clone()))
            .collect();
        let is_odd = self.town().clock.now().0 / 1_000_000 % 2 == 1;
        if self.behaviour.fickle
            && is_odd
            && let Some(Value::String(mail)) = fields.get_mut("mail")
        {
            *mail = mail.to_uppercase();
        }
        RemoteRecord {
            id: RemoteId::new(&row.id),
            version: self.version_text(snapshot.version),
            modified_at: Some(snapshot.modified),
            fields,
            partial: false,
        }
    }

    pub(super) fn note_seen(&self, lenses: &Lenses, row: &Row, record: &RemoteRecord) {
        let town = self.town();
        let mut ledger = lock(&town.ledger);
        for (name, value) in &record.fields {
            // What is not mapped is not looked at.
            let unit = lenses.field(name).and_then(Unit::of_field);
            let Some(unit) = unit.filter(|unit| lenses.reads(*unit)) else {
                continue;
            };
            // Nobody can read a part of what is nonsense as a whole.
            let names = unit.fields().iter().map(|part| lenses.name(part));
            let mut parts = names.map(|name| record.fields.get(name));
            if parts.any(|part| part.is_some_and(Value::is_object)) {
                continue;
            }
            for number in tokens(value) {
                ledger.see((self.number, row.id.clone(), unit, number));
            }
        }
    }

    pub(super) fn answer_fetch(&self, ids: &[RemoteId]) -> Result<Vec<Change>, Fault> {
        let mut state = self.state();
        self.arrive(&mut state);
        self.trouble(&mut state)?;
        if state.blind && self.behaviour.not_found_means_gone {
            return Err(Fault::Forbidden("not this account".into()));
        }
        let mut found = Vec::new();
        for id in ids {
            let row = state.rows.iter().position(|row| row.id == id.as_str());
            let seen = row.and_then(|row| {
                let snapshot = self.visible(&mut state, row, self.behaviour.fetch_lag)?;
                Some((row, snapshot))
            });
            let change = match seen {
                Some((row, _)) if state.rows[row].hidden || state.blind => {
                    gone(id.clone(), Absence::Hidden)
                }
                Some((row, snapshot)) => match &snapshot.presence {
                    // A plain 404 says no more than that.
                    Presence::Deleted if !self.behaviour.soft_delete => {
                        gone(id.clone(), Absence::Hidden)
                    }
                    Presence::Merged(_) if !self.behaviour.merged_into => {
                        gone(id.clone(), Absence::Hidden)
                    }
                    _ => self.shown(&state.lenses, &state.rows[row], &snapshot),
                },
                None => match state
                    .rows
                    .iter()
                    .find(|row| row.old_ids.iter().any(|old| old == id.as_str()))
                {
                    Some(row) => gone(id.clone(), Absence::MergedInto(RemoteId::new(&row.id))),
                    None => gone(id.clone(), Absence::Hidden),
                },
            };
            found.push(change);
        }
        Ok(found)
    }

    pub(super) fn answer_find(&self, values: &Fields) -> Result<Vec<RemoteRecord>, Fault> {
        let mut state = self.state();
        self.arrive(&mut state);
        self.trouble(&mut state)?;
        if state.blind {
            return Err(Fault::Forbidden("not this account".into()));
        }
        let lag = self.behaviour.find_lag;
        let mut found = Vec::new();
        for at in 0..state.rows.len() {
            let Some(snapshot) = self.visible(&mut state, at, lag) else {
                continue;
            };
            let row = &state.rows[at];
            // A search looks for what the system would have stored.
            let equal = values.iter().all(|(name, value)| {
                let Some(field) = state.lenses.field(name) else {
                    return crate::value::is_empty(value);
                };
                let wanted = self.behaviour.store(field, value);
                let held = snapshot.fields.get(field).unwrap_or(&Value::Null);
                *held == wanted || crate::value::is_empty(held) && crate::value::is_empty(&wanted)
            });
            let is_shown = snapshot.presence == Presence::Live && !row.hidden && !row.spoilt;
            if equal && is_shown {
                let record = self.record(&state.lenses, row, &snapshot);
                self.note_seen(&state.lenses, row, &record);
                found.push(record);
            }
        }
        Ok(found)
    }

    /// The weather of one read.  True: the list is cut short.
    fn trouble(&self, state: &mut State) -> Result<bool, Fault> {
        if state.forbidden {
            return Err(Fault::Forbidden("the account has no rights".into()));
        }
        let Some(weather) = state.pulls.pop() else {
            return Ok(false);
        };
        let now = self.town().clock.now();
        match weather {
            PullWeather::Passing => Err(Fault::transient("a passing failure")),
            PullWeather::Refused429(wait) => Err(Fault::RateLimited {
                until: Some(now.plus(Duration::from_secs(wait))),
                message: "too many requests".into(),
            }),
            PullWeather::CursorExpired => Err(Fault::CursorExpired("too old".into())),
            PullWeather::SignInExpired => Err(Fault::AuthExpired("sign in again".into())),
            PullWeather::Truncated => Ok(true),
        }
    }
}

fn gone(id: RemoteId, absence: Absence) -> Change {
    Change::Gone {
        id,
        absence,
        at: None,
    }
}
