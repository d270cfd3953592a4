//! Takes back what a run of the hub wrote: each system gets the values that it
//! held before, but where somebody has changed the field since.
//!
//! What people did is not taken back: the canonical values stay.  A field that
//! was brought back is not written there again until its canonical value
//! changes.  An undo is a run like any other, so it can be undone.

use std::collections::{BTreeSet, HashMap};

use concord_core::ports::{IntentFilter, Sequence};
use concord_core::state::{
    Entity, EntityState, Intent, IntentAction, IntentState, Link, LinkState,
};
use concord_core::{Changeset, EntityId, FieldName, Fields, IntentId, RunId};
use concord_sync::emit::Debt;
use concord_sync::undo::{Taken, in_one, take_back};

use crate::around::Around;
use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::references::Known;
use crate::saved::{Carried, Skipped};

const PAGE: u32 = 500;

impl Hub {
    /// Takes back what a run wrote.
    pub async fn undo(&mut self, number: i64) -> Result<Carried, EngineError> {
        self.may_write().await?;
        let undone = RunId(number);
        if number > 0 {
            self.refuse_compacted(undone).await?;
        }
        let filter = IntentFilter {
            run: Some(undone),
            limit: PAGE,
            ..IntentFilter::default()
        };
        if self.store.intents(&filter).await?.is_empty() {
            let last = self.store.runs(1).await?.pop();
            let known = last.is_some_and(|last| undone <= last.id);
            return Err(EngineError::Refused(match known && number > 0 {
                true => format!("run {number} wrote nothing, so there is nothing to take back"),
                false => format!("there is no run {number}: `concord status` names the last ones"),
            }));
        }
        self.with_lease(async |hub| {
            let mut carried = Carried::default();
            let run = hub.begin_uncounted_run().await?;
            carried.report.run = run.id.0;
            hub.recover_alone().await?;
            // Another hub may have compacted the books meanwhile.
            hub.refuse_compacted(undone).await?;
            let mut after = None;
            loop {
                let filter = IntentFilter {
                    after,
                    ..filter.clone()
                };
                let page = hub.store.intents(&filter).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                let whole = hub.whole_stories(page, undone).await?;
                hub.take_back(&whole, undone, run.id, &mut carried.skipped)
                    .await?;
                hub.extend_lease().await?;
            }
            hub.carry_out(run, carried).await
        })
        .await
    }

    /// The writes of a page as one write a record: a run may write to a record
    /// more than once, and what it came to is what is taken back.  A record whose
    /// first write stood on an earlier page has been dealt with there.
    async fn whole_stories(
        &self,
        page: Vec<Intent>,
        undone: RunId,
    ) -> Result<Vec<Intent>, EngineError> {
        let first = page.first().map(|intent| intent.id);
        let mut whole: Vec<Intent> = Vec::new();
        let mut seen = BTreeSet::new();
        for intent in page {
            let place = (
                intent.entity.clone(),
                intent.connection,
                intent.stream.clone(),
                intent.remote_id.clone(),
            );
            if !seen.insert(place) {
                continue;
            }
            let filter = IntentFilter {
                entity: Some(intent.entity.clone()),
                run: Some(undone),
                ..IntentFilter::default()
            };
            let mut same = self.store.intents(&filter).await?;
            // Of a merged entity there may be several records in one stream.
            same.retain(|other| {
                other.connection == intent.connection
                    && other.stream == intent.stream
                    && other.remote_id == intent.remote_id
            });
            if same.first().map(|other| other.id) < first {
                continue;
            }
            let open = same.iter().find(|other| other.state.is_open()).cloned();
            let done = same.into_iter().filter(wrote);
            let one = done.reduce(|first, second| in_one(&first, &second));
            whole.extend(open.or(one));
        }
        Ok(whole)
    }

