//! People decide what rules cannot, rules are tried before they go live, and a
//! fight is stopped.

use concord_core::ports::{ConflictFilter, Store};
use concord_core::schema::MergeRule;
use concord_core::state::{Conflict, EntityState, Winner};
use concord_core::{ConnectionId, EntityId, FieldName, Kind};
use concord_engine::review::Choice;
use concord_sync::scene::Rules;
use serde_json::json;

use super::World;

/// So many people in both systems, agreed on; their ids at `a` and `b`.
async fn agreed(people: usize, rule: MergeRule) -> (World, Vec<[String; 2]>) {
    let mut world = World::new(&["a", "b"]);
    world.rules.push(("job_title", rule));
    let ids = (0..people)
        .map(|n| {
            let person = json!({
                "mail": format!("p{n}@example.com"), "first": format!("First{n}"), "last": "Lee"
            });
            ["a", "b"].map(|name| world.system(name).add(person.clone()))
        })
        .collect();
    world.approve().await;
    world.writes();
    (world, ids)
}

/// Everybody gets one title at `a` and another at `b`.
async fn disagree(world: &World, ids: &[[String; 2]]) {
    for (n, [a, b]) in ids.iter().enumerate() {
        world.system("a").edit(a, json!({"title": format!("a{n}")}));
        world.system("b").edit(b, json!({"title": format!("b{n}")}));
    }
    world.sync().await;
}

async fn held(world: &World) -> Vec<Conflict> {
    let filter = ConflictFilter {
        held_only: true,
        ..ConflictFilter::default()
    };
    world.store().await.conflicts(&filter).await.unwrap()
}

#[tokio::test]
async fn one_decision_settles_all_alike_and_tells_which_it_could_not() {
    let (world, ids) = agreed(4, MergeRule::Hold).await;
    disagree(&world, &ids).await;
    let conflicts = held(&world).await;
    assert_eq!(conflicts.len(), 4);
    let hub = world.hub().await;
    let first = conflicts[0].id;
    let typed = hub
        .decide_alike(first, &Choice::Value(json!("x")), "eve")
        .await
        .unwrap_err();
    assert!(typed.to_string().contains("one record"), "{typed}");
    // One of them is deleted at b, and the hub knows.
    let gone = conflicts[2].link.remote_id.to_string();
    world.system("b").delete(&gone);
    world.sync().await;
    let explained = hub.explain_conflict(first).await.unwrap();
    assert_eq!((explained.alike, explained.connection.as_str()), (3, "b"));
    let done = hub
        .decide_alike(first, &Choice::Remote, "eve")
        .await
        .unwrap();
    assert_eq!(done.decided.len(), 3, "{done:#?}");
    assert_eq!(done.skipped.len(), 1, "{done:#?}");
    assert!(done.skipped[0].1.contains("deleted there meanwhile"));
    world.sync().await;
    for (n, [a, b]) in ids.iter().enumerate().filter(|(_, [_, b])| *b != gone) {
        assert_eq!(world.system("a").value(a, "title"), json!(format!("b{n}")));
        assert_eq!(world.system("b").value(b, "title"), json!(format!("b{n}")));
    }
    let left = held(&world).await;
    assert_eq!(left.len(), 1);
    hub.decide_conflict(left[0].id, &Choice::Canonical, "eve")
        .await
        .unwrap();
    assert_eq!(held(&world).await, []);
}

