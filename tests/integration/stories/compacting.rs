//! The books are kept for so long and no longer; what is still needed stays, and
//! nobody notices that the rest is gone.

use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Clock, ConflictFilter, Connector, IntentFilter, Store};
use concord_core::state::{Conflict, ConflictKind, Event, LinkKey, Origin, Winner};
use concord_core::{Changeset, ConnectionId, EntityId, RemoteId, RunId, StreamName, Timestamp};
use concord_engine::compact::Compacted;
use concord_engine::hub::Options;
use concord_engine::sharing::{Sharing, Terms};
use concord_sync::retention::{Keep, Retention};
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, Death, Faulty, HONEST, System};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) const ONE_DAY: Retention = Retention {
    events: Keep::Days(1),
    runs: Keep::Days(1),
    conflicts: Keep::Days(1),
};

pub(super) fn deletable() -> Behaviour {
    let caps = format!("{HONEST}delete = true\n");
    Behaviour {
        caps: Box::leak(caps.into_boxed_str()),
        ..Behaviour::default()
    }
}

pub(super) fn days(world: &World, days: u32) {
    world.clock.advance(DAY * days);
}

/// Compacts the books whole.
pub(super) async fn compact(world: &World) -> Compacted {
    world.hub().await.compact().await.unwrap()
}

/// Ann in both systems, who gets another title in each of so many runs.  Gives
/// her ids and the runs.
async fn titles(count: usize) -> (World, [String; 2], Vec<i64>) {
    let mut world = World::with(["a", "b"].map(|name| (name, deletable())));
    world.retention = Some(ONE_DAY);
    let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
    let ids = ["a", "b"].map(|name| world.system(name).add(ann.clone()));
    world.approve().await;
    let mut runs = Vec::new();
    for n in 0..count {
        let title = json!({"title": format!("Title {n}")});
        world.system("a").edit(&ids[0], title);
        runs.push(world.sync().await.run);
    }
    (world, ids, runs)
}

async fn numbers_of_writes(world: &World) -> Vec<i64> {
    let store = world.store().await;
    let intents = store.intents(&IntentFilter::default()).await.unwrap();
    intents.iter().map(|intent| intent.run.0).collect()
}

/// Who a record of `a` belongs to.
pub(super) async fn whose(world: &World, id: &str) -> EntityId {
    let store = world.store().await;
    let people = StreamName::new("people");
    let ids = [RemoteId::new(id)];
    let links = store.links(ConnectionId(1), &people, &ids).await.unwrap();
    links[0].entity.clone()
}

#[tokio::test]
async fn an_old_run_cannot_be_taken_back_and_a_young_one_can() {
    let (mut world, ids, runs) = titles(2).await;
    // The books are kept for ever, until an admin says how long.
    world.retention = None;
    days(&world, 2);
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    let young = world.sync().await.run;
    assert_eq!(compact(&world).await, Compacted::default());
    world.retention = Some(ONE_DAY);
    let counted = world.hub().await.compact_dry().await.unwrap();
    assert_eq!(counted.runs, 3, "the approval, and two titles: {counted:?}");
    assert_eq!(counted.writes, 2, "{counted:?}");
    assert!(numbers_of_writes(&world).await.contains(&runs[0]), "dry");
    assert_eq!(compact(&world).await, counted);
    assert_eq!(numbers_of_writes(&world).await, [young]);
    assert_eq!(compact(&world).await, Compacted::default(), "once");
    let mut hub = world.hub().await;
    for run in runs {
        let error = hub.undo(run).await.unwrap_err().to_string();
        assert!(error.contains("too old to be taken back"), "{error}");
        assert!(error.contains("retention"), "{error}");
    }
    let undone = hub.undo(young).await.unwrap();
    assert_eq!((undone.done, undone.skipped.len()), (1, 0), "{undone:#?}");
    assert_eq!(world.system("b").value(&ids[1], "title"), "Title 1");
    world.writes();
    assert_eq!((world.sync().await.writes(), world.writes()), (0, 0));
}

