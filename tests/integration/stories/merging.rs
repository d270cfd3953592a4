//! Two people who are found to be one, and are taken apart again.

use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{ConflictFilter, Store};
use concord_core::state::{ConflictKind, EntityState, Intent, IntentState};
use concord_core::{ConnectionId, EntityId, RemoteId, StreamName};
use concord_engine::EngineError;
use concord_engine::merge::Merged;
use concord_engine::run::Request;
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, Death, Faulty, HONEST};

const FIELDS: [&str; 5] = ["mail", "first", "last", "tel", "title"];

/// Two records of one person in a, and one of her second in b.
struct Twice {
    world: World,
    /// Ann and Anna in a.
    a: [String; 2],
    one: EntityId,
    two: EntityId,
}

impl Twice {
    async fn new() -> Self {
        let world = World::new(&["a", "b"]);
        let a = world.system("a");
        let ids = [
            a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee", "title": "CTO"})),
            a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Lee-Orr", "tel": "+12025550101", "title": "Chief"})),
        ];
        world.approve().await;
        world.sync().await;
        let store = world.store().await;
        let mut found = Vec::new();
        for id in &ids {
            let remote = [RemoteId::new(id)];
            let links = store
                .links(ConnectionId(1), &StreamName::new("people"), &remote)
                .await
                .unwrap();
            found.push(links[0].entity.clone());
        }
        let (one, two) = (found[0].clone(), found[1].clone());
        Self {
            world,
            a: ids,
            one,
            two,
        }
    }

    async fn merge(&self) -> Result<Merged, EngineError> {
        let hub = self.world.hub().await;
        hub.merge(&self.one, &self.two, "eve").await
    }

    async fn unmerge(&self) -> Result<Merged, EngineError> {
        self.world.hub().await.unmerge(&self.two, "eve").await
    }

    /// What every system holds, without its own ids.
    fn held(&self) -> Vec<Vec<String>> {
        let of = |name: &str| {
            let system = self.world.system(name);
            let row = |id: &String| {
                let values: Vec<Value> = FIELDS.iter().map(|f| system.value(id, f)).collect();
                json!(values).to_string()
            };
            let mut rows: Vec<String> = system.ids().iter().map(row).collect();
            rows.sort();
            rows
        };
        vec![of("a"), of("b")]
    }
}

#[tokio::test]
async fn a_merge_reaches_every_record_and_an_unmerge_restores_both() {
    let twice = Twice::new().await;
    let world = &twice.world;
    let before = twice.held();
    assert_eq!(before[0], before[1]);
    let merged = twice.merge().await.unwrap();
    // A record in each system was Anna's.
    assert_eq!(merged.records, 2);
    assert_eq!(
        merged.lost,
        ["email", "family_name", "given_name", "job_title"]
    );
    world.sync().await;
    world.sync().await;
    for (name, id) in [("a", &twice.a[0]), ("a", &twice.a[1])] {
        let title = world.system(name).value(id, "title");
        assert_eq!(title, json!("CTO"), "the one that lives on keeps hers");
        let tel = world.system(name).value(id, "tel");
        assert_eq!(tel, json!("+12025550101"), "and gains what she lacked");
    }
    // What was given up is on record.
    let filter = ConflictFilter {
        entity: Some(twice.one.clone()),
        ..ConflictFilter::default()
    };
    let store = world.store().await;
    let lost = store.conflicts(&filter).await.unwrap();
    let title = lost
        .iter()
        .find(|c| c.field.as_str() == "job_title")
        .unwrap();
    assert_eq!(
        (title.kind, &title.remote),
        (ConflictKind::Lost, &json!("Chief"))
    );
    world.writes();
    assert_eq!(world.sync().await.writes(), 0, "a merge comes to rest");

    let apart = twice.unmerge().await.unwrap();
    assert_eq!(apart.records, 2);
    world.sync().await;
    world.sync().await;
    assert_eq!(twice.held(), before);
    world.writes();
    assert_eq!(world.sync().await.writes(), 0);
}

