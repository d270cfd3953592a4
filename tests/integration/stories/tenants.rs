//! Fifty tenants in one database, whose hubs run side by side, each end as if
//! alone.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use super::World;
use crate::world::{Behaviour, Ground as _};

const TENANTS: usize = 50;

/// People of one tenant.  Numbers, names and remote ids are the same for all of
/// them, as if on purpose; only the domain tells them apart.
fn people(world: &World, domain: &str) {
    let (a, b) = (world.system("a"), world.system("b"));
    for n in 0..4 {
        a.add(json!({"mail": format!("p{n}@{domain}"), "first": "Ann", "last": format!("Lee{n}")}));
    }
    b.add(json!({"mail": format!("p0@{domain}"), "first": "Ann", "last": "Lee0", "tel": "+12025550100"}));
    b.add(json!({"mail": format!("q@{domain}"), "first": "Quin", "last": "Ray"}));
}

async fn live(world: &World, domain: &str) {
    world.sync().await;
    // Others are between two steps as well.
    tokio::task::yield_now().await;
    world.approve().await;
    let a = world.system("a");
    let id = a.find_by("mail", &format!("p1@{domain}")).unwrap();
    a.edit(&id, json!({"title": format!("Head of {domain}")}));
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(600));
        tokio::task::yield_now().await;
        world.sync().await;
    }
}

/// What each system holds, in words that do not tell the tenants apart.
fn ends(world: &World, domain: &str) -> Vec<BTreeSet<String>> {
    let fields = ["mail", "first", "last", "tel", "title"];
    let of = |name: &str| -> BTreeSet<String> {
        let system = world.system(name);
        let row = |id: &String| {
            let values: Vec<Value> = fields.iter().map(|field| system.value(id, field)).collect();
            json!(values).to_string().replace(domain, "DOMAIN")
        };
        system.ids().iter().map(row).collect()
    };
    vec![of("a"), of("b")]
}

fn systems() -> [(&'static str, Behaviour); 2] {
    [("a", Behaviour::default()), ("b", Behaviour::default())]
}

#[tokio::test]
async fn fifty_tenants_side_by_side_each_end_as_if_alone() {
    let alone = World::with(systems());
    people(&alone, "alone.example");
    live(&alone, "alone.example").await;
    let expect = ends(&alone, "alone.example");
    assert_eq!(expect[0], expect[1], "alone it comes to agreement");
    assert_eq!(expect[0].len(), 5);

    let first = World::with(systems());
    let mut worlds: Vec<World> = (1..TENANTS)
        .map(|_| World::on(first.ground.beside(), systems()))
        .collect();
    worlds.push(first);
    let together = LocalSet::new();
    let mut running = JoinSet::new();
    for (number, world) in worlds.into_iter().enumerate() {
        let task = async move {
            let domain = format!("tenant{number:02}.example");
            people(&world, &domain);
            live(&world, &domain).await;
            (world, domain)
        };
        running.spawn_local_on(task, &together);
    }
    // All of them on this thread, each as far as it comes before it waits.
    let done = together.run_until(running.join_all()).await;
    assert_eq!(done.len(), TENANTS);
    for (world, domain) in &done {
        // A value of another tenant would keep its own domain.
        assert_eq!(ends(world, domain), expect, "{domain}");
        let store = world.store().await;
        let counts = concord_core::ports::Store::counts(store.as_ref())
            .await
            .unwrap();
        assert_eq!(counts.entities, [("person".to_owned(), 5)], "{domain}");
    }
}
