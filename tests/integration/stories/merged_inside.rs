//! A system makes one of two of its records, and each is somebody to the hub.

use concord_core::ports::Store;
use concord_core::state::{EntityState, LinkState, Review, Verdict};
use concord_core::{ConnectionId, EntityId, RemoteId, StreamName};
use serde_json::{Value, json};

use super::World;

/// Ann and Anna, two records in each of two systems.
struct Two {
    world: World,
    a: [String; 2],
    ann: EntityId,
    anna: EntityId,
}

async fn of(world: &World, connection: i64, id: &str) -> (EntityId, LinkState) {
    let store = world.store().await;
    let ids = [RemoteId::new(id)];
    let stream = StreamName::new("people");
    let links = store.links(ConnectionId(connection), &stream, &ids).await;
    let link = links.unwrap().remove(0);
    (link.entity, link.state)
}

impl Two {
    async fn new(systems: &[&str]) -> Self {
        let world = World::new(systems);
        let a = world.system("a");
        let ids = [
            a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee", "title": "CTO"})),
            a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Orr", "tel": "+12025550101", "title": "Chief"})),
        ];
        world.approve().await;
        world.sync().await;
        let (ann, _) = of(&world, 1, &ids[0]).await;
        let (anna, _) = of(&world, 1, &ids[1]).await;
        assert_ne!(ann, anna);
        world.writes();
        Self {
            world,
            a: ids,
            ann,
            anna,
        }
    }

    async fn state(&self, id: &EntityId) -> EntityState {
        let store = self.world.store().await;
        store.entities(std::slice::from_ref(id)).await.unwrap()[0]
            .state
            .clone()
    }

    async fn open(&self) -> Vec<Review> {
        self.world.store().await.reviews(true, 9).await.unwrap()
    }

    /// Anna's record in b.
    fn second(&self) -> String {
        self.world.system("b").find_by("first", "Anna").unwrap()
    }

    fn titles(&self, system: &str) -> Vec<Value> {
        let system = self.world.system(system);
        let ids = system.ids();
        ids.iter().map(|id| system.value(id, "title")).collect()
    }
}

#[tokio::test]
async fn two_become_one_and_the_second_record_elsewhere_is_a_question() {
    let two = Two::new(&["a", "b"]).await;
    let world = &two.world;
    let second = two.second();
    world.system("a").merge(&two.a[1], &two.a[0]);
    world.sync().await;
    world.sync().await;
    assert_eq!(
        two.state(&two.anna).await,
        EntityState::MergedInto(two.ann.number)
    );
    assert_eq!(
        of(world, 1, &two.a[1]).await,
        (two.ann.clone(), LinkState::Merged)
    );
    assert_eq!(
        of(world, 2, &second).await,
        (two.ann.clone(), LinkState::Live)
    );
    // Ann has gained what she lacked, and nothing else happened anywhere.
    let tel = |system: &str, id: &str| world.system(system).value(id, "tel");
    assert_eq!(tel("a", &two.a[0]), json!("+12025550101"));
    assert_eq!(world.system("b").ids().len(), 2, "nothing was deleted");
    assert_eq!(
        world.system("b").value(&second, "title"),
        json!("Chief"),
        "and the question is not answered by writing"
    );
    let questions = two.open().await;
    assert_eq!(questions.len(), 1, "{questions:#?}");
    assert_eq!(questions[0].link.remote_id.as_str(), second);
    assert_eq!(questions[0].candidates, [two.ann.clone(), two.anna.clone()]);
    world.writes();
    assert_eq!(world.sync().await.writes(), 0, "it comes to rest");

    // They are one there, too: both records are kept as one.
    let hub = world.hub().await;
    let verdict = Verdict::Link(two.ann.clone());
    hub.decide_match(questions[0].id, verdict).await.unwrap();
    world.sync().await;
    world.sync().await;
    assert_eq!(two.titles("b"), [json!("CTO"), json!("CTO")]);
    assert_eq!(world.system("b").ids().len(), 2);
    world.writes();
    assert_eq!(world.sync().await.writes(), 0);
    assert!(two.open().await.is_empty());
}

#[tokio::test]
async fn said_to_be_two_they_are_taken_apart() {
    let two = Two::new(&["a", "b", "c"]).await;
    let world = &two.world;
    let second = two.second();
    world.system("a").merge(&two.a[1], &two.a[0]);
    world.sync().await;
    world.sync().await;
    let questions = two.open().await;
    assert_eq!(questions.len(), 2, "one at b, one at c");
    let hub = world.hub().await;
    hub.decide_match(questions[0].id, Verdict::Apart)
        .await
        .unwrap();
    assert!(two.open().await.is_empty(), "that answers both");
    world.sync().await;
    world.sync().await;
    assert_eq!(two.state(&two.anna).await, EntityState::Live);
    assert_eq!(of(world, 2, &second).await.0, two.anna);
    for system in ["b", "c"] {
        assert_eq!(two.titles(system), [json!("CTO"), json!("Chief")]);
    }
    // What a did is a's; nobody is entered there again.
    assert_eq!(two.titles("a"), [json!("CTO")]);
    assert_eq!(
        world.system("a").value(&two.a[0], "tel"),
        Value::Null,
        "what came from Anna goes back with her"
    );
    world.writes();
    assert_eq!(world.sync().await.writes(), 0);
}

