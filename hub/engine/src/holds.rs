//! Lets go of what is held for another reason than a conflict: a fight that was
//! stopped.

use concord_core::ports::{ConflictFilter, Sequence};
use concord_core::state::Hold;
use concord_core::{Changeset, EntityId, FieldName, RunId, Timestamp};

use crate::error::EngineError;
use crate::hub::Hub;

impl Hub {
    /// Lifts the hold of a field, or of a whole entity.  The canonical value
    /// stands and is brought everywhere; the count of a fight begins anew.
    pub async fn release(
        &self,
        id: &EntityId,
        field: Option<&FieldName>,
        by: &str,
    ) -> Result<Hold, EngineError> {
        let ids = std::slice::from_ref(id);
        let holds = self.store.holds(ids).await?;
        let Some(hold) = holds.into_iter().find(|hold| hold.field.as_ref() == field) else {
            let what = field.map_or_else(String::new, |field| format!(" {field}"));
            return Err(EngineError::Refused(format!(
                "{id}{what} is not held: `concord holds list` names what is"
            )));
        };
        self.refuse_undecided(&hold).await?;
        let Some(mut entity) = self.store.entities(ids).await?.pop() else {
            return Err(EngineError::Refused(format!("{id} is not there any more")));
        };
        if let Some(cell) = field.and_then(|field| entity.cells.get_mut(field)) {
            cell.changes = 0;
            cell.fight_since = Timestamp::ZERO;
        }
        entity.dirty = true;
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let mut out = Changeset::durable();
        let what = match field {
            Some(field) => format!("hold of {field} released"),
            None => "hold released".to_owned(),
        };
        out.events
            .push(self.decided(id, run, by, what, Vec::new()).await?);
        out.holds_cleared.push((id.clone(), hold.field.clone()));
        out.entities.push(entity);
        self.store.commit(&out).await?;
        Ok(hold)
    }

    /// A conflict asks which value it is to be; releasing would not answer that.
    async fn refuse_undecided(&self, hold: &Hold) -> Result<(), EngineError> {
        let filter = ConflictFilter {
            entity: Some(hold.entity.clone()),
            held_only: true,
            limit: 0,
            ..ConflictFilter::default()
        };
        let held = self.store.conflicts(&filter).await?;
        let mut same = held
            .iter()
            .filter(|conflict| hold.field.as_ref() == Some(&conflict.field));
        match same.next() {
            Some(conflict) => Err(EngineError::Refused(format!(
                "a conflict waits for its decision: `concord conflicts decide {} --take …`",
                conflict.id
            ))),
            None => Ok(()),
        }
    }
}
