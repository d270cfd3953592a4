//! A record is deleted at one system: what becomes of it at the others
//! (doubts.md V10, V11, V13).

use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{ConflictFilter, Store};
use concord_core::state::{Conflict, ConflictKind, EntityState, LinkState, Verdict};
use concord_core::{EntityId, Fault};
use concord_engine::hub::Ways;
use concord_engine::run::Request;
use concord_sync::delete::DeleteMode;
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, Death, Faulty, HONEST};

fn deletable(more: &str) -> Behaviour {
    let caps = format!("{HONEST}delete = true\n{more}");
    Behaviour {
        caps: Box::leak(caps.into_boxed_str()),
        ..Behaviour::default()
    }
}

/// Three systems; `a`'s deletes are treated in this mode.
fn three(mode: DeleteMode, more: &str) -> World {
    let mut world = World::with(["a", "b", "c"].map(|name| (name, deletable(more))));
    world.treat(
        "a",
        Ways {
            deletes: mode,
            ..Ways::default()
        },
    );
    world
}

/// Ann in three systems, agreed on; `a`'s deletes are treated in this mode.
async fn agreed(mode: DeleteMode, more: &str) -> (World, [String; 3]) {
    let world = three(mode, more);
    let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee", "title": "CTO"});
    let ids = ["a", "b", "c"].map(|name| world.system(name).add(ann.clone()));
    world.approve().await;
    world.writes();
    (world, ids)
}

fn there(world: &World) -> [usize; 3] {
    ["a", "b", "c"].map(|name| world.system(name).ids().len())
}

async fn conflicts(world: &World) -> Vec<Conflict> {
    let all = ConflictFilter::default();
    world.store().await.conflicts(&all).await.unwrap()
}

async fn state(world: &World) -> EntityState {
    let ids = [EntityId::new("person", 1)];
    let mut found = world.store().await.entities(&ids).await.unwrap();
    found.remove(0).state
}

async fn is_quiet(world: &World) {
    world.writes();
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(7_200));
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
    }
}

#[tokio::test]
async fn unlinking_leaves_the_others_as_they_are() {
    let (world, ids) = agreed(DeleteMode::Unlink, "").await;
    world.system("a").delete(&ids[0]);
    is_quiet(&world).await;
    assert_eq!(there(&world), [0, 1, 1]);
    assert_eq!(state(&world).await, EntityState::Live);
}

#[tokio::test]
async fn a_delete_is_carried_on_and_what_is_gone_stays_gone() {
    let (world, ids) = agreed(DeleteMode::Propagate, "").await;
    world.system("a").delete(&ids[0]);
    let report = world.sync().await;
    assert_eq!(there(&world), [0, 0, 0], "{report:#?}");
    assert_eq!(report.streams["b/people"].sent.deleted, 1, "{report:#?}");
    assert_eq!(state(&world).await, EntityState::Deleted);
    assert_eq!(conflicts(&world).await, []);
    is_quiet(&world).await;
    // Brought back at one system it lives there, and nowhere else against the
    // people's will.
    world.system("b").restore(&ids[1]);
    is_quiet(&world).await;
    assert_eq!(there(&world), [0, 1, 0]);
    assert_eq!(state(&world).await, EntityState::Live);
}

#[tokio::test]
async fn a_delete_that_is_seen_while_a_write_is_under_way_is_not_forgotten() {
    // The hub dies at each of its commits: after some of them a write is planned
    // or on its way when the delete is seen.
    for n in 1..12 {
        let (world, ids) = agreed(DeleteMode::Propagate, "").await;
        world.system("b").edit(&ids[1], json!({"title": "Chair"}));
        let faulty = Faulty::new(world.store().await, Death::After(n));
        if let Ok(mut hub) = world.hub_on(Arc::new(faulty)).await {
            let _ = hub.sync(&Request::default()).await;
        }
        world.system("a").delete(&ids[0]);
        for _ in 0..4 {
            world.clock.advance(Duration::from_secs(300));
            world.sync().await;
        }
        // Where a was told of the edit before it lost the record, all had agreed;
        // else somebody has changed what was deleted.
        let spared = conflicts(&world).await.len();
        let left = there(&world);
        assert!(
            left == [0, 0, 0] && spared == 0 || left == [0, 1, 1] && spared == 1,
            "{n}: {left:?}, {spared} conflicts"
        );
        assert_eq!(
            world.system("b").ids().is_empty(),
            state(&world).await == EntityState::Deleted
        );
    }
}

