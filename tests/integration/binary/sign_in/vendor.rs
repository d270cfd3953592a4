//! A vendor that signs its customers in in a way of its own: HubSpot's component
//! with another sign-in in its manifest, and a sign-in server beside the API.

use std::fs;

use tokio::runtime::Runtime;

use super::*;
use crate::parts;

const MANIFEST: &str = include_str!("../../../../connectors/hubspot/manifest.toml");

pub struct Vendor {
    pub api: Account,
    pub login: Account,
    pub program: Program,
    pub port: u16,
    _runtime: Runtime,
}

impl Vendor {
    /// `manifest` stands in the place of HubSpot's `[oauth]`; `{login}` in it is the
    /// sign-in server.
    pub fn new(mut program: Program, manifest: &str) -> Self {
        let runtime = account::runtime();
        let events = Events::new();
        let open = |name: &str| Account::at(&runtime, name, PEOPLE, Duration::ZERO, &events);
        let (api, login) = (open("hubspot"), open("oauth"));
        let plugins = program.path("plugins");
        fs::create_dir(&plugins).unwrap();
        fs::write(plugins.join("crm.wasm"), with_sign_in(manifest)).unwrap();
        program.set("CONCORD_PLUGINS", plugins.to_str().unwrap());
        program.run("key make concord.key").fine();
        program.set("CONCORD_KEY", "concord.key");
        program.set("APP_SECRET", concord_twins::oauth::CLIENT_SECRET);
        let vendor = Self {
            api,
            login,
            program,
            port: visit::port(),
            _runtime: runtime,
        };
        vendor.program.apply(&vendor.config("")).fine();
        vendor
    }

    /// `more` stands before the connections.
    pub fn config(&self, more: &str) -> String {
        format!(
            r#"
{more}
connections:
  crm:
    connector: hubspot
    config: {{ base_url: "{}", login: "{}" }}
    oauth: {{ client-id: {}, redirect-uri: "http://127.0.0.1:{}/callback" }}
    secrets: {{ client_secret: {{ env: APP_SECRET }} }}
    network: {{ allow-private: true }}
"#,
            self.api.url,
            self.login.url,
            concord_twins::oauth::CLIENT_ID,
            self.port,
        )
    }

    /// The person agrees at the page of a login; how the command ended, and what
    /// the browser showed at last.
    pub fn login(&self, line: &str) -> (Ended, String) {
        let visit = Visit::begin(&self.program, line);
        let (_, page) = visit::open(&visit.page);
        (visit.end(), page)
    }

    pub fn grants(&self) -> Value {
        self.login.look("grants")
    }
}

/// The component with another text in the place of its manifest, of the same
/// length: sections within sections carry it, and each states how long it is.
fn with_sign_in(oauth: &str) -> Vec<u8> {
    let login = "[[config]]\nkey = \"login\"\nlabel = \"Sign-in server\"\nrequired = true\n\n";
    let (before, rest) = MANIFEST.split_once("[oauth]\n").unwrap();
    let (_, after) = rest.split_once("[[config]]").unwrap();
    let text = format!("{before}{oauth}\n{login}[[config]]{after}");
    // Room is made by what no hub reads.
    let is_read = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut text = text.lines().filter(is_read).collect::<Vec<_>>().join("\n");
    let room = MANIFEST.len() - text.len();
    text.extend(std::iter::repeat_n('\n', room));
    let mut wasm = fs::read(parts::component("hubspot")).unwrap();
    let places = wasm.windows(MANIFEST.len()).enumerate();
    let is_it = |(at, part): (usize, &[u8])| (part == MANIFEST.as_bytes()).then_some(at);
    // The section that hubs read, and what the code itself has of it.
    let starts: Vec<usize> = places.filter_map(is_it).collect();
    assert!(!starts.is_empty(), "build the components anew");
    for start in starts {
        wasm[start..start + text.len()].copy_from_slice(text.as_bytes());
    }
    wasm
}
