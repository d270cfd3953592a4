//! Hubs that are signed in at a real OAuth server, which takes each refresh token
//! once and ends the whole sign-in where one is used again.  The systems are twins
//! that show every token to that server before they let anybody in.

pub mod killed;
pub mod together;

use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::Secret;
use concord_net::{ConnectionHttp, EgressPolicy, Tls};
use concord_twins::{Guard, by_name};
use tokio::runtime::Runtime;

use super::browser::{Browser, agent};
use super::oidc::{HUB, Oidc, SYSTEM};
use super::proxy::{Protocol, Proxy};
use crate::binary::account::{self, Account, Events};
use crate::binary::program::{Program, Running};
use crate::binary::sign_in::visit::{self, Visit};

const PEOPLE: usize = 30;

struct Firm {
    hubspot: Account,
    mailchimp: Account,
    program: Program,
    /// What reaches HubSpot.
    events: Arc<Events>,
    /// What reaches the sign-in server.
    proxy: Proxy,
    oidc: Oidc,
    browser: Browser,
    database: concord_cluster::Database,
    _runtime: Runtime,
}

impl Firm {
    /// With access tokens that live for so many seconds.
    fn open(seconds: u32) -> Self {
        let oidc = Oidc::start(seconds).unwrap_or_else(|why| panic!("{why}"));
        let proxy = Proxy::to(oidc.server.port(), Protocol::OAuth).unwrap();
        let runtime = account::runtime();
        let open = |name: &str, events: &Arc<Events>| {
            let twin = by_name(name, 7, PEOPLE).unwrap();
            let guard = Some(guard(&oidc));
            Account::guarded(&runtime, twin, Duration::ZERO, events, guard)
        };
        let (events, others) = (Events::new(), Events::new());
        let (hubspot, mailchimp) = (open("hubspot", &events), open("mailchimp", &others));
        let database = concord_cluster::database().unwrap();
        let mut program = Program::on_server(&database);
        program.run("key make concord.key").fine();
        program.set("CONCORD_KEY", "concord.key");
        program.set("APP_SECRET", HUB.secret.unwrap());
        let firm = Self {
            hubspot,
            mailchimp,
            program,
            events,
            proxy,
            oidc,
            browser: Browser::new(),
            database,
            _runtime: runtime,
        };
        firm.program.apply(&firm.config()).fine();
        firm
    }

    fn config(&self) -> String {
        let port = self.proxy.port();
        let connection = |name: &str, config: String| {
            format!(
                r#"
  {name}:
    connector: {name}
    config: {{ {config} }}
    oauth:
      client-id: {}
      authorize-url: "{}?prompt=consent"
      token-url: "http://127.0.0.1:{port}/token"
      device-url: "{}"
      revoke-url: "{}"
      redirect-uri: "http://127.0.0.1:{}/callback"
      scopes: [openid, offline_access, contacts.read, contacts.write]
    secrets: {{ client_secret: {{ env: APP_SECRET }} }}
    network: {{ allow-private: true }}
    quotas: [{{ class: "" }}{}]
"#,
                HUB.id,
                self.oidc.address("authorization_endpoint"),
                self.oidc.address("device_authorization_endpoint"),
                self.oidc.address("revocation_endpoint"),
                visit::port(),
                if name == "hubspot" {
                    ", { class: search }"
                } else {
                    ""
                },
            )
        };
        let hubspot = format!("base_url: \"{}\"", self.hubspot.url);
        let mailchimp = format!("base_url: \"{}\", list_id: a1b2c3d4e5", self.mailchimp.url);
        format!(
            "connections:{}{}",
            connection("hubspot", hubspot),
            connection("mailchimp", mailchimp)
        )
    }

    /// A person agrees in a browser.
    fn signs_in(&self, connection: &str) {
        let visit = Visit::begin(&self.program, &format!("connection login {connection}"));
        let back = self.browser.sign_in(&visit.page);
        let page = agent().get(&back).call().unwrap();
        assert_eq!(page.status(), 200);
        visit.end().fine();
    }

    /// A person enters a code somewhere else.
    fn enters_the_code(&self, connection: &str) {
        let line = format!("connection login {connection} --device");
        let mut running = self.program.start_asking(&line);
        let page = running.told("or open ").replace("or open ", "");
        self.browser.approve_device(page.trim(), "");
        running.end().fine();
    }

    fn start(&self, line: &str) -> Running {
        self.program.start(line)
    }
}

/// Lets in whoever has a token of the hub's that the server calls active.
fn guard(oidc: &Oidc) -> Guard {
    let url = oidc.address("introspection_endpoint").to_owned();
    let policy = EgressPolicy {
        hosts: vec![url.parse().unwrap()],
        allow_private: true,
    };
    let http = ConnectionHttp::new(&Tls::new(&[]).unwrap(), policy, None).unwrap();
    Guard {
        http: Arc::new(http),
        url,
        client_id: SYSTEM.id.into(),
        client_secret: Secret::new(SYSTEM.secret.unwrap()),
        clients: vec![HUB.id.into()],
        scope: Some("contacts.read".into()),
    }
}