#[tokio::test]
async fn what_an_undo_keeps_away_is_no_dead_letter_when_the_books_are_compacted() {
    let picky = Behaviour {
        refuses: Some("Bad"),
        ..deletable()
    };
    let mut world = World::with([("a", deletable()), ("b", picky)]);
    world.retention = Some(ONE_DAY);
    let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
    let ids = ["a", "b"].map(|name| world.system(name).add(ann.clone()));
    world.approve().await;
    let edit = json!({"title": "Bad", "tel": "+12025550143"});
    world.system("a").edit(&ids[0], edit);
    let run = world.sync().await.run;
    world.hub().await.undo(run).await.unwrap();
    let letters = async || {
        let letters = world.hub().await.letters().await.unwrap().refused;
        letters
            .iter()
            .map(|one| json!([one.values, one.fault]))
            .collect::<Vec<Value>>()
    };
    let before = letters().await;
    assert_eq!(before.len(), 1, "{before:?}");
    for _ in 0..3 {
        days(&world, 400);
        compact(&world).await;
        world.sync().await;
        assert_eq!(letters().await, before);
    }
    assert_eq!(
        world.system("b").value(&ids[1], "tel"),
        Value::Null,
        "kept away"
    );
}

/// Long before the world began.
fn start_of_year() -> Timestamp {
    Timestamp::parse("2026-01-01T08:00:00Z").unwrap()
}

/// So many conflicts that were settled long ago.
async fn old_conflicts(world: &World, ids: std::ops::Range<i64>, of: &EntityId) {
    let conflict = |id: i64| Conflict {
        id,
        kind: ConflictKind::Edit,
        entity: of.clone(),
        field: "job_title".into(),
        link: LinkKey {
            connection: ConnectionId(1),
            stream: StreamName::new("people"),
            remote_id: RemoteId::new("1"),
        },
        base: Value::Null,
        canonical: json!("x"),
        remote: json!(id),
        rule: "latest".into(),
        winner: Winner::Canonical,
        at: start_of_year(),
        decision: None,
        provenance: None,
    };
    let out = Changeset {
        conflicts: ids.map(conflict).collect(),
        ..Changeset::default()
    };
    world.store().await.commit(&out).await.unwrap();
}

async fn conflicts(world: &World) -> usize {
    let all = ConflictFilter::default();
    world.store().await.conflicts(&all).await.unwrap().len()
}

/// Two old events of each of so many people, of which the second goes.
async fn old_events(world: &World, people: i64) {
    let event = |id: i64| Event {
        id: 1_000_000 + id,
        entity: EntityId::new("person", 1_000_000 + id / 2),
        at: start_of_year(),
        run: RunId(1),
        origin: Origin::Connection(ConnectionId(1)),
        what: "cannot be seen any more".into(),
        changes: Vec::new(),
        link: None,
    };
    let out = Changeset {
        events: (0..2 * people).map(event).collect(),
        ..Changeset::default()
    };
    world.store().await.commit(&out).await.unwrap();
}

async fn events(world: &World) -> usize {
    let all = world.store().await.scan_events(None, 100_000).await;
    let old = |event: &&Event| event.at == start_of_year();
    all.unwrap().iter().filter(old).count()
}

#[tokio::test]
async fn a_sync_does_a_part_of_it_and_begins_anew_a_day_later() {
    let (world, ids, _) = titles(1).await;
    let ann = whose(&world, &ids[0]).await;
    old_conflicts(&world, 100_000..106_000, &ann).await;
    old_events(&world, 3_000).await;
    let left = async || (conflicts(&world).await, events(&world).await);
    world.sync().await;
    assert_eq!(left().await, (6_000, 6_000), "the first sync was just now");
    days(&world, 1);
    let mut before = left().await;
    let mut syncs = 0;
    while before != (0, 3_000) {
        world.sync().await;
        let after = left().await;
        let removed = before.0 - after.0 + before.1 - after.1;
        assert!((1..=5_000).contains(&removed), "{before:?} to {after:?}");
        before = after;
        syncs += 1;
    }
    assert_eq!(syncs, 3, "each goes on where the one before it stopped");
    world.sync().await;
    // It is through for this day.
    old_conflicts(&world, 200_000..200_001, &ann).await;
    world.sync().await;
    assert_eq!(left().await, (1, 3_000));
    days(&world, 1);
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(left().await, (0, 3_000));
    world.writes();
    assert_eq!((world.sync().await.writes(), world.writes()), (0, 0));
}