#[tokio::test]
async fn what_people_put_meanwhile_goes_to_whose_record_they_put_it_into() {
    let twice = Twice::new().await;
    let world = &twice.world;
    twice.merge().await.unwrap();
    world.sync().await;
    world.sync().await;
    let a = world.system("a");
    a.edit(&twice.a[1], json!({"title": "Head of Anna"}));
    world.sync().await;
    a.edit(&twice.a[0], json!({"tel": "+12025550199"}));
    world.sync().await;
    assert_eq!(
        a.value(&twice.a[0], "title"),
        json!("Head of Anna"),
        "one person"
    );
    twice.unmerge().await.unwrap();
    world.sync().await;
    world.sync().await;
    let of = |id: &str| (a.value(id, "title"), a.value(id, "tel"));
    assert_eq!(of(&twice.a[0]), (json!("CTO"), json!("+12025550199")));
    assert_eq!(
        of(&twice.a[1]),
        (json!("Head of Anna"), json!("+12025550101"))
    );
    let held = twice.held();
    assert_eq!(held[0], held[1]);
}

#[tokio::test]
async fn a_decision_for_one_who_was_merged_since_is_for_whom_they_became() {
    // Somebody of another name has Anna's number, and is said to be her; but she
    // is said to be Ann before that is carried out.
    let c =
        json!({"mail": "eve@example.com", "first": "Eve", "last": "Ray", "tel": "+12025550101"});
    let three = World::new(&["a", "b", "c"]);
    let a = three.system("a");
    let ids = [
        a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"})),
        a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Orr", "tel": "+12025550101"})),
    ];
    three.system("c").add(c);
    three.sync().await;
    let store = three.store().await;
    let review = store.reviews(true, 9).await.unwrap().remove(0);
    let anna = review.candidates[0].clone();
    let place = (ConnectionId(1), StreamName::new("people"));
    let ann = store
        .links(place.0, &place.1, &[RemoteId::new(&ids[0])])
        .await
        .unwrap()
        .remove(0)
        .entity;
    let hub = three.hub().await;
    let verdict = concord_core::state::Verdict::Link(anna.clone());
    hub.decide_match(review.id, verdict).await.unwrap();
    hub.merge(&ann, &anna, "eve").await.unwrap();
    let report = three.sync().await;
    assert_eq!(report.matched["person"].linked, 1, "{report:#?}");
    let links = store.links_of(&[ann]).await.unwrap();
    assert_eq!(links.len(), 3, "two in a, and the one of c");
}

