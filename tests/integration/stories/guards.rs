//! A run that would write too much of one sort stops before it writes, and
//! waits for a person.

use concord_engine::hub::Ways;
use concord_sync::delete::DeleteMode;
use concord_sync::guard::{Guards, Limit};
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, HONEST};

fn most(count: u64) -> Limit {
    Limit {
        count: Some(count),
        percent: None,
    }
}

/// Twenty people in both systems; `b` has these guards, and `a`'s deletes are
/// carried on.
async fn twenty(guards: Guards) -> (World, Vec<[String; 2]>) {
    let caps = format!("{HONEST}delete = true\n");
    let behaviour = Behaviour {
        caps: Box::leak(caps.into_boxed_str()),
        ..Behaviour::default()
    };
    let mut world = World::with(["a", "b"].map(|name| (name, behaviour.clone())));
    let deletes = DeleteMode::Propagate;
    let ways = |guards| Ways {
        deletes,
        guards,
        ..Ways::default()
    };
    world.treat("a", ways(Guards::default()));
    world.treat("b", ways(guards));
    let ids = (0..20)
        .map(|n| {
            let person = json!({
                "mail": format!("p{n}@example.com"), "first": format!("First{n}"),
                "last": "Lee", "title": "CTO"
            });
            ["a", "b"].map(|name| world.system(name).add(person.clone()))
        })
        .collect();
    world.approve().await;
    world.writes();
    (world, ids)
}

/// Deleted at `a`.
fn delete(world: &World, ids: &[[String; 2]]) {
    for [a, _] in ids {
        world.system("a").delete(a);
    }
}

#[tokio::test]
async fn too_many_deletes_stop_a_run_and_go_on_when_they_are_approved() {
    let guards = Guards {
        deletes: most(10),
        ..Guards::default()
    };
    let (world, ids) = twenty(guards).await;
    delete(&world, &ids[..11]);
    world.system("b").edit(&ids[19][1], json!({"title": "CEO"}));
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(world.system("b").ids().len(), 20, "{report:#?}");
        let [guarded] = report.guarded.as_slice() else {
            panic!("{report:#?}");
        };
        assert_eq!(
            (guarded.connection.as_str(), guarded.tally.deletes),
            ("b", 11)
        );
        assert!(
            guarded.tripped[0].contains("delete 11 records"),
            "{guarded:?}"
        );
    }
    let at_a = world.system("a").value(&ids[19][0], "title");
    assert_eq!(at_a, json!("CEO"), "the other connection goes on");
    let plan = world.hub().await.plan().await.unwrap();
    assert_eq!(plan.guarded.len(), 1, "{plan:#?}");
    let report = world.approve().await;
    assert_eq!(report.guarded, [], "{report:#?}");
    assert_eq!(world.system("b").ids().len(), 9);
    world.writes();
    let report = world.sync().await;
    assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
}

#[tokio::test]
async fn an_approval_lets_through_what_was_shown_and_no_more() {
    let guards = Guards {
        deletes: most(10),
        ..Guards::default()
    };
    let (world, ids) = twenty(guards).await;
    delete(&world, &ids[..11]);
    world.sync().await;
    world.system("a").delete(&ids[11][0]);
    let report = world.approve().await;
    assert_eq!(report.guarded[0].tally.deletes, 12, "{report:#?}");
    assert_eq!(world.system("b").ids().len(), 20);
    world.approve().await;
    assert_eq!(world.system("b").ids().len(), 8);
}

#[tokio::test]
async fn a_small_number_stops_a_handful() {
    let guards = Guards {
        deletes: most(2),
        ..Guards::default()
    };
    let (world, ids) = twenty(guards).await;
    delete(&world, &ids[..2]);
    world.sync().await;
    assert_eq!(world.system("b").ids().len(), 18, "two are let through");
    delete(&world, &ids[2..5]);
    let report = world.sync().await;
    assert_eq!(report.guarded[0].tally.deletes, 3, "{report:#?}");
    assert_eq!(world.system("b").ids().len(), 18);
    world.approve().await;
    assert_eq!(world.system("b").ids().len(), 15);
}

#[tokio::test]
async fn creates_and_emptied_fields_are_guarded_as_well() {
    let guards = Guards {
        creates: most(12),
        blanks: most(12),
        ..Guards::default()
    };
    let (world, ids) = twenty(guards).await;
    for [a, _] in &ids[..13] {
        world.system("a").edit(a, json!({"title": null}));
    }
    let report = world.sync().await;
    assert_eq!(report.guarded[0].tally.blanks, 13, "{report:#?}");
    assert_eq!(world.system("b").value(&ids[0][1], "title"), json!("CTO"));
    world.approve().await;
    assert_eq!(world.system("b").value(&ids[0][1], "title"), Value::Null);
    for n in 20..33 {
        let mail = format!("p{n}@example.com");
        let person = json!({"mail": mail, "first": format!("First{n}"), "last": "Lee"});
        world.system("a").add(person);
    }
    let report = world.sync().await;
    assert_eq!(report.guarded[0].tally.creates, 13, "{report:#?}");
    assert_eq!(world.system("b").ids().len(), 20);
    world.approve().await;
    assert_eq!(world.system("b").ids().len(), 33);
}