#[tokio::test]
async fn who_is_deleted_before_anybody_else_knows_them_is_made_nowhere() {
    let world = three(DeleteMode::Propagate, "");
    // Without a list of b nobody can tell yet whether it knows Eve.
    let away = Fault::Forbidden("the scope was withdrawn".into());
    world.system("b").fail_pull(away);
    let a = world.system("a");
    let eve = a.add(json!({"mail": "eve@example.com", "first": "Eve", "last": "Orr"}));
    world.approve().await;
    assert_eq!(there(&world), [1, 0, 0]);
    a.delete(&eve);
    world.approve().await;
    assert_eq!(there(&world), [0, 0, 0]);
    is_quiet(&world).await;
    assert_eq!(state(&world).await, EntityState::Deleted);
    // Brought back, she is somebody new to the others.
    a.restore(&eve);
    world.sync().await;
    assert_eq!(there(&world), [1, 1, 1]);
}

#[tokio::test]
async fn a_record_that_was_gone_before_it_was_known_whose_it_was_deletes_nobody() {
    let mut world = three(DeleteMode::Unlink, "");
    let ways = Ways {
        deletes: DeleteMode::Propagate,
        ..Ways::default()
    };
    world.treat("b", ways);
    // Who of two that share an address is who in a: a person is asked.
    let cid = json!({"mail": "desk@example.com", "first": "Cid", "last": "Orr"});
    let eve = json!({"mail": "desk@example.com", "first": "Eve", "last": "Ray"});
    world.system("a").add(cid.clone());
    let his = world.system("b").add(cid);
    world.system("b").add(eve);
    world.approve().await;
    world.system("b").delete(&his);
    world.sync().await;
    let store = world.store().await;
    let reviews = store.reviews(true, 9).await.unwrap();
    let review = reviews.iter().find(|r| r.link.remote_id.as_str() == his);
    let review = review.unwrap();
    let known = review.candidates[0].clone();
    let verdict = Verdict::Link(known.clone());
    let hub = world.hub().await;
    hub.decide_match(review.id, verdict).await.unwrap();
    world.sync().await;
    // Read whole, b misses the record.
    world.clock.advance(Duration::from_secs(25 * 3_600));
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(world.system("a").ids().len(), 1);
    let links = store.links_of(&[known]).await.unwrap();
    let link = links.iter().find(|l| l.key.remote_id.as_str() == his);
    assert_eq!(link.unwrap().state, LinkState::Gone);
}

#[tokio::test]
async fn nobody_is_deleted_while_a_person_is_asked_who_they_are() {
    let (world, ids) = agreed(DeleteMode::Propagate, "").await;
    // Entered once more, she may be one or two.
    let again = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
    let hers = world.system("b").add(again);
    world.system("a").delete(&ids[0]);
    is_quiet(&world).await;
    assert_eq!(there(&world), [0, 2, 1]);
    let plan = world.hub().await.plan().await.unwrap();
    let waits = plan.writes.iter().map(|write| write.blocked.as_deref());
    assert!(
        waits
            .clone()
            .all(|why| why.unwrap().contains("waits for a person")),
        "{plan:#?}"
    );
    let review = world
        .store()
        .await
        .reviews(true, 9)
        .await
        .unwrap()
        .remove(0);
    let hub = world.hub().await;
    hub.decide_match(review.id, Verdict::Apart).await.unwrap();
    world.sync().await;
    world.sync().await;
    // One is gone, and the other one is somebody else, who is made elsewhere.
    assert_eq!(world.system("b").ids(), [hers]);
    assert!(!world.system("c").ids().contains(&ids[2]));
    assert_eq!(world.system("a").ids().len(), 1);
}

