//! What must hold when a world has come to rest (design.md §5, P1 to P12).
//! What can be seen only while it happens is checked by the systems.

mod books;
mod deletes;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use concord_core::ports::ConflictFilter;
use concord_core::state::{EntityState, Link, LinkState, Origin};
use concord_core::{Entity, Kind, Value};

use books::Books;

use crate::behaviour::Direction;
use crate::clock::lock;
use crate::story::Temper;
use crate::system::{Presence, Row, System};
use crate::value::{Unit, is_empty, tokens};
use crate::world::{World, id_of};

/// P7 while the world is still moving: what counts as gone has really gone.
pub(crate) async fn meanwhile(world: &World) -> Result<()> {
    let kind = Kind::new("person");
    let entities = world.store.scan_entities(&kind, 0, 10_000).await?;
    let ids: Vec<_> = entities.into_iter().map(|entity| entity.id).collect();
    for link in world.store.links_of(&ids).await? {
        let system = world.system_of(link.key.connection)?;
        let state = system.state();
        let id = link.key.remote_id.as_str();
        let here = |row: &&Row| row.id == id && !row.was_deleted;
        if link.state == LinkState::Gone && state.rows.iter().any(|row| here(&row)) {
            let what = format!("{}: {id} counts as gone, and is only hidden", system.name);
            breaks(world, "P7", what);
        }
    }
    Ok(())
}

pub(crate) async fn at_rest(world: &World) -> Result<()> {
    quiescence(world, false).await?;
    let books = Books::read(world.store.as_ref()).await?;
    for system in world.town.systems() {
        let rows = system.state().rows.clone();
        for row in rows.iter().filter(|row| row.is_live()) {
            known(world, &books, system, row);
        }
        duplicates(world, &books, system, &rows);
        certain(world, &books, system, &rows);
    }
    complete(world, &books);
    kept(world, &books);
    no_reverts(world, &books);
    no_noise(world).await?;
    legitimate(world, &books);
    deletes::carried_on(world, &books)?;
    if world.story.temper == Temper::Peaceful {
        foreseen(world);
    }
    if !world.story.reads_whole && (is_merged_somewhere(world) || world.story.house.spreads()) {
        // Where changes tell of merges and deletes not at all, or not for long, a
        // whole read is the first to do so, and that is news.
        for full in [true, false, false] {
            world.calm_run(full).await?;
        }
    }
    quiescence(world, true).await
}

fn is_merged_somewhere(world: &World) -> bool {
    let mut systems = world.town.systems().iter();
    systems.any(|system| system.state().rows.iter().any(Row::is_merged))
}

fn breaks(world: &World, rule: &'static str, what: String) {
    lock(&world.town.ledger).breaks(rule, what);
}

/// P1, P8: nothing happened outside, so nothing is written.
async fn quiescence(world: &World, full: bool) -> Result<()> {
    let before = world.asked();
    world.calm_run(full).await?;
    let after = world.asked();
    if before != after {
        let what = format!("{} writes although nothing had happened", after - before);
        breaks(world, "P1", what);
    }
    Ok(())
}

/// No conflict is about what a system is known to make of a value.
async fn no_noise(world: &World) -> Result<()> {
    for conflict in world.store.conflicts(&ConflictFilter::default()).await? {
        let system = world.system_of(conflict.link.connection)?;
        let Some(unit) = Unit::of_canonical(conflict.field.as_str()) else {
            continue;
        };
        if system.behaviour.rewrites_declared
            && unit.fields().len() == 1
            && conflict.remote.is_string()
            && system
                .behaviour
                .store(unit.fields()[0], &conflict.canonical)
                == conflict.remote
        {
            let what = format!(
                "{}: a conflict over {} is about {} alone, as the system writes it",
                system.name,
                unit.canonical(),
                conflict.canonical
            );
            breaks(world, "P11", what);
        }
    }
    Ok(())
}

