//! Writes in doubt whose record changes before the doubt is settled: it gets
//! another id, a person edits it, the system refuses what is sent once more
//! (P2, P3, P11).

use std::time::Duration;

use concord_core::Changeset;
use concord_core::ports::{Clock, ConflictFilter, Store};
use concord_core::state::{IntentAction, IntentState};
use serde_json::{Value, json};

use super::World;
use super::doubt::{agreed, intent, is_quiet, sent_again, upper};
use crate::world::Behaviour;

/// Versions, answers that say nothing, and direct reads that show a change only
/// after ten minutes.
fn silent() -> Behaviour {
    Behaviour {
        caps: "read = true\nupdate = true\ncreate = true\netags = true\ndelete-feed = true\n\
               merged-into = true\nbatch-max = 4\nfetch-max = 10\n\
               create-safe = { unique-field = \"mail\" }\nsettle-ms = { fetch = 600000 }\n",
        silent: true,
        ..Behaviour::default()
    }
}

/// Every value that a conflict tells of.
async fn told(world: &World) -> Vec<Value> {
    let store = world.store().await;
    let conflicts = store.conflicts(&ConflictFilter::default()).await;
    let values = |c: concord_core::state::Conflict| [c.canonical, c.remote];
    conflicts.unwrap().into_iter().flat_map(values).collect()
}

#[tokio::test]
async fn what_was_passed_over_for_a_create_in_doubt_is_read_when_that_is_settled() {
    let (world, ..) = agreed(Behaviour::default()).await;
    let mut create = intent(20_000, 1, IntentAction::Create, json!({}));
    create.payload = json!({"mail": "new@example.com"})
        .as_object()
        .unwrap()
        .clone();
    create.state = IntentState::InDoubt;
    create.sent_at = Some(world.clock.now());
    create.not_before = Some(world.clock.now().plus(Duration::from_secs(86_400)));
    let mut out = Changeset::durable();
    out.intents.push(create.clone());
    world.store().await.commit(&out).await.unwrap();
    world
        .system("b")
        .add(json!({"mail": "new@example.com", "first": "New", "last": "One"}));
    // No page shows it a second time.
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(report.streams["b/people"].read.new, 0, "{report:#?}");
    }
    create.state = IntentState::Failed;
    let mut out = Changeset::durable();
    out.intents.push(create);
    world.store().await.commit(&out).await.unwrap();
    let report = world.sync().await;
    assert_eq!(report.streams["b/people"].read.new, 1, "{report:#?}");
    let a = world.system("a");
    assert!(a.find_by("mail", "new@example.com").is_some());
    is_quiet(&world).await;
}

#[tokio::test]
async fn a_write_in_doubt_follows_its_record_to_another_id() {
    let rewriting = Behaviour {
        rewrite: upper,
        ..silent()
    };
    // To an id that nobody knows, and back to one that it had before.
    for had_it_before in [false, true] {
        let (world, a, mut b) = agreed(rewriting.clone()).await;
        world.clock.advance(Duration::from_secs(600));
        if had_it_before {
            world.system("b").move_to(&b, "b-moved");
            world.sync().await;
            world.clock.advance(Duration::from_secs(600));
        }
        let next = if had_it_before { &b } else { "b-moved" }.to_owned();
        if had_it_before {
            b = "b-moved".into();
        }
        world
            .system("a")
            .edit(&a, json!({"title": "Head of Sales"}));
        world.sync().await;
        assert_eq!(world.system("b").value(&b, "title"), json!("HEAD OF SALES"));
        // What became of it cannot be read yet.
        world.system("b").move_to(&b, &next);
        for _ in 0..4 {
            world.clock.advance(Duration::from_secs(600));
            world.sync().await;
        }
        assert_eq!(world.system("a").value(&a, "title"), json!("Head of Sales"));
        let there = world.system("b").value(&next, "title");
        assert_eq!(there, json!("HEAD OF SALES"));
        is_quiet(&world).await;
    }
}

#[tokio::test]
async fn what_a_person_put_where_ours_is_refused_is_heard() {
    // What was sent did not arrive, somebody put another title there, and what is
    // sent once more to see whose that is is refused.
    let picky = Behaviour {
        refuses: Some("Head"),
        ..silent()
    };
    let (world, a, b) = agreed(picky).await;
    world.clock.advance(Duration::from_secs(600));
    world.system("a").edit(&a, json!({"title": "Head"}));
    world.system("b").lose_answers(1);
    world.sync().await;
    world.system("b").edit(&b, json!({"title": "CTO"}));
    world.system("a").edit(&a, json!({"title": "Chief"}));
    for _ in 0..4 {
        world.clock.advance(Duration::from_secs(600));
        world.sync().await;
    }
    let told = told(&world).await;
    assert!(told.contains(&json!("CTO")), "{told:?}");
    is_quiet(&world).await;
}

#[tokio::test]
async fn what_was_put_there_since_is_not_written_over_to_settle_a_doubt() {
    let without_versions = Behaviour {
        caps: "read = true\nupdate = true\ncreate = true\nbatch-max = 4\nfetch-max = 10\n\
               create-safe = { unique-field = \"mail\" }\n",
        rewrite: upper,
        silent: true,
        ..Behaviour::default()
    };
    let (world, a, b) = agreed(without_versions).await;
    world.system("a").edit(&a, json!({"title": "Head"}));
    world.sync().await;
    // As it was when a hub died that was to send once more.
    let mut out = Changeset::durable();
    out.intents.push(sent_again(&world, &b));
    world.store().await.commit(&out).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    world.system("b").edit(&b, json!({"title": "CTO"}));
    for _ in 0..3 {
        world.sync().await;
    }
    let titles = ["a", "b"].map(|name| {
        let id = if name == "a" { &a } else { &b };
        world.system(name).value(id, "title")
    });
    let told = told(&world).await;
    assert!(
        titles.contains(&json!("CTO")) || told.contains(&json!("CTO")),
        "{titles:?} {told:?}"
    );
    is_quiet(&world).await;
}
