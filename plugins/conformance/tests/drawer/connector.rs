//! The connector of the system in memory, with its flaws.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use concord_conformance::Trouble;
use concord_core::ports::Connector;
use concord_core::record::{
    Action, Applied, Description, FieldInfo, FieldType, PullMode, StreamInfo,
};
use concord_core::{
    Absence, Change, Fault, Fields, Manifest, Op, Outcome, Page, RemoteId, RemoteRecord, Selection,
    StreamName, Timestamp,
};

use super::Flaw;
use super::state::{Card, State};

pub(crate) struct DrawerConnector {
    pub manifest: Manifest,
    pub flaw: Option<Flaw>,
    pub state: Arc<Mutex<State>>,
}

fn record(id: &RemoteId, card: &Card) -> RemoteRecord {
    RemoteRecord {
        id: id.clone(),
        version: Some(card.version.to_string()),
        modified_at: Some(Timestamp(card.version)),
        fields: card.fields.clone(),
        partial: false,
    }
}

impl DrawerConnector {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, id: &RemoteId, card: &Card) -> Change {
        let Some(absence) = card.gone.clone() else {
            return Change::Upsert(record(id, card));
        };
        let absence = match absence {
            Absence::Tombstone if self.has(Flaw::HidesDeletes) => Absence::Hidden,
            Absence::MergedInto(_) if self.has(Flaw::ForgetsMerges) => Absence::Tombstone,
            known => known,
        };
        Change::Gone {
            id: id.clone(),
            absence,
            at: None,
        }
    }

    /// A full walk goes by id: `walk:<clock at its start>:<last id>`.
    fn walk(&self, size: usize, start: i64, after: &str) -> Page {
        let state = self.state();
        let live: Vec<_> = state
            .cards
            .iter()
            .filter(|(id, card)| card.gone.is_none() && id.as_str() > after)
            .collect();
        let more = live.len() > size;
        let skipped = usize::from(self.has(Flaw::SkipsBetweenPages) && !after.is_empty());
        let listed = &live[..size.min(live.len())];
        let last = listed.last().map_or(after, |(id, _)| id.as_str());
        Page {
            changes: listed
                .iter()
                .skip(skipped)
                .map(|(id, card)| self.change(id, card))
                .collect(),
            next: Some(if more {
                format!("walk:{start}:{last}")
            } else {
                format!("since:{start}:")
            }),
            more,
            complete: !more && !self.has(Flaw::NeverComplete),
        }
    }

    fn since(&self, size: usize, since: i64) -> Page {
        let state = self.state();
        let mut changed: Vec<_> = state
            .cards
            .iter()
            .filter(|(_, c)| c.listed > since)
            .collect();
        changed.sort_by_key(|(_, card)| card.listed);
        let more = changed.len() > size;
        changed.truncate(size);
        let last = changed.last().map_or(since, |(_, card)| card.listed);
        Page {
            changes: changed
                .iter()
                .map(|(id, card)| self.change(id, card))
                .collect(),
            next: Some(format!("since:{last}:")),
            more,
            complete: false,
        }
    }

    fn write(&self, state: &mut State, op: &Op) -> Result<Applied, Fault> {
        let mut fields = op.fields.clone();
        if self.has(Flaw::AsciiOnly) {
            for value in fields.values_mut() {
                let text: String = value
                    .as_str()
                    .unwrap_or("")
                    .chars()
                    .filter(char::is_ascii)
                    .collect();
                *value = text.into();
            }
        }
        if fields.get("name").is_some_and(|name| name == "") {
            return Err(Fault::invalid("name", "must not be empty"));
        }
        let (id, before) = match &op.action {
            Action::Create => {
                let known = state.intents.get(&op.intent).cloned();
                let id = match known.filter(|_| !self.has(Flaw::ForgetsIntents)) {
                    Some(id) => id,
                    None => state.create(fields),
                };
                state.intents.insert(op.intent.clone(), id.clone());
                (id, None)
            }
            Action::Update(id) => {
                let missing = || Fault::NotFound(id.to_string());
                let current = state.live(id).ok_or_else(missing)?.version.to_string();
                let base = op.base_version.clone().unwrap_or_else(|| current.clone());
                if base != current && !self.has(Flaw::IgnoresVersions) {
                    return Err(Fault::VersionConflict(None));
                }
                if self.has(Flaw::ReplacesRecords)
                    && let Some(card) = state.cards.get_mut(id)
                {
                    card.fields = Fields::new();
                }
                state.edit(id, &fields, true);
                (id.clone(), Some(current))
            }
            Action::Delete(id) => {
                state
                    .live(id)
                    .ok_or_else(|| Fault::NotFound(id.to_string()))?;
                state.remove(id, Absence::Tombstone);
                return Ok(Applied {
                    id: id.clone(),
                    version: None,
                    stored: None,
                });
            }
        };
        let stored = state.live(&id).map(|card| record(&id, card));
        let now = stored.as_ref().and_then(|record| record.version.clone());
        let version = before.filter(|_| self.has(Flaw::AnswersOldVersion)).or(now);
        Ok(Applied {
            id,
            version,
            stored,
        })
    }
}

