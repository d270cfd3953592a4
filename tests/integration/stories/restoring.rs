//! A backup is taken, the world goes on, the database is lost, and a hub starts
//! from the backup.

use concord_core::Value;
use concord_core::ports::Store as _;
use concord_engine::run::Request;
use serde_json::json;

use super::World;
use crate::world::{Behaviour, Ground as _};

async fn backup(world: &World) -> Vec<u8> {
    let mut out = Vec::new();
    let now = concord_core::ports::Clock::now(world.clock.as_ref());
    let store = world.store().await;
    store.back_up(&mut out, "0.1.0", now).await.unwrap();
    out
}

/// The database is lost, and another one stands in its place.
async fn restore(world: &mut World, backup: &[u8]) {
    world.ground = world.ground.beside();
    let now = concord_core::ports::Clock::now(world.clock.as_ref());
    let store = world.store().await;
    store.restore(&mut &backup[..], now).await.unwrap();
    world.writes();
}

fn titles(world: &World, name: &str) -> Vec<Value> {
    let system = world.system(name);
    let ids = system.ids();
    ids.iter().map(|id| system.value(id, "title")).collect()
}

fn person(mail: &str, first: &str, title: &str) -> Value {
    json!({"mail": mail, "first": first, "last": "Lee", "title": title})
}

/// Two systems that agree on Ann and Bob.
async fn agreed(behaviour: Behaviour) -> World {
    let world = World::with(["a", "b"].map(|name| (name, behaviour.clone())));
    for (mail, first) in [("ann@example.com", "Ann"), ("bob@example.com", "Bob")] {
        world.system("a").add(person(mail, first, "Clerk"));
    }
    world.approve().await;
    assert_eq!(world.system("b").ids().len(), 2);
    world
}

#[tokio::test]
async fn nothing_is_written_before_everything_is_read_and_the_plan_approved() {
    let mut world = agreed(Behaviour::default()).await;
    let taken = backup(&world).await;
    // What the backup does not know: an edit that was carried on, a customer that
    // was made at b, and one that is gone from a.
    let ann = world.system("b").ids()[0].clone();
    world.system("b").edit(&ann, json!({"title": "CEO"}));
    world
        .system("a")
        .add(person("eve@example.com", "Eve", "Nurse"));
    world.sync().await;
    let bob = world.system("a").ids()[1].clone();
    world.system("a").delete(&bob);
    world.sync().await;
    assert_eq!(world.system("b").ids().len(), 3);
    // And what nobody has read yet.
    world.system("b").edit(&ann, json!({"tel": "+12025550143"}));

    restore(&mut world, &taken).await;
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
        assert_eq!(report.waits_for_approval, ["a", "b"]);
    }
    let report = world.approve().await;
    // The one thing that is owed: what was edited after the hub was lost.
    assert_eq!(report.writes(), 1, "{report:#?}");
    assert_eq!(titles(&world, "a"), ["CEO", "Nurse"]);
    assert_eq!(titles(&world, "b"), ["CEO", "Clerk", "Nurse"]);
    let known = world.system("a").ids()[0].clone();
    assert_eq!(world.system("a").value(&known, "tel"), "+12025550143");
    // Bob, who is gone from a, does not come back.
    world.writes();
    for _ in 0..3 {
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
    }
    let counts = world.store().await.counts().await.unwrap();
    assert_eq!(counts.entities, [("person".to_owned(), 3)]);
}

#[tokio::test]
async fn a_write_that_was_under_way_is_not_sent_once_more() {
    for arrived in [true, false] {
        let mut world = agreed(Behaviour::default()).await;
        let ann = world.system("a").ids()[0].clone();
        world.system("a").edit(&ann, json!({"title": "Boss"}));
        // The answer is lost and the backup is taken right then.
        if arrived {
            world.system("b").lose_answers(20);
        } else {
            let away = concord_core::Fault::UnknownOutcome("the line broke".into());
            (0..20).for_each(|_| world.system("b").fail_next(away.clone()));
        }
        world.sync().await;
        let taken = backup(&world).await;
        world.system("b").lose_answers(0);
        // A person goes over it, which only the lost hub has seen.
        let there = world.system("b").ids()[0].clone();
        world.system("b").edit(&there, json!({"title": "Queen"}));
        restore(&mut world, &taken).await;
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
        assert_eq!(titles(&world, "b")[0], "Queen", "arrived: {arrived}");
        for _ in 0..3 {
            world.approve().await;
        }
        let kept = (
            titles(&world, "a")[0].clone(),
            titles(&world, "b")[0].clone(),
        );
        let conflicts = world.store().await.conflicts(&Default::default()).await;
        let logged = conflicts
            .unwrap()
            .iter()
            .any(|c| c.remote == json!("Queen"));
        let spread = kept == (json!("Queen"), json!("Queen"));
        assert!(spread || logged, "arrived: {arrived}, {kept:?}");
    }
}

#[tokio::test]
async fn a_record_that_was_made_meanwhile_is_found_and_not_made_again() {
    let mut world = agreed(Behaviour::default()).await;
    // The create is owed when the backup is taken, and carried out after it.
    world
        .system("a")
        .add(person("eve@example.com", "Eve", "Nurse"));
    world
        .run(&Request {
            read_only: true,
            ..Request::default()
        })
        .await;
    let taken = backup(&world).await;
    world.sync().await;
    assert_eq!(world.system("b").ids().len(), 3);
    restore(&mut world, &taken).await;
    world.sync().await;
    for _ in 0..3 {
        world.approve().await;
    }
    assert_eq!(world.system("b").ids().len(), 3);
    assert_eq!(world.system("a").ids().len(), 3);
    assert_eq!(world.writes(), 0);
}
