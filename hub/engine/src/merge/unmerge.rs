//! Takes a merged entity out of the one that it became a part of.

use std::collections::BTreeSet;

use concord_core::ports::Sequence;
use concord_core::state::{Entity, EntityState, Event, Origin};
use concord_core::{Changeset, EntityId, EntitySchema, FieldName, Fields, RunId, Value};
use concord_sync::merging::{Cells, Contribution, refold, unite};

use super::{MERGED_WITH, Merged, refused};
use crate::error::EngineError;
use crate::hub::Hub;

impl Hub {
    /// Takes a merged entity out of the one that it became a part of.  Both get
    /// the values back that they had, with what people put into the records of
    /// each since.
    pub async fn unmerge(&self, other: &EntityId, by: &str) -> Result<Merged, EngineError> {
        let mut two = self.entity(other).await?;
        let EntityState::MergedInto(number) = two.state else {
            return Err(refused(format!("{other} was not merged into another")));
        };
        let lives = EntityId {
            kind: other.kind.clone(),
            number,
        };
        let Some(kept) = self.kept(other).await?.filter(|kept| kept.into == lives) else {
            return Err(refused(format!(
                "{other} was found to be {lives} when it was first seen, before it was anywhere \
                 else: there is nothing to take apart"
            )));
        };
        let mut one = self.living(&lives).await?;
        let mut out = Changeset::durable();
        self.drop_unsent(&[lives.clone(), other.clone()], &mut out)
            .await?;
        self.refuse_held(&lives).await?;
        let schema = self.schema(&lives)?;
        let records = self.kept_records(&kept).await?;
        let mut since: Vec<Event> = self.store.events(&lives).await?;
        since.retain(|event| event.id > kept.events[0]);
        since.sort_by_key(|event| (event.at, event.id));
        let (theirs, mine): (Vec<Event>, Vec<Event>) = since
            .into_iter()
            .partition(|event| event.link.as_ref().is_some_and(|l| records.contains(l)));
        let keys = self.keys_of(&one);
        let before = (one.values(), two.values());
        one.cells = self.without(&lives, kept.before, mine, schema).await?;
        let theirs = theirs.into_iter().filter(is_contribution).collect();
        two.cells = refold(&two.cells, &contributions(theirs), schema);
        self.follow_references(&mut one.cells, schema).await?;
        self.follow_references(&mut two.cells, schema).await?;
        two.state = EntityState::Live;
        (one.dirty, two.dirty) = (true, true);
        self.rekey(&keys, &one, &mut out);
        out.keys_added.extend(self.keys_of(&two));
        let links = self.store.links_of(std::slice::from_ref(&lives)).await?;
        let back = links.into_iter().filter(|l| records.contains(&l.key));
        for mut link in back {
            link.entity = other.clone();
            out.links.push(link);
        }
        let records = out.links.len();
        self.answer_questions(other, &mut out).await?;
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let apart = |who: &EntityId| format!("taken apart from {who}");
        for (entity, from, old) in [(&one, other, &before.0), (&two, &lives, &before.1)] {
            let changes = changes(old, entity);
            let event = self
                .decided(&entity.id, run, by, apart(from), changes)
                .await?;
            out.events.push(event);
        }
        let event = out.events.first().map_or(0, |event| event.id);
        out.entities.extend([one, two]);
        self.redirecting(other).await?;
        self.store.commit(&out).await?;
        self.redirect_all().await?;
        Ok(Merged {
            lives,
            other: other.clone(),
            event,
            records,
            lost: Vec::new(),
        })
    }

    /// The values of one who was never merged with another: from those before,
    /// with all that came since.  Whoever else was merged meanwhile and still is,
    /// is merged with those.
    async fn without(
        &self,
        lives: &EntityId,
        mut cells: Cells,
        since: Vec<Event>,
        schema: &EntitySchema,
    ) -> Result<Cells, EngineError> {
        for event in since {
            let name = event.what.strip_prefix(MERGED_WITH);
            let Some(id) = name.and_then(|name| name.parse::<EntityId>().ok()) else {
                if is_contribution(&event) {
                    cells = refold(&cells, &contributions(vec![event]), schema);
                }
                continue;
            };
            let ended = self.entity(&id).await?;
            let kept = self.kept(&id).await?;
            let stands = ended.state == EntityState::MergedInto(lives.number);
            if let Some(mut kept) = kept.filter(|k| stands && k.events[0] == event.id) {
                kept.before = cells;
                self.keep(&id, &kept).await?;
                cells = unite(&kept.before, &ended.cells, schema).cells;
            }
        }
        Ok(cells)
    }
}

/// A value that a person put: seen at a system as a change, or chosen at the
/// hub, or brought by a record that was linked.  What we wrote is none.
fn is_contribution(event: &Event) -> bool {
    let what = event.what.as_str();
    let seen = matches!(what, "changed" | "seen again" | "first contact settled")
        || what.starts_with("linked");
    let chosen = matches!(event.origin, Origin::Person(_)) && event.what == "decided";
    seen || chosen
}

fn contributions(events: Vec<Event>) -> Vec<Contribution> {
    let put = |event: Event| {
        let (origin, at) = (event.origin, event.at);
        event
            .changes
            .into_iter()
            .map(move |(field, old, new)| Contribution {
                field,
                old,
                new,
                origin: origin.clone(),
                at,
            })
    };
    events.into_iter().flat_map(put).collect()
}

/// What changes from the values that an entity had.
fn changes(old: &Fields, entity: &Entity) -> Vec<(FieldName, Value, Value)> {
    let now = entity.values();
    let names: BTreeSet<&String> = old.keys().chain(now.keys()).collect();
    let of = |values: &Fields, name: &str| values.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| of(old, name) != of(&now, name))
        .map(|name| {
            let field = FieldName::new(name);
            (field, of(old, name), of(&now, name))
        })
        .collect()
}
