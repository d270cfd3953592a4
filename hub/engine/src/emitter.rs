//! Writes down an intent for everything that is owed, when it is to be done.

use std::collections::BTreeSet;

use concord_core::ports::Sequence;
use concord_core::state::{Entity, Intent, IntentState, Link};
use concord_core::{Changeset, ConnectionId, EntityId, Fields, IntentId, RunId, StreamName};
use concord_sync::emit::Debt;

use crate::around::Around;
use crate::deletes::Fate;
use crate::error::EngineError;
use crate::guard::Stopped;
use crate::hub::Hub;
use crate::planner::{CHUNK, Gates};
use crate::progress::Progress;

impl Hub {
    /// Writes down an intent for everything that is owed and not blocked, but to
    /// connections whose guard has tripped.  Gives the number of new intents.
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "plan", skip_all)]
    pub(crate) async fn emit(&self, run: RunId, stopped: &Stopped) -> Result<u64, EngineError> {
        let mut made = 0;
        for kind in self.kinds() {
            let gates = self.gates(&kind).await?;
            let mut after = 0;
            let mut looked_at = 0;
            loop {
                let chunk = self.store.dirty_entities(&kind, after, CHUNK).await?;
                let Some(last) = chunk.last() else { break };
                after = last.id.number;
                looked_at += chunk.len() as u64;
                made += self.emit_chunk(chunk, &gates, run, stopped).await?;
                self.watch.tell(Progress::Planning { looked_at });
                self.extend_lease().await?;
            }
        }
        Ok(made)
    }

    async fn emit_chunk(
        &self,
        chunk: Vec<Entity>,
        gates: &Gates,
        run: RunId,
        stopped: &Stopped,
    ) -> Result<u64, EngineError> {
        let around = self.surroundings(&chunk).await?;
        let mut out = Changeset::durable();
        for mut entity in chunk {
            let fate = self.fate(&entity, &around);
            // A delete was seen while some write of the entity was under way: what
            // it means is decided when that is settled, whatever comes of it.
            let waits = matches!(fate, Fate::Waits);
            let around_it = &around.around;
            if self
                .is_over(&mut entity, fate, around_it, run, &mut out)
                .await?
            {
                out.entities.push(entity);
                continue;
            }
            // A merged entity may have two records in one stream.  They are
            // written one after the other: nothing else is ready for two open
            // intents of one entity there.
            let mut blocked = waits || around.is_crowded(&entity.id);
            let mut places = BTreeSet::new();
            for (connection, stream, debt, link) in self.debts(&entity, &around, gates) {
                blocked |= debt.waits;
                // What cannot be written now does not keep the other record
                // waiting.
                if debt.blocked.is_some() || stopped.contains(&connection.id()) {
                    blocked = true;
                    continue;
                }
                if !places.insert((connection.id(), stream.name.clone())) {
                    blocked = true;
                    continue;
                }
                let id = IntentId(self.numbers.next(&Sequence::Intent).await?);
                let place = (connection.id(), &stream.name);
                out.intents
                    .push(self.intent(id, run, place, &entity.id, link, debt));
            }
            // What is blocked is looked at again; what waits for an open intent
            // is marked when that is settled.
            if !blocked {
                out.entities_settled.push(entity.id);
            }
        }
        let made = out.intents.len() as u64;
        self.store.commit(&out).await?;
        Ok(made)
    }

    /// A delete that is turned down, or carried out everywhere, is over.
    async fn is_over(
        &self,
        entity: &mut Entity,
        fate: Fate<'_>,
        around: &Around,
        run: RunId,
        out: &mut Changeset,
    ) -> Result<bool, EngineError> {
        match fate {
            Fate::Contested(fields) => {
                let reason = "somebody has changed the record since";
                self.spare(entity, around, &fields, reason, out).await?;
                Ok(true)
            }
            Fate::Over => {
                self.bury(entity, around, run, out).await?;
                Ok(true)
            }
            Fate::Lives | Fate::Waits | Fate::Follows(_) => Ok(false),
        }
    }

    /// A planned write, as it is written down before anything leaves.
    pub(crate) fn intent(
        &self,
        id: IntentId,
        run: RunId,
        (connection, stream): (ConnectionId, &StreamName),
        entity: &EntityId,
        link: Option<&Link>,
        debt: Debt,
    ) -> Intent {
        Intent {
            id,
            run,
            connection,
            stream: stream.clone(),
            entity: entity.clone(),
            remote_id: link.map(|link| link.key.remote_id.clone()),
            action: debt.action,
            state: IntentState::New,
            values: debt.values,
            before: debt.before,
            payload: Fields::new(),
            seen: Fields::new(),
            base_version: link.and_then(|link| link.version.clone()),
            answer_version: None,
            created_at: self.clock.now(),
            sent_at: None,
            deadline: None,
            not_before: None,
            attempts: 0,
            reason: String::new(),
        }
    }
}
