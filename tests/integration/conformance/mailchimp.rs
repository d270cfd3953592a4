//! The members of a Mailchimp audience.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use concord_conformance::{Bed, Trouble, Unable};
use concord_core::ports::Connector;
use concord_core::{Fields, RemoteId, StreamName};
use concord_twins::mailchimp::LIST_ID;
use serde_json::{Map, Value, json};

use super::account::Account;

/// How long lists show an older state; the manifest allows for one second.
const LAG: Duration = Duration::from_millis(500);

struct Members(Account);

/// Merge fields stand beside the others in a record, and below `merge_fields`
/// in the API.
fn body(fields: &Fields) -> Value {
    let (merge, mut plain): (Map<_, _>, Map<_, _>) = fields
        .clone()
        .into_iter()
        .partition(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase()));
    plain.insert("merge_fields".into(), Value::Object(merge));
    Value::Object(plain)
}

fn fields(member: &Value) -> Fields {
    let mut fields = member.as_object().cloned().unwrap();
    if let Some(Value::Object(merge)) = fields.remove("merge_fields") {
        fields.extend(merge);
    }
    fields
}

fn id(member: &Value) -> RemoteId {
    RemoteId::new(member["id"].as_str().unwrap())
}

fn object(value: Value) -> Option<Fields> {
    value.as_object().cloned()
}

#[async_trait]
impl Bed for Members {
    fn stream(&self) -> StreamName {
        "members".into()
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.0.connector()
    }

    fn sample(&self, number: u32) -> Option<Fields> {
        object(json!({
            "email_address": format!("sample{number}@example.com"),
            "status": "subscribed",
            "FNAME": format!("First{number}"),
        }))
    }

    fn text(&self, value: &str) -> Option<Fields> {
        object(json!({ "LNAME": value }))
    }

    fn refused(&self) -> Option<Fields> {
        object(json!({"email_address": "not an address", "status": "subscribed"}))
    }

    fn unknown_id(&self) -> Option<RemoteId> {
        Some("0123456789abcdef0123456789abcdef".into())
    }

    async fn create(&self, fields: &Fields) -> Result<RemoteId, Unable> {
        let made = self
            .0
            .control("create", &json!({ "properties": body(fields) }))?;
        Ok(id(&made))
    }

    async fn edit(&self, id: &RemoteId, fields: &Fields) -> Result<(), Unable> {
        let edit = json!({"id": id.as_str(), "properties": body(fields)});
        self.0.control("edit", &edit).map(|_| ())
    }

    async fn delete(&self, id: &RemoteId) -> Result<(), Unable> {
        self.0
            .control("delete", &json!({"id": id.as_str()}))
            .map(|_| ())
    }

    async fn read(&self, wanted: &RemoteId) -> Result<Option<Fields>, Unable> {
        let dump = self.0.dump("members")?;
        let live = dump["results"].as_array().unwrap();
        Ok(live.iter().find(|member| id(member) == *wanted).map(fields))
    }

    async fn settle(&self) -> Result<(), Unable> {
        // Stamps have whole seconds.
        self.0.pass(LAG + Duration::from_secs(2)).await;
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Unable> {
        let refusal = |status: u16, title: &str| {
            json!({"count": 1, "status": status, "body": {
                "type": "https://mailchimp.com/developer/marketing/docs/errors/",
                "title": title,
                "status": status,
                "detail": title,
                "instance": "",
            }})
        };
        let failure = match trouble {
            Trouble::RateLimit => refusal(429, "Too Many Requests"),
            Trouble::ServerError => refusal(500, "Internal Server Error"),
            Trouble::Unauthorised => refusal(401, "API Key Invalid"),
            Trouble::LostAnswer => json!({"count": 1, "status": "drop", "path": "/members"}),
        };
        self.0.control("fail", &failure).map(|_| ())
    }
}

#[tokio::test]
async fn mailchimp_passes_the_suite() {
    let bed = Members(Account::open("mailchimp", LAG, &[("list_id", LIST_ID)]));
    let skipped = [
        "modified-at-is-exact",
        "versions-move-and-are-ordered",
        "a-merge-names-the-record-kept",
        "a-stale-version-is-a-conflict",
        "undeclared-writes-are-refused",
    ];
    super::check(&bed, &skipped).await;
}
