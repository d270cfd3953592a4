//! A plan that is kept in a file, looked at, and carried out as it is: every
//! write of it whose record has not moved since, and nothing else.

use std::collections::BTreeMap;

use concord_core::ports::Sequence;
use concord_core::state::{Entity, Intent, IntentAction, IntentState, Link};
use concord_core::{Changeset, EntityId, IntentId, RunId};
use concord_sync::emit::Debt;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::outbox::Sent;
use crate::planner::{Gates, Plan, PlannedWrite};
use crate::run::Report;

/// What the file says it is.
pub const FORMAT: &str = "concord-plan";
const VERSION: u32 = 1;

/// So many writes are looked at together.
const CHUNK: usize = 200;

/// What a plan costs at one connection, in calls of its connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Calls that write.
    pub writes: u64,
    /// Calls that read a record before it is written, or after.
    pub reads: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    pub format: String,
    pub version: u32,
    /// The database that it was made for.
    pub database: String,
    pub made_at: String,
    /// By connection.
    pub price: BTreeMap<String, Price>,
    pub writes: Vec<PlannedWrite>,
}

/// A write of a saved plan that was left undone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skipped {
    pub connection: String,
    pub entity: EntityId,
    pub field: Option<String>,
    pub why: String,
}

/// What carrying out a saved plan or an undo came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Carried {
    pub report: Report,
    /// Writes that were sent and answered for.
    pub done: u64,
    pub skipped: Vec<Skipped>,
}

impl SavedPlan {
    /// Reads a file that says it is a plan.
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        let refused = |problem: String| EngineError::Refused(problem);
        let found: serde_json::Value = serde_json::from_str(text).map_err(|_| {
            refused(
                "this is no saved plan: `concord plan --save FILE` makes one; a configuration is \
                 taken over with `concord apply -f FILE`"
                    .into(),
            )
        })?;
        if found["format"] != FORMAT {
            return Err(refused(
                "this is no saved plan: `concord plan --save FILE` makes one; a configuration is \
                 taken over with `concord apply -f FILE`"
                    .into(),
            ));
        }
        if found["version"] != VERSION {
            return Err(refused(format!(
                "this plan is of version {}, and this program knows {VERSION}: save it again",
                found["version"]
            )));
        }
        serde_json::from_value(found)
            .map_err(|error| refused(format!("the plan is damaged ({error}): save it again")))
    }
}

impl Hub {
    /// The plan as it is kept in a file.
    pub async fn save(&self, plan: &Plan) -> Result<SavedPlan, EngineError> {
        let Some(database) = self.identity().await? else {
            return Err(EngineError::Refused(
                "nothing has been read yet, so there is nothing to plan: `concord sync` reads"
                    .into(),
            ));
        };
        Ok(SavedPlan {
            format: FORMAT.into(),
            version: VERSION,
            database,
            made_at: self.clock.now().to_string(),
            price: self.price(&plan.writes),
            writes: plan.writes.clone(),
        })
    }

    /// What these writes cost in calls.
    pub fn price(&self, writes: &[PlannedWrite]) -> BTreeMap<String, Price> {
        let mut numbers: BTreeMap<(&str, &str), [u64; 3]> = BTreeMap::new();
        for write in writes.iter().filter(|write| write.blocked.is_none()) {
            let place = (write.connection.as_str(), write.stream.as_str());
            let at = match write.action {
                IntentAction::Create => 0,
                IntentAction::Update | IntentAction::Restore => 1,
                IntentAction::Delete | IntentAction::Withdraw => 2,
            };
            numbers.entry(place).or_default()[at] += 1;
        }
        let mut price: BTreeMap<String, Price> = BTreeMap::new();
        for ((name, stream), [creates, updates, deletes]) in numbers {
            let Some(stream) = self.named(name).ok().and_then(|connection| {
                let mut streams = connection.streams.iter();
                streams.find(|known| known.name.as_str() == stream)
            }) else {
                continue;
            };
            let caps = &stream.caps;
            let calls = |number: u64, most: u32| number.div_ceil(u64::from(most.max(1)));
            let writes = creates + updates + deletes;
            let mut read = deletes;
            if !caps.etags {
                read += updates;
            }
            if !caps.answer_is_record && !caps.rewrites_declared {
                read += creates + updates;
            }
            let entry = price.entry(name.to_owned()).or_default();
            entry.writes += calls(writes, caps.batch_max);
            entry.reads += calls(read, caps.fetch_max);
        }
        price
    }

    /// Carries out a saved plan.
    pub async fn apply_plan(&mut self, plan: &SavedPlan) -> Result<Carried, EngineError> {
        if self.identity().await?.as_ref() != Some(&plan.database) {
            return Err(EngineError::Refused(
                "this plan was made for another database: save one here with `concord plan --save \
                 FILE`"
                    .into(),
            ));
        }
        self.may_write().await?;
        self.with_lease(async |hub| {
            let mut carried = Carried::default();
            let run = hub.begin_uncounted_run().await?;
            carried.report.run = run.id.0;
            hub.recover_alone().await?;
            for chunk in plan.writes.chunks(CHUNK) {
                hub.take_up(chunk, run.id, &mut carried.skipped).await?;
                hub.extend_lease().await?;
            }
            hub.carry_out(run, carried).await
        })
        .await
    }

