//! What the systems refused in a run, said once per reason.

use concord_core::ports::{IntentFilter, StoreError};
use concord_core::state::IntentState;
use concord_core::{EntityId, RunId};
use concord_engine::Hub;
use serde::Serialize;

/// Writes are looked through in pages, because a run may have made very many.
const PAGE: u32 = 1_000;

/// Writes that a system refused for the same reason.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    pub place: String,
    pub reason: String,
    pub writes: u64,
    pub first: EntityId,
}

impl Refusal {
    pub fn words(&self) -> String {
        let Refusal {
            place,
            reason,
            first,
            ..
        } = self;
        match self.writes {
            1 => format!("{place} {first}: {reason}"),
            writes => format!("{place} {first} and {} more: {reason}", writes - 1),
        }
    }
}

pub async fn refused(hub: &Hub, run: RunId) -> Result<Vec<Refusal>, StoreError> {
    let mut filter = IntentFilter {
        run: Some(run),
        limit: PAGE,
        ..IntentFilter::default()
    };
    let mut refusals: Vec<Refusal> = Vec::new();
    loop {
        let page = hub.store.intents(&filter).await?;
        let Some(last) = page.last() else {
            return Ok(refusals);
        };
        filter.after = Some(last.id);
        for intent in page
            .into_iter()
            .filter(|intent| intent.state == IntentState::Failed)
        {
            let name = hub
                .connection(intent.connection)
                .map_or("?", |c| c.row.name.as_str());
            let place = format!("{name}/{}", intent.stream);
            let same = refusals
                .iter_mut()
                .find(|known| known.place == place && known.reason == intent.reason);
            match same {
                Some(known) => known.writes += 1,
                None => refusals.push(Refusal {
                    place,
                    reason: intent.reason,
                    writes: 1,
                    first: intent.entity,
                }),
            }
        }
    }
}
