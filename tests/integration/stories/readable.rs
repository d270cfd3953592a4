//! Records that a system shows late, twice or not at all.

use std::time::Duration;

use concord_core::ports::{Clock, ConflictFilter, Store};
use concord_core::state::Link;
use concord_core::{Changeset, ConnectionId, Fault, Kind, RemoteId};
use concord_engine::run::Request;
use serde_json::{Value, json};

use super::World;
use crate::world::Behaviour;

/// No versions, and direct reads that show a change only after ten minutes.
fn slow() -> Behaviour {
    Behaviour {
        caps: "read = true\nupdate = true\ncreate = true\nanswer-is-record = true\n\
               batch-max = 4\nfetch-max = 10\ncreate-safe = { unique-field = \"mail\" }\n\
               settle-ms = { fetch = 600000 }\n",
        ..Behaviour::default()
    }
}

#[tokio::test]
async fn what_a_page_shows_is_not_written_over_because_a_direct_read_lags_behind() {
    let world = World::with([("a", slow()), ("b", Behaviour::default())]);
    let a = world.system("a");
    let ann = a.add(json!({"mail": "ann@example.com", "first": "Ann", "title": "CTO"}));
    world.approve().await;
    world.sync().await;
    world.clock.advance(Duration::from_secs(600));

    // Two people at once, and what a's direct reads show is older than both.
    let until = world.clock.now().plus(Duration::from_secs(300));
    a.edit_late(&ann, json!({"title": "Chief"}), until);
    world.clock.advance(Duration::from_millis(10));
    let b = world.system("b");
    let there = b.find_by("mail", "ann@example.com").unwrap();
    b.edit(&there, json!({"title": "Head"}));
    world.sync().await;
    world.clock.advance(Duration::from_secs(600));
    world.sync().await;

    let store = world.store().await;
    let conflicts = store.conflicts(&ConflictFilter::default()).await;
    let seen: Vec<Value> = conflicts
        .unwrap()
        .into_iter()
        .flat_map(|conflict| [conflict.canonical, conflict.remote])
        .collect();
    let both = [json!("Chief"), json!("Head")];
    assert!(both.iter().all(|title| seen.contains(title)), "{seen:?}");
}

#[tokio::test]
async fn what_a_direct_read_does_not_name_is_not_written_over() {
    let caps = "read = true\nupdate = true\ncreate = true\nanswer-is-record = true\n\
                batch-max = 4\nfetch-max = 10\ncreate-safe = { unique-field = \"mail\" }\n";
    let blind = Behaviour {
        caps,
        ..Behaviour::default()
    };
    let world = World::with([("a", blind), ("b", Behaviour::default())]);
    let (a, b) = (world.system("a"), world.system("b"));
    let ann = a.add(json!({"mail": "ann@example.com", "first": "Ann", "title": "CTO"}));
    world.approve().await;
    // No list shows it yet, and a direct read tells nothing, not even an id.
    a.lag(true);
    a.edit(&ann, json!({"tel": "+12025550143"}));
    a.garble(&ann);
    let there = b.find_by("mail", "ann@example.com").unwrap();
    b.edit(&there, json!({"title": "Head"}));
    world.sync().await;
    assert_eq!(a.value(&ann, "title"), json!("CTO"));
    let quarantined = world.store().await.quarantined(9).await.unwrap();
    let hers = quarantined.iter().find(|q| q.remote_id.as_str() == ann);
    assert_eq!(hers.unwrap().reason, "a direct read did not tell of it");
}

#[tokio::test]
async fn a_record_that_nobody_can_read_does_not_keep_its_twin_waiting() {
    let world = World::with([("a", slow()), ("b", Behaviour::default())]);
    let (a, b) = (world.system("a"), world.system("b"));
    let first = a.add(json!({"mail": "ann@example.com", "first": "Ann"}));
    let second = a.add(json!({"mail": "anna@example.com", "first": "Ann"}));
    world.approve().await;
    world.sync().await;
    let store = world.store().await;
    let people = store.scan_entities(&Kind::new("person"), 0, 10).await;
    let ids: Vec<_> = people.unwrap().into_iter().map(|e| e.id).collect();
    let hub = world.hub().await;
    hub.merge(&ids[0], &ids[1], "eve").await.unwrap();
    world.clock.advance(Duration::from_secs(600));
    world.sync().await;

    a.spoil(&first);
    let there = b.find_by("mail", "ann@example.com").unwrap();
    b.edit(&there, json!({"title": "CTO"}));
    world.clock.advance(Duration::from_secs(600));
    world.sync().await;
    assert_eq!(a.value(&first, "title"), Value::Null, "not written over");
    assert_eq!(a.value(&second, "title"), json!("CTO"));
}

#[tokio::test]
async fn what_waited_to_be_written_waits_on_when_nobody_can_read_the_record() {
    let world = World::new(&["a", "b"]);
    let (a, b) = (world.system("a"), world.system("b"));
    let here = a.add(json!({"mail": "ann@example.com", "first": "Ann"}));
    world.approve().await;
    let there = b.find_by("mail", "ann@example.com").unwrap();
    a.edit(&here, json!({"title": "CTO"}));
    b.fail_next(Fault::AuthRevoked("the key was withdrawn".into()));
    world.sync().await;
    b.edit(&there, json!({"title": "Chief"}));
    b.spoil(&there);
    b.take_writes();
    world.sync().await;
    assert_eq!(b.take_writes(), 0);
    assert_eq!(b.value(&there, "title"), json!("Chief"));
}

#[tokio::test]
async fn a_read_that_may_be_older_disproves_nothing() {
    let world = World::with([("a", slow()), ("b", Behaviour::default())]);
    let ann = world
        .system("a")
        .add(json!({"mail": "ann@example.com", "first": "Ann"}));
    world.approve().await;
    world.sync().await;
    // Somebody else saw something that cannot be believed before this moment.
    let store = world.store().await;
    let again = world.clock.now().plus(Duration::from_secs(300));
    let link = async || {
        let ids = [RemoteId::new(&ann)];
        let found = store.links(ConnectionId(1), &"people".into(), &ids).await;
        found.unwrap().pop().unwrap()
    };
    let mut out = Changeset::durable();
    out.links.push(Link {
        again_at: Some(again),
        ..link().await
    });
    store.commit(&out).await.unwrap();
    let whole = Request {
        full: true,
        ..Request::default()
    };
    world.run(&whole).await;
    assert_eq!(link().await.again_at, Some(again));
    world.clock.advance(Duration::from_secs(300));
    world.sync().await;
    assert_eq!(link().await.again_at, None);
}