    /// Writes down an intent for each planned write whose record has not moved.
    async fn take_up(
        &self,
        writes: &[PlannedWrite],
        run: RunId,
        skipped: &mut Vec<Skipped>,
    ) -> Result<(), EngineError> {
        let ids: Vec<EntityId> = writes.iter().map(|write| write.entity.clone()).collect();
        let entities: Vec<Entity> = self.store.entities(&ids).await?;
        let around = self.surroundings(&entities).await?;
        let mut gates: BTreeMap<concord_core::Kind, Gates> = BTreeMap::new();
        let mut out = Changeset::durable();
        for write in writes {
            let kind = &write.entity.kind;
            if !gates.contains_key(kind) {
                gates.insert(kind.clone(), self.gates(kind).await?);
            }
            let entity = entities.iter().find(|entity| entity.id == write.entity);
            let owed = match (entity, gates.get(kind)) {
                (Some(entity), Some(gates)) => self.debts(entity, &around, gates),
                _ => Vec::new(),
            };
            match as_planned(write, owed) {
                Ok((connection, stream, link, debt)) => {
                    let id = IntentId(self.numbers.next(&Sequence::Intent).await?);
                    let place = (connection.id(), &stream.name);
                    let intent = self.intent(id, run, place, &write.entity, link, debt);
                    out.intents.push(intent);
                }
                Err(why) => skipped.push(Skipped {
                    connection: write.connection.clone(),
                    entity: write.entity.clone(),
                    field: None,
                    why,
                }),
            }
        }
        Ok(self.store.commit(&out).await?)
    }

    /// Sends what was written down for this run, and nothing else, and says what
    /// became of it.
    pub(crate) async fn carry_out(
        &self,
        run: concord_core::state::RunRow,
        mut carried: Carried,
    ) -> Result<Carried, EngineError> {
        self.send_all(run.id, &mut carried.report).await?;
        let filter = concord_core::ports::IntentFilter {
            run: Some(run.id),
            ..Default::default()
        };
        for intent in self.store.intents(&filter).await? {
            match intent.state {
                IntentState::Done => carried.done += 1,
                IntentState::Dropped | IntentState::Failed => {
                    carried.skipped.push(self.skipped(&intent));
                }
                IntentState::New | IntentState::Sent | IntentState::InDoubt => {
                    carried.report.open += 1;
                }
            }
        }
        self.end_run(run, &carried).await?;
        Ok(carried)
    }

    fn skipped(&self, intent: &Intent) -> Skipped {
        let connection = self.connection(intent.connection);
        let why = match intent.reason.as_str() {
            "" => "it was not carried out",
            reason => reason,
        };
        Skipped {
            connection: connection.map_or_else(String::new, |c| c.row.name.clone()),
            entity: intent.entity.clone(),
            field: None,
            why: why.to_owned(),
        }
    }
}

type Owed<'a> = (&'a Connection, &'a Stream, Debt, Option<&'a Link>);

/// The debt that a planned write names, where it still is what was planned; or
/// why not.
fn as_planned<'a>(
    write: &PlannedWrite,
    owed: Vec<Owed<'a>>,
) -> Result<(&'a Connection, &'a Stream, Option<&'a Link>, Debt), String> {
    if let Some(reason) = &write.blocked {
        return Err(format!(
            "it waited already when the plan was made: {reason}"
        ));
    }
    // Of a merged entity there may be several records in one stream.
    let same_place = |owed: &Owed<'_>| {
        owed.0.row.name == write.connection
            && owed.1.name == write.stream
            && owed.3.map(|link| &link.key.remote_id) == write.remote_id.as_ref()
    };
    let Some((connection, stream, mut debt, link)) = owed.into_iter().find(same_place) else {
        return Err(
            "it is not owed any more, its record came or went, or another write of it is under way"
                .into(),
        );
    };
    if debt.action != write.action {
        return Err("something else is to be done with the record since the plan was made".into());
    }
    if link.and_then(|link| link.version.as_ref()) != write.base_version.as_ref() {
        return Err("the record has moved since the plan was made".into());
    }
    if let Some(reason) = debt.blocked {
        return Err(format!("it has to wait: {reason}"));
    }
    let planned = |(name, value): (&String, &concord_core::Value)| {
        debt.values.get(name) == Some(value) && debt.before.get(name) == write.before.get(name)
    };
    if !write.values.iter().all(planned) {
        return Err("another value is owed since the plan was made".into());
    }
    debt.values
        .retain(|name, _| write.values.contains_key(name));
    debt.before
        .retain(|name, _| write.values.contains_key(name));
    Ok((connection, stream, link, debt))
}

impl Report {
    /// Everything that was sent, over all streams.
    pub fn sent(&self) -> Sent {
        let mut all = Sent::default();
        for stream in self.streams.values() {
            all += stream.sent;
        }
        all
    }
}
