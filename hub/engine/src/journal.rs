//! What goes into the books besides the records themselves: conflicts, holds,
//! waits, and the events that `why` tells.

use concord_core::ports::Sequence;
use concord_core::state::{Event, Intent, Link, Origin, Quarantined};
use concord_core::{Changeset, Entity, EntityId, FieldName, RunId, Value};
use concord_sync::absorb::Absorbed;

use crate::error::EngineError;
use crate::hub::Hub;

impl Hub {
    /// Adds what absorbing or settling left to be written down to a changeset:
    /// conflicts, holds, waits, unfit fields and one event.
    pub(crate) async fn write_down(
        &self,
        absorbed: Absorbed,
        link: &Link,
        entity: &Entity,
        run: RunId,
        what: Option<&str>,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        for mut conflict in absorbed.conflicts {
            conflict.id = self.numbers.next(&Sequence::Conflict).await?;
            out.conflicts.push(conflict);
        }
        out.holds.extend(absorbed.holds);
        out.waiting.extend(absorbed.waiting);
        if !absorbed.unfit.is_empty() {
            let reasons: Vec<String> = absorbed
                .unfit
                .into_iter()
                .map(|(_, reason)| reason)
                .collect();
            out.quarantined.push(Quarantined {
                connection: link.key.connection,
                stream: link.key.stream.clone(),
                remote_id: link.key.remote_id.clone(),
                reason: reasons.join("; "),
                raw: String::new(),
                at: now,
            });
        }
        let Some(what) = what else { return Ok(()) };
        out.events.push(Event {
            id: self.numbers.next(&Sequence::Event).await?,
            entity: entity.id.clone(),
            at: now,
            run,
            origin: Origin::Connection(link.key.connection),
            what: what.to_owned(),
            changes: absorbed.changes,
            link: Some(link.key.clone()),
        });
        Ok(())
    }

    /// The event of a write of ours.
    pub(crate) async fn written(
        &self,
        intent: &Intent,
        link: &Link,
        what: &str,
    ) -> Result<Event, EngineError> {
        let changes = intent
            .values
            .iter()
            .map(|(name, value)| {
                let before = intent.before.get(name).cloned().unwrap_or_default();
                (FieldName::new(name), before, value.clone())
            })
            .collect();
        Ok(Event {
            id: self.numbers.next(&Sequence::Event).await?,
            entity: intent.entity.clone(),
            at: self.clock.now(),
            run: intent.run,
            origin: Origin::Connection(intent.connection),
            what: what.to_owned(),
            changes,
            link: Some(link.key.clone()),
        })
    }

    /// The event of a decision that a person made at the hub.
    pub(crate) async fn decided(
        &self,
        entity: &EntityId,
        run: RunId,
        by: &str,
        what: String,
        changes: Vec<(FieldName, Value, Value)>,
    ) -> Result<Event, EngineError> {
        Ok(Event {
            id: self.numbers.next(&Sequence::Event).await?,
            entity: entity.clone(),
            at: self.clock.now(),
            run,
            origin: Origin::Person(by.to_owned()),
            what,
            changes,
            link: None,
        })
    }
}