#[tokio::test]
async fn who_tidies_up_one_of_two_records_does_not_delete_the_customer() {
    let world = three(DeleteMode::Propagate, "");
    let a = world.system("a");
    a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"}));
    let second = a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Lee-Orr"}));
    world.approve().await;
    assert_eq!(there(&world), [2, 2, 2]);
    let [one, two] = [1, 2].map(|number| EntityId::new("person", number));
    world.hub().await.merge(&one, &two, "eve").await.unwrap();
    for _ in 0..2 {
        world.sync().await;
    }
    a.delete(&second);
    is_quiet(&world).await;
    assert_eq!(there(&world), [1, 2, 2]);
    let logged = conflicts(&world).await;
    assert!(logged.iter().all(|c| c.kind == ConflictKind::Lost));
    // The last one is the customer.
    let last = a.ids().into_iter().next().unwrap();
    a.delete(&last);
    world.sync().await;
    world.sync().await;
    assert_eq!(there(&world), [0, 0, 0]);
}

#[tokio::test]
async fn a_delete_at_a_system_that_only_unlinks_goes_nowhere() {
    let (world, ids) = agreed(DeleteMode::Propagate, "").await;
    world.system("b").delete(&ids[1]);
    is_quiet(&world).await;
    assert_eq!(there(&world), [1, 0, 1]);
}

#[tokio::test]
async fn archiving_deletes_only_where_that_can_be_undone() {
    let (world, ids) = agreed(DeleteMode::Archive, "").await;
    world.system("a").delete(&ids[0]);
    is_quiet(&world).await;
    assert_eq!(there(&world), [0, 1, 1]);
    assert_eq!(state(&world).await, EntityState::Live);
    let (world, ids) = agreed(DeleteMode::Archive, "soft-delete = true\n").await;
    world.system("a").delete(&ids[0]);
    world.sync().await;
    assert_eq!(there(&world), [0, 0, 0]);
}

#[tokio::test]
async fn an_edit_that_was_read_before_turns_the_delete_down() {
    let (world, ids) = agreed(DeleteMode::Propagate, "").await;
    world.system("b").edit(&ids[1], json!({"title": "CEO"}));
    world.system("a").delete(&ids[0]);
    world.sync().await;
    world.sync().await;
    assert_eq!(there(&world), [0, 1, 1], "it lives on without a");
    assert_eq!(world.system("c").value(&ids[2], "title"), json!("CEO"));
    let logged = conflicts(&world).await;
    assert_eq!(logged.len(), 1, "{logged:#?}");
    assert_eq!(logged[0].kind, ConflictKind::Delete);
    assert_eq!(logged[0].canonical, json!({"job_title": "CEO"}));
    is_quiet(&world).await;
}

#[tokio::test]
async fn an_edit_that_nobody_had_read_turns_it_down_at_the_last_moment() {
    // b lists nothing new, as an index that lags; the direct read shows it.
    for etags in [true, false] {
        let caps = match etags {
            true => deletable(""),
            false => Behaviour {
                caps: "read = true\ncreate = true\nupdate = true\ndelete = true\n\
                       answer-is-record = true\ndelete-feed = true\n404-means-gone = true\n\
                       merged-into = true\nbatch-max = 4\nfetch-max = 10\n\
                       create-safe = { unique-field = \"mail\" }\n",
                ..Behaviour::default()
            },
        };
        let mut world = World::with([("a", caps.clone()), ("b", caps.clone()), ("c", caps)]);
        world.treat(
            "a",
            Ways {
                deletes: DeleteMode::Propagate,
                ..Ways::default()
            },
        );
        let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
        let ids = ["a", "b", "c"].map(|name| world.system(name).add(ann.clone()));
        world.approve().await;
        world.system("b").lag(true);
        world
            .system("b")
            .edit(&ids[1], json!({"tel": "+12025550143"}));
        world.system("a").delete(&ids[0]);
        world.sync().await;
        assert!(world.system("b").ids().contains(&ids[1]), "etags {etags}");
        world.system("b").lag(false);
        world.sync().await;
        assert_eq!(state(&world).await, EntityState::Live, "etags {etags}");
        let logged = conflicts(&world).await;
        assert_eq!(logged[0].kind, ConflictKind::Delete, "{logged:#?}");
        is_quiet(&world).await;
    }
}

