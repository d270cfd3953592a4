//! Reads every linked record back from its system and compares it with the
//! canonical record, field by field.

use std::collections::HashMap;

use concord_core::record::{Change, RemoteRecord};
use concord_core::state::{EntityState, Link, LinkState};
use concord_core::{Entity, EntityId, RemoteId, RunId, Value};
use concord_sync::emit;
use concord_sync::lens::Lens;
use concord_sync::normal;
use concord_sync::scene::Held;
use serde::Serialize;

use crate::EngineError;
use crate::around::Around;
use crate::hub::Hub;
use crate::lane::Lane;
use crate::progress::Progress;
use crate::pull::Stopped;
use crate::references::Known;

/// One field of one record that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub connection: String,
    pub stream: String,
    pub remote_id: RemoteId,
    pub entity: EntityId,
    pub field: String,
    pub canonical: Value,
    pub remote: Value,
    /// Why it may differ: a hold, a direction, a refused value.
    pub excused: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verified {
    pub records: u64,
    pub fields: u64,
    /// In scope, not held, and different all the same.
    pub diverged: u64,
    pub excused: u64,
    /// Linked records that their system did not show.
    pub missing: u64,
    pub differences: Vec<Difference>,
    /// Connections that could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

const CHUNK: u32 = 200;

/// No run: verifying writes nothing down.
const NO_RUN: RunId = RunId(0);

impl Hub {
    pub async fn verify(&self, only: Option<&str>) -> Result<Verified, EngineError> {
        if let Some(name) = only {
            self.named(name)?;
        }
        let mut result = Verified::default();
        for connection in &self.connections {
            if only.is_some_and(|name| name != connection.row.name) {
                continue;
            }
            for stream in connection.streams.iter().filter(|s| s.caps.read) {
                let lane = Lane {
                    hub: self,
                    connection,
                    stream,
                    run: NO_RUN,
                };
                match lane.verify(&mut result).await {
                    Ok(()) => {}
                    Err(Stopped::Engine(error)) => return Err(error),
                    Err(Stopped::Fault(fault)) => {
                        result
                            .unreadable
                            .push((lane.to_string(), fault.to_string()));
                    }
                }
            }
        }
        Ok(result)
    }
}

impl Lane<'_> {
    async fn verify(&self, result: &mut Verified) -> Result<(), Stopped> {
        let store = &self.hub.store;
        let limit = self.stream.caps.fetch_max.clamp(1, CHUNK);
        let mut after = None;
        let mut records = 0;
        loop {
            let links = store
                .scan_links(self.id(), self.name(), after.as_ref(), limit)
                .await?;
            let Some(last) = links.last() else {
                return Ok(());
            };
            after = Some(last.key.remote_id.clone());
            let live = |link: &Link| link.state == LinkState::Live;
            let links: Vec<Link> = links.into_iter().filter(live).collect();
            let ids: Vec<RemoteId> = links.iter().map(|l| l.key.remote_id.clone()).collect();
            let found = self.fetch(&ids).await?;
            records += ids.len() as u64;
            self.compare(links, found, result).await?;
            self.hub.watch.tell(Progress::Verifying {
                connection: self.connection.row.name.clone(),
                stream: self.name().to_string(),
                records,
            });
        }
    }

    async fn compare(
        &self,
        links: Vec<Link>,
        found: Vec<Change>,
        result: &mut Verified,
    ) -> Result<(), EngineError> {
        let store = self.hub.store.as_ref();
        let ids: Vec<EntityId> = links.iter().map(|link| link.entity.clone()).collect();
        let entities = store.entities(&ids).await?;
        let known = Known::of_entities(store, self.connection, self.stream, &entities).await?;
        let entities: HashMap<_, _> = entities.into_iter().map(|e| (e.id.clone(), e)).collect();
        let around = Around::load(store, &ids).await?;
        let records: HashMap<_, _> = found
            .into_iter()
            .filter_map(|change| match change {
                Change::Upsert(record) => Some((record.id.clone(), record)),
                _ => None,
            })
            .collect();
        for link in links {
            result.records += 1;
            let Some(record) = records.get(&link.key.remote_id) else {
                result.missing += 1;
                continue;
            };
            let Some(entity) = entities.get(&link.entity) else {
                continue;
            };
            let held = around.held(&entity.id);
            let readable = |lens: &&Lens| lens.reads() && lens.is_present(&record.fields);
            for lens in self.stream.mapping.lenses.iter().filter(readable) {
                result.fields += 1;
                let Some(found) = self.look(lens, &link, entity, record, &known, &held) else {
                    continue;
                };
                match found.excused {
                    Some(_) => result.excused += 1,
                    None => result.diverged += 1,
                }
                result.differences.push(found);
            }
        }
        Ok(())
    }

    /// The difference in one field, if there is one.
    fn look(
        &self,
        lens: &Lens,
        link: &Link,
        entity: &Entity,
        record: &RemoteRecord,
        known: &Known,
        held: &Held,
    ) -> Option<Difference> {
        let canonical = entity.value(lens.field.as_str());
        let difference = |remote: Value, excused: Option<String>| Difference {
            connection: self.connection.row.name.clone(),
            stream: self.name().to_string(),
            remote_id: link.key.remote_id.clone(),
            entity: link.entity.clone(),
            field: lens.field.to_string(),
            canonical: canonical.clone(),
            remote,
            excused,
        };
        let remote = match lens.get(&record.fields, entity, known) {
            Ok(remote) => remote,
            Err(fault) => return Some(difference(Value::Null, Some(fault.to_string()))),
        };
        if normal::same(&lens.spec, canonical, &remote) {
            return None;
        }
        // What a system makes of a value, as it declares it, agrees.
        let mut predicted = record.fields.clone();
        if lens.writes() && lens.put(canonical, &mut predicted, entity, known).is_ok() {
            lens.predict(&mut predicted);
            let expected = lens.get(&predicted, entity, known);
            if expected.is_ok_and(|value| normal::same(&lens.spec, &value, &remote)) {
                return None;
            }
        }
        let excused = self.excuse(lens, link, entity, held, &remote);
        Some(difference(remote, excused.map(str::to_owned)))
    }

    /// Why a difference is as it should be.
    fn excuse(
        &self,
        lens: &Lens,
        link: &Link,
        entity: &Entity,
        held: &Held,
        remote: &Value,
    ) -> Option<&'static str> {
        let name = lens.field.as_str();
        if entity.state == EntityState::Unmatched {
            return Some("the record is not matched yet");
        }
        if held.holds(&lens.field) {
            return Some("the field is held");
        }
        if !lens.writes() || !self.stream.caps.update {
            return Some("the field is only read there");
        }
        if !self.connection.approved() {
            return Some("the connection's first plan is not approved");
        }
        if !self.stream.write.admits(entity, None) {
            return Some("the record is out of the scope of writing");
        }
        if link.refused.contains_key(name) {
            return Some("the system refused the value, or an undo keeps it away");
        }
        if emit::is_unread(lens, link) {
            return Some("what the system holds there cannot be understood");
        }
        // What was stored is what the system made of what was sent.
        let sent = link.sent.get(name).unwrap_or(&Value::Null);
        let stored = lens.get(&link.raw, entity, &Known::default());
        let is_rewritten = normal::same(&lens.spec, sent, entity.value(name))
            && stored.is_ok_and(|stored| normal::same(&lens.spec, &stored, remote));
        is_rewritten.then_some("the system rewrites the value")
    }
}
