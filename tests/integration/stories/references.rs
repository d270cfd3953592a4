//! People refer to companies, and two companies are found to be one.

use std::sync::Arc;

use concord_core::ports::Store;
use concord_core::{ConnectionId, EntityId, RemoteId, StreamName};
use serde_json::{Value, json};

use super::World;
use crate::world::{Death, Faulty, System};

const MAPPING: &str = "
version: 1
streams:
  companies:
    entity: organization
    fields:
      name: { path: first }
      domain: { path: mail }
  people:
    entity: person
    fields:
      email: { path: mail }
      given_name: { path: first }
      family_name: { path: last }
      employer: { path: title, reference: { stream: companies } }
";

/// Ann works for one of two companies, Bo for the other, in two systems.
struct Town {
    world: World,
    companies: [Arc<System>; 2],
    /// In the first system.
    ann: String,
    bo: String,
    one: EntityId,
    two: EntityId,
}

async fn entity(world: &World, stream: &str, id: &str) -> EntityId {
    let store = world.store().await;
    let ids = [RemoteId::new(id)];
    let stream = StreamName::new(stream);
    let links = store.links(ConnectionId(1), &stream, &ids).await.unwrap();
    links[0].entity.clone()
}

impl Town {
    async fn new() -> Self {
        let mut world = World::new(&["a", "b"]);
        let companies = ["a", "b"].map(|system| {
            world.map(system, MAPPING);
            world.with_companies(system)
        });
        let one = companies[0].add(json!({"first": "One Ltd", "mail": "one.example"}));
        let two = companies[0].add(json!({"first": "Two plc", "mail": "two.example"}));
        let a = world.system("a");
        let ann = a.add(json!({"mail": "ann@example.com", "first": "Ann", "title": one}));
        let bo = a.add(json!({"mail": "bo@example.com", "first": "Bo", "title": two}));
        world.approve().await;
        for _ in 0..3 {
            world.sync().await;
        }
        let (one, two) = (
            entity(&world, "companies", &one).await,
            entity(&world, "companies", &two).await,
        );
        Self {
            world,
            companies,
            ann,
            bo,
            one,
            two,
        }
    }

    async fn settle(&self) {
        for _ in 0..3 {
            self.world.sync().await;
        }
    }

    /// For whom somebody works, at the hub.
    async fn employer(&self, person: &str) -> Value {
        let id = entity(&self.world, "people", person).await;
        let store = self.world.store().await;
        store.entities(&[id]).await.unwrap()[0]
            .value("employer")
            .clone()
    }

    /// The names of the companies that Ann and Bo work for in b.
    fn in_b(&self) -> [Value; 2] {
        let b = self.world.system("b");
        ["Ann", "Bo"].map(|name| {
            let person = b.find_by("first", name).unwrap();
            let company = b.value(&person, "title");
            self.companies[1].value(company.as_str().unwrap(), "first")
        })
    }
}

#[tokio::test]
async fn references_follow_a_merge_and_go_back_after_an_unmerge() {
    let town = Town::new().await;
    let (one, two) = (json!(town.one.to_string()), json!(town.two.to_string()));
    assert_eq!(town.in_b(), [json!("One Ltd"), json!("Two plc")]);
    let hub = town.world.hub().await;
    hub.merge(&town.one, &town.two, "eve").await.unwrap();
    assert_eq!(town.employer(&town.bo).await, one, "without a sync");
    town.settle().await;
    assert_eq!(town.employer(&town.ann).await, one);
    assert_eq!(town.employer(&town.bo).await, one);
    town.world.writes();
    for companies in &town.companies {
        companies.take_writes();
    }
    assert_eq!(town.world.sync().await.writes(), 0, "it comes to rest");
    // Cy is hired by the company whose record is the second one.
    let a = town.world.system("a");
    let second = a.value(&town.bo, "title");
    let cy = a.add(json!({"mail": "cy@example.com", "first": "Cy", "title": second}));
    town.settle().await;
    assert_eq!(town.employer(&cy).await, one);

    let hub = town.world.hub().await;
    hub.unmerge(&town.two, "eve").await.unwrap();
    town.settle().await;
    assert_eq!(town.employer(&town.ann).await, one);
    assert_eq!(town.employer(&town.bo).await, two);
    assert_eq!(town.employer(&cy).await, two, "whose record names it");
    assert_eq!(town.in_b(), [json!("One Ltd"), json!("Two plc")]);
    town.world.writes();
    assert_eq!(town.world.sync().await.writes(), 0);
}

#[tokio::test]
async fn references_follow_companies_that_a_system_merges() {
    let town = Town::new().await;
    let a = town.world.system("a");
    let (first, second) = (a.value(&town.ann, "title"), a.value(&town.bo, "title"));
    let (first, second) = (first.as_str().unwrap(), second.as_str().unwrap());
    town.companies[0].merge(second, first);
    // The system leaves Bo with the company that is no more.
    town.settle().await;
    let one = json!(town.one.to_string());
    assert_eq!(town.employer(&town.bo).await, one);
    // Changed there to what it became: nothing new to anybody.
    a.edit(&town.bo, json!({"title": first}));
    town.settle().await;
    assert_eq!(town.employer(&town.bo).await, one);
    town.world.writes();
    assert_eq!(town.world.sync().await.writes(), 0);
}

#[tokio::test]
async fn a_hub_that_dies_while_references_move_ends_it_next_time() {
    let mut deaths = 0;
    for n in 1.. {
        let mut survived = true;
        for death in [Death::Before(n), Death::After(n)] {
            let town = Town::new().await;
            let store = Arc::new(Faulty::new(town.world.store().await, death));
            let Ok(hub) = town.world.hub_on(store).await else {
                survived = false;
                continue;
            };
            let died = hub.merge(&town.one, &town.two, "eve").await.is_err();
            survived &= !died;
            deaths += usize::from(died);
            town.settle().await;
            let store = town.world.store().await;
            let two = store.entities(std::slice::from_ref(&town.two)).await;
            let is_merged = two.unwrap()[0].state != concord_core::state::EntityState::Live;
            let expected = if is_merged { &town.one } else { &town.two };
            let employer = town.employer(&town.bo).await;
            assert_eq!(employer, json!(expected.to_string()), "{death:?}");
        }
        if survived {
            break;
        }
    }
    assert!(deaths >= 3, "{deaths}");
}
