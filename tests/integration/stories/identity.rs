//! Who is who, and what a person decides.

use concord_core::chance::Seeded;
use concord_core::ports::Store;
use concord_core::state::Verdict;
use concord_core::{EntityId, Kind};
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
async fn a_question_that_has_answered_itself_is_asked_no_more() {
    let world = World::new(&["a", "b"]);
    let (a, b) = (world.system("a"), world.system("b"));
    let his = a.add(person("desk@example.com", "Cid", "Orr"));
    let hers = b.add(person("desk@example.com", "Eve", "Ray"));
    let report = world.approve().await;
    assert_eq!(report.matched["person"].to_review, 1);
    // He has an address of his own now.
    a.edit(&his, json!({"mail": "cid@example.com"}));
    world.sync().await;
    let store = world.store().await;
    assert_eq!(store.reviews(true, 9).await.unwrap(), []);
    world.sync().await;
    assert_eq!((a.ids().len(), b.ids().len()), (2, 2));
    // Nothing keeps her record back.
    let copy = a.find_by("first", "Eve").unwrap();
    a.edit(&copy, json!({"tel": "+12025550143"}));
    world.sync().await;
    assert_eq!(b.value(&hers, "tel"), json!("+12025550143"));
}

/// Says what a record is known by besides its keys.
const TOLD: &str = "
version: 1
streams:
  people:
    entity: person
    fields:
      email: { path: mail }
      given_name: { path: first }
      family_name: { path: last }
      phone: { path: tel, phone: { region: US } }
      birthday: { path: born }
      company: { path: firm }
";

#[tokio::test]
async fn who_shares_no_key_is_weighed_and_each_band_is_told_field_by_field() {
    let mut world = World::new(&["a", "b"]);
    world.map("a", TOLD);
    world.map("b", TOLD);
    let (a, b) = (world.system("a"), world.system("b"));
    let of = |first: &str, last: &str, more: Value| {
        let mut person = json!({"first": first, "last": last});
        for (name, value) in more.as_object().unwrap() {
            person[name] = value.clone();
        }
        person
    };
    // One in a hundred thousand has name and day of birth in common.
    a.add(of(
        "Ann",
        "Featherstone",
        json!({"born": "1970-03-12", "mail": "ann@example.com"}),
    ));
    b.add(of(
        "Ann",
        "Featherstone",
        json!({"born": "1970-03-12", "tel": "+12025550101"}),
    ));
    // A name and an employer may be two people.
    a.add(of("Bob", "Whitmore", json!({"firm": "Acme Ltd"})));
    b.add(of("Bob", "Whitmore", json!({"firm": "ACME"})));
    // A name alone is no reason to ask.
    a.add(of("Cid", "Orr", json!({"mail": "cid@example.com"})));
    b.add(of("Cid", "Orr", json!({"mail": "orr@example.org"})));
    let report = world.approve().await;
    let matched = &report.matched["person"];
    assert_eq!(
        (matched.linked, matched.to_review, matched.new),
        (1, 1, 4),
        "{matched:?}"
    );
    let store = world.store().await;
    let review = store.reviews(true, 9).await.unwrap().remove(0);
    assert_eq!(review.values["given_name"], "Bob");
    for word in [
        "given_name equal (+",
        "company equal (+",
        "before any field",
    ] {
        assert!(review.reason.contains(word), "{}", review.reason);
    }
    let bob = &review.candidates[0];
    let events = store.events(bob).await.unwrap();
    assert!(events.iter().all(|e| !e.what.starts_with("linked")));
    // Why Ann was linked stands in her story.
    let ids: Vec<EntityId> = (1..=6)
        .map(|number| EntityId::new("person", number))
        .collect();
    let mut told = Vec::new();
    for id in &ids {
        let events = store.events(id).await.unwrap();
        told.extend(
            events
                .into_iter()
                .map(|e| e.what)
                .filter(|w| w.starts_with("linked: ")),
        );
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("birthday equal (+"), "{told:?}");
    // And nothing is compared twice.
    world.writes();
    let report = world.sync().await;
    assert_eq!((report.writes(), report.matched["person"].linked), (0, 0));
}

#[tokio::test]
async fn a_changed_record_that_waits_is_compared_with_its_block_again() {
    let mut world = World::new(&["a", "b"]);
    world.map("a", TOLD);
    world.map("b", TOLD);
    let (a, b) = (world.system("a"), world.system("b"));
    let bob = json!({"first": "Bob", "last": "Whitmore", "firm": "Acme", "born": "1980-05-04"});
    let mut unsure = bob.clone();
    unsure["born"] = Value::Null;
    a.add(bob);
    let id = b.add(unsure);
    let report = world.approve().await;
    assert_eq!(report.matched["person"].to_review, 1, "{report:#?}");
    b.edit(&id, json!({"born": "1980-05-04"}));
    let report = world.sync().await;
    assert_eq!(report.matched["person"].linked, 1, "{report:#?}");
}

#[tokio::test]
async fn weights_are_learned_from_the_stores_own_records() {
    let mut world = World::new(&["a", "b"]);
    world.map("a", TOLD);
    world.map("b", TOLD);
    let names = |number: u32| {
        let letter = |n: u32| char::from(b'a' + (n % 26) as u8);
        let first = format!("{}ore{}", letter(number * 7), letter(number / 13));
        let last = format!(
            "{}al{}en{}",
            letter(number),
            letter(number / 26),
            letter(number * 3)
        );
        (first, last)
    };
    for number in 0..400 {
        let (first, last) = names(number);
        let born = format!("19{}-0{}-1{}", 30 + number % 70, 1 + number % 9, number % 7);
        let person =
            |firm: String| json!({"first": first, "last": last, "born": born, "firm": firm});
        world
            .system("a")
            .add(person(format!("Firm {}", number % 90)));
        // What b says of the employer is of no use.
        world
            .system("b")
            .add(person(format!("Unit {}", number * 17 % 90)));
    }
    // Before there is anything to learn from, that is said.
    let hub = world.hub().await;
    let kind = Kind::new("person");
    let rng = Seeded::new(1);
    let none = hub.learn_matches(&kind, &rng).await.unwrap_err();
    assert!(none.to_string().contains("too few"), "{none}");
    // Another employer makes the built-in weights ask.
    assert!(world.sync().await.matched["person"].to_review > 390);
    let lesson = world.hub().await.learn_matches(&kind, &rng).await.unwrap();
    assert_eq!(lesson.records, 800);
    assert!((390..=410).contains(&lesson.pairs), "{lesson:?}");
    let against = |field: &str| {
        let found = lesson.fields.iter().find(|(name, ..)| name == field);
        found.map(|(_, _, different)| *different).unwrap()
    };
    assert!(against("birthday") < -3.0, "{lesson:?}");
    assert!(against("company") > -0.5, "{lesson:?}");
    // It is used from now on.
    let document = world
        .store()
        .await
        .document("match-weights/person")
        .await
        .unwrap();
    assert!(document.is_some());
    let linked = world.sync().await.matched["person"].linked;
    assert!(linked > 390, "{linked}");
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
