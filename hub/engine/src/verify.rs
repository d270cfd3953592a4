//! Reads every linked record back from its system and compares it with the
//! canonical record, field by field.

use std::collections::HashMap;

use concord_core::record::Change;
use concord_core::state::{EntityState, Hold, Link, LinkState};
use concord_core::{Entity, EntityId, RemoteId, Value};
use concord_sync::normal;
use concord_sync::scene::Held;
use serde::Serialize;

use crate::EngineError;
use crate::hub::{Connection, Hub, Stream};
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
            for stream in connection.streams.iter().filter(|stream| stream.caps.read) {
                match self.verify_stream(connection, stream, &mut result).await {
                    Ok(()) => {}
                    Err(Stopped::Engine(error)) => return Err(error),
                    Err(Stopped::Fault(fault)) => {
                        let place = format!("{}/{}", connection.row.name, stream.name);
                        result.unreadable.push((place, fault.to_string()));
                    }
                }
            }
        }
        Ok(result)
    }

    async fn verify_stream(
        &self,
        connection: &Connection,
        stream: &Stream,
        result: &mut Verified,
    ) -> Result<(), Stopped> {
        let mut after = None;
        let mut records = 0;
        let limit = stream.caps.fetch_max.clamp(1, CHUNK);
        loop {
            let links = self
                .store
                .scan_links(connection.id(), &stream.name, after.as_ref(), limit)
                .await?;
            let Some(last) = links.last() else {
                return Ok(());
            };
            after = Some(last.key.remote_id.clone());
            let live: Vec<Link> = links
                .into_iter()
                .filter(|l| l.state == LinkState::Live)
                .collect();
            if live.is_empty() {
                continue;
            }
            let ids: Vec<RemoteId> = live.iter().map(|link| link.key.remote_id.clone()).collect();
            let found = self.fetch(connection, stream, &ids).await?;
            records += ids.len() as u64;
            self.compare(connection, stream, live, found, result)
                .await?;
            self.watch.tell(Progress::Verifying {
                connection: connection.row.name.clone(),
                stream: stream.name.to_string(),
                records,
            });
        }
    }

    async fn compare(
        &self,
        connection: &Connection,
        stream: &Stream,
        links: Vec<Link>,
        found: Vec<Change>,
        result: &mut Verified,
    ) -> Result<(), EngineError> {
        let ids: Vec<EntityId> = links.iter().map(|link| link.entity.clone()).collect();
        let entities = self.store.entities(&ids).await?;
        let known = Known::of_entities(self.store.as_ref(), connection, stream, &entities).await?;
        let entities: HashMap<_, _> = entities.into_iter().map(|e| (e.id.clone(), e)).collect();
        let mut holds: HashMap<EntityId, Vec<Hold>> = HashMap::new();
        for hold in self.store.holds(&ids).await? {
            holds.entry(hold.entity.clone()).or_default().push(hold);
        }
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
            let held = Held::of(holds.get(&entity.id).map_or(&[][..], Vec::as_slice));
            for lens in stream
                .mapping
                .lenses
                .iter()
                .filter(|l| l.reads() && l.is_present(&record.fields))
            {
                result.fields += 1;
                let name = lens.field.as_str();
                let canonical = entity.value(name);
                let remote = match lens.get(&record.fields, entity, &known) {
                    Ok(value) => value,
                    Err(fault) => {
                        result.excused += 1;
                        result.differences.push(difference(
                            connection,
                            stream,
                            &link,
                            name,
                            canonical,
                            Value::Null,
                            Some(fault.to_string()),
                        ));
                        continue;
                    }
                };
                if normal::same(&lens.spec, canonical, &remote) {
                    continue;
                }
                // What a system makes of a value, as it declares it, agrees.
                let mut predicted = record.fields.clone();
                let put =
                    lens.writes() && lens.put(canonical, &mut predicted, entity, &known).is_ok();
                if put {
                    lens.predict(&mut predicted);
                    let expected = lens.get(&predicted, entity, &known);
                    if expected.is_ok_and(|value| normal::same(&lens.spec, &value, &remote)) {
                        continue;
                    }
                }
                let excused = excuse(connection, stream, &link, entity, lens, &held, &remote);
                match excused {
                    Some(_) => result.excused += 1,
                    None => result.diverged += 1,
                }
                result.differences.push(difference(
                    connection, stream, &link, name, canonical, remote, excused,
                ));
            }
        }
        Ok(())
    }
}

fn difference(
    connection: &Connection,
    stream: &Stream,
    link: &Link,
    field: &str,
    canonical: &Value,
    remote: Value,
    excused: Option<String>,
) -> Difference {
    Difference {
        connection: connection.row.name.clone(),
        stream: stream.name.to_string(),
        remote_id: link.key.remote_id.clone(),
        entity: link.entity.clone(),
        field: field.to_owned(),
        canonical: canonical.clone(),
        remote,
        excused,
    }
}

/// Why a difference is as it should be.
fn excuse(
    connection: &Connection,
    stream: &Stream,
    link: &Link,
    entity: &Entity,
    lens: &concord_sync::lens::Lens,
    held: &Held,
    remote: &Value,
) -> Option<String> {
    let because = |text: &str| Some(text.to_owned());
    if entity.state == EntityState::Unmatched {
        return because("the record is not matched yet");
    }
    if held.holds(&lens.field) {
        return because("the field is held");
    }
    if !lens.writes() || !stream.caps.update {
        return because("the field is only read there");
    }
    if !connection.approved() {
        return because("the connection's first plan is not approved");
    }
    if !stream.write.admits(entity, None) {
        return because("the record is out of the scope of writing");
    }
    if link.refused.contains_key(lens.field.as_str()) {
        return because("the system refused the value");
    }
    // What was stored is what the system made of what was sent.
    let sent = link.sent.get(lens.field.as_str()).unwrap_or(&Value::Null);
    let stored = lens
        .get(&link.raw, entity, &Known::default())
        .unwrap_or_default();
    if normal::same(&lens.spec, sent, entity.value(lens.field.as_str()))
        && normal::same(&lens.spec, &stored, remote)
    {
        return because("the system rewrites the value");
    }
    None
}
