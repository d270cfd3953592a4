//! Which system is read first makes no difference to who is taken for whom, nor
//! to whose value stands where two meet for the first time.

use std::collections::BTreeMap;

use concord_engine::hub::Options;
use concord_engine::run::Request;
use serde_json::{Value, json};

use super::World;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three systems that know the same people by different names.
fn strangers() -> World {
    let world = World::new(&NAMES);
    let person =
        |mail: &str, first: &str, last: &str| json!({"mail": mail, "first": first, "last": last});
    let (a, b, c) = (world.system("a"), world.system("b"), world.system("c"));
    for n in 0..7 {
        let (mail, last) = (format!("p{n}@example.com"), format!("Last{n}"));
        a.add(person(&mail, "Ann", &last));
        b.add(person(&mail, "Anne", &last));
        // A third name, and only here a title.
        let mut third = person(&mail, "Anna", &last);
        third["title"] = json!("CTO");
        c.add(third);
    }
    // By address b's is a's, by telephone it is c's: whoever is met first is
    // known, and the one in between is one of both.
    a.add(person("q@example.com", "Quinn", "Orr"));
    let mut between = person("q@example.com", "Quinn", "Orr");
    between["tel"] = json!("+12025550143");
    b.add(between);
    c.add(json!({"first": "Quinn", "last": "Orr", "tel": "+12025550143"}));
    world
}

/// What every system holds in the end, without ids.
fn ends(world: &World) -> BTreeMap<&'static str, Vec<String>> {
    let row = |name: &str, id: &String| {
        let fields = ["mail", "first", "last", "tel", "title"];
        let values: Vec<Value> = fields
            .iter()
            .map(|field| world.system(name).value(id, field))
            .collect();
        json!(values).to_string()
    };
    let of = |name: &'static str| {
        let mut rows: Vec<String> = world
            .system(name)
            .ids()
            .iter()
            .map(|id| row(name, id))
            .collect();
        rows.sort();
        (name, rows)
    };
    NAMES.map(of).into()
}

/// The systems are read in this order, then all agree; `unmatched` is the most
/// that is put in order in memory.
async fn read_in(order: &[&str], unmatched: usize) -> BTreeMap<&'static str, Vec<String>> {
    let world = strangers();
    let options = Options {
        page_size: 3,
        unmatched,
        ..Options::default()
    };
    let first = order.iter().map(|name| Request {
        connection: Some((*name).to_owned()),
        read_only: true,
        ..Request::default()
    });
    let then = Request {
        approve: true,
        ..Request::default()
    };
    for request in first.chain([then.clone(), then]) {
        let connector = |system: &std::sync::Arc<crate::world::System>| {
            std::sync::Arc::clone(system) as std::sync::Arc<dyn concord_core::ports::Connector>
        };
        let store = world.store().await;
        let mut hub = world
            .hub_with(store, options.clone(), connector)
            .await
            .unwrap();
        let report = hub.sync(&request).await.unwrap();
        assert!(!report.failed(), "{report:#?}");
        world.clock.advance(std::time::Duration::from_secs(60));
    }
    ends(&world)
}

#[tokio::test]
async fn the_order_in_which_systems_are_read_makes_no_difference() {
    for unmatched in [Options::default().unmatched, 2] {
        let expect = read_in(&["a", "b", "c"], unmatched).await;
        let ann = r#"["p0@example.com","Ann","Last0",null,"CTO"]"#;
        assert!(expect["c"].iter().any(|row| row == ann), "{expect:#?}");
        for order in [
            ["a", "c", "b"],
            ["b", "a", "c"],
            ["b", "c", "a"],
            ["c", "a", "b"],
            ["c", "b", "a"],
        ] {
            assert_eq!(
                read_in(&order, unmatched).await,
                expect,
                "{order:?}, {unmatched}"
            );
        }
    }
}
