//! What refers to an entity that was merged refers to the one that lives on, and
//! back to it when the two are taken apart.
//!
//! Every entity is found by whom it refers to, through the same keys that the
//! matcher uses.  Which entities have references to be moved is written down
//! before the merge is, so that the next run ends what a hub that died began.

use std::collections::{BTreeMap, HashMap};

use concord_core::changeset::MatchKey;
use concord_core::ports::Sequence;
use concord_core::schema::{EntitySchema, FieldKind};
use concord_core::state::{Entity, EntityState, Event, Link, LinkKey};
use concord_core::{Changeset, EntityId, FieldName, Kind, RunId, Value};
use concord_sync::merging::Cells;

use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;
use crate::references::Known;

const DOCUMENT: &str = "references-to-move";
const CHUNK: usize = 200;
/// By whom an event says that a reference was moved.
const HUB: &str = "hub";

fn key_of(id: &EntityId) -> String {
    format!("refers:{id}")
}

/// The fields of a kind that refer to another.
fn references<'a>(
    schema: &'a EntitySchema,
    to: Option<&'a Kind>,
) -> impl Iterator<Item = &'a FieldName> {
    schema.fields.iter().filter_map(move |(name, spec)| {
        let FieldKind::Reference(kind) = &spec.kind else {
            return None;
        };
        to.is_none_or(|to| to == kind).then_some(name)
    })
}

/// The entities that a value names: one, or each of a set.
fn named(value: &Value) -> Vec<EntityId> {
    match value {
        Value::String(text) => text.parse().into_iter().collect(),
        Value::Array(list) => list.iter().flat_map(named).collect(),
        _ => Vec::new(),
    }
}

/// A value with one entity in another's place; none where it does not name it.
fn with(value: &Value, from: &EntityId, to: &EntityId) -> Option<Value> {
    match value {
        Value::String(text) => (*text == from.to_string()).then(|| Value::String(to.to_string())),
        Value::Array(list) => list
            .iter()
            .any(|one| with(one, from, to).is_some())
            .then(|| {
                let mut moved: Vec<Value> = Vec::new();
                for one in list {
                    let one = with(one, from, to).unwrap_or_else(|| one.clone());
                    if !moved.contains(&one) {
                        moved.push(one);
                    }
                }
                Value::Array(moved)
            }),
        _ => None,
    }
}

/// A reference that moves.
struct Move {
    from: EntityId,
    to: EntityId,
    /// The two were taken apart: only what was the other's goes back.
    back: bool,
}