#[tokio::test]
async fn nothing_is_decided_of_an_entity_that_is_gone() {
    let (world, ids) = agreed(2, MergeRule::Hold).await;
    disagree(&world, &ids).await;
    let conflicts = held(&world).await;
    let store = world.store().await;
    let states = [EntityState::Deleted, EntityState::MergedInto(7)];
    for (conflict, state) in conflicts.iter().zip(states) {
        let ids = std::slice::from_ref(&conflict.entity);
        let mut entity = store.entities(ids).await.unwrap().remove(0);
        entity.state = state;
        let mut out = concord_core::Changeset::durable();
        out.entities.push(entity);
        store.commit(&out).await.unwrap();
    }
    let hub = world.hub().await;
    for (conflict, word) in conflicts.iter().zip(["deleted meanwhile", "person/7"]) {
        let error = hub.decide_conflict(conflict.id, &Choice::Canonical, "eve");
        let error = error.await.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(held(&world).await.len(), 2, "nothing is lost");
}

fn owner(name: &str) -> Rules {
    let names = [(1, "a"), (2, "b")];
    let mut rules = Rules::new(names.map(|(id, name)| (ConnectionId(id), name.to_owned())));
    rules.set(
        Kind::new("person"),
        "job_title".into(),
        MergeRule::Owner(vec![name.to_owned()]),
    );
    rules
}

#[tokio::test]
async fn a_rule_is_tried_on_the_log_before_it_goes_live() {
    let (world, ids) = agreed(3, MergeRule::Hold).await;
    disagree(&world, &ids).await;
    let hub = world.hub().await;
    let none = hub.try_rules(&hub.rules).await.unwrap();
    assert_eq!((none.conflicts, none.differs.len()), (3, 0), "{none:#?}");
    let of_b = hub.try_rules(&owner("b")).await.unwrap();
    assert_eq!(of_b.differs.len(), 3, "{of_b:#?}");
    let first = &of_b.differs[0];
    assert_eq!(first.change, Some((json!("a0"), json!("b0"))), "{of_b:#?}");
    assert_eq!(
        (first.conflicts[0].present, first.conflicts[0].tried),
        (Winner::Held, Winner::Remote)
    );
    assert_eq!(held(&world).await.len(), 3, "nothing is decided by it");
}

#[tokio::test]
async fn a_fight_is_stopped_and_goes_on_when_it_is_let_go() {
    let (world, ids) = agreed(1, MergeRule::Latest).await;
    let [a, b] = &ids[0];
    let person = EntityId::new("person", 1);
    let store = world.store().await;
    let ids = std::slice::from_ref(&person);
    let mut last = json!(null);
    for n in 0..15 {
        last = json!(format!("title {n}"));
        world.system("a").edit(a, json!({"title": last}));
        world.sync().await;
        if !store.holds(ids).await.unwrap().is_empty() {
            break;
        }
        assert_eq!(world.system("b").value(b, "title"), last);
    }
    let holds = store.holds(ids).await.unwrap();
    assert!(holds[0].reason.contains("fight"), "{holds:#?}");
    assert_ne!(world.system("b").value(b, "title"), last, "it was written");
    let field = FieldName::new("job_title");
    let hub = world.hub().await;
    hub.release(&person, Some(&field), "eve").await.unwrap();
    world.sync().await;
    assert_eq!(world.system("b").value(b, "title"), last);
    assert_eq!(store.holds(ids).await.unwrap(), []);
    let twice = hub.release(&person, Some(&field), "eve").await.unwrap_err();
    assert!(twice.to_string().contains("not held"), "{twice}");
}

#[tokio::test]
async fn a_hold_of_a_conflict_is_decided_and_not_released() {
    let (world, ids) = agreed(1, MergeRule::Hold).await;
    disagree(&world, &ids).await;
    let hub = world.hub().await;
    let field = FieldName::new("job_title");
    let person = EntityId::new("person", 1);
    let refused = hub.release(&person, Some(&field), "eve");
    let refused = refused.await.unwrap_err().to_string();
    assert!(refused.contains("conflicts decide"), "{refused}");
}

#[tokio::test]
async fn why_tells_of_the_contribution_the_write_and_its_echo() {
    let (world, ids) = agreed(1, MergeRule::Latest).await;
    let [a, _] = &ids[0];
    world.system("a").edit(a, json!({"title": "CTO"}));
    world.sync().await;
    // The next pull shows our own write at b.
    world.sync().await;
    let story = world
        .hub()
        .await
        .why(&EntityId::new("person", 1), "job_title")
        .await
        .unwrap();
    assert_eq!(story.put_by.as_deref(), Some("a"));
    let [write] = story.writes.as_slice() else {
        panic!("{story:#?}");
    };
    assert_eq!((write.connection.as_str(), &write.to), ("b", &json!("CTO")));
    let at_b = story.holdings.iter().find(|one| one.connection == "b");
    assert!(at_b.is_some_and(|one| one.echoed), "{story:#?}");
    assert!(
        story
            .steps
            .iter()
            .any(|step| step.by == "a" && step.to == json!("CTO")),
        "{story:#?}"
    );
}
