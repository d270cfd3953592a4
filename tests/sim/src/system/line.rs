//! A hub's line to a system: where its life ends, so does what it can do there.
//! Every write is held against the intent that explains it.

use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::{Clock as _, Connector, IntentFilter, Store};
use concord_core::record::{
    Action, Change, Description, Op, Outcome, Page, RemoteRecord, Selection, StreamInfo,
};
use concord_core::state::{EntityState, Intent, IntentState, Link, LinkState};
use concord_core::{EntityId, Fault, Fields, IntentId, Manifest, RemoteId, StreamName};

use super::System;
use crate::behaviour::Versions;
use crate::clock::lock;
use crate::mortal::Life;
use crate::race::ON_ITS_WAY;
use crate::world::id_of;

pub(crate) struct Line {
    pub system: Arc<System>,
    pub life: Arc<Life>,
}

fn killed<T>(result: Result<Result<T, Fault>, crate::mortal::Dead>) -> Result<T, Fault> {
    result.unwrap_or_else(|_| Err(Fault::UnknownOutcome("the hub was killed here".into())))
}

#[async_trait]
impl Connector for Line {
    fn manifest(&self) -> &Manifest {
        &self.system.manifest
    }

    async fn check(&self) -> Result<Description, Fault> {
        Ok(Description {
            account_id: self.system.name.clone(),
            account_name: self.system.name.clone(),
            unavailable: Vec::new(),
        })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        Ok(Vec::new())
    }

    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        let work = async {
            let town = self.system.town();
            let is_known = self.has_been_read(stream).await;
            self.arrive().await;
            let page = self.system.answer_pull(selection, cursor, is_known);
            self.on_its_way().await;
            town.tell(|| match &page {
                Ok(page) => format!(
                    "{}: a page of {:?} {}, next {:?}{}",
                    self.system.name,
                    selection.mode,
                    page.changes
                        .iter()
                        .map(brief)
                        .collect::<Vec<_>>()
                        .join("; "),
                    page.next,
                    if page.complete { ", complete" } else { "" }
                ),
                Err(fault) => format!("{}: no page: {fault}", self.system.name),
            });
            page
        };
        killed(self.life.call(&self.system.town(), work).await)
    }

    async fn fetch(
        &self,
        _: &StreamName,
        ids: &[RemoteId],
        _: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let work = async {
            let town = self.system.town();
            self.arrive().await;
            let found = self.system.answer_fetch(ids);
            self.on_its_way().await;
            town.tell(|| match &found {
                Ok(found) => format!(
                    "{}: read directly {}",
                    self.system.name,
                    found.iter().map(brief).collect::<Vec<_>>().join("; ")
                ),
                Err(fault) => format!("{}: no direct read: {fault}", self.system.name),
            });
            found
        };
        killed(self.life.call(&self.system.town(), work).await)
    }

    async fn find(
        &self,
        _: &StreamName,
        values: &Fields,
        _: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let work = async {
            let town = self.system.town();
            self.arrive().await;
            let found = self.system.answer_find(values);
            self.on_its_way().await;
            town.tell(|| {
                let count = found.as_ref().map_or(0, Vec::len);
                format!("{}: looked for {values:?}, found {count}", self.system.name)
            });
            found
        };
        killed(self.life.call(&self.system.town(), work).await)
    }

    async fn push(&self, _: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let guarded = self.system.behaviour.versions != Versions::None
            && ops.iter().all(|op| op.action != Action::Create);
        let is_late = self.life.leaves_late(guarded);
        let work = async {
            let town = self.system.town();
            for op in ops {
                if !is_late {
                    self.explain(op).await;
                }
                town.tell(|| {
                    format!(
                        "{}: intent {} writes {:?} {:?} upon {:?}",
                        self.system.name, op.intent, op.action, op.fields, op.base_version
                    )
                });
            }
            self.arrive().await;
            let outcomes = self.system.answer_push(ops);
            self.on_its_way().await;
            let refused = match &outcomes {
                Ok(all) => all
                    .iter()
                    .filter(|o| matches!(o, Outcome::Failed(_)))
                    .count(),
                Err(_) => ops.len(),
            };
            lock(&town.ledger).counts.refused += refused as u64;
            town.tell(|| format!("{}: answers {outcomes:?}", self.system.name));
            outcomes
        };
        killed(self.life.call(&self.system.town(), work).await)
    }
}

impl Line {
    /// The request reaches the system, where people may just have acted.
    async fn arrive(&self) {
        self.on_its_way().await;
        let town = self.system.town();
        town.request();
        lock(&town.ledger).asks = self.life.hub;
    }

