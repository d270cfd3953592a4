//! Behaviour by behaviour; the sources are those of the table in the module's
//! documentation, named again where a test quotes one.

mod api;
mod batches;
mod changes;
mod merges;
mod screens;
mod tokens;
mod webhooks;

use serde_json::{Value, json};

use super::*;

/// A moment in the past of the data set's future: 2026-03-01T00:00:00Z.
const NOW: i64 = 1_772_323_200_000;

const CONTACTS: &str = "/crm/objects/2026-03/contacts";
const COMPANIES: &str = "/crm/objects/2026-03/companies";

/// An account and a clock.
struct Desk {
    twin: HubSpot,
    ms: i64,
}

impl Desk {
    /// Without limits, which have tests of their own.
    fn new() -> Self {
        let mut desk = Self {
            twin: HubSpot::default(),
            ms: NOW,
        };
        desk.control("limits", json!({"on": false}));
        desk
    }

    fn send(&mut self, request: Request) -> Response {
        let request = request.with_header("Authorization", "Bearer pat-test");
        let now = Timestamp::from_millis(self.ms);
        self.twin.handle(now, request)
    }

    fn get(&mut self, target: &str) -> (u16, Value) {
        let answer = self.send(Request::plain("GET", target));
        (answer.status, answer.value())
    }

    fn call(&mut self, method: &str, target: &str, body: Value) -> (u16, Value) {
        let answer = self.send(Request::json(method, target, &body));
        (answer.status, answer.value())
    }

    fn post(&mut self, target: &str, body: Value) -> (u16, Value) {
        self.call("POST", target, body)
    }

    fn control(&mut self, name: &str, body: Value) -> Value {
        let (status, answer) = self.post(&format!("/_twin/{name}"), body);
        assert_eq!(status, 200, "{name}: {answer}");
        answer
    }

    /// A new contact, and its id.
    fn contact(&mut self, properties: Value) -> String {
        let (status, made) = self.post(CONTACTS, json!({"properties": properties}));
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    fn company(&mut self, name: &str) -> String {
        let (status, made) = self.post(COMPANIES, json!({"properties": {"name": name}}));
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    fn property(&mut self, id: &str, name: &str) -> Value {
        let (status, record) = self.get(&format!("{CONTACTS}/{id}?properties={name}"));
        assert_eq!(status, 200, "{record}");
        record["properties"][name].clone()
    }

    fn search(&mut self, body: Value) -> Value {
        let (status, found) = self.post(&format!("{CONTACTS}/search"), body);
        assert_eq!(status, 200, "{found}");
        found
    }
}

/// The ids of an answer's results, in their order.
fn ids(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap();
    let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
    results.iter().map(id).collect()
}
