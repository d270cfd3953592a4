//! A person keeps a customer out, or one record of it.

use concord_core::EntityId;
use concord_core::ports::Store as _;
use concord_core::state::LinkKey;
use concord_engine::exclude::Excluded;
use concord_engine::hub::Ways;
use concord_engine::run::Request;
use concord_sync::delete::DeleteMode;
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, HONEST};

fn ann() -> Value {
    json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee", "title": "Clerk"})
}

/// Ann at three systems, and Bob, whom nobody keeps out.
async fn agreed() -> (World, Vec<String>) {
    let caps = format!("{HONEST}delete = true\n");
    let behaviour = Behaviour {
        caps: Box::leak(caps.into_boxed_str()),
        ..Behaviour::default()
    };
    let mut world = World::with(["a", "b", "c"].map(|name| (name, behaviour.clone())));
    for name in ["a", "b", "c"] {
        let ways = Ways {
            deletes: DeleteMode::Propagate,
            ..Ways::default()
        };
        world.treat(name, ways);
    }
    world.system("a").add(ann());
    world
        .system("a")
        .add(json!({"mail": "bob@example.com", "first": "Bob", "last": "Orr"}));
    world.approve().await;
    let find = |name: &str| world.system(name).find_by("mail", "ann@example.com");
    let ids = ["a", "b", "c"].map(|name| find(name).unwrap()).to_vec();
    world.writes();
    (world, ids)
}

fn record(connection: i64, id: &str) -> Excluded {
    Excluded::Record(LinkKey {
        connection: concord_core::ConnectionId(connection),
        stream: "people".into(),
        remote_id: id.into(),
    })
}

fn titles(world: &World, ids: &[String]) -> Vec<Value> {
    let at = ["a", "b", "c"].iter().zip(ids);
    at.map(|(name, id)| world.system(name).value(id, "title"))
        .collect()
}

#[tokio::test]
async fn a_record_that_is_kept_out_is_neither_read_nor_written() {
    let (world, ids) = agreed().await;
    let hub = world.hub().await;
    assert_eq!(hub.exclude(&record(2, &ids[1]), "Eve").await.unwrap(), 1);
    assert_eq!(hub.kept_out().await.unwrap().len(), 1);
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    world.system("b").edit(&ids[1], json!({"first": "Annabel"}));
    for full in [false, true] {
        let request = Request {
            full,
            ..Request::default()
        };
        world.run(&request).await;
        assert_eq!(titles(&world, &ids), ["CEO", "Clerk", "CEO"]);
        assert_eq!(world.system("a").value(&ids[0], "first"), "Ann");
        assert_eq!(world.system("b").ids().len(), 2, "it is not made anew");
    }
    // Let in again, both sides' changes are carried over.
    assert_eq!(hub.include(&record(2, &ids[1]), "Eve").await.unwrap(), 1);
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(titles(&world, &ids), ["CEO", "CEO", "CEO"]);
    for (name, id) in ["a", "b", "c"].iter().zip(&ids) {
        assert_eq!(world.system(name).value(id, "first"), "Annabel");
    }
    assert_eq!(
        world
            .store()
            .await
            .conflicts(&Default::default())
            .await
            .unwrap(),
        []
    );
    let error = hub.include(&record(2, &ids[1]), "Eve").await.unwrap_err();
    assert!(error.to_string().contains("not excluded"), "{error}");
}

#[tokio::test]
async fn a_customer_that_is_kept_out_stands_still_everywhere() {
    let (world, ids) = agreed().await;
    let store = world.store().await;
    let known = store
        .entities_by_keys(&"person".into(), &["email:ann@example.com".to_owned()], 9)
        .await
        .unwrap();
    let id = EntityId::new("person", known[0].entity);
    // A change is owed already when she is kept out.
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    let read_only = Request {
        read_only: true,
        ..Request::default()
    };
    world.run(&read_only).await;
    let hub = world.hub().await;
    let out = hub.exclude(&Excluded::Entity(id.clone()), "Eve").await;
    assert_eq!(out.unwrap(), 3);
    world.system("c").edit(&ids[2], json!({"title": "Nurse"}));
    for _ in 0..3 {
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
    }
    assert_eq!(titles(&world, &ids), ["CEO", "Clerk", "Nurse"]);
    let error = hub.include(&record(1, &ids[0]), "Eve").await.unwrap_err();
    assert!(error.to_string().contains("as a whole"), "{error}");
    hub.include(&Excluded::Entity(id), "Eve").await.unwrap();
    for _ in 0..3 {
        world.sync().await;
    }
    // Both sides changed: a conflict, on record whoever wins.
    let conflicts = store.conflicts(&Default::default()).await.unwrap();
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
}

#[tokio::test]
async fn deletes_neither_leave_nor_reach_a_record_that_is_kept_out() {
    let (world, ids) = agreed().await;
    let hub = world.hub().await;
    hub.exclude(&record(2, &ids[1]), "Eve").await.unwrap();
    world.system("b").delete(&ids[1]);
    for _ in 0..2 {
        world.sync().await;
    }
    assert!(
        world.system("a").ids().contains(&ids[0]),
        "it did not leave"
    );
    let (world, ids) = agreed().await;
    let hub = world.hub().await;
    hub.exclude(&record(2, &ids[1]), "Eve").await.unwrap();
    world.system("a").delete(&ids[0]);
    for _ in 0..2 {
        world.sync().await;
    }
    assert!(!world.system("c").ids().contains(&ids[2]), "c follows");
    assert!(world.system("b").ids().contains(&ids[1]), "it reached b");
}

#[tokio::test]
async fn a_record_is_kept_out_before_it_was_ever_read() {
    let (world, _) = agreed().await;
    let eve = json!({"mail": "eve@example.com", "first": "Eve", "last": "Fox"});
    let id = world.system("a").add(eve);
    let hub = world.hub().await;
    assert_eq!(hub.exclude(&record(1, &id), "Eve").await.unwrap(), 1);
    for _ in 0..2 {
        world.sync().await;
    }
    assert_eq!(world.system("b").ids().len(), 2);
    let counts = world.store().await.counts().await.unwrap();
    assert_eq!(counts.entities, [("person".to_owned(), 2)]);
    hub.include(&record(1, &id), "Eve").await.unwrap();
    for _ in 0..2 {
        world.sync().await;
    }
    assert_eq!(world.system("b").ids().len(), 3);
}
