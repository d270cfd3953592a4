//! A hub that dies at any commit ends, when it is run again, where an unbroken
//! one ends, and creates nobody twice (P4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Clock as _, Store};
use concord_engine::run::{Gap, Request};
use serde_json::{Value, json};

use super::World;
use crate::world::{Behaviour, Death, Faulty};

/// What every system holds, without its own ids.
fn ends(world: &World) -> BTreeMap<String, Vec<String>> {
    let of = |name: &str| {
        let system = world.system(name);
        let fields = ["mail", "first", "last", "tel", "title"];
        let row = |id: &String| {
            let values: Vec<Value> = fields.iter().map(|field| system.value(id, field)).collect();
            json!(values).to_string()
        };
        let mut rows: Vec<String> = system.ids().iter().map(row).collect();
        rows.sort();
        rows
    };
    world
        .systems
        .iter()
        .map(|system| (system.name.clone(), of(&system.name)))
        .collect()
}

fn people(world: &World) -> (String, String) {
    let (a, b) = (world.system("a"), world.system("b"));
    for n in 0..5 {
        let mail = format!("p{n}@example.com");
        a.add(json!({"mail": mail, "first": format!("First{n}"), "last": format!("Last{n}")}));
    }
    b.add(json!({"mail": "p0@example.com", "first": "First0", "last": "Last0", "tel": "+12025550100"}));
    b.add(json!({"mail": "q@example.com", "first": "Queenie", "last": "Quill"}));
    (
        a.find_by("mail", "p1@example.com").unwrap(),
        b.find_by("mail", "q@example.com").unwrap(),
    )
}

/// A year of the hub's life in two runs.
async fn live(
    world: &World,
    store: Option<Arc<dyn Store>>,
) -> Result<(), concord_engine::EngineError> {
    world.clock.advance(Duration::from_secs(300));
    let store: Arc<dyn Store> = match store {
        Some(store) => store,
        None => world.store().await,
    };
    let mut hub = world.hub_on(store).await?;
    let request = Request {
        approve: true,
        ..Request::default()
    };
    hub.sync(&request).await.map(|_| ())
}

async fn check(behaviour: fn() -> Behaviour) {
    let unbroken = World::with([("a", behaviour()), ("b", behaviour())]);
    let (p1, q) = people(&unbroken);
    unbroken.sync().await;
    live(&unbroken, None).await.unwrap();
    unbroken.system("a").edit(&p1, json!({"title": "CTO"}));
    unbroken
        .system("b")
        .edit(&q, json!({"tel": "+12025550111"}));
    live(&unbroken, None).await.unwrap();
    let expect = ends(&unbroken);
    assert_eq!(
        expect["a"], expect["b"],
        "an unbroken run comes to agreement"
    );

    let deaths = every_death(async |death| {
        let world = World::with([("a", behaviour()), ("b", behaviour())]);
        let (p1, q) = people(&world);
        // What is read and matched before the approval is not planned anew by
        // itself: an approval that is cut short must not be half of one.
        world.sync().await;
        let mut survived = !dies(&world, death).await;
        live(&world, None).await.unwrap();
        world.system("a").edit(&p1, json!({"title": "CTO"}));
        world.system("b").edit(&q, json!({"tel": "+12025550111"}));
        survived &= !dies(&world, death).await;
        for _ in 0..3 {
            live(&world, None).await.unwrap();
        }
        assert_eq!(ends(&world), expect, "{death:?}");
        survived
    });
    let deaths = deaths.await;
    assert!(
        deaths > 20,
        "only {deaths} deaths: the run has too few commits to say anything"
    );
}

/// Lives a life for every place where the hub can die, until one survives.
/// Gives how many there were.
async fn every_death(life: impl AsyncFn(Death) -> bool) -> u32 {
    let mut deaths = 0;
    for n in 1.. {
        let mut survived = true;
        for death in [Death::Before(n), Death::After(n)] {
            survived &= life(death).await;
            deaths += 1;
        }
        if survived {
            break;
        }
    }
    deaths
}

/// Runs a hub that dies where it is told; says whether it came so far.
async fn dies(world: &World, death: Death) -> bool {
    let faulty = Arc::new(Faulty::new(world.store().await, death));
    let result = live(world, Some(faulty.clone())).await;
    let died = !faulty.survived();
    assert_eq!(died, result.is_err(), "{death:?}: {result:?}");
    died
}

#[tokio::test]
async fn a_run_that_is_cut_off_still_says_why_none_ran_before() {
    let world = World::with([("a", Behaviour::default()), ("b", Behaviour::default())]);
    people(&world);
    let faulty = Arc::new(Faulty::new(world.store().await, Death::After(3)));
    let gap = Gap {
        since: world.clock.now(),
        tries: 2,
        reason: "the database was away".to_owned(),
    };
    let request = Request {
        resumed: Some(gap.clone()),
        ..Request::default()
    };
    let cut = world.hub_on(faulty).await.unwrap().sync(&request).await;
    assert!(cut.is_err(), "{cut:?}");
    let run = world.store().await.runs(1).await.unwrap().remove(0);
    assert_eq!(run.ended_at, None);
    let told: Gap = serde_json::from_value(run.summary["resumed"].clone()).unwrap();
    assert_eq!(told, gap);
}

#[tokio::test]
async fn with_unique_fields_and_versions() {
    check(Behaviour::default).await;
}

#[tokio::test]
async fn where_answers_carry_no_record_and_values_are_rewritten() {
    check(|| Behaviour {
        silent: true,
        rewrite: |field, value| match value.as_str() {
            Some(text) if field == "title" => json!(text.to_uppercase()),
            _ => value.clone(),
        },
        ..Behaviour::default()
    })
    .await;
}

/// Without versions, what differs too soon after the last look is looked at
/// once more.  The change feed does not list it again.
#[tokio::test]
async fn a_second_look_survives_the_hub_that_owes_it() {
    let hasty = || Behaviour {
        caps: "read = true\nupdate = true\ncreate = true\netags = true\nbatch-max = 4\nfetch-max = 10\n\
               create-safe = { unique-field = \"mail\" }\nsettle-ms = { pull = 600000 }\n",
        ..Behaviour::default()
    };
    let deaths = every_death(async |death| {
        let world = World::with([("a", hasty()), ("b", hasty())]);
        let (p1, _) = people(&world);
        world.approve().await;
        world.system("a").edit(&p1, json!({"title": "CTO"}));
        world.sync().await;
        let at_b = |world: &World| {
            let b = world.system("b");
            let id = b.find_by("mail", "p1@example.com").unwrap();
            b.value(&id, "title")
        };
        assert_eq!(at_b(&world), Value::Null, "too soon to be believed");
        world.clock.advance(Duration::from_secs(600));
        let survived = !dies(&world, death).await;
        for _ in 0..2 {
            live(&world, None).await.unwrap();
        }
        assert_eq!(at_b(&world), "CTO", "{death:?}");
        survived
    });
    let deaths = deaths.await;
    assert!(deaths > 4, "{deaths}");
}
