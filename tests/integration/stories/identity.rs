//! Who is who, and what a person decides.

use concord_core::ports::Store;
use concord_core::state::Verdict;
use concord_engine::review::Choice;
use serde_json::{Value, json};

use super::World;

fn person(mail: &str, first: &str, last: &str) -> Value {
    json!({"mail": mail, "first": first, "last": last})
}

#[tokio::test]
async fn a_shared_address_or_other_names_go_to_a_person() {
    let world = World::new(&["a", "b"]);
    let (a, b) = (world.system("a"), world.system("b"));
    // Two people of one household in b share what one in a has.
    a.add(person("home@example.com", "Ann", "Lee"));
    b.add(person("home@example.com", "Ann", "Lee"));
    b.add(person("home@example.com", "Bob", "Lee"));
    // The same address, and nothing of the names agrees.
    a.add(person("desk@example.com", "Cid", "Orr"));
    b.add(person("desk@example.com", "Eve", "Ray"));
    let report = world.approve().await;
    let matched = &report.matched["person"];
    assert_eq!((matched.linked, matched.to_review), (0, 3), "{matched:?}");
    // Nobody who is under review is created anywhere, and neither is who they may be.
    assert_eq!((a.ids().len(), b.ids().len()), (2, 3), "{report:#?}");

    let reviews = world.store().await.reviews(true, 10).await.unwrap();
    let eve = reviews
        .iter()
        .find(|r| r.values["given_name"] == "Eve")
        .unwrap();
    let hub = world.hub().await;
    hub.decide_match(eve.id, Verdict::Apart).await.unwrap();
    assert!(
        hub.decide_match(eve.id, Verdict::Apart).await.is_err(),
        "decided once"
    );
    let ann = reviews
        .iter()
        .find(|r| r.values["given_name"] == "Ann")
        .unwrap();
    hub.decide_match(ann.id, Verdict::Link(ann.candidates[0].clone()))
        .await
        .unwrap();
    let report = world.sync().await;
    assert_eq!(report.matched["person"].linked, 1, "{report:#?}");
    // Two people now, and each system refuses a second record with the address
    // of the first: that is said, and nobody is written over.
    for place in ["a/people", "b/people"] {
        assert!(report.streams[place].sent.refused > 0, "{report:#?}");
    }
    assert_eq!(
        (a.find_by("first", "Eve"), b.find_by("first", "Cid")),
        (None, None)
    );
}

#[tokio::test]
async fn three_systems_come_together_in_any_order() {
    for order in [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]] {
        let world = World::new(&order);
        for name in order {
            world
                .system(name)
                .add(person("ann@example.com", "Ann", "Lee"));
            let own = format!("{name}@example.com");
            world.system(name).add(person(&own, "Only", name));
        }
        let report = world.approve().await;
        assert_eq!(report.matched["person"].linked, 2, "{order:?} {report:#?}");
        for name in order {
            assert_eq!(world.system(name).ids().len(), 4, "{order:?} {report:#?}");
        }
        world.writes();
        assert_eq!(world.sync().await.writes(), 0);
    }
}

#[tokio::test]
async fn a_held_conflict_waits_for_a_person_and_then_goes_everywhere() {
    let mut world = World::new(&["a", "b"]);
    world
        .rules
        .push(("job_title", concord_core::schema::MergeRule::Hold));
    let ids = ["a", "b"].map(|name| {
        world
            .system(name)
            .add(person("ann@example.com", "Ann", "Lee"))
    });
    world.approve().await;
    world.system("a").edit(&ids[0], json!({"title": "CTO"}));
    world.system("b").edit(&ids[1], json!({"title": "Chief"}));
    world.writes();
    world.sync().await;
    world.sync().await;
    assert_eq!(world.writes(), 0, "what is held is not written");
    let filter = concord_core::ports::ConflictFilter {
        held_only: true,
        limit: 9,
        ..Default::default()
    };
    let held = world.store().await.conflicts(&filter).await.unwrap();
    assert_eq!(held.len(), 1, "{held:#?}");
    let hub = world.hub().await;
    hub.decide_conflict(held[0].id, &Choice::Value(json!("CIO")), "eve")
        .await
        .unwrap();
    world.sync().await;
    for (name, id) in ["a", "b"].iter().zip(&ids) {
        assert_eq!(world.system(name).value(id, "title"), json!("CIO"));
    }
    let story = hub.why(&held[0].entity, "job_title").await.unwrap();
    assert_eq!(story.put_by.as_deref(), Some("eve"));
    assert_eq!(story.conflicts.len(), 1);
}
