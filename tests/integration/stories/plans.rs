//! A plan is saved, looked at, and carried out as it is.

use std::time::Duration;

use concord_engine::run::Request;
use concord_engine::saved::{Carried, SavedPlan};
use serde_json::{Value, json};

use super::World;
use crate::world::Behaviour;

/// Two people in both systems, agreed on; their ids at `a` and `b`.
async fn agreed() -> (World, Vec<[String; 2]>) {
    agreed_later(Duration::ZERO).await
}

async fn agreed_later(later: Duration) -> (World, Vec<[String; 2]>) {
    let world = World::new(&["a", "b"]);
    world.clock.advance(later);
    let ids = (0..3)
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

/// Reads everything and writes nothing.
async fn read(world: &World) {
    let request = Request {
        read_only: true,
        ..Request::default()
    };
    world.run(&request).await;
}

/// The plan, by way of its file.
async fn saved(world: &World) -> SavedPlan {
    let hub = world.hub().await;
    let plan = hub.plan().await.unwrap();
    let saved = hub.save(&plan).await.unwrap();
    SavedPlan::parse(&serde_json::to_string(&saved).unwrap()).unwrap()
}

async fn apply(world: &World, plan: &SavedPlan) -> Carried {
    world.hub().await.apply_plan(plan).await.unwrap()
}

fn title(world: &World, system: &str, id: &str) -> Value {
    world.system(system).value(id, "title")
}

#[tokio::test]
async fn a_saved_plan_is_carried_out_once_and_nothing_else_with_it() {
    let (world, ids) = agreed().await;
    world.system("a").edit(&ids[0][0], json!({"title": "CTO"}));
    read(&world).await;
    let plan = saved(&world).await;
    assert_eq!(plan.writes.len(), 1, "{plan:#?}");
    assert_eq!(plan.writes[0].values["job_title"], json!("CTO"));
    assert_eq!(plan.price["b"].writes, 1);
    // Owed since the plan was made: not in it, so not written.
    world.system("a").edit(&ids[1][0], json!({"title": "CFO"}));
    read(&world).await;
    let carried = apply(&world, &plan).await;
    assert_eq!(
        (carried.done, carried.skipped.len()),
        (1, 0),
        "{carried:#?}"
    );
    assert_eq!(world.writes(), 1);
    assert_eq!(title(&world, "b", &ids[0][1]), json!("CTO"));
    let again = apply(&world, &plan).await;
    assert_eq!((again.done, again.skipped.len(), world.writes()), (0, 1, 0));
    world.sync().await;
    assert_eq!(title(&world, "b", &ids[1][1]), json!("CFO"));
}

#[tokio::test]
async fn what_has_moved_since_is_skipped_and_named() {
    let (world, ids) = agreed().await;
    for [a, _] in &ids {
        world.system("a").edit(a, json!({"title": "CTO"}));
    }
    read(&world).await;
    let plan = saved(&world).await;
    // Another value is owed; the record has moved, and the hub knows; it has
    // moved, and nobody knows yet.
    world.system("a").edit(&ids[0][0], json!({"title": "CEO"}));
    world
        .system("b")
        .edit(&ids[1][1], json!({"tel": "+12025550143"}));
    read(&world).await;
    world
        .system("b")
        .edit(&ids[2][1], json!({"tel": "+12025550144"}));
    let carried = apply(&world, &plan).await;
    let why: Vec<&str> = carried.skipped.iter().map(|one| one.why.as_str()).collect();
    assert_eq!((carried.done, why.len()), (0, 3), "{carried:#?}");
    for expect in [
        "another value is owed",
        "moved since the plan",
        "moved on since it was read",
    ] {
        assert!(
            why.iter().any(|why| why.contains(expect)),
            "{expect}: {why:?}"
        );
    }
    world.sync().await;
    world.sync().await;
    assert_eq!(
        title(&world, "b", &ids[0][1]),
        json!("CEO"),
        "nothing was lost"
    );
    assert_eq!(title(&world, "b", &ids[2][1]), json!("CTO"));
}

#[tokio::test]
async fn a_plan_of_another_database_and_what_is_no_plan_are_refused() {
    let (world, ids) = agreed().await;
    world.system("a").edit(&ids[0][0], json!({"title": "CTO"}));
    read(&world).await;
    let plan = saved(&world).await;
    // Chance follows from the clock here, so it must not be the same moment.
    let (other, _) = agreed_later(Duration::from_secs(1)).await;
    let mut hub = other.hub().await;
    let refused = hub.apply_plan(&plan).await.unwrap_err().to_string();
    assert!(refused.contains("another database"), "{refused}");
    for text in ["rules: {}", "{}", "[1]"] {
        let refused = SavedPlan::parse(text).unwrap_err().to_string();
        assert!(refused.contains("no saved plan"), "{refused}");
    }
    let newer = r#"{"format": "concord-plan", "version": 99}"#;
    let refused = SavedPlan::parse(newer).unwrap_err().to_string();
    assert!(refused.contains("version 99"), "{refused}");
}

#[tokio::test]
async fn a_price_counts_the_calls_that_each_way_of_a_system_needs() {
    // Four records a call, one read a record: no versions, no stored answer.
    let slow = Behaviour {
        caps: "read = true\ncreate = true\nupdate = true\nbatch-max = 4\nfetch-max = 1\n\
               rewrites-declared = true\ncreate-safe = { unique-field = \"mail\" }\n",
        ..Behaviour::default()
    };
    let world = World::with([("a", Behaviour::default()), ("b", slow)]);
    let ids: Vec<String> = (0..5)
        .map(|n| {
            let mail = format!("p{n}@example.com");
            let person = json!({"mail": mail, "first": format!("First{n}"), "last": "Lee"});
            world.system("b").add(person.clone());
            world.system("a").add(person)
        })
        .collect();
    world.approve().await;
    for id in &ids {
        world.system("a").edit(id, json!({"title": "CTO"}));
    }
    read(&world).await;
    let plan = saved(&world).await;
    assert_eq!((plan.price["b"].writes, plan.price["b"].reads), (2, 5));
}
