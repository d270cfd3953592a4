//! Compares what is newly seen with what is known, once every stream of the
//! kind has been read to its end.

mod table;

use concord_core::changeset::MatchKey;
use concord_core::names::LONGEST_KEY;
use concord_core::ports::Sequence;
use concord_core::record::RemoteRecord;
use concord_core::state::{Entity, EntityState, LinkState, Review, Verdict};
use concord_core::{Changeset, EntityId, Fields, Kind, RunId};
use concord_sync::absorb::absorb_fields;
use concord_sync::lens::Lens;
use concord_sync::matching;
use concord_sync::observe::{Read, ReadKind};
use concord_sync::scene::Held;

use crate::error::EngineError;
use crate::hub::Hub;
use crate::likely::Likely;
use crate::progress::Progress;
use crate::queue::Queue;
use crate::references::Known;
use table::{Found, Table};

/// What a look at the unmatched entities of one kind came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Matched {
    pub linked: u64,
    pub new: u64,
    pub to_review: u64,
    /// Streams that have to be read to their end first.
    pub waits_for: Vec<String>,
}

impl Hub {
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "match", skip_all)]
    pub(crate) async fn match_kind(&self, kind: &Kind, run: RunId) -> Result<Matched, EngineError> {
        let mut result = Matched {
            waits_for: self.unread(kind).await?,
            ..Matched::default()
        };
        if !result.waits_for.is_empty() {
            return Ok(result);
        }
        let likely = self.likely(kind).await?;
        let mut queue = Queue::of(self, kind).await?;
        let mut compared = 0;
        while let Some(chunk) = queue.next(self).await? {
            compared += chunk.len() as u64;
            self.match_chunk(chunk, likely.as_ref(), run, &mut result)
                .await?;
            self.watch.tell(Progress::Matching { compared });
            self.extend_lease().await?;
        }
        Ok(result)
    }

    async fn match_chunk(
        &self,
        chunk: Vec<Entity>,
        likely: Option<&Likely<'_>>,
        run: RunId,
        result: &mut Matched,
    ) -> Result<(), EngineError> {
        let mut table = Table::load(self, &chunk).await?;
        let mut out = Changeset::default();
        for entity in &chunk {
            let Some(link) = table.only_link(&entity.id) else {
                continue;
            };
            let key = link.key.clone();
            let review = table.reviews.get(&key).cloned();
            match review.as_ref().and_then(|review| review.verdict.clone()) {
                Some(Verdict::Link(known)) => {
                    if self
                        .unite(entity, &known, "linked", &mut table, run, &mut out)
                        .await?
                    {
                        result.linked += 1;
                    }
                    continue;
                }
                Some(Verdict::Apart) => {
                    result.new += 1;
                    table.settle_new(entity);
                    continue;
                }
                // It may wait for a person; somebody may have left meanwhile, so it
                // is compared again.
                None => {}
            }
            match table.compare(self, likely, entity) {
                Found::New => {
                    result.new += 1;
                    table.settle_new(entity);
                    out.reviews_decided.extend(closed(review, Verdict::Apart));
                }
                Found::Same(known, what) => {
                    if self
                        .unite(entity, &known, &what, &mut table, run, &mut out)
                        .await?
                    {
                        result.linked += 1;
                        out.reviews_decided
                            .extend(closed(review, Verdict::Link(known)));
                    }
                }
                Found::Ask(candidates, reason) => {
                    result.to_review += 1;
                    if review.is_none() {
                        out.reviews.push(Review {
                            id: self.numbers.next(&Sequence::Review).await?,
                            link: key,
                            kind: entity.id.kind.clone(),
                            candidates,
                            reason,
                            values: entity.values(),
                            at: self.clock.now(),
                            verdict: None,
                        });
                    }
                }
            }
        }
        table.collect(&mut out);
        self.store.commit(&out).await?;
        Ok(())
    }

    /// The record of an unmatched entity becomes another entity's.  False where
    /// that entity is not there any more.
    async fn unite(
        &self,
        unmatched: &Entity,
        known: &EntityId,
        what: &str,
        table: &mut Table,
        run: RunId,
        out: &mut Changeset,
    ) -> Result<bool, EngineError> {
        let Some(mut link) = table.only_link(&unmatched.id).cloned() else {
            return Ok(false);
        };
        let Some(entity) = table.entities.get(&known.number).cloned() else {
            return Ok(false);
        };
        let Some((connection, stream)) = self.place(&link.key.connection, &link.key.stream) else {
            return Ok(false);
        };
        let mut entity = entity;
        let before = self.keys_of(&entity);
        // The record meets the canonical values for the first time, so its
        // bases begin anew with what was last read of it.
        let record = RemoteRecord {
            id: link.key.remote_id.clone(),
            version: link.version.clone(),
            modified_at: link.modified_at,
            fields: std::mem::take(&mut link.raw),
            partial: false,
        };
        let read = Read {
            kind: ReadKind::Fetch,
            started: link.read_at,
        };
        let mut known_refs = Known::default();
        let fields = std::iter::once(&record.fields);
        known_refs
            .add_records(self.store.as_ref(), connection, stream, fields)
            .await?;
        // They never agreed, so a delete of either is not carried on to the other.
        let spared = table.links.get(&known.number).into_iter().flatten();
        for other in spared.filter(|other| other.state == LinkState::Deleted) {
            let mut other = other.clone();
            other.state = LinkState::Gone;
            out.links.push(other);
        }
        if link.state == LinkState::Deleted {
            link.state = LinkState::Gone;
        }
        link.entity = known.clone();
        link.sent = Fields::new();
        link.first_contact.clear();
        let scene = self.scene(connection, stream, &known_refs, self.clock.now());
        let none = |_: &Lens| false;
        // What was read then is no look at the record: it may be gone since.
        let absorbed = absorb_fields(
            &mut link,
            &mut entity,
            &record,
            read,
            &none,
            &Held::default(),
            &scene,
        );
        self.write_down(absorbed, &link, &entity, run, Some(what), out)
            .await?;
        entity.dirty = true;
        let mut merged = unmatched.clone();
        merged.state = EntityState::MergedInto(known.number);
        merged.dirty = false;
        table.move_keys(before, self.keys_of(&entity));
        table.drop_keys(self.keys_of(unmatched));
        table.occupied.insert((
            known.number,
            link.key.connection.0,
            link.key.stream.to_string(),
        ));
        let mut others = table.links.get(&unmatched.id.number).cloned();
        for mut other in others.take().into_iter().flatten() {
            if other.key != link.key {
                other.entity = known.clone();
                out.links.push(other);
            }
        }
        out.links.push(link);
        table.changed.insert(merged.id.number, merged);
        table.entities.remove(&unmatched.id.number);
        table.changed.insert(entity.id.number, entity.clone());
        table.entities.insert(entity.id.number, entity);
        Ok(true)
    }

    /// Everything that an entity is found by: what it is matched by, and whom it
    /// refers to.
    pub(crate) fn keys_of(&self, entity: &Entity) -> Vec<MatchKey> {
        let mut keys = self.matched_by(entity);
        keys.extend(self.refers_to(entity));
        keys
    }

    /// The keys of an entity, and the blocks that it is compared in.
    fn matched_by(&self, entity: &Entity) -> Vec<MatchKey> {
        self.with_blocks(entity, &self.blocks_of(entity))
    }

    fn with_blocks(&self, entity: &Entity, blocks: &[String]) -> Vec<MatchKey> {
        let kind = &entity.id.kind;
        let Some(schema) = self.schemas.get(kind.as_str()) else {
            return Vec::new();
        };
        let mut keys = matching::keys(entity, schema);
        keys.extend(blocks.iter().map(|key| MatchKey {
            kind: kind.clone(),
            key: key.clone(),
            entity: entity.id.number,
        }));
        // So long a value identifies nobody.
        keys.retain(|key| key.key.len() <= LONGEST_KEY);
        keys
    }

    fn blocks_of(&self, entity: &Entity) -> Vec<String> {
        let subject = self.subjects.get(&entity.id.kind);
        subject.map_or_else(Vec::new, |subject| subject.blocks(entity))
    }

    /// Writes down how the keys of an entity have changed since `before`.
    pub(crate) fn rekey(&self, before: &[MatchKey], entity: &Entity, out: &mut Changeset) {
        let now = self.keys_of(entity);
        let gone = before.iter().filter(|key| !now.contains(key)).cloned();
        out.keys_removed.extend(gone);
        out.keys_added
            .extend(now.into_iter().filter(|key| !before.contains(key)));
    }

    pub(crate) fn place(
        &self,
        connection: &concord_core::ConnectionId,
        stream: &concord_core::StreamName,
    ) -> Option<(&crate::hub::Connection, &crate::hub::Stream)> {
        let connection = self.connection(*connection)?;
        Some((connection, connection.stream(stream)?))
    }
}

/// A question that nobody has to answer any more.
fn closed(review: Option<Review>, verdict: Verdict) -> Option<Review> {
    let mut review = review?;
    review.verdict = Some(verdict);
    Some(review)
}