    /// Where hubs work at the same time, others go on while one waits.
    async fn on_its_way(&self) {
        let clock = &self.system.town().clock;
        if clock.racers.is_race() {
            clock.sleep(ON_ITS_WAY).await;
        }
    }

    /// The stream has been read to its end once.
    async fn has_been_read(&self, stream: &StreamName) -> bool {
        let Some(store) = self.system.town().store() else {
            return false;
        };
        let states = store.streams(id_of(&self.system)).await.unwrap_or_default();
        states
            .iter()
            .any(|state| state.stream == *stream && state.first_complete_at.is_some())
    }

    /// What was deleted does not come back through a hub that knew it.
    /// Somebody whom a system made a part of another, and whom a second system
    /// knows only by what is the other's no more, is somebody new.
    async fn stays_deleted(&self, op: &Op, of: &EntityId, store: &dyn Store) {
        let town = self.system.town();
        let deleted = self.system.deleted_like(op);
        let stream = StreamName::new("people");
        let links = store.links(id_of(&self.system), &stream, &deleted).await;
        let mut links = links.unwrap_or_default();
        links.retain(|link| link.state != LinkState::Merged || link.entity == *of);
        // Nor does anybody know a record again that came into sight when everything
        // that was known of its human had been deleted.
        let ids: Vec<EntityId> = links.iter().map(|link| link.entity.clone()).collect();
        let over = store.entities(&ids).await.unwrap_or_default();
        let is_over = |link: &Link| {
            let mut over = over.iter().filter(|one| one.state == EntityState::Deleted);
            link.entity != *of && over.any(|one| one.id == link.entity)
        };
        links.retain(|link| !is_over(link));
        if let Some(link) = links.first() {
            let what = format!(
                "{}: {} was deleted and comes back",
                self.system.name, link.key.remote_id
            );
            lock(&town.ledger).breaks("P4", what);
        }
    }

    /// Every write is explained by an intent that was durable before it left,
    /// and nothing that is held is written (P12).
    async fn explain(&self, op: &Op) {
        let town = self.system.town();
        let Some(store) = town.store() else { return };
        let breaks = |rule, what: String| lock(&town.ledger).breaks(rule, what);
        let Some(intent) = intent_of(store.as_ref(), op).await else {
            return breaks(
                "intent",
                format!("{} was sent without an intent", op.intent),
            );
        };
        if intent.state != IntentState::Sent || intent.payload != op.fields {
            breaks(
                "intent",
                format!(
                    "intent {} was sent and is written down otherwise",
                    op.intent
                ),
            );
        }
        let known = store.connections().await.unwrap_or_default();
        let own = known.iter().find(|row| row.id == id_of(&self.system));
        if own.is_none_or(|row| row.approved_at.is_none()) {
            breaks(
                "approval",
                format!(
                    "{} was written to before its plan was approved",
                    self.system.name
                ),
            );
        }
        if op.action == Action::Create {
            self.stays_deleted(op, &intent.entity, store.as_ref()).await;
        }
        let holds = store.holds(std::slice::from_ref(&intent.entity)).await;
        let is_race = town.clock.racers.is_race();
        for hold in holds.unwrap_or_default() {
            // Another hub held it when the write was as good as on its way.
            if is_race && Some(hold.at) > intent.sent_at {
                continue;
            }
            let held = match &hold.field {
                Some(field) => intent.values.contains_key(field.as_str()),
                None => true,
            };
            if held {
                breaks(
                    "P12",
                    format!(
                        "{} of {} is held and was written",
                        hold.field.map_or_else(String::new, |f| f.to_string()),
                        intent.entity
                    ),
                );
            }
        }
    }
}

async fn intent_of(store: &dyn Store, op: &Op) -> Option<Intent> {
    let id: i64 = op.intent.parse().ok()?;
    let filter = IntentFilter {
        after: Some(IntentId(id - 1)),
        limit: 1,
        ..IntentFilter::default()
    };
    let found = store.intents(&filter).await.ok()?;
    found.into_iter().find(|intent| intent.id.0 == id)
}

fn brief(change: &Change) -> String {
    match change {
        Change::Upsert(record) => format!(
            "{}{} v{:?} {}",
            record.id,
            if record.partial { " (hint)" } else { "" },
            record.version,
            serde_json::to_string(&record.fields).unwrap_or_default()
        ),
        Change::Gone { id, absence, .. } => format!("{id} {absence:?}"),
        Change::Malformed { id, .. } => format!("{id:?} malformed"),
    }
}