/// P2 and P5: every record that can be read is linked, and agrees.
fn known(world: &World, books: &Books, system: &System, row: &Row) {
    let place = (id_of(system).0, row.id.clone());
    if row.spoilt {
        if !books.quarantined.contains(&place) {
            breaks(
                world,
                "P5",
                format!(
                    "{}: {} is broken and not in quarantine",
                    system.name, row.id
                ),
            );
        }
        return;
    }
    let Some(link) = books.link(system, row) else {
        if !books.in_review.contains(&place) {
            let what = format!(
                "{}: {} of human {} was never taken in",
                system.name, row.id, row.human
            );
            breaks(world, "P2", what);
        }
        return;
    };
    let Some(entity) = books.entities.get(&link.entity.number) else {
        breaks(
            world,
            "P2",
            format!("{}: {} is linked to nobody", system.name, row.id),
        );
        return;
    };
    if link.state != LinkState::Live {
        let what = format!(
            "{}: {} can be seen and its link is {:?}",
            system.name, row.id, link.state
        );
        breaks(world, "P2", what);
        return;
    }
    if entity.state != EntityState::Live
        || system.behaviour.direction == Direction::Read
        || books.asked.contains(&place)
        || books.waits_for_twin(entity.id.number, &place)
    {
        return;
    }
    let lenses = system.state().lenses.clone();
    for unit in Unit::ALL.into_iter().filter(|unit| lenses.reads(*unit)) {
        let name = unit.canonical();
        if books.is_held(entity.id.number, name) || link.refused.contains_key(name) {
            continue;
        }
        let held_there = unit.fields().iter().map(|field| &row.now().fields[*field]);
        if held_there.into_iter().any(Value::is_object) {
            if !books.quarantined.contains(&place) {
                let what = format!(
                    "{}: {name} of {} cannot be read and is not in quarantine",
                    system.name, row.id
                );
                breaks(world, "P5", what);
            }
            continue;
        }
        for field in unit.fields().iter().filter(|_| lenses.writes(unit)) {
            let canonical = canonical_part(entity, unit, field);
            let remote = &row.now().fields[*field];
            if !agrees(system, field, &canonical, remote) {
                let what = format!(
                    "{}: {field} of {} is {remote}, canonical is {canonical} of {}",
                    system.name, row.id, entity.id
                );
                breaks(world, "P2", what);
            }
        }
    }
}

fn canonical_part(entity: &Entity, unit: Unit, field: &str) -> Value {
    let value = entity.value(unit.canonical());
    if unit == Unit::Address {
        value.get(field).cloned().unwrap_or_default()
    } else {
        value.clone()
    }
}

fn agrees(system: &System, field: &str, canonical: &Value, remote: &Value) -> bool {
    if is_empty(canonical) && is_empty(remote) {
        return true;
    }
    if is_empty(canonical) && system.behaviour.ignores_null {
        return true;
    }
    if field == "tags" {
        let (ours, theirs) = (tokens(canonical), tokens(remote));
        let within = theirs.iter().all(|number| ours.contains(number));
        if system.behaviour.ignores_null && system.behaviour.tag_cap.is_none() {
            return ours.iter().all(|number| theirs.contains(number));
        }
        return within && (system.behaviour.tag_cap.is_some() || ours.len() == theirs.len());
    }
    let same = |a: &Value, b: &Value| {
        let lower = |value: &Value| value.as_str().map(str::to_lowercase);
        a == b || field == "mail" && lower(a) == lower(b)
    };
    same(canonical, remote) || same(&system.behaviour.store(field, canonical), remote)
}

/// P4: nobody is there twice through a hub.
fn duplicates(world: &World, books: &Books, system: &System, rows: &[Row]) {
    let mut by_human: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is_live()) {
        by_human.entry(row.human).or_default().push(row);
    }
    for (human, rows) in by_human {
        let by_hub = rows.iter().filter(|row| row.by_hub).count();
        // Two records that people made of one person may part ways.
        let is_doubled = lock(&world.town.ledger).doubled.contains(&human);
        if rows.len() < 2 || by_hub == 0 || is_doubled {
            continue;
        }
        // Without a unique key a create that timed out may come twice, and a
        // person may enter somebody while a hub does: both are for review.
        let reviewed = rows
            .iter()
            .any(|row| books.in_review.contains(&(id_of(system).0, row.id.clone())));
        // Who stands in a record that nobody could ever read is not known.
        let unknown = |row: &&&Row| row.spoilt && books.link(system, row).is_none();
        if reviewed || crossed(system, &rows) || rows.iter().any(|row| unknown(&row)) {
            continue;
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        breaks(
            world,
            "P4",
            format!("{}: human {human} is there twice: {ids:?}", system.name),
        );
    }
}