impl Hub {
    /// The keys by which an entity is found from those that it refers to.
    pub(crate) fn refers_to(&self, entity: &Entity) -> Vec<MatchKey> {
        let kind = &entity.id.kind;
        let Some(schema) = self.schemas.get(kind.as_str()) else {
            return Vec::new();
        };
        let fields = references(schema, None);
        let mut keys: Vec<MatchKey> = fields
            .flat_map(|field| named(entity.value(field.as_str())))
            .map(|id| MatchKey {
                kind: kind.clone(),
                key: key_of(&id),
                entity: entity.id.number,
            })
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Notes that references to this entity are to be moved.
    pub(super) async fn redirecting(&self, id: &EntityId) -> Result<(), EngineError> {
        let mut open = self.to_redirect().await?;
        if !open.contains(id) {
            open.push(id.clone());
            self.note_redirects(&open).await?;
        }
        Ok(())
    }

    async fn to_redirect(&self) -> Result<Vec<EntityId>, EngineError> {
        let open: Option<_> = documents::read(self.store.as_ref(), DOCUMENT).await?;
        Ok(open.unwrap_or_default())
    }

    async fn note_redirects(&self, open: &[EntityId]) -> Result<(), EngineError> {
        Ok(documents::write(self.store.as_ref(), DOCUMENT, &open).await?)
    }

    /// Moves every reference that is noted as to be moved.
    pub(crate) async fn redirect_all(&self) -> Result<(), EngineError> {
        let open = self.to_redirect().await?;
        if open.is_empty() {
            return Ok(());
        }
        for id in &open {
            self.redirect(id).await?;
        }
        self.note_redirects(&[]).await
    }

    async fn redirect(&self, id: &EntityId) -> Result<(), EngineError> {
        let ids = std::slice::from_ref(id);
        let Some(entity) = self.store.entities(ids).await?.pop() else {
            return Ok(());
        };
        let moved = match entity.state {
            EntityState::MergedInto(number) => Move {
                from: id.clone(),
                to: EntityId {
                    kind: id.kind.clone(),
                    number,
                },
                back: false,
            },
            _ => match self.kept(id).await? {
                Some(kept) => Move {
                    from: kept.into,
                    to: id.clone(),
                    back: true,
                },
                None => return Ok(()),
            },
        };
        let mut run = None;
        for schema in self.schemas.iter() {
            if references(schema, Some(&id.kind)).next().is_none() {
                continue;
            }
            let keys = [key_of(&moved.from)];
            let holders = self
                .store
                .entities_by_keys(&schema.kind, &keys, u32::MAX)
                .await?;
            let holders: Vec<EntityId> = holders
                .into_iter()
                .map(|key| EntityId {
                    kind: key.kind,
                    number: key.entity,
                })
                .collect();
            for chunk in holders.chunks(CHUNK) {
                let run = match run {
                    Some(run) => run,
                    None => *run.insert(RunId(self.store.reserve(&Sequence::Run, 1).await?)),
                };
                self.move_references(chunk, schema, &moved, run).await?;
            }
        }
        Ok(())
    }

    async fn move_references(
        &self,
        holders: &[EntityId],
        schema: &EntitySchema,
        moved: &Move,
        run: RunId,
    ) -> Result<(), EngineError> {
        let mut out = Changeset::durable();
        let mut links: HashMap<EntityId, Vec<Link>> = HashMap::new();
        for link in self.store.links_of(holders).await? {
            links.entry(link.entity.clone()).or_default().push(link);
        }
        for mut entity in self.store.entities(holders).await? {
            let links = links.remove(&entity.id).unwrap_or_default();
            let before = self.keys_of(&entity);
            let mut changes = Vec::new();
            let mut rebased: BTreeMap<LinkKey, Link> = BTreeMap::new();
            for field in references(schema, Some(&moved.to.kind)) {
                let Some(cell) = entity.cells.get_mut(field) else {
                    continue;
                };
                let Some(value) = with(&cell.value, &moved.from, &moved.to) else {
                    continue;
                };
                let mut says = BTreeMap::new();
                if moved.back {
                    for link in &links {
                        says.insert(link.key.clone(), self.names(link, field, &moved.to).await?);
                    }
                    let last = self.last_put(&entity.id, field).await?;
                    if !goes_back(last.as_ref(), field, moved, &says) {
                        continue;
                    }
                }
                let old = std::mem::replace(&mut cell.value, value.clone());
                changes.push((field.clone(), old, value));
                for link in &links {
                    // A record that names the other one owes, and is owed,
                    // nothing; what was agreed on otherwise is a debt now.
                    if moved.back && !says.get(&link.key).is_some_and(|says| *says) {
                        continue;
                    }
                    let link = rebased
                        .entry(link.key.clone())
                        .or_insert_with(|| link.clone());
                    if let Some(sent) = link.sent.get(field.as_str())
                        && let Some(sent) = with(sent, &moved.from, &moved.to)
                    {
                        link.sent.insert(field.to_string(), sent);
                    }
                }
            }
            if changes.is_empty() {
                continue;
            }
            let what = format!("refers to {} now", moved.to);
            out.events
                .push(self.decided(&entity.id, run, HUB, what, changes).await?);
            self.rekey(&before, &entity, &mut out);
            out.links.extend(rebased.into_values());
            entity.dirty = entity.state == EntityState::Live;
            out.entities.push(entity);
        }
        Ok(self.store.commit(&out).await?)
    }

    /// Values that come back from before a merge may name who was merged since.
    pub(super) async fn follow_references(
        &self,
        cells: &mut Cells,
        schema: &EntitySchema,
    ) -> Result<(), EngineError> {
        for field in references(schema, None) {
            let Some(cell) = cells.get_mut(field) else {
                continue;
            };
            let mut open = named(&cell.value);
            while let Some(id) = open.pop() {
                let ids = std::slice::from_ref(&id);
                let found = self.store.entities(ids).await?.pop();
                if let Some(EntityState::MergedInto(number)) = found.map(|found| found.state) {
                    let to = EntityId {
                        kind: id.kind.clone(),
                        number,
                    };
                    if let Some(value) = with(&cell.value, &id, &to) {
                        cell.value = value;
                        open.push(to);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a record names a record of this entity in what a lens reads for
    /// the field.
    async fn names(
        &self,
        link: &Link,
        field: &FieldName,
        id: &EntityId,
    ) -> Result<bool, EngineError> {
        let Some((connection, stream)) = self.place(&link.key.connection, &link.key.stream) else {
            return Ok(false);
        };
        let Some(lens) = stream.mapping.lens(field.as_str()) else {
            return Ok(false);
        };
        let mut known = Known::default();
        known
            .add_records(
                self.store.as_ref(),
                connection,
                stream,
                std::iter::once(&link.raw),
            )
            .await?;
        let read = lens.get(&link.raw, &Entity::new(link.entity.clone()), &known);
        Ok(read.is_ok_and(|value| named(&value).contains(id)))
    }

    /// The last event that changed a field.
    async fn last_put(
        &self,
        id: &EntityId,
        field: &FieldName,
    ) -> Result<Option<Event>, EngineError> {
        let mut events = self.store.events(id).await?;
        events.retain(|event| event.changes.iter().any(|(name, ..)| name == field));
        Ok(events.into_iter().max_by_key(|event| event.id))
    }
}

/// After two were taken apart: what was moved with the merge and not touched
/// since goes back, and so does what was put since from a record that names the
/// other one.
fn goes_back(
    last: Option<&Event>,
    field: &FieldName,
    moved: &Move,
    says: &BTreeMap<LinkKey, bool>,
) -> bool {
    let Some(last) = last else {
        // It came with the first sight of a record.
        return says.values().any(|says| *says);
    };
    let was_moved = last.changes.iter().any(|(name, old, new)| {
        name == field && with(old, &moved.to, &moved.from).as_ref() == Some(new)
    });
    let of_record = last.link.as_ref();
    was_moved || of_record.is_some_and(|link| says.get(link).is_some_and(|says| *says))
}
