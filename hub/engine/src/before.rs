//! What is known before a page is looked at.

use std::collections::{BTreeSet, HashMap};

use concord_core::ports::IntentFilter;
use concord_core::record::{Change, RemoteRecord};
use concord_core::state::{Hold, Intent, IntentAction, Link};
use concord_core::{Entity, EntityId, RemoteId, Value};

use crate::error::EngineError;
use crate::lane::Lane;
use crate::references::Known;

pub(crate) struct Before {
    pub links: HashMap<RemoteId, Link>,
    pub entities: HashMap<EntityId, Entity>,
    pub holds: HashMap<EntityId, Vec<Hold>>,
    /// The open intents of this stream.
    pub open: HashMap<EntityId, Vec<Intent>>,
}

/// What is kept from one page of a pull to the next.
pub(crate) struct Memory {
    pub known: Known,
    /// Some record is in quarantine, so those that are well now are let out.
    pub heals: bool,
    /// Creates of this stream that may have arrived.  None is sent while it is
    /// being read.
    creates: Vec<Intent>,
}

impl Memory {
    pub async fn begin(lane: Lane<'_>) -> Result<Self, EngineError> {
        Ok(Self {
            known: Known::default(),
            heals: !lane.hub.store.quarantined(1).await?.is_empty(),
            creates: if lane.stream.caps.create {
                lane.open_creates().await?
            } else {
                Vec::new()
            },
        })
    }

    /// A create whose answer is missing, and whose identifying values this
    /// record holds.
    pub fn is_of_open_create(&self, record: &RemoteRecord) -> bool {
        self.creates.iter().any(|intent| {
            let mut equal = intent.payload.iter().filter(|(_, value)| !is_empty(value));
            equal.clone().next().is_some()
                && equal.all(|(name, value)| {
                    record
                        .fields
                        .get(name)
                        .is_none_or(|held| is_empty(held) || alike(held, value))
                })
        })
    }
}

impl Before {
    /// Reads what is known of the records of a page, one statement a table.
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "look up", skip_all)]
    pub async fn look_up(
        lane: Lane<'_>,
        changes: &[Change],
        memory: &mut Memory,
    ) -> Result<Self, EngineError> {
        let store = lane.hub.store.as_ref();
        let id = lane.id();
        let ids: BTreeSet<RemoteId> = changes.iter().filter_map(Change::id).cloned().collect();
        let ids: Vec<RemoteId> = ids.into_iter().collect();
        let links = store.links(id, &lane.stream.name, &ids).await?;
        let entity_ids: BTreeSet<EntityId> = links.iter().map(|link| link.entity.clone()).collect();
        let entity_ids: Vec<EntityId> = entity_ids.into_iter().collect();
        let mut holds: HashMap<EntityId, Vec<Hold>> = HashMap::new();
        let mut open: HashMap<EntityId, Vec<Intent>> = HashMap::new();
        let mut entities = HashMap::new();
        if !entity_ids.is_empty() {
            for entity in store.entities(&entity_ids).await? {
                entities.insert(entity.id.clone(), entity);
            }
            for hold in store.holds(&entity_ids).await? {
                holds.entry(hold.entity.clone()).or_default().push(hold);
            }
            let intents = store.open_intents_of(&entity_ids).await?;
            for intent in intents.into_iter().filter(|i| lane.holds_intent(i)) {
                open.entry(intent.entity.clone()).or_default().push(intent);
            }
        }
        let records = changes.iter().filter_map(|change| match change {
            Change::Upsert(record) => Some(&record.fields),
            _ => None,
        });
        memory
            .known
            .add_records(store, lane.connection, lane.stream, records)
            .await?;
        let links = links
            .into_iter()
            .map(|link| (link.key.remote_id.clone(), link))
            .collect();
        Ok(Self {
            links,
            entities,
            holds,
            open,
        })
    }
}

pub(crate) fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

fn alike(held: &Value, sent: &Value) -> bool {
    match (held, sent) {
        (Value::String(a), Value::String(b)) => a.trim().to_lowercase() == b.trim().to_lowercase(),
        (a, b) => a == b,
    }
}

impl Lane<'_> {
    /// Creates that were sent and have no answer.  All of them: behind however
    /// many that have not left, one may stand that has arrived.
    async fn open_creates(&self) -> Result<Vec<Intent>, EngineError> {
        let filter = IntentFilter {
            left_only: true,
            limit: 0,
            ..self.open_intents()
        };
        let mut intents = self.hub.store.intents(&filter).await?;
        intents.retain(|intent| intent.action == IntentAction::Create);
        Ok(intents)
    }
}
