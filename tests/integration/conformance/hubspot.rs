//! HubSpot's contacts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use concord_conformance::{Bed, Trouble, Unable};
use concord_core::ports::Connector;
use concord_core::{Fields, RemoteId, StreamName};
use serde_json::{Value, json};

use super::account::Account;

/// How long the search index needs; the manifest allows for ten seconds.
const LAG: Duration = Duration::from_secs(5);

struct Contacts(Account);

fn properties(value: &Value) -> Fields {
    value["properties"].as_object().cloned().unwrap()
}

fn id(value: &Value) -> RemoteId {
    RemoteId::new(value["id"].as_str().unwrap())
}

#[async_trait]
impl Bed for Contacts {
    fn stream(&self) -> StreamName {
        "contacts".into()
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.0.connector()
    }

    fn sample(&self, number: u32) -> Option<Fields> {
        let fields = json!({"properties": {
            "email": format!("sample{number}@example.com"),
            "firstname": format!("First{number}"),
            "lastname": format!("Last{number}"),
        }});
        Some(properties(&fields))
    }

    fn text(&self, value: &str) -> Option<Fields> {
        Some(properties(&json!({"properties": {"jobtitle": value}})))
    }

    fn refused(&self) -> Option<Fields> {
        Some(properties(
            &json!({"properties": {"email": "not an address"}}),
        ))
    }

    fn unknown_id(&self) -> Option<RemoteId> {
        Some("999999999999".into())
    }

    async fn create(&self, fields: &Fields) -> Result<RemoteId, Unable> {
        let made = self.0.control("create", &json!({ "properties": fields }))?;
        Ok(id(&made))
    }

    async fn edit(&self, id: &RemoteId, fields: &Fields) -> Result<(), Unable> {
        let edit = json!({"id": id.as_str(), "properties": fields});
        self.0.control("edit", &edit).map(|_| ())
    }

    async fn delete(&self, id: &RemoteId) -> Result<(), Unable> {
        self.0
            .control("delete", &json!({"id": id.as_str()}))
            .map(|_| ())
    }

    async fn merge(&self, kept: &RemoteId, lost: &RemoteId) -> Result<RemoteId, Unable> {
        let merge = json!({"id": lost.as_str(), "into": kept.as_str()});
        Ok(id(&self.0.control("merge", &merge)?))
    }

    async fn read(&self, wanted: &RemoteId) -> Result<Option<Fields>, Unable> {
        let dump = self.0.dump("contacts")?;
        let live = dump["results"].as_array().unwrap();
        Ok(live
            .iter()
            .find(|record| id(record) == *wanted)
            .map(properties))
    }

    async fn settle(&self) -> Result<(), Unable> {
        self.0.pass(LAG * 2).await;
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Unable> {
        let refusal = |status: u16, category: &str, message: &str| {
            json!({"count": 1, "status": status, "body": {
                "status": "error",
                "message": message,
                "category": category,
                "correlationId": "7a1b0000-0000-4000-8000-000000000000",
            }})
        };
        let failure = match trouble {
            Trouble::RateLimit => {
                refusal(429, "RATE_LIMITS", "You have reached your secondly limit.")
            }
            Trouble::ServerError => refusal(500, "SERVER_ERROR", "internal error"),
            Trouble::Unauthorised => refusal(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found.",
            ),
            Trouble::LostAnswer => json!({"count": 1, "status": "drop", "path": "/batch/update"}),
        };
        self.0.control("fail", &failure).map(|_| ())
    }
}

#[tokio::test]
async fn hubspot_passes_the_suite() {
    let bed = Contacts(Account::open("hubspot", LAG, &[]));
    let skipped = [
        "modified-at-is-exact",
        "an-id-moves-as-declared",
        "a-stale-version-is-a-conflict",
        "undeclared-writes-are-refused",
    ];
    super::check(&bed, &skipped).await;
}
