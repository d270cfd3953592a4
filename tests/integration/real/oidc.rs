//! oidc-provider, an OAuth server, with the clients that
//! `tests/real/oidc/server.mjs` registers.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use super::browser::agent;
use super::node::installed;
use super::process::{Failed, Server, free_port, step};

/// A client that is registered with the server.
pub struct Client {
    pub id: &'static str,
    /// None for a public one.
    pub secret: Option<&'static str>,
}

/// Signs people in at a browser or on a device, and keeps a secret.
pub const HUB: Client = Client {
    id: "hub",
    secret: Some("the-secret-of-the-hub"),
};

/// The same without a secret.
pub const DESK: Client = Client {
    id: "desk",
    secret: None,
};

/// Acts for itself (the grant `client_credentials`).
pub const SERVICE: Client = Client {
    id: "service",
    secret: Some("the-secret-of-the-service"),
};

/// May ask what any token is good for, whoever it was given to.
pub const SYSTEM: Client = Client {
    id: "system",
    secret: Some("the-secret-of-the-system"),
};

/// What became of refresh tokens since the server started.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    pub refreshed: u64,
    /// For whatever reason; a second use is one.
    pub refused: u64,
    /// Tokens that were used a second time, for which their grant is revoked.
    pub reused: u64,
    /// Grants that were revoked, for whatever reason.
    pub revoked: u64,
}

/// What is in its memory ends with it: a restarted server knows no token that it
/// has given.
pub struct Oidc {
    pub server: Server,
    agent: Agent,
    metadata: Value,
    /// Outlives the server that logs into it.
    _data: TempDir,
}

impl Oidc {
    /// Starts with access tokens that are good for so many seconds.
    pub fn start(access_token_seconds: u32) -> Result<Self, Failed> {
        let folder = installed("oidc")?;
        let data = TempDir::new().map_err(|e| step("making a folder for the log", e))?;
        let port = free_port()?;
        let mut command = Command::new("node");
        command
            .arg("server.mjs")
            .current_dir(folder)
            .env("PORT", port.to_string())
            .env("ACCESS_TOKEN_SECONDS", access_token_seconds.to_string());
        let log = data.path().join("oidc-provider.log");
        let server = Server::start("oidc-provider", command, port, log)?;
        let agent = agent();
        let well_known = format!("http://127.0.0.1:{port}/.well-known/openid-configuration");
        let metadata = read(&agent, &well_known)?;
        Ok(Self {
            server,
            agent,
            metadata,
            _data: data,
        })
    }

    /// An address that the server publishes about itself (RFC 8414): `issuer`,
    /// `authorization_endpoint`, `token_endpoint`, `revocation_endpoint`,
    /// `introspection_endpoint`, `device_authorization_endpoint`,
    /// `pushed_authorization_request_endpoint`.
    pub fn address(&self, name: &str) -> &str {
        self.metadata[name]
            .as_str()
            .unwrap_or_else(|| panic!("the server publishes no {name}"))
    }

    /// Sends a form as the client; the status and the JSON of the answer.
    pub fn ask(&self, endpoint: &str, client: &Client, form: &[(&str, &str)]) -> (u16, Value) {
        let mut form = form.to_vec();
        let mut request = self.agent.post(self.address(endpoint));
        match client.secret {
            Some(secret) => {
                let sign_in = STANDARD.encode(format!("{}:{secret}", client.id));
                request = request.header("Authorization", format!("Basic {sign_in}"));
            }
            None => form.push(("client_id", client.id)),
        }
        let mut response = request.send_form(form).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        // A revocation is answered with nothing.
        let answer = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}")),
        };
        (response.status().as_u16(), answer)
    }

    pub fn counts(&self) -> Result<Counts, Failed> {
        let counts = read(
            &self.agent,
            &format!("{}/_test/counts", self.address("issuer")),
        )?;
        let of = |name: &str| {
            counts[name]
                .as_u64()
                .ok_or_else(|| step("counting", format!("no {name} in {counts}")))
        };
        Ok(Counts {
            refreshed: of("refreshed")?,
            refused: of("refused")?,
            reused: of("reused")?,
            revoked: of("revoked")?,
        })
    }
}

fn read(agent: &Agent, url: &str) -> Result<Value, Failed> {
    let failed = |error: ureq::Error| step(url, error);
    let mut response = agent.get(url).call().map_err(failed)?;
    response.body_mut().read_json().map_err(failed)
}
