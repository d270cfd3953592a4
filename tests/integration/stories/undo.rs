//! What a run wrote is taken back, but where somebody has changed it since.

use std::time::Duration;

use concord_engine::saved::Carried;
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, HONEST};

fn deletable() -> Behaviour {
    let caps = format!("{HONEST}delete = true\n");
    Behaviour {
        caps: Box::leak(caps.into_boxed_str()),
        ..Behaviour::default()
    }
}

/// Ann in both systems, with a title, agreed on.
async fn agreed() -> (World, [String; 2]) {
    let world = World::with(["a", "b"].map(|name| (name, deletable())));
    let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee", "title": "CTO"});
    let ids = ["a", "b"].map(|name| world.system(name).add(ann.clone()));
    world.approve().await;
    world.writes();
    (world, ids)
}

async fn undo(world: &World, run: i64) -> Carried {
    world.clock.advance(Duration::from_secs(60));
    world.hub().await.undo(run).await.unwrap()
}

async fn is_quiet(world: &World) {
    world.writes();
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
    }
}

fn titles(world: &World, [a, b]: &[String; 2]) -> [Value; 2] {
    [("a", a), ("b", b)].map(|(name, id)| world.system(name).value(id, "title"))
}

#[tokio::test]
async fn a_system_gets_back_what_it_held_and_keeps_it_until_the_field_changes() {
    let (world, ids) = agreed().await;
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    let run = world.sync().await.run;
    assert_eq!(titles(&world, &ids), [json!("CEO"), json!("CEO")]);
    let undone = undo(&world, run).await;
    assert_eq!((undone.done, undone.skipped.len()), (1, 0), "{undone:#?}");
    assert_eq!(titles(&world, &ids), [json!("CEO"), json!("CTO")]);
    is_quiet(&world).await;
    world.system("a").edit(&ids[0], json!({"title": "Owner"}));
    world.sync().await;
    assert_eq!(titles(&world, &ids), [json!("Owner"), json!("Owner")]);
}

#[tokio::test]
async fn an_undo_can_be_undone() {
    let (world, ids) = agreed().await;
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    let run = world.sync().await.run;
    let undone = undo(&world, run).await;
    is_quiet(&world).await;
    let redone = undo(&world, undone.report.run).await;
    assert_eq!((redone.done, redone.skipped.len()), (1, 0), "{redone:#?}");
    assert_eq!(titles(&world, &ids), [json!("CEO"), json!("CEO")]);
    is_quiet(&world).await;
    // It has been done already.
    let twice = undo(&world, undone.report.run).await;
    assert_eq!((twice.done, twice.skipped.len()), (0, 1), "{twice:#?}");
}

#[tokio::test]
async fn what_somebody_has_changed_since_is_left_and_named() {
    let (world, ids) = agreed().await;
    let tel = "+12025550143";
    world
        .system("a")
        .edit(&ids[0], json!({"title": "CEO", "tel": tel}));
    let run = world.sync().await.run;
    world.system("b").edit(&ids[1], json!({"title": "Owner"}));
    world.sync().await;
    let undone = undo(&world, run).await;
    assert_eq!(undone.done, 1, "{undone:#?}");
    let [skipped] = undone.skipped.as_slice() else {
        panic!("{undone:#?}");
    };
    assert_eq!(skipped.field.as_deref(), Some("job_title"));
    assert!(skipped.why.contains("since"), "{skipped:?}");
    assert_eq!(titles(&world, &ids), [json!("Owner"), json!("Owner")]);
    assert_eq!(world.system("b").value(&ids[1], "tel"), Value::Null);
    assert_eq!(world.system("a").value(&ids[0], "tel"), json!(tel));
    is_quiet(&world).await;
}

#[tokio::test]
async fn an_edit_that_nobody_has_read_is_not_run_over_by_an_undo() {
    let (world, ids) = agreed().await;
    world.system("a").edit(&ids[0], json!({"title": "CEO"}));
    let run = world.sync().await.run;
    world.system("b").edit(&ids[1], json!({"title": "Owner"}));
    let undone = undo(&world, run).await;
    assert_eq!((undone.done, undone.skipped.len()), (0, 1), "{undone:#?}");
    assert_eq!(world.system("b").value(&ids[1], "title"), json!("Owner"));
    world.sync().await;
    world.sync().await;
    assert_eq!(titles(&world, &ids), [json!("Owner"), json!("Owner")]);
}

