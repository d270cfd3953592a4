//! What a delete at one system may do at the others, where deletes are carried on.

use std::collections::BTreeSet;

use anyhow::Result;
use concord_core::Timestamp;
use concord_core::state::{EntityState, Event, Link, LinkKey, LinkState};
use concord_sync::delete::DeleteMode;

use super::books::Books;
use super::breaks;
use crate::behaviour::Direction;
use crate::clock::lock;
use crate::ledger::{Ledger, Taken};
use crate::system::{Presence, Row, System};
use crate::value::{Unit, tokens};
use crate::world::World;

pub(super) fn carried_on(world: &World, books: &Books) -> Result<()> {
    let taken = lock(&world.town.ledger).taken.clone();
    for one in &taken {
        asked_for(world, books, one);
    }
    for link in &books.links {
        finished(world, books, link, &taken)?;
    }
    Ok(())
}

fn mode(world: &World, system: &System) -> DeleteMode {
    world.story.house.ways[system.number].deletes
}

/// What a hub deleted, a person had deleted at a system whose deletes are carried
/// to that one, and had seen all of it, or what was built upon it.
fn asked_for(world: &World, books: &Books, taken: &Taken) {
    let systems = world.town.systems();
    let at = &systems[taken.system];
    let ledger = lock(&world.town.ledger);
    let family = ledger.family(taken.human);
    let mut deleted: Vec<(&System, Row)> = Vec::new();
    for system in systems.iter().filter(|system| system.number != at.number) {
        if !mode(world, system).reaches(at.caps()) {
            continue;
        }
        let rows = system.state().rows.clone();
        let is_it =
            |row: &Row| ledger.family(row.human) == family && was_gone(system, row, taken.at);
        deleted.extend(
            rows.into_iter()
                .filter(is_it)
                .map(|row| (system.as_ref(), row)),
        );
    }
    let mut wrong = Vec::new();
    if deleted.is_empty() {
        wrong.push(format!(
            "{}: {} of human {} was deleted, and nobody had asked for that",
            at.name, taken.id, taken.human
        ));
    }
    let numbers = taken.numbers.iter();
    for (unit, number) in numbers.filter(|(unit, _)| *unit != Unit::Tags) {
        let is_known = |(system, row): &(&System, Row)| {
            let lenses = system.state().lenses.clone();
            let is_told = lenses.reads(*unit) && !lenses.began_anew(*unit);
            !is_told || has_seen(&ledger, row, *unit, *number)
        };
        if !deleted.is_empty() && !deleted.iter().any(is_known) && !books.logged.contains(number) {
            wrong.push(format!(
                "{}: {} of human {} was deleted with {} numbered {number}, which nobody who \
                 asked for that had seen",
                at.name,
                taken.id,
                taken.human,
                unit.canonical()
            ));
        }
    }
    drop(ledger);
    for what in wrong {
        breaks(world, "delete", what);
    }
}

/// A merge looks like a delete where its system does not tell.
fn was_gone(system: &System, row: &Row, at: Timestamp) -> bool {
    let mut history = row.history.iter().filter(|then| then.at <= at);
    history.any(|then| match then.presence {
        Presence::Live => false,
        Presence::Deleted => true,
        Presence::Merged(_) => !system.behaviour.merged_into,
    })
}

/// It stood there once, or what came later was built upon it.
fn has_seen(ledger: &Ledger, row: &Row, unit: Unit, number: u64) -> bool {
    let history = row.history.iter();
    let mut stood = history.flat_map(|then| unit.fields().iter().map(|field| &then.fields[*field]));
    let marks = row.marks.get(&unit).into_iter().flatten();
    stood.any(|value| tokens(value).contains(&number))
        || marks
            .into_iter()
            .any(|mark| ledger.is_ancestor(number, *mark))
}

/// A delete that was noticed is carried out, or turned down.
fn finished(world: &World, books: &Books, link: &Link, taken: &[Taken]) -> Result<()> {
    let system = world.system_of(link.key.connection)?;
    let place = (link.key.connection.0, link.key.remote_id.to_string());
    let number = link.entity.number;
    let of_entity = |other: &&Link| other.entity == link.entity && other.key != link.key;
    let is_stuck = books.failed.iter().any(|(entity, _)| *entity == number)
        || books.doubtful.iter().any(|(entity, ..)| *entity == number)
        || books.candidates.contains(&number);
    if is_stuck {
        return Ok(());
    }
    let entity = books.entities.get(&number);
    let is = |state: EntityState| entity.is_some_and(|entity| entity.state == state);
    // Of whom nobody has said who they are, nobody knows what is theirs elsewhere.
    if link.state == LinkState::Deleted && !is(EntityState::Unmatched) {
        let what = format!("{}: the delete of {} is never over", system.name, place.1);
        breaks(world, "delete", what);
    }
    let mode = mode(world, system);
    if link.state != LinkState::Gone || !mode.spreads() || !is(EntityState::Live) {
        return Ok(());
    }
    let others = || books.links.iter().filter(of_entity);
    let has_twin = others().any(|other| other.key.connection == link.key.connection);
    let Some(noticed) = noticed(books, link) else {
        return Ok(());
    };
    if has_twin || books.spared.contains(&place) {
        return Ok(());
    }
    let away = away(books, link);
    for other in others().filter(|other| other.state == LinkState::Live) {
        let at = world.system_of(other.key.connection)?;
        let id = other.key.remote_id.as_str();
        // Who lives on elsewhere is made where they were missing.
        let rows = at.state().rows.clone();
        let is_later = |row: &Row| row.id == id && row.history[0].at > noticed;
        // It was carried on, and somebody brought the record back.
        let was_taken = |one: &Taken| one.system == at.number && one.id == id;
        if at.behaviour.direction == Direction::Both
            && mode.reaches(at.caps())
            && !taken.iter().any(was_taken)
            && !away.contains(&other.key)
            && !rows.iter().any(is_later)
        {
            let what = format!(
                "{}: {} was deleted, and {id} lives on at {}",
                system.name, place.1, at.name
            );
            breaks(world, "delete", what);
        }
    }
    Ok(())
}

fn history<'a>(books: &'a Books, link: &'a Link) -> impl Iterator<Item = &'a Event> {
    let events = books.events.iter();
    events.filter(|event| event.entity == link.entity)
}

/// When the delete of a record was noticed, if all who are its customer's now were
/// so then: who joins later has never agreed to anything, and who leaves later took
/// a second record along.
fn noticed(books: &Books, link: &Link) -> Option<Timestamp> {
    let mut noticed = None;
    for event in history(books, link) {
        if event.what == "deleted at the system" && event.link.as_ref() == Some(&link.key) {
            noticed = Some(event.at);
        }
        let joins = ["linked", "merged", "taken apart"];
        if joins.iter().any(|word| event.what.contains(word)) {
            noticed = None;
        }
    }
    noticed
}

/// The customer's records that were out of sight, or not there, for a time.
fn away(books: &Books, link: &Link) -> BTreeSet<LinkKey> {
    let left = ["deleted at", "cannot be seen"];
    history(books, link)
        .filter(|event| left.iter().any(|word| event.what.starts_with(word)))
        .filter_map(|event| event.link.clone())
        .collect()
}