#[tokio::test]
async fn a_write_that_waits_stays_however_old_it_is() {
    let (world, ids, _) = titles(1).await;
    let waits = world.clock.now().plus(DAY * 300);
    world.system("b").rest(&ids[1], waits);
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    let run = world.sync().await.run;
    for _ in 0..5 {
        days(&world, 50);
        compact(&world).await;
        world.sync().await;
        assert_eq!(numbers_of_writes(&world).await, [run]);
    }
    days(&world, 51);
    world.sync().await;
    assert_eq!(world.system("b").value(&ids[1], "title"), json!("CEO"));
    compact(&world).await;
    assert_eq!(numbers_of_writes(&world).await, [0; 0]);
}

#[tokio::test]
async fn two_hubs_that_do_it_at_once_remove_each_thing_once() {
    let (world, ids, _) = titles(1).await;
    let ann = whose(&world, &ids[0]).await;
    old_conflicts(&world, 100_000..106_000, &ann).await;
    let compacts = async |owner: &str| {
        let store: Arc<dyn Store> = world.store().await;
        let clock = Arc::clone(&world.clock);
        let terms = Terms::default();
        let sharing = Sharing::new(Arc::clone(&store), clock, owner.to_owned(), terms);
        let options = Options {
            sharing: Some(Arc::new(sharing)),
            retention: world.retention,
            ..Options::default()
        };
        let reach = |system: &Arc<System>| Arc::clone(system) as Arc<dyn Connector>;
        let mut hub = world.hub_with(store, options, reach).await.unwrap();
        world.clock.enter();
        let compacted = hub.compact().await.unwrap();
        world.clock.leave();
        compacted.conflicts
    };
    let (one, two) = tokio::join!(compacts("one"), compacts("two"));
    assert_eq!((one + two, conflicts(&world).await), (6_000, 0));
}

#[tokio::test]
async fn a_hub_that_dies_between_two_steps_goes_on_and_never_undoes_a_half() {
    let mut parts = 0;
    for n in 1.. {
        let mut survived = true;
        for death in [Death::Before(n), Death::After(n)] {
            let (world, ids, runs) = titles(1).await;
            let ann = whose(&world, &ids[0]).await;
            old_conflicts(&world, 100_000..100_600, &ann).await;
            let first = runs[0];
            days(&world, 2);
            let whole = numbers_of_writes(&world).await;
            let faulty = Arc::new(Faulty::new(world.store().await, death));
            let mut hub = world.hub_on(faulty.clone()).await.unwrap();
            let died = hub.sync(&Default::default()).await.is_err();
            survived &= !died;
            let left = numbers_of_writes(&world).await;
            let store = world.store().await;
            let on_record = store.scan_runs(RunId(0), 1).await.unwrap()[0].id.0 <= first;
            if left != whole || !on_record {
                parts += 1;
                let error = world.hub().await.undo(first).await.unwrap_err();
                assert!(error.to_string().contains("too old"), "{death:?}: {error}");
            }
            world.clock.advance(Duration::from_secs(600));
            world.sync().await;
            let undone = compact(&world).await;
            assert_eq!(undone, Compacted::default(), "{death:?}: all was done");
            assert_eq!(conflicts(&world).await, 0, "{death:?}");
            assert_eq!(numbers_of_writes(&world).await, [0; 0], "{death:?}");
            world.writes();
            assert_eq!((world.sync().await.writes(), world.writes()), (0, 0));
        }
        if survived {
            break;
        }
    }
    assert!(parts > 3, "it never died in the middle: {parts}");
}
