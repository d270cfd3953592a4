//! The runs on record.

use std::collections::BTreeMap;

use concord_core::ports::{Sequence, Store, StoreError};
use concord_core::state::RunRow;
use concord_core::{Changeset, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;
use crate::run::{Gap, Request};
use crate::timetable::Direction;

/// When the last run began that a schedule counts from.
const BEGAN: &str = "last-run-began";

/// The same for each connection and direction.
const BEGAN_EACH: &str = "last-began-each";

/// When each connection was last read and written to by a run that was not about
/// webhooks alone, whoever began it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Began {
    /// Any of them.
    last: Option<Timestamp>,
    each: BTreeMap<String, Moments>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Moments {
    read: Option<Timestamp>,
    write: Option<Timestamp>,
}

impl Began {
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            last: last_began(store).await?,
            each: documents::read(store, BEGAN_EACH)
                .await?
                .unwrap_or_default(),
        })
    }

    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// A version before this one noted runs of all connections only, and where a
    /// connection is new, the hub is not: both follow the last run.
    pub fn of(&self, connection: &str, direction: Direction) -> Option<Timestamp> {
        let Some(moments) = self.each.get(connection) else {
            return self.last;
        };
        match direction {
            Direction::Read => moments.read,
            Direction::Write => moments.write,
        }
    }

    /// With a run that began now.  Connections that were removed are not among these
    /// any more.
    pub(crate) fn with<'a>(
        self,
        connections: impl Iterator<Item = &'a str>,
        request: &Request,
        now: Timestamp,
    ) -> Self {
        let each = connections.map(|name| {
            let at = |direction, has_begun| match has_begun {
                true => Some(now),
                false => self.of(name, direction),
            };
            let moments = Moments {
                read: at(Direction::Read, request.reads(name)),
                write: at(Direction::Write, request.writes(name)),
            };
            (name.to_owned(), moments)
        });
        Self {
            each: each.collect(),
            last: Some(now),
        }
    }
}

#[cfg(test)]
impl Began {
    pub(crate) fn at(last: Timestamp) -> Self {
        Self {
            last: Some(last),
            each: BTreeMap::new(),
        }
    }
}

/// When the last run began that was not about webhooks alone, whoever began it.
pub async fn last_began(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    let noted: Option<i64> = documents::read(store, BEGAN).await?;
    if let Some(began) = noted {
        return Ok(Some(Timestamp(began)));
    }
    // A version before this one noted it with the run alone.
    let runs = store.runs(1).await?;
    Ok(runs.first().map(|run| run.started_at))
}

impl Hub {
    /// Notes a run, and what the schedule has to count from.
    pub(crate) async fn begin_run(&self, request: &Request) -> Result<RunRow, EngineError> {
        if request.only_hinted {
            return self.begin_row(request.resumed.as_ref()).await;
        }
        let store = self.store.as_ref();
        let before = Began::load(store).await?;
        let row = self.begin_row(request.resumed.as_ref()).await?;
        let names = self.connections.iter().map(|one| one.row.name.as_str());
        let began = before.with(names, request, row.started_at);
        documents::write(store, BEGAN_EACH, &began.each).await?;
        documents::write(store, BEGAN, &row.started_at.0).await?;
        Ok(row)
    }

    /// One that the schedule does not count.
    pub(crate) async fn begin_uncounted_run(&self) -> Result<RunRow, EngineError> {
        self.begin_row(None).await
    }

    /// One that is cut off has no account, and tells all the same what kept it from
    /// beginning before.
    async fn begin_row(&self, resumed: Option<&Gap>) -> Result<RunRow, EngineError> {
        let row = RunRow {
            id: RunId(self.store.reserve(&Sequence::Run, 1).await?),
            started_at: self.clock.now(),
            ended_at: None,
            summary: resumed.map_or(Value::Null, |gap| json!({ "resumed": gap })),
        };
        self.keep_run(&row).await?;
        Ok(row)
    }

    pub(crate) async fn end_run(
        &self,
        mut row: RunRow,
        summary: &impl Serialize,
    ) -> Result<(), EngineError> {
        row.ended_at = Some(self.clock.now());
        row.summary = serde_json::to_value(summary).unwrap_or_default();
        self.keep_run(&row).await
    }

    async fn keep_run(&self, row: &RunRow) -> Result<(), EngineError> {
        let mut out = Changeset::default();
        out.runs.push(row.clone());
        Ok(self.store.commit(&out).await?)
    }
}
