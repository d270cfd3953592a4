//! What is done once for all connectors: walks in parts, waits, dead letters,
//! records that rest.

use std::time::Duration;

use concord_core::Fault;
use concord_core::chance::Seeded;
use concord_core::ports::{Clock, Rng, Store};
use concord_engine::run::Request;
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, HONEST};

fn person(n: usize) -> Value {
    json!({"mail": format!("p{n}@example.com"), "first": format!("First{n}"), "last": "Lee"})
}

/// Three people in both systems, agreed on; their ids at `a` and `b`.
async fn agreed(b: Behaviour) -> (World, Vec<[String; 2]>) {
    let world = World::with([("a", Behaviour::default()), ("b", b)]);
    let ids = (0..3)
        .map(|n| ["a", "b"].map(|name| world.system(name).add(person(n))))
        .collect();
    world.approve().await;
    world.writes();
    (world, ids)
}

#[tokio::test]
async fn a_walk_that_is_too_large_is_walked_in_parts() {
    let small = Behaviour {
        lists: Some(4),
        ..Behaviour::default()
    };
    let world = World::with([("a", small), ("b", Behaviour::default())]);
    for n in 0..20 {
        world.system("a").add(person(n));
        world.clock.advance(Duration::from_secs(3_600));
    }
    let report = world.approve().await;
    assert!(!report.failed(), "{report:#?}");
    assert_eq!(report.streams["a/people"].read.new, 20, "{report:#?}");
    assert_eq!(world.system("b").ids().len(), 20);
    world.writes();
    // What changes after the walk is found by its last cursor, and deletes are
    // only inferred once all parts have been walked.
    let a = world.system("a");
    let late = a.find_by("first", "First7").unwrap();
    a.edit(&late, json!({"title": "CTO"}));
    let report = world.sync().await;
    assert_eq!(report.writes(), 1, "{report:#?}");
    assert_eq!(report.streams["a/people"].read.gone, 0);
}

#[tokio::test]
async fn more_in_one_second_than_can_be_listed_stops_the_stream_and_says_so() {
    let small = Behaviour {
        lists: Some(2),
        ..Behaviour::default()
    };
    let world = World::with([("a", small), ("b", Behaviour::default())]);
    for n in 0..5 {
        world.system("a").add(person(n));
    }
    let report = world.sync().await;
    let stopped = report.streams["a/people"].stopped.as_deref();
    assert!(
        stopped.is_some_and(|why| why.contains("one walk can list")),
        "{report:#?}"
    );
}

#[tokio::test]
async fn a_call_that_fails_in_passing_is_tried_again_in_the_same_run() {
    let (world, ids) = agreed(Behaviour::default()).await;
    world.system("a").edit(&ids[0][0], json!({"title": "CTO"}));
    for _ in 0..2 {
        let busy = Fault::transient("the server is busy");
        world.system("b").fail_next(busy);
    }
    let before = world.clock.now();
    let report = world.sync().await;
    assert!(!report.failed(), "{report:#?}");
    assert_eq!(world.system("b").value(&ids[0][1], "title"), json!("CTO"));
    let waited = world.clock.now().since(before);
    assert!(waited >= Duration::from_millis(60_000 + 750), "{waited:?}");
}

#[tokio::test]
async fn a_call_that_keeps_failing_ends_the_connections_part_and_loses_nothing() {
    let (world, ids) = agreed(Behaviour::default()).await;
    world.system("a").edit(&ids[0][0], json!({"title": "CTO"}));
    for _ in 0..4 {
        let busy = Fault::transient("the server is busy");
        world.system("b").fail_next(busy);
    }
    let report = world.sync().await;
    assert!(report.streams["b/people"].stopped.is_some(), "{report:#?}");
    let report = world.sync().await;
    assert!(!report.failed(), "{report:#?}");
    assert_eq!(world.system("b").value(&ids[0][1], "title"), json!("CTO"));
}

#[tokio::test]
async fn what_was_refused_is_kept_with_its_fault_and_tried_again_when_asked() {
    let picky = Behaviour {
        refuses: Some("Bad"),
        ..Behaviour::default()
    };
    let (world, ids) = agreed(picky).await;
    let tel = "+12025550143";
    world
        .system("a")
        .edit(&ids[0][0], json!({"title": "Bad", "tel": tel}));
    world.sync().await;
    let b = world.system("b");
    assert_eq!(
        b.value(&ids[0][1], "tel"),
        json!(tel),
        "one field stops no other"
    );
    let hub = world.hub().await;
    let letters = hub.letters().await.unwrap();
    let [letter] = letters.refused.as_slice() else {
        panic!("{letters:#?}");
    };
    assert_eq!(
        Value::Object(letter.values.clone()),
        json!({"job_title": "Bad"})
    );
    assert!(letter.fault.contains("not allowed"), "{letter:?}");
    b.relent();
    assert_eq!(world.sync().await.writes(), 0, "nobody has asked for it");
    let unknown = hub.replay(&[987_654]).await.unwrap_err().to_string();
    assert!(unknown.contains("dead-letters list"), "{unknown}");
    let replayed = hub.replay(&[letter.intent]).await.unwrap();
    assert_eq!((replayed.writes, replayed.records), (1, 0));
    world.sync().await;
    assert_eq!(b.value(&ids[0][1], "title"), json!("Bad"));
    assert_eq!(hub.letters().await.unwrap().refused, []);
}