#[tokio::test]
async fn a_record_that_nobody_can_understand_turns_it_down() {
    for tells_id in [true, false] {
        let (world, ids) = agreed(DeleteMode::Propagate, "").await;
        let b = world.system("b");
        b.spoil(&ids[1]);
        if !tells_id {
            b.garble(&ids[1]);
        }
        world.system("a").delete(&ids[0]);
        for _ in 0..3 {
            world.sync().await;
        }
        assert!(b.ids().contains(&ids[1]));
        assert_eq!(state(&world).await, EntityState::Live);
        let logged = conflicts(&world).await;
        assert_eq!(logged.len(), 1, "{logged:#?}");
        let reason = "delete: the record there cannot be understood";
        assert_eq!(logged[0].rule, reason);
        is_quiet(&world).await;
    }
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_found_out_by_reading() {
    let (world, ids) = agreed(DeleteMode::Propagate, "").await;
    world.system("b").lose_answers(1);
    world.system("a").delete(&ids[0]);
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(there(&world), [0, 0, 0]);
    assert_eq!(state(&world).await, EntityState::Deleted);
    is_quiet(&world).await;
}

#[tokio::test]
async fn a_404_is_looked_at_twice_and_one_that_may_be_hidden_deletes_nothing() {
    let silent = "read = true\ncreate = true\nupdate = true\ndelete = true\netags = true\n\
                  ordered-versions = true\nanswer-is-record = true\nmerged-into = true\n\
                  batch-max = 4\nfetch-max = 10\ncreate-safe = { unique-field = \"mail\" }\n";
    for gone in [true, false] {
        let caps = format!("{silent}404-means-gone = {gone}\n");
        let behaviour = Behaviour {
            caps: Box::leak(caps.into_boxed_str()),
            ..Behaviour::default()
        };
        let mut world = World::with(["a", "b"].map(|name| (name, behaviour.clone())));
        let ways = Ways {
            deletes: DeleteMode::Propagate,
            ..Ways::default()
        };
        world.treat("a", ways);
        let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
        let ids = ["a", "b"].map(|name| world.system(name).add(ann.clone()));
        world.approve().await;
        // It says nothing of deletes: only the full read of the next day can
        // tell, and a look at the record itself.
        world.system("a").vanish(&ids[0]);
        world.sync().await;
        assert_eq!(world.system("b").ids().len(), 1, "nothing was noticed yet");
        world.clock.advance(Duration::from_secs(25 * 3_600));
        world.sync().await;
        world.sync().await;
        let left = world.system("b").ids().len();
        assert_eq!(left, usize::from(!gone), "404-means-gone = {gone}");
    }
}

#[tokio::test]
async fn after_a_permission_was_gone_everything_is_read_again() {
    let (world, _) = agreed(DeleteMode::Unlink, "").await;
    let forbidden = Fault::Forbidden("the scope was withdrawn".into());
    world.system("b").fail_pull(forbidden);
    let report = world.sync().await;
    assert!(report.failed());
    let report = world.sync().await;
    assert_eq!(report.streams["b/people"].read.records, 1, "{report:#?}");
    let report = world.sync().await;
    assert_eq!(report.streams["b/people"].read.records, 0, "{report:#?}");
}

#[tokio::test]
async fn a_cursor_that_is_accepted_no_longer_is_followed_by_mark_and_sweep() {
    let (world, ids) = agreed(DeleteMode::Propagate, "").await;
    let a = world.system("a");
    let eve = json!({"mail": "eve@example.com", "first": "Eve", "last": "Orr"});
    let kept = a.add(eve);
    world.sync().await;
    world.sync().await;
    assert_eq!(there(&world), [2, 2, 2]);
    // Its tombstone has expired with the cursor.
    a.vanish(&ids[0]);
    a.fail_pull(Fault::CursorExpired("older than 30 days".into()));
    world.sync().await;
    world.sync().await;
    assert_eq!(there(&world), [1, 1, 1]);
    assert!(a.ids().contains(&kept));
    assert_eq!(a.value(&kept, "first"), Value::from("Eve"));
    is_quiet(&world).await;
}
