//! A person signs in to a system with OAuth, the hub stays signed in, and what
//! ends a sign-in stops that connection alone.

mod accounts_server;
mod refused;
mod serving;
mod tenants;
mod through_server;
mod vendor;
pub mod visit;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::account::{self, Account, Events};
use super::program::{Ended, Program};
use visit::Visit;

const PEOPLE: usize = 30;

/// HubSpot with its sign-in, Mailchimp with a key.
pub struct Firm {
    pub hubspot: Account,
    pub mailchimp: Account,
    pub program: Program,
    /// The requests that both have got.
    pub events: Arc<Events>,
    _runtime: Runtime,
}

impl Firm {
    pub fn new(mut program: Program) -> Self {
        let runtime = account::runtime();
        let events = Events::new();
        let open = |name: &str| Account::at(&runtime, name, PEOPLE, Duration::ZERO, &events);
        let (hubspot, mailchimp) = (open("hubspot"), open("mailchimp"));
        // From now on it takes no token but its own.
        hubspot.act("oauth", &json!({ "strict": true }));
        program.run("key make concord.key").fine();
        program.set("CONCORD_KEY", "concord.key");
        program.set("MAILCHIMP_TOKEN", "the-key-to-mailchimp");
        program.set("APP_SECRET", concord_twins::oauth::CLIENT_SECRET);
        let firm = Self {
            hubspot,
            mailchimp,
            program,
            events,
            _runtime: runtime,
        };
        firm.program.apply(&firm.config("")).fine();
        firm
    }

    /// `more` stands under `oauth`.
    pub fn config(&self, more: &str) -> String {
        let Self {
            hubspot, mailchimp, ..
        } = self;
        format!(
            r#"
connections:
  hubspot:
    connector: hubspot
    config: {{ base_url: "{0}" }}
    oauth:
      client-id: {1}
      authorize-url: "{0}/oauth/authorize"
      redirect-uri: http://127.0.0.1:{2}/callback
{more}
    secrets: {{ client_secret: {{ env: APP_SECRET }} }}
    network: {{ allow-private: true }}
  mailchimp:
    connector: mailchimp
    config: {{ base_url: "{3}", list_id: a1b2c3d4e5 }}
    secrets: {{ token: {{ env: MAILCHIMP_TOKEN }} }}
    network: {{ allow-private: true }}
"#,
            hubspot.url,
            concord_twins::oauth::CLIENT_ID,
            visit::port(),
            mailchimp.url
        )
    }

    pub fn signs_in(&self) -> Value {
        let visit = Visit::begin(&self.program, "connection login hubspot");
        let (status, page) = visit::open(&visit.page);
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("Signed in"), "{page}");
        visit.end().fine()
    }

    pub fn grants(&self) -> Value {
        self.hubspot.look("grants")
    }

    /// What the status says of a connection.
    fn about(&self, connection: &str) -> Value {
        let status = self.program.run("status").fine();
        let mut all = status["connections"].as_array().unwrap().iter();
        all.find(|one| one["name"] == connection).unwrap().clone()
    }

    fn syncs(&self, line: &str) -> Ended {
        self.program.run(line)
    }
}