    async fn take_back(
        &self,
        intents: &[Intent],
        undone: RunId,
        run: RunId,
        skipped: &mut Vec<Skipped>,
    ) -> Result<(), EngineError> {
        let ids: Vec<EntityId> = intents.iter().map(|intent| intent.entity.clone()).collect();
        let store = self.store.as_ref();
        let around = Around::load(store, &ids).await?;
        let open = store.open_intents_of(&ids).await?;
        let entities: HashMap<EntityId, Entity> = store
            .entities(&ids)
            .await?
            .into_iter()
            .map(|entity| (entity.id.clone(), entity))
            .collect();
        let mut out = Changeset::durable();
        for intent in intents {
            let mut skip = |field: Option<&FieldName>, why: String| {
                skipped.push(Skipped {
                    connection: self.name_of_connection(intent),
                    entity: intent.entity.clone(),
                    field: field.map(ToString::to_string),
                    why,
                });
            };
            if intent.state.is_open() {
                skip(None, "whether it arrived is not known yet".into());
                continue;
            }
            let is_busy = open.iter().any(|other| {
                other.entity == intent.entity
                    && other.connection == intent.connection
                    && other.stream == intent.stream
                    && (other.remote_id.is_none() || other.remote_id == intent.remote_id)
            });
            let target = self.target(intent, entities.get(&intent.entity), &around);
            let (connection, stream, entity, link) = match target {
                _ if is_busy => {
                    skip(None, "another write to the record is under way".into());
                    continue;
                }
                Err(why) => {
                    skip(None, why);
                    continue;
                }
                Ok(target) => target,
            };
            let known = Known::default();
            let scene = self.scene(connection, stream, &known, self.clock.now());
            let (debt, left) = match take_back(intent, entity, link, &scene) {
                Taken::Nothing(why) => {
                    skip(None, why.into());
                    continue;
                }
                Taken::Record => (withdrawal(), Vec::new()),
                Taken::Fields {
                    values,
                    before,
                    left,
                } => {
                    let debt = Debt {
                        action: IntentAction::Restore,
                        values,
                        before,
                        blocked: None,
                        waits: false,
                    };
                    (debt, left)
                }
            };
            for (field, why) in &left {
                skip(Some(field), (*why).to_owned());
            }
            if debt.action == IntentAction::Restore && debt.values.is_empty() {
                continue;
            }
            let id = IntentId(self.numbers.next(&Sequence::Intent).await?);
            let place = (connection.id(), &stream.name);
            let mut back = self.intent(id, run, place, &entity.id, Some(link), debt);
            back.reason = format!("takes back what run {undone} wrote");
            out.intents.push(back);
        }
        Ok(self.store.commit(&out).await?)
    }

    fn name_of_connection(&self, intent: &Intent) -> String {
        let connection = self.connection(intent.connection);
        connection.map_or_else(
            || format!("connection {} (removed)", intent.connection),
            |connection| connection.row.name.clone(),
        )
    }

    /// What a write went to, where that can still be written to.
    fn target<'a>(
        &'a self,
        intent: &Intent,
        entity: Option<&'a Entity>,
        around: &'a Around,
    ) -> Result<(&'a Connection, &'a Stream, &'a Entity, &'a Link), String> {
        let Some((connection, stream)) = self.place(&intent.connection, &intent.stream) else {
            return Err("its connection or stream takes part no more".into());
        };
        let entity = entity.filter(|entity| entity.state == EntityState::Live);
        let Some(entity) = entity else {
            return Err("the entity is deleted or merged into another one".into());
        };
        let mut links = around.links(&entity.id).iter();
        let here = |link: &&Link| {
            link.key.connection == intent.connection
                && link.key.stream == intent.stream
                && link.state == LinkState::Live
                && Some(&link.key.remote_id) == intent.remote_id.as_ref()
        };
        match links.find(here) {
            Some(link) => Ok((connection, stream, entity, link)),
            None => Err("its record is not linked any more".into()),
        }
    }
}

/// It is known to have changed something at the system.
fn wrote(intent: &Intent) -> bool {
    intent.state == IntentState::Done && intent.sent_at.is_some()
}

fn withdrawal() -> Debt {
    Debt {
        action: IntentAction::Withdraw,
        values: Fields::new(),
        before: Fields::new(),
        blocked: None,
        waits: false,
    }
}
