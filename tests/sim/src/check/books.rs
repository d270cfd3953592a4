//! What the hub has written down when a world has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use concord_core::ports::{ConflictFilter, IntentFilter, Store};
use concord_core::state::{ConflictKind, Event, IntentState, Link};
use concord_core::{Entity, Kind};

use crate::system::{Row, System};
use crate::value::tokens;
use crate::world::id_of;

/// Everything that the hub knows at the end.
pub(super) struct Books {
    pub entities: BTreeMap<i64, Entity>,
    pub links: Vec<Link>,
    pub in_review: BTreeSet<(i64, String)>,
    /// Records of which nobody has said yet whose they are.
    pub asked: BTreeSet<(i64, String)>,
    /// Whom such a record may be of.
    pub candidates: BTreeSet<i64>,
    pub quarantined: BTreeSet<(i64, String)>,
    pub held: BTreeSet<(i64, String)>,
    pub failed: BTreeSet<(i64, i64)>,
    /// Records with a write in doubt that nobody can see: entity, connection, id.
    pub doubtful: BTreeSet<(i64, i64, String)>,
    /// Numbers in the log of conflicts and in reviews.
    pub logged: BTreeSet<u64>,
    /// Deletes that were turned down: connection and id.
    pub spared: BTreeSet<(i64, String)>,
    /// Everybody's history.
    pub events: Vec<Event>,
}

impl Books {
    pub async fn read(store: &dyn Store) -> Result<Self> {
        let kind = Kind::new("person");
        let entities: BTreeMap<i64, Entity> = store
            .scan_entities(&kind, 0, 10_000)
            .await?
            .into_iter()
            .map(|entity| (entity.id.number, entity))
            .collect();
        let mut logged = BTreeSet::new();
        let mut spared = BTreeSet::new();
        for conflict in store.conflicts(&ConflictFilter::default()).await? {
            if conflict.kind == ConflictKind::Delete {
                let link = &conflict.link;
                spared.insert((link.connection.0, link.remote_id.to_string()));
            }
            for value in [&conflict.base, &conflict.canonical, &conflict.remote] {
                logged.extend(tokens(value));
            }
        }
        let reviews = store.reviews(false, 10_000).await?;
        let mut in_review = BTreeSet::new();
        let mut asked = BTreeSet::new();
        let mut candidates = BTreeSet::new();
        for review in &reviews {
            logged.extend(review.values.values().flat_map(tokens));
            let place = (review.link.connection.0, review.link.remote_id.to_string());
            if review.verdict.is_none() {
                asked.insert(place.clone());
                candidates.extend(review.candidates.iter().map(|one| one.number));
            }
            in_review.insert(place);
        }
        let mut events = Vec::new();
        for entity in entities.values() {
            events.extend(store.events(&entity.id).await?);
        }
        let filter = IntentFilter::default();
        let intents = store.intents(&filter).await?;
        let doubtful = intents
            .iter()
            .filter(|intent| intent.state == IntentState::InDoubt)
            .filter_map(|intent| {
                let id = intent.remote_id.as_ref()?.to_string();
                Some((intent.entity.number, intent.connection.0, id))
            })
            .collect();
        let failed = intents
            .into_iter()
            .filter(|intent| intent.state == IntentState::Failed)
            .map(|intent| (intent.entity.number, intent.connection.0))
            .collect();
        let held = store
            .all_holds(10_000)
            .await?
            .into_iter()
            .map(|hold| {
                let field = hold
                    .field
                    .map_or_else(|| "*".to_owned(), |field| field.to_string());
                (hold.entity.number, field)
            })
            .collect();
        let quarantined = store
            .quarantined(10_000)
            .await?
            .into_iter()
            .map(|one| (one.connection.0, one.remote_id.to_string()))
            .collect();
        let ids: Vec<_> = entities.values().map(|entity| entity.id.clone()).collect();
        Ok(Self {
            links: store.links_of(&ids).await?,
            entities,
            in_review,
            asked,
            candidates,
            quarantined,
            held,
            failed,
            doubtful,
            logged,
            spared,
            events,
        })
    }

    pub fn link(&self, system: &System, row: &Row) -> Option<&Link> {
        self.links.iter().find(|link| {
            link.key.connection == id_of(system) && link.key.remote_id.as_str() == row.id
        })
    }

    /// Of two records that one customer has in a system, one is written after the
    /// other: while a write to the first is in doubt, the second waits.
    pub fn waits_for_twin(&self, entity: i64, place: &(i64, String)) -> bool {
        let mut doubtful = self.doubtful.iter();
        doubtful
            .any(|(of, connection, id)| *of == entity && *connection == place.0 && *id != place.1)
    }

    pub fn is_held(&self, entity: i64, field: &str) -> bool {
        self.held.contains(&(entity, field.to_owned())) || self.held.contains(&(entity, "*".into()))
    }
}
