//! How a system proves that a webhook is its own, and what a hub has to do to get
//! them.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhooks {
    /// The connection's secret that proves where they come from.
    pub secret: String,
    pub proof: Proof,
    /// Who subscribes.
    #[serde(default)]
    pub subscribe: Subscribe,
    /// After how many hours a subscription is made anew, where it ends by itself.
    #[serde(default)]
    pub renew_hours: Option<u32>,
    /// Headers besides `Content-Type` that the connector reads.
    #[serde(default)]
    pub headers: Vec<String>,
}

/// How the secret proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Proof {
    /// An HMAC (RFC 2104) with SHA-256 in a header.
    HmacSha256 {
        header: String,
        encoding: Encoding,
        /// What stands before the signature: `sha256=`.
        #[serde(default)]
        prefix: String,
        /// Of several `name=value` in the header, the name of the signature's.
        #[serde(default)]
        part: Option<String>,
        /// What is signed, one after the other.
        signed: Vec<Signed>,
        #[serde(default)]
        timestamp: Option<SentAt>,
    },
    /// The secret is the last part of the address, which nobody else knows.
    Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    Hex,
    Base64,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signed {
    Method,
    /// The whole address, as it was registered.
    Url,
    Body,
    /// As the header spells it.
    Timestamp,
    Text(String),
}

/// When it was sent, so that nobody can send a copy of it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SentAt {
    pub header: String,
    #[serde(default)]
    pub part: Option<String>,
    pub unit: Unit,
    /// How many seconds it may be off, either way.
    pub within_s: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Seconds,
    Milliseconds,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subscribe {
    /// A person, at the vendor's own pages.
    #[default]
    ByHand,
    /// The connector.
    Connector,
}

impl Webhooks {
    pub(super) fn problem(&self) -> Option<String> {
        if self.secret.is_empty() {
            return Some("webhooks name no secret".into());
        }
        let Proof::HmacSha256 {
            signed, timestamp, ..
        } = &self.proof
        else {
            return None;
        };
        if !signed.contains(&Signed::Body) {
            return Some("the signature of webhooks does not cover the body".into());
        }
        if timestamp.is_some() != signed.contains(&Signed::Timestamp) {
            return Some(
                "webhooks take 'timestamp' and sign it, or do neither: one that is not signed \
                 proves nothing"
                    .into(),
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        toml::from_str::<Webhooks>(text).unwrap().problem()
    }

    #[test]
    fn a_signature_covers_the_body_and_the_time() {
        let good = r#"
            secret = "client_secret"
            [proof]
            kind = "hmac-sha256"
            header = "X-Signature"
            encoding = "hex"
            signed = ["timestamp", { text = "." }, "body"]
            timestamp = { header = "X-Time", unit = "seconds", within-s = 300 }
        "#;
        assert_eq!(problem(good), None);
        for (from, to, expected) in [
            (r#", "body""#, "", "does not cover the body"),
            (
                r#""timestamp", { text = "." }, "#,
                "",
                "one that is not signed",
            ),
            (r#""client_secret""#, r#""""#, "name no secret"),
        ] {
            let found = problem(&good.replace(from, to)).unwrap();
            assert!(found.contains(expected), "{found}");
        }
        assert_eq!(
            problem("secret = \"s\"\nproof = { kind = \"address\" }"),
            None
        );
    }
}