/// A person entered somebody so shortly before a hub did that no list could show
/// it yet.
fn crossed(system: &System, rows: &[&Row]) -> bool {
    let hidden_for = system.behaviour.pull_lag + std::time::Duration::from_secs(1);
    let born = |row: &&&Row| row.history[0].at;
    let hubs = rows.iter().filter(|row| row.by_hub).map(|row| born(&row));
    hubs.into_iter().any(|hub| {
        let mut people = rows.iter().filter(|row| !row.by_hub);
        people.any(|row| born(&row).plus(hidden_for) > hub)
    })
}

/// P7: what counts as gone has really gone.
fn certain(world: &World, books: &Books, system: &System, rows: &[Row]) {
    let here = |link: &&Link| link.key.connection == id_of(system);
    for link in books.links.iter().filter(here) {
        let is = |row: &&Row| {
            row.id == link.key.remote_id.as_str()
                || row
                    .old_ids
                    .iter()
                    .any(|id| id == link.key.remote_id.as_str())
        };
        let Some(row) = rows.iter().find(is) else {
            continue;
        };
        let moved = row.id != link.key.remote_id.as_str();
        if matches!(link.state, LinkState::Gone | LinkState::Merged) && !row.was_deleted && !moved {
            let what = format!(
                "{}: {} counts as gone and nobody deleted it",
                system.name, row.id
            );
            breaks(world, "P7", what);
        }
        if link.state == LinkState::Live
            && !matches!(row.now().presence, Presence::Live)
            && system.behaviour.delete_feed
            && !moved
        {
            let kept = system.behaviour.tombstones_kept.as_secs() > 10_000;
            if kept {
                breaks(
                    world,
                    "P2",
                    format!("{}: {} was deleted and its link lives", system.name, row.id),
                );
            }
        }
    }
}

/// P2: everybody is everywhere, unless something says why not.
fn complete(world: &World, books: &Books) {
    for entity in books
        .entities
        .values()
        .filter(|entity| entity.state == EntityState::Live)
    {
        for system in world.town.systems() {
            if system.behaviour.direction == Direction::Read {
                continue;
            }
            let place = (entity.id.number, id_of(system).0);
            let linked = books
                .links
                .iter()
                .any(|link| link.entity == entity.id && link.key.connection == id_of(system));
            let held = books
                .held
                .iter()
                .any(|(number, _)| *number == entity.id.number);
            if !linked
                && !held
                && !books.failed.contains(&place)
                && entity.cells.values().any(|cell| !is_empty(&cell.value))
            {
                breaks(
                    world,
                    "P2",
                    format!("{} was never created at {}", entity.id, system.name),
                );
            }
        }
    }
}