#[tokio::test]
async fn a_record_that_was_created_is_withdrawn_unless_somebody_has_worked_on_it() {
    let (world, _) = agreed().await;
    let person =
        |name: &str| json!({"mail": format!("{name}@example.com"), "first": name, "last": "Orr"});
    world.system("a").add(person("Eve"));
    world.system("a").add(person("Bob"));
    let run = world.sync().await.run;
    let b = world.system("b");
    let bob = b.find_by("first", "Bob").unwrap();
    b.edit(&bob, json!({"first": "Robert"}));
    let undone = undo(&world, run).await;
    assert_eq!((undone.done, undone.skipped.len()), (1, 1), "{undone:#?}");
    assert_eq!(b.find_by("first", "Eve"), None);
    assert_eq!(b.value(&bob, "first"), json!("Robert"));
    // It is not made again, and lives on where it came from.
    world.sync().await;
    is_quiet(&world).await;
    assert_eq!(b.find_by("first", "Eve"), None);
    assert!(world.system("a").find_by("first", "Eve").is_some());
}

#[tokio::test]
async fn a_first_plan_can_be_taken_back_and_each_system_is_as_it_was() {
    let world = World::with(["a", "b"].map(|name| (name, deletable())));
    let ann = |first: &str| json!({"mail": "ann@example.com", "first": first, "last": "Lee"});
    world.system("a").add(ann("Ann"));
    let anne = world.system("b").add(ann("Anne"));
    let cid = json!({"mail": "cid@example.com", "first": "Cid", "last": "Orr"});
    world.system("a").add(cid);
    world.sync().await;
    let run = world.approve().await.run;
    assert_eq!(world.system("b").value(&anne, "first"), json!("Ann"));
    let undone = undo(&world, run).await;
    assert_eq!((undone.done, undone.skipped.len()), (2, 0), "{undone:#?}");
    assert_eq!(world.system("b").value(&anne, "first"), json!("Anne"));
    assert_eq!(world.system("b").ids(), [anne]);
    is_quiet(&world).await;
}

#[tokio::test]
async fn a_run_that_wrote_nothing_or_never_was_is_refused() {
    let (world, _) = agreed().await;
    let run = world.sync().await.run;
    let mut hub = world.hub().await;
    let nothing = hub.undo(run).await.unwrap_err().to_string();
    assert!(nothing.contains("wrote nothing"), "{nothing}");
    let unknown = hub.undo(9_999).await.unwrap_err().to_string();
    assert!(unknown.contains("no run 9999"), "{unknown}");
}

#[tokio::test]
async fn what_an_undo_keeps_away_is_no_dead_letter() {
    let picky = Behaviour {
        refuses: Some("Bad"),
        ..deletable()
    };
    let world = World::with([("a", deletable()), ("b", picky)]);
    let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
    let ids = ["a", "b"].map(|name| world.system(name).add(ann.clone()));
    world.approve().await;
    let tel = "+12025550143";
    world
        .system("a")
        .edit(&ids[0], json!({"title": "Bad", "tel": tel}));
    let run = world.sync().await.run;
    assert_eq!(world.system("b").value(&ids[1], "tel"), json!(tel));
    undo(&world, run).await;
    assert_eq!(world.system("b").value(&ids[1], "tel"), Value::Null);
    let hub = world.hub().await;
    let letters = hub.letters().await.unwrap();
    let values: Vec<_> = letters
        .refused
        .iter()
        .map(|one| json!(one.values))
        .collect();
    assert_eq!(values, [json!({"job_title": "Bad"})]);
    hub.replay(&[]).await.unwrap();
    world.sync().await;
    assert_eq!(
        world.system("b").value(&ids[1], "tel"),
        Value::Null,
        "kept away"
    );
}
