//! A vendor that sends webhooks.  The signature is made as HubSpot's guide says
//! ("Validating requests from HubSpot": method, address, body and timestamp, then
//! HMAC with SHA-256, in base64).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_core::ports::Clock as _;
use concord_engine::clock::SystemClock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use url::form_urlencoded::Serializer;

pub struct Sender {
    port: u16,
    secret: String,
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The headers of a signed webhook.
pub fn headers(url: &str, body: &str, at: i64, secret: &str) -> [(&'static str, String); 2] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("POST{url}{body}{at}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    [
        ("X-HubSpot-Signature-v3", signature),
        ("X-HubSpot-Request-Timestamp", at.to_string()),
    ]
}

impl Sender {
    pub fn new(port: u16, secret: &str) -> Self {
        let secret = secret.to_owned();
        Self { port, secret }
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        SystemClock::new().now().0 / 1000
    }

    pub fn hubspot(&self, events: &Value) -> u16 {
        let body = events.to_string();
        self.signed("/webhooks/hubspot", &body, self.now(), &self.secret)
    }

    pub fn signed(&self, path: &str, body: &str, at: i64, secret: &str) -> u16 {
        let url = format!("https://hub.example{path}");
        self.post(path, body, &headers(&url, body, at, secret))
    }

    /// Signed for this address, whatever the hub takes its own to be.
    pub fn signed_for(&self, base: &str, path: &str, body: &str) -> u16 {
        let url = format!("{base}{path}");
        self.post(path, body, &headers(&url, body, self.now(), &self.secret))
    }

    pub fn unsigned(&self, path: &str, body: &str) -> u16 {
        self.post(path, body, &[])
    }

    pub fn form(&self, name: &str, token: &str, body: &str) -> u16 {
        self.post(&format!("/webhooks/{name}/{token}"), body, &[])
    }

    pub fn probe(&self, name: &str, token: &str) -> u16 {
        self.get(&format!("/webhooks/{name}/{token}"))
    }

    pub fn get(&self, path: &str) -> u16 {
        let request = agent().get(self.url(path));
        request.call().unwrap().status().as_u16()
    }

    /// A request that says how long it is and sends nothing of it.
    pub fn declared(&self, path: &str, length: u64) -> u16 {
        let mut stream = self.stream();
        let head = format!("POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        status(&mut stream)
    }

    /// A request that does not say how long it is.
    pub fn endless(&self, path: &str, length: usize) -> u16 {
        let mut stream = self.stream();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        for _ in 0..length / 0x10000 {
            // The hub has had enough before the end.
            if stream.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        status(&mut stream)
    }

    fn post(&self, path: &str, body: &str, headers: &[(&str, String)]) -> u16 {
        let mut request = agent().post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send(body).unwrap().status().as_u16()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)));
    config.build().into()
}

/// Of the answer's first line.
fn status(stream: &mut TcpStream) -> u16 {
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8_lossy(&line[9..]).parse().unwrap()
}
