//! Who takes part: scope, directions, and consent on every path.

use concord_engine::config::Direction;
use serde_json::{Value, json};

use super::World;

/// An audience: members have a status and a time, and nobody is put into it
/// without a recorded opt-in.
const AUDIENCE: &str = "
version: 1
streams:
  people:
    entity: person
    create-requires: { email_consent: opted_in }
    fields:
      email: { path: mail }
      given_name: { path: first }
      family_name: { path: last }
      email_consent:
        consent: { path: title, opted-in: [subscribed], opted-out: [unsubscribed], at: tel }
";

fn member(mail: &str, status: &str, at: &str) -> Value {
    json!({"mail": mail, "first": "Ann", "last": "Lee", "title": status, "tel": at})
}

fn audiences(names: &[&str]) -> World {
    let mut world = World::new(names);
    for name in names {
        world.map(name, AUDIENCE);
    }
    world
}

const MAY: &str = "2026-05-01T00:00:00Z";
const JUNE: &str = "2026-06-01T00:00:00Z";

#[tokio::test]
async fn an_opt_out_beats_an_older_opt_in_wherever_it_is() {
    for (a, b) in [
        (("subscribed", MAY), ("unsubscribed", JUNE)),
        (("unsubscribed", JUNE), ("subscribed", MAY)),
        (("unsubscribed", ""), ("subscribed", JUNE)),
    ] {
        let world = audiences(&["a", "b"]);
        let ids = [("a", a), ("b", b)].map(|(name, (status, at))| {
            world
                .system(name)
                .add(member("ann@example.com", status, at))
        });
        world.approve().await;
        world.sync().await;
        for (name, id) in ["a", "b"].iter().zip(&ids) {
            let status = world.system(name).value(id, "title");
            assert_eq!(status, json!("unsubscribed"), "{a:?} {b:?} at {name}");
        }
        world.writes();
        assert_eq!(world.sync().await.writes(), 0);
    }
}

#[tokio::test]
async fn nobody_is_created_in_an_audience_without_an_opt_in() {
    let world = audiences(&["a", "b"]);
    let a = world.system("a");
    a.add(member("in@example.com", "subscribed", MAY));
    a.add(member("out@example.com", "unsubscribed", MAY));
    a.add(json!({"mail": "never@example.com", "first": "Bob", "last": "Ray"}));
    world.approve().await;
    let b = world.system("b");
    assert!(b.find_by("mail", "in@example.com").is_some());
    assert_eq!(
        b.ids().len(),
        1,
        "neither who opted out nor who never opted in"
    );
}

#[tokio::test]
async fn a_later_opt_out_travels_and_a_stale_opt_in_does_not_come_back() {
    let world = audiences(&["a", "b"]);
    let a = world
        .system("a")
        .add(member("ann@example.com", "subscribed", MAY));
    let b = world
        .system("b")
        .add(member("ann@example.com", "subscribed", MAY));
    world.approve().await;
    world
        .system("b")
        .edit(&b, json!({"title": "unsubscribed", "tel": JUNE}));
    world.sync().await;
    assert_eq!(world.system("a").value(&a, "title"), json!("unsubscribed"));
    // An import at a puts the old opt-in back.
    world
        .system("a")
        .edit(&a, json!({"title": "subscribed", "tel": MAY}));
    world.sync().await;
    world.sync().await;
    assert_eq!(world.system("a").value(&a, "title"), json!("unsubscribed"));
    assert_eq!(world.system("b").value(&b, "title"), json!("unsubscribed"));
}

#[tokio::test]
async fn who_leaves_the_scope_is_let_go_and_not_deleted() {
    let mut world = World::new(&["a", "b"]);
    let customers = serde_json::from_value(json!([{"remote": "title", "none-of": ["private"]}]));
    world.filter(
        "a",
        customers.unwrap(),
        serde_json::from_value(json!([])).unwrap(),
    );
    let ann = json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"});
    let ids = ["a", "b"].map(|name| world.system(name).add(ann.clone()));
    world
        .system("a")
        .add(json!({"mail": "x@example.com", "first": "X", "last": "Y", "title": "private"}));
    world.approve().await;
    assert_eq!(
        world.system("b").ids().len(),
        1,
        "what is out of scope is not seen"
    );
    world
        .system("a")
        .edit(&ids[0], json!({"title": "private", "last": "Secret"}));
    world.sync().await;
    world.system("b").edit(&ids[1], json!({"first": "Anna"}));
    world.sync().await;
    assert_eq!(world.system("b").value(&ids[1], "last"), json!("Lee"));
    assert_eq!(world.system("a").value(&ids[0], "first"), json!("Ann"));
    assert_eq!(
        (world.system("a").ids().len(), world.system("b").ids().len()),
        (2, 1)
    );
}

#[tokio::test]
async fn who_is_out_of_the_writing_scope_is_not_created() {
    let mut world = World::new(&["a", "b"]);
    let leads = serde_json::from_value(json!([{"field": "job_title", "any-of": ["CTO"]}]));
    world.filter(
        "b",
        serde_json::from_value(json!([])).unwrap(),
        leads.unwrap(),
    );
    world.direct("a", Direction::Both);
    let a = world.system("a");
    a.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee", "title": "CTO"}));
    a.add(json!({"mail": "bob@example.com", "first": "Bob", "last": "Ray"}));
    world.approve().await;
    assert!(
        world
            .system("b")
            .find_by("mail", "ann@example.com")
            .is_some()
    );
    assert_eq!(world.system("b").ids().len(), 1);
}