#[async_trait]
impl Connector for DrawerConnector {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn check(&self) -> Result<Description, Fault> {
        Ok(Description {
            account_id: "drawer-1".into(),
            account_name: "The drawer".into(),
            unavailable: Vec::new(),
        })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        let fields = ["name", "note", "colour"].map(|name| FieldInfo {
            name: name.into(),
            label: name.into(),
            kind: FieldType::Text,
            read_only: false,
            required: name == "name",
            unique: false,
            values: Vec::new(),
        });
        Ok(vec![StreamInfo {
            name: "cards".into(),
            label: "Cards".into(),
            fields: fields.into(),
        }])
    }

    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        if stream.as_str() != "cards" {
            return Err(Fault::NotFound(format!("there is no stream '{stream}'")));
        }
        let trouble = self.state().trouble.take();
        match trouble {
            Some(Trouble::RateLimit) => {
                return Err(Fault::RateLimited {
                    until: None,
                    message: "slowly".into(),
                });
            }
            Some(Trouble::ServerError) => return Err(Fault::transient("500")),
            Some(Trouble::Unauthorised) => return Err(Fault::AuthExpired("401".into())),
            Some(Trouble::LostAnswer) | None => {}
        }
        let size = usize::try_from(selection.page_size).unwrap_or(usize::MAX);
        let clock = self.state().clock;
        let Some(cursor) = cursor else {
            return Ok(self.walk(size, clock, ""));
        };
        let parts: Vec<&str> = cursor.splitn(3, ':').collect();
        let [kind, number, last] = parts[..] else {
            return self.foreign(size, clock, cursor);
        };
        match (kind, number.parse(), selection.mode) {
            ("walk", Ok(start), _) => Ok(self.walk(size, start, last)),
            ("since", Ok(since), PullMode::Changes) => Ok(self.since(size, since)),
            _ => self.foreign(size, clock, cursor),
        }
    }

    async fn fetch(
        &self,
        _stream: &StreamName,
        ids: &[RemoteId],
        _fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let state = self.state();
        let mut changes = Vec::new();
        for id in ids {
            match state.cards.get(id) {
                Some(card) => changes.push(self.change(id, card)),
                None if self.has(Flaw::SilentAboutUnknown) => {}
                None => changes.push(Change::Gone {
                    id: id.clone(),
                    absence: Absence::Tombstone,
                    at: None,
                }),
            }
        }
        if self.has(Flaw::OtherVersionInFetch) {
            for change in &mut changes {
                if let Change::Upsert(record) = change {
                    record.version = record.version.take().map(|version| format!("W/{version}"));
                }
            }
        }
        Ok(changes)
    }

    async fn find(
        &self,
        _stream: &StreamName,
        values: &Fields,
        _fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let state = self.state();
        let same = |card: &Card| {
            values
                .iter()
                .all(|(name, v)| card.fields.get(name) == Some(v))
        };
        Ok(state
            .cards
            .iter()
            .filter(|(_, card)| card.gone.is_none() && same(card))
            .map(|(id, card)| record(id, card))
            .collect())
    }

    async fn push(&self, _stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let mut state = self.state();
        let bad = |op: &Op| op.fields.get("name").is_some_and(|name| name == "");
        if ops.iter().any(bad) {
            if self.has(Flaw::HalfBatches) {
                for op in ops.iter().filter(|op| !bad(op)) {
                    self.write(&mut state, op)?;
                }
            }
            return Err(Fault::invalid("name", "must not be empty"));
        }
        let lost = state.trouble.take() == Some(Trouble::LostAnswer);
        let mut outcomes = Vec::new();
        for op in ops {
            outcomes.push(match self.write(&mut state, op) {
                Ok(applied) => Outcome::Applied(applied),
                Err(fault) => Outcome::Failed(fault),
            });
        }
        if lost && self.has(Flaw::CallsLostTransient) {
            return Err(Fault::transient("no answer"));
        }
        if lost {
            return Err(Fault::UnknownOutcome("no answer".into()));
        }
        if self.has(Flaw::ReversesOutcomes) {
            outcomes.reverse();
        }
        Ok(outcomes)
    }
}

impl DrawerConnector {
    fn foreign(&self, size: usize, clock: i64, cursor: &str) -> Result<Page, Fault> {
        if self.has(Flaw::TakesAnyCursor) {
            return Ok(self.walk(size, clock, ""));
        }
        Err(Fault::CursorExpired(format!("'{cursor}' is not mine")))
    }
}