/// P3: what a hub read of a linked record is there, is in the log, or somebody
/// who had seen it wrote something else.
fn kept(world: &World, books: &Books) {
    let mut ends: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
    for entity in books.entities.values() {
        let numbers = entity.cells.values().flat_map(|cell| tokens(&cell.value));
        ends.insert(entity.id.number, numbers.collect());
    }
    let mut ledger = lock(&world.town.ledger);
    // What one wrote who was said to be another may stand with either.
    let mut families: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    for number in ends.values().flatten() {
        if let Some(token) = ledger.tokens.get(number) {
            let family = ledger.family(token.human);
            families.entry(family).or_default().insert(*number);
        }
    }
    let changes = books.events.iter().flat_map(|event| &event.changes);
    let replaced: BTreeSet<u64> = changes.flat_map(|(_, old, _)| tokens(old)).collect();
    let systems = world.town.systems().iter();
    let lenses: Vec<_> = systems
        .map(|system| system.state().lenses.clone())
        .collect();
    let seen: Vec<_> = ledger.seen.iter().cloned().collect();
    let mut lost = Vec::new();
    for (system, id, unit, number) in seen {
        let connection = system as i64 + 1;
        let link = books
            .links
            .iter()
            .find(|link| link.key.connection.0 == connection && link.key.remote_id.as_str() == id);
        // What could not be believed before its record vanished is gone with it.
        let Some(link) = link.filter(|link| link.state == LinkState::Live) else {
            continue;
        };
        // Nor is it believed yet while a write to the customer's other record
        // there is in doubt.
        if books.waits_for_twin(link.entity.number, &(connection, id.clone())) {
            continue;
        }
        let lenses = &lenses[system];
        // Nobody looks there any more.
        if !lenses.reads(unit) {
            continue;
        }
        // Somebody has left something else there that is not understood, and
        // that nobody writes over.
        let mut names = unit.fields().iter().map(|field| lenses.name(field));
        if names.any(|name| link.unread.contains_key(name)) {
            continue;
        }
        let Some(held) = ends.get(&link.entity.number) else {
            continue;
        };
        let human = ledger.tokens.get(&number).map(|token| token.human);
        let of_family = human.and_then(|human| families.get(&ledger.family(human)));
        let is_lone = human.is_none_or(|human| ledger.is_lone(human));
        let held = match of_family {
            Some(family) if !is_lone => family,
            _ => held,
        };
        if held.contains(&number)
            || books.logged.contains(&number)
            || ledger.untagged.contains(&number)
        {
            continue;
        }
        // Who made their record a part of one that no hub had read yet chose that
        // one's values for its customer.
        if ledger.given_up.contains(&number) && replaced.contains(&number) {
            continue;
        }
        // The id of one of two such records may have become the other's.
        let moves = world.town.systems()[system].behaviour.id_moves;
        if moves && human.is_some_and(|human| ledger.doubled.contains(&human)) {
            continue;
        }
        let emptied = human.is_some_and(|human| ledger.was_emptied(human, unit));
        let later = ledger.tokens.keys().copied().filter(|later| {
            *later > number && (held.contains(later) || books.logged.contains(later))
        });
        let built_upon = later
            .into_iter()
            .any(|later| ledger.is_ancestor(number, later));
        if !built_upon && !emptied {
            lost.push(format!(
                "{} of human {human:?} numbered {number}, read at s{system} {id}, is nowhere",
                unit.canonical()
            ));
        }
    }
    for what in lost {
        ledger.breaks("P3", what);
    }
}

/// P9: no value ever gives way to one that it was built upon.
fn no_reverts(world: &World, books: &Books) {
    let mut ledger = lock(&world.town.ledger);
    for event in &books.events {
        // A write of ours tells what was there, not what is believed.
        if !matches!(event.origin, Origin::Connection(_))
            || event.what.starts_with("written")
            || event.what.starts_with("created")
        {
            continue;
        }
        for (field, old, new) in &event.changes {
            let (Some(before), Some(after)) =
                (tokens(old).first().copied(), tokens(new).first().copied())
            else {
                continue;
            };
            if field.as_str() != "tags" && before != after && ledger.is_ancestor(after, before) {
                let what = format!(
                    "{field} of {} went back from {old} to {new} ({})",
                    event.entity, event.what
                );
                ledger.breaks("P9", what);
            }
        }
    }
}

/// P11 of the canonical record itself: somebody wrote what stands there.
fn legitimate(world: &World, books: &Books) {
    let mut ledger = lock(&world.town.ledger);
    let mut wrong = Vec::new();
    for entity in books.entities.values() {
        for unit in Unit::ALL {
            for field in unit.fields() {
                let value = canonical_part(entity, unit, field);
                if !is_empty(&value) && !ledger.is_legit(0, field, &value) {
                    wrong.push(format!(
                        "{field} of {} is {value}, which nobody wrote",
                        entity.id
                    ));
                }
            }
        }
    }
    for what in wrong {
        ledger.breaks("P11", what);
    }
}

/// P4, P6: where nobody crossed anybody the end is known from what people did,
/// whatever was killed on the way and in whatever order systems were read.
fn foreseen(world: &World) {
    let mut ledger = lock(&world.town.ledger);
    let latest = ledger.latest.clone();
    for system in world.town.systems() {
        if system.behaviour.direction == Direction::Read {
            continue;
        }
        let rows = system.state().rows.clone();
        for ((human, unit), values) in &latest {
            if *unit == Unit::Tags {
                continue;
            }
            let Some(row) = rows.iter().find(|row| row.human == *human && row.is_live()) else {
                ledger.breaks("P4", format!("{}: human {human} is missing", system.name));
                continue;
            };
            for (field, value) in values {
                let remote = &row.now().fields[*field];
                if !agrees(system, field, value, remote) && !system.behaviour.refuses(*unit, value)
                {
                    let what = format!(
                        "{}: {field} of human {human} is {remote} and should be {value}",
                        system.name
                    );
                    ledger.breaks("P6", what);
                }
            }
        }
    }
}