#[tokio::test]
async fn a_letter_is_over_when_another_value_has_arrived() {
    let picky = Behaviour {
        refuses: Some("Bad"),
        ..Behaviour::default()
    };
    let (world, ids) = agreed(picky).await;
    world.system("a").edit(&ids[0][0], json!({"title": "Bad"}));
    world.sync().await;
    world.system("a").edit(&ids[0][0], json!({"title": "Good"}));
    world.sync().await;
    assert_eq!(world.hub().await.letters().await.unwrap().refused, []);
}

#[tokio::test]
async fn a_record_that_is_typed_in_waits_until_it_rests() {
    let (mut world, ids) = agreed(Behaviour::default()).await;
    world.debounce("a", Duration::from_secs(300));
    let [a, b] = &ids[0];
    world.system("a").edit(a, json!({"title": "C"}));
    world.sync().await;
    assert_eq!(
        world.system("b").value(b, "title"),
        Value::Null,
        "half a word"
    );
    world.clock.advance(Duration::from_secs(100));
    world.system("a").edit(a, json!({"title": "CTO"}));
    world.sync().await;
    assert_eq!(world.system("b").value(b, "title"), Value::Null);
    world.clock.advance(Duration::from_secs(300));
    world.sync().await;
    assert_eq!(world.system("b").value(b, "title"), json!("CTO"));
}

#[tokio::test]
async fn what_nobody_can_read_is_not_written_over_and_stops_no_other_field() {
    let without_versions = "read = true\ncreate = true\nupdate = true\nanswer-is-record = true\n\
                            create-safe = { unique-field = \"mail\" }\n404-means-gone = true\n\
                            batch-max = 4\nfetch-max = 10\n";
    for caps in [HONEST, without_versions] {
        let b = Behaviour {
            caps,
            ..Behaviour::default()
        };
        let (world, ids) = agreed(b).await;
        let [a, b] = &ids[0];
        let nonsense = json!({"written by": "another program"});
        world.system("b").edit(b, json!({"title": nonsense}));
        world.sync().await;
        world
            .system("a")
            .edit(a, json!({"title": "CTO", "last": "Leigh"}));
        world.sync().await;
        assert_eq!(world.system("b").value(b, "title"), nonsense);
        assert_eq!(world.system("b").value(b, "last"), json!("Leigh"));
        // Mended at its system it is a person's edit like any other.
        world.system("b").edit(b, json!({"title": "Chief"}));
        world.sync().await;
        world.sync().await;
        let titles = [("a", a), ("b", b)].map(|(name, id)| world.system(name).value(id, "title"));
        assert_eq!(titles[0], titles[1]);
    }
}

#[tokio::test]
async fn an_endless_id_or_address_stops_no_other_record() {
    let world = World::new(&["a", "b"]);
    // Nothing in it repeats, so that no database can make it short.
    let chance = Seeded::new(1);
    let endless: String = (0..250)
        .map(|_| format!("{:016x}", chance.next_u64()))
        .collect();
    let a = world.system("a");
    a.edit(&endless, person(7));
    a.add(person(1));
    a.add(json!({"mail": format!("{endless}@example.com"), "first": "Long", "last": "Lee"}));
    a.add(person(2));
    let report = world.approve().await;
    assert!(!report.failed(), "{report:#?}");
    let read = &report.streams["a/people"].read;
    assert_eq!((read.new, read.quarantined), (3, 1), "{report:#?}");
    let held = world.store().await.quarantined(10).await.unwrap();
    assert!(held[0].reason.contains("4000 bytes"), "{held:?}");
    assert_eq!(world.system("b").ids().len(), 3);
    // It is looked at each time, and there is nothing to do.
    world.writes();
    world.sync().await;
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn a_refused_create_is_sent_again_only_when_its_record_has_changed() {
    let picky = Behaviour {
        refuses: Some("p0@example.com"),
        ..Behaviour::default()
    };
    let systems = [
        ("a", Behaviour::default()),
        ("b", picky),
        ("c", Behaviour::default()),
    ];
    let world = World::with(systems);
    let here = world.system("a").add(person(0));
    world.sync().await;
    // What c is owed waits for c's first plan, and is looked at in every run.
    for name in ["a", "b"] {
        let request = Request {
            connection: Some(name.into()),
            approve: true,
            ..Request::default()
        };
        world.run(&request).await;
    }
    let b = world.system("b");
    assert_eq!(b.take_writes(), 1);
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(b.take_writes(), 0, "it was refused, and nothing is new");
    world.system("a").edit(&here, json!({"title": "CTO"}));
    world.sync().await;
    world.sync().await;
    assert_eq!(b.take_writes(), 1);
    assert_eq!(world.system("c").ids().len(), 0);
}