#[tokio::test]
async fn cycles_and_what_is_no_more_are_refused() {
    let twice = Twice::new().await;
    let hub = twice.world.hub().await;
    let refused = async |lives: &EntityId, other: &EntityId| {
        hub.merge(lives, other, "eve")
            .await
            .unwrap_err()
            .to_string()
    };
    let (one, two) = (&twice.one, &twice.two);
    assert!(refused(one, one).await.contains("is one already"));
    let company = EntityId::new("organization", 1);
    assert!(refused(one, &company).await.contains("cannot be one"));
    let nobody = EntityId::new("person", 999);
    assert!(
        refused(one, &nobody)
            .await
            .contains("there is no person/999")
    );
    let error = hub.unmerge(two, "eve").await.unwrap_err().to_string();
    assert!(error.contains("was not merged"), "{error}");
    twice.merge().await.unwrap();
    // Neither the same way again, nor back: the number lives on as another.
    for (lives, other) in [(one, two), (two, one)] {
        let error = refused(lives, other).await;
        assert!(
            error.contains(&format!("{two} is a part of {one} already")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_merge_waits_for_a_create_that_is_in_doubt() {
    let (one, two) = (EntityId::new("person", 1), EntityId::new("person", 2));
    // The hub dies at each of its commits: after one of them its creates are on
    // their way.
    for n in 1..40 {
        let world = World::new(&["a", "b"]);
        let a = world.system("a");
        a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"}));
        a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Orr"}));
        world.sync().await;
        let faulty = Faulty::new(world.store().await, Death::After(n));
        let Ok(mut hub) = world.hub_on(Arc::new(faulty)).await else {
            continue;
        };
        let request = Request {
            approve: true,
            ..Request::default()
        };
        let died = hub.sync(&request).await.is_err();
        let ids = [one.clone(), two.clone()];
        let open = world.store().await.open_intents_of(&ids).await.unwrap();
        if died && open.iter().any(Intent::has_left) {
            let hub = world.hub().await;
            let error = hub.merge(&one, &two, "eve").await.unwrap_err().to_string();
            assert!(error.contains("on its way"), "{error}");
            settle(&world).await;
            hub.merge(&one, &two, "eve").await.unwrap();
            return;
        }
    }
    panic!("no create was ever on its way");
}

#[tokio::test]
async fn a_merge_waits_for_a_create_that_goes_out_once_more() {
    let by_key = HONEST.replace("{ unique-field = \"mail\" }", "\"key\"");
    let behaviour = Behaviour {
        caps: Box::leak(by_key.into_boxed_str()),
        ..Behaviour::default()
    };
    let (one, two) = (EntityId::new("person", 1), EntityId::new("person", 2));
    let request = Request {
        approve: true,
        ..Request::default()
    };
    // One hub dies with its creates on their way, and the next one when it has
    // put them down to be sent once more.
    for (first, second) in (1..30).flat_map(|first| (1..12).map(move |second| (first, second))) {
        let world = World::with(["a", "b"].map(|name| (name, behaviour.clone())));
        let a = world.system("a");
        a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"}));
        a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Orr"}));
        world.sync().await;
        for death in [first, second] {
            let faulty = Faulty::new(world.store().await, Death::After(death));
            if let Ok(mut hub) = world.hub_on(Arc::new(faulty)).await {
                let _ = hub.sync(&request).await;
            }
            world.clock.advance(Duration::from_secs(300));
        }
        let ids = [one.clone(), two.clone()];
        let open = world.store().await.open_intents_of(&ids).await.unwrap();
        let waits = |intent: &Intent| intent.state == IntentState::New;
        if open.iter().all(waits) && open.iter().any(|intent| intent.sent_at.is_some()) {
            let hub = world.hub().await;
            let error = hub.merge(&one, &two, "eve").await.unwrap_err().to_string();
            assert!(error.contains("on its way"), "{error}");
            return;
        }
    }
    panic!("no create was ever put down to be sent once more");
}

#[tokio::test]
async fn a_hub_that_dies_at_any_commit_of_a_merge_ends_as_if_it_had_not() {
    let whole = Twice::new().await;
    whole.merge().await.unwrap();
    settle(&whole.world).await;
    let merged = whole.held();
    whole.unmerge().await.unwrap();
    settle(&whole.world).await;
    let apart = whole.held();
    assert_ne!(merged, apart);
    let mut deaths = 0;
    for n in 1.. {
        let mut survived = true;
        for death in [Death::Before(n), Death::After(n)] {
            let twice = Twice::new().await;
            let world = &twice.world;
            survived &= !dies(&twice, death, true).await;
            if state(&twice).await == EntityState::Live {
                twice.merge().await.unwrap();
            }
            settle(world).await;
            assert_eq!(twice.held(), merged, "{death:?}");
            survived &= !dies(&twice, death, false).await;
            if state(&twice).await != EntityState::Live {
                twice.unmerge().await.unwrap();
            }
            settle(world).await;
            assert_eq!(twice.held(), apart, "{death:?}");
            deaths += 1;
        }
        if survived {
            break;
        }
    }
    assert!(deaths >= 4, "{deaths}");
}

/// Until what a crash left behind is found out and made good.
async fn settle(world: &World) {
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(300));
        world.sync().await;
    }
}

async fn state(twice: &Twice) -> EntityState {
    let store = twice.world.store().await;
    let ids = std::slice::from_ref(&twice.two);
    store.entities(ids).await.unwrap()[0].state.clone()
}

/// A merge or its undoing, and the sync after it, by a hub that dies.
async fn dies(twice: &Twice, death: Death, merge: bool) -> bool {
    let store = Arc::new(Faulty::new(twice.world.store().await, death));
    let Ok(mut hub) = twice.world.hub_on(store).await else {
        return true;
    };
    let done = if merge {
        hub.merge(&twice.one, &twice.two, "eve").await
    } else {
        hub.unmerge(&twice.two, "eve").await
    };
    done.is_err() || hub.sync(&Default::default()).await.is_err()
}
