//! What a merge inside one system asks about the others.
//!
//! The system says that two of its records are one person.  Where another
//! system has a record of each, that person is there twice: nothing is written
//! to the second one, and nothing deleted, until somebody says whether they are
//! one there as well, or two after all, which takes the merge apart.

use std::collections::BTreeSet;

use concord_core::ports::Sequence;
use concord_core::state::{Entity, EntityState, Link, LinkKey, LinkState, Review, Verdict};
use concord_core::{Changeset, EntityId};

use super::{Cause, refused};
use crate::error::EngineError;
use crate::hub::Hub;

/// Who says so where nobody gives a name.
const OPERATOR: &str = "operator";

/// Questions are few; more than these are never open.
const MOST: u32 = 100_000;

impl Hub {
    /// Asks about every record of the one that ends where the one that lives on
    /// has a record already, and answers what was asked of its records before.
    pub(super) async fn ask_about_twins(
        &self,
        ends: &Entity,
        lives: &EntityId,
        links: &[Link],
        its: &[Link],
        cause: &Cause,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let is_there = |link: &&Link| matches!(link.state, LinkState::Live | LinkState::Hidden);
        let place = |link: &Link| (link.key.connection, link.key.stream.clone());
        let taken: BTreeSet<_> = its.iter().filter(is_there).map(place).collect();
        let mut asked = BTreeSet::new();
        let twins = links.iter().filter(is_there);
        for link in twins.filter(|link| cause.asks && taken.contains(&place(link))) {
            asked.insert(link.key.clone());
            let question = self.question(&link.key, ends, lives).await?;
            out.reviews.push(question);
        }
        let keys: Vec<LinkKey> = links.iter().map(|link| link.key.clone()).collect();
        for mut review in self.store.reviews_of(&keys).await? {
            if review.verdict.is_none() && !asked.contains(&review.link) {
                review.verdict = Some(Verdict::Link(lives.clone()));
                out.reviews_decided.push(review);
            }
        }
        // Whoever may be the one that ends may be the one that lives on.
        for mut review in self.store.reviews(true, MOST).await? {
            let named = review.candidates.contains(&ends.id);
            if named && !keys.contains(&review.link) {
                review.candidates.retain(|candidate| candidate != lives);
                for candidate in &mut review.candidates {
                    if *candidate == ends.id {
                        candidate.clone_from(lives);
                    }
                }
                out.reviews.push(review);
            }
        }
        Ok(())
    }

    async fn question(
        &self,
        link: &LinkKey,
        ends: &Entity,
        lives: &EntityId,
    ) -> Result<Review, EngineError> {
        Ok(Review {
            id: self.numbers.next(&Sequence::Review).await?,
            link: link.clone(),
            kind: lives.kind.clone(),
            candidates: vec![lives.clone(), ends.id.clone()],
            reason: format!(
                "another system made {} a part of {lives}, who has a record here as well: merge \
                 the two here, or say that this one is {lives}, or that they are two after all",
                ends.id
            ),
            values: ends.values(),
            at: self.clock.now(),
            verdict: None,
        })
    }

    /// A record that its system had merged into another is there again: whether
    /// the two are one is asked once more.
    pub(crate) async fn ask_about_revived(
        &self,
        link: &Link,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let of = std::slice::from_ref(&link.entity);
        let links = self.store.links_of(of).await?;
        let mut others = links.iter().filter(|other| other.key != link.key);
        let is_twin = others.any(|other| {
            let here = (&other.key.connection, &other.key.stream);
            here == (&link.key.connection, &link.key.stream) && other.state == LinkState::Live
        });
        let Some(ended) = self.followed_from(&link.key).await?.filter(|_| is_twin) else {
            return Ok(());
        };
        let ids = std::slice::from_ref(&ended);
        if let Some(ends) = self.store.entities(ids).await?.pop()
            && ends.state == EntityState::MergedInto(link.entity.number)
        {
            let question = self.question(&link.key, &ends, &link.entity).await?;
            out.reviews.push(question);
        }
        Ok(())
    }

    /// The record is gone from its system, and what was asked of it with it.
    pub(crate) async fn drop_question(
        &self,
        link: &Link,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let keys = std::slice::from_ref(&link.key);
        for mut review in self.store.reviews_of(keys).await? {
            if review.verdict.is_none() && review.candidates.first() == Some(&link.entity) {
                review.verdict = Some(Verdict::Link(link.entity.clone()));
                out.reviews_decided.push(review);
            }
        }
        Ok(())
    }

    /// What was asked of records that go back to whom they were of.
    pub(super) async fn answer_questions(
        &self,
        other: &EntityId,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let keys: Vec<LinkKey> = out.links.iter().map(|link| link.key.clone()).collect();
        for mut review in self.store.reviews_of(&keys).await? {
            if review.verdict.is_none() && review.candidates.contains(other) {
                review.verdict = Some(Verdict::Apart);
                out.reviews_decided.push(review);
            }
        }
        Ok(())
    }

    /// Carries out what a person says of a record that is linked already.
    /// False where it is not: the matcher carries that out.
    pub(crate) async fn answer(
        &self,
        review: &Review,
        verdict: &Verdict,
    ) -> Result<bool, EngineError> {
        let key = &review.link;
        let ids = std::slice::from_ref(&key.remote_id);
        let link = self.store.links(key.connection, &key.stream, ids).await?;
        let Some(link) = link.into_iter().next() else {
            return Ok(false);
        };
        let mut ids = review.candidates.clone();
        ids.push(link.entity.clone());
        let entities = self.store.entities(&ids).await?;
        let of = |id: &EntityId| entities.iter().find(|entity| entity.id == *id);
        if of(&link.entity).is_none_or(|one| one.state == EntityState::Unmatched) {
            return Ok(false);
        }
        if *verdict == Verdict::Link(link.entity.clone()) {
            let mut decided = review.clone();
            decided.verdict = Some(verdict.clone());
            let mut out = Changeset::durable();
            out.reviews_decided.push(decided);
            // What it is owed was kept back until now.
            out.entities
                .extend(of(&link.entity).cloned().map(|mut one| {
                    one.dirty = true;
                    one
                }));
            self.store.commit(&out).await?;
            return Ok(true);
        }
        let ended = review.candidates.iter().filter_map(of);
        let ended = ended.filter(|one| matches!(one.state, EntityState::MergedInto(_)));
        let wanted = |one: &&Entity| match verdict {
            Verdict::Apart => true,
            Verdict::Link(id) => one.id == *id,
        };
        let Some(ended) = ended.into_iter().find(wanted) else {
            return Err(refused(format!(
                "the record is of {} and was never of anybody else: there is nothing to take apart",
                link.entity
            )));
        };
        self.unmerge(&ended.id, OPERATOR).await?;
        Ok(true)
    }
}