#[tokio::test]
async fn merged_elsewhere_as_well_nothing_is_left_to_ask() {
    let two = Two::new(&["a", "b"]).await;
    let world = &two.world;
    let (second, b) = (two.second(), world.system("b"));
    let first = b.find_by("first", "Ann").unwrap();
    world.system("a").merge(&two.a[1], &two.a[0]);
    world.sync().await;
    b.merge(&second, &first);
    world.sync().await;
    assert!(two.open().await.is_empty());
    assert_eq!(b.ids().len(), 1);
    world.sync().await;
    world.writes();
    assert_eq!(world.sync().await.writes(), 0);
}

#[tokio::test]
async fn the_merge_is_an_event_that_can_be_taken_back_by_its_number() {
    let two = Two::new(&["a", "b"]).await;
    let world = &two.world;
    world.system("a").merge(&two.a[1], &two.a[0]);
    world.sync().await;
    let store = world.store().await;
    let merged = |events: Vec<concord_core::state::Event>| {
        let tells = |what: &str| what.starts_with("merged with") || what.contains("into person/");
        let found = events.into_iter().find(|event| tells(&event.what));
        found.unwrap().id
    };
    let numbers = [
        merged(store.events(&two.ann).await.unwrap()),
        merged(store.events(&two.anna).await.unwrap()),
    ];
    let hub = world.hub().await;
    for number in numbers {
        assert_eq!(hub.merged_by(number).await.unwrap(), two.anna);
    }
    hub.unmerge(&two.anna, "eve").await.unwrap();
    hub.merge(&two.ann, &two.anna, "eve").await.unwrap();
    let error = hub.merged_by(numbers[0]).await.unwrap_err().to_string();
    assert!(error.contains("merged again since"), "{error}");
    let error = hub.merged_by(4_711).await.unwrap_err().to_string();
    assert!(error.contains("is no merge"), "{error}");
}

#[tokio::test]
async fn each_a_part_of_the_other_ends_as_one_and_nothing_is_lost() {
    // In one page, and in pages that come in both orders.
    for order in [[0, 1], [1, 0]] {
        for apart in [false, true] {
            let two = Two::new(&["a", "b"]).await;
            let (world, a) = (&two.world, two.world.system("a"));
            let [first, last] = order;
            a.merge(&two.a[first], &two.a[last]);
            if apart {
                world.sync().await;
            }
            a.merge(&two.a[last], &two.a[first]);
            world.sync().await;
            world.sync().await;
            let states = [two.state(&two.ann).await, two.state(&two.anna).await];
            let one = states.iter().filter(|s| **s == EntityState::Live).count();
            assert_eq!(one, 1, "one of both lives: {states:?}");
            assert!(a.ids().is_empty(), "nobody is entered again");
            assert_eq!(world.system("b").ids().len(), 2, "nobody is deleted");
            world.writes();
            assert_eq!(world.sync().await.writes(), 0, "it comes to rest");
            // One of them was there all the time, and is edited: it is taken in.
            a.restore(&two.a[0]);
            a.edit(&two.a[0], json!({"title": "Boss"}));
            world.sync().await;
            let (entity, state) = of(world, 1, &two.a[0]).await;
            assert_eq!(state, LinkState::Live);
            let store = world.store().await;
            let entity = store.entities(&[entity]).await.unwrap().remove(0);
            assert_eq!(entity.value("job_title"), &json!("Boss"));
        }
    }
}

#[tokio::test]
async fn a_chain_of_merges_ends_with_the_last() {
    for order in [[0, 1], [1, 0]] {
        let world = World::new(&["a", "b"]);
        let a = world.system("a");
        let ids: Vec<String> = ["Ann", "Bea", "Cleo"]
            .iter()
            .map(|name| a.add(json!({"mail": format!("{name}@example.com"), "first": name})))
            .collect();
        world.approve().await;
        world.sync().await;
        let (last, _) = of(&world, 1, &ids[2]).await;
        for link in order {
            a.merge(&ids[link], &ids[link + 1]);
        }
        world.sync().await;
        world.sync().await;
        for id in &ids {
            assert_eq!(of(&world, 1, id).await.0, last);
        }
        assert_eq!(world.system("b").ids().len(), 3);
    }
}

#[tokio::test]
async fn a_record_merged_before_it_was_matched_is_not_entered_elsewhere() {
    let world = World::new(&["a", "b"]);
    let a = world.system("a");
    let ann = a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"}));
    world.approve().await;
    world.sync().await;
    let b = world.system("b");
    let anna = a.add(json!({"mail": "anna@example.com", "first": "Anna", "last": "Orr"}));
    // It is seen, and its hub ends before it compares anybody.
    let mut hub = world.hub().await;
    b.fail_pull(concord_core::Fault::AuthRevoked("sign in".into()));
    let request = concord_engine::run::Request {
        read_only: true,
        ..Default::default()
    };
    hub.sync(&request).await.unwrap();
    a.merge(&anna, &ann);
    world.sync().await;
    world.sync().await;
    let (known, _) = of(&world, 1, &ann).await;
    assert_eq!(of(&world, 1, &anna).await, (known, LinkState::Merged));
    assert_eq!(b.ids().len(), 1, "she is entered nowhere");
}
