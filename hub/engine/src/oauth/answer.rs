//! Answers of token servers, read with more patience than RFC 6749 asks for:
//! vendors leave out the token's type, give numbers as text, and have errors of a
//! form of their own.

use std::fmt;
use std::time::Duration;

use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, ErrorResponse, RefreshToken, Scope, TokenResponse};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A token that was given.
#[derive(Clone, Serialize, Deserialize)]
pub struct Answer {
    access_token: AccessToken,
    #[serde(default, deserialize_with = "not_empty")]
    refresh_token: Option<RefreshToken>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// Whatever else the vendor tells: `instance_url`, `hub_id`.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Answer {
    pub fn access(&self) -> &str {
        self.access_token.secret()
    }

    pub fn refresh(&self) -> Option<&str> {
        self.refresh_token
            .as_ref()
            .map(|token| token.secret().as_str())
    }

    /// How long the access token lives, where it is said.  Vendors whose tokens do
    /// not end say 0.
    pub fn life(&self) -> Option<Duration> {
        self.expires_in
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
    }

    /// How long the refresh token lives, by either name that vendors have for it.
    pub fn refresh_life(&self) -> Option<Duration> {
        let names = ["refresh_token_expires_in", "x_refresh_token_expires_in"];
        let stated = names.iter().find_map(|name| self.more.get(*name))?;
        number(stated).map(Duration::from_secs)
    }

    /// What the vendor tells beside the token.
    pub fn told(&self, name: &str) -> Option<String> {
        match self.more.get(name)? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// What is beside the tokens may be a secret as well.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[a token]")
    }
}

impl TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// How a token is presented stands in the manifest.
    fn token_type(&self) -> &BasicTokenType {
        &BasicTokenType::Bearer
    }

    fn expires_in(&self) -> Option<Duration> {
        self.life()
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// Why no token was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct Refusal {
    /// RFC 6749 §5.2, or what the vendor has in its place.
    pub code: String,
    pub description: String,
}

impl From<Map<String, Value>> for Refusal {
    fn from(answer: Map<String, Value>) -> Self {
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| answer.get(*name)?.as_str());
            found.unwrap_or_default().to_owned()
        };
        Self {
            code: text(&["error", "errorCode", "code", "status"]),
            description: text(&["error_description", "message", "detail"]),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = if self.code.is_empty() {
            "an error without a code"
        } else {
            &self.code
        };
        f.write_str(code)?;
        if !self.description.is_empty() {
            write!(f, " ({})", self.description)?;
        }
        Ok(())
    }
}

impl ErrorResponse for Refusal {}

fn not_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RefreshToken>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.filter(|text| !text.is_empty()).map(RefreshToken::new))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(number(&Value::deserialize(from)?))
}

/// A number of seconds, also as text or with a fraction.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is looked at first"
)]
fn whole(seconds: f64) -> Option<u64> {
    (0.0..1e15).contains(&seconds).then_some(seconds as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(more: Value) -> Answer {
        let mut document = json!({ "access_token": "a" });
        document
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn what_vendors_make_of_a_life_is_understood() {
        let life = |more| answer(more).life().map(|life| life.as_secs());
        assert_eq!(life(json!({ "expires_in": 3600 })), Some(3600));
        assert_eq!(life(json!({ "expires_in": "3600" })), Some(3600));
        assert_eq!(life(json!({ "expires_in": 3599.5 })), Some(3599));
        // Mailchimp's tokens do not end.
        assert_eq!(life(json!({ "expires_in": 0 })), None);
        assert_eq!(life(json!({ "expires_in": null })), None);
        assert_eq!(life(json!({})), None);
    }

    #[test]
    fn what_is_told_beside_the_token_is_kept() {
        // Intuit's and LinkedIn's names for the refresh token's life.
        let life = |more| answer(more).refresh_life().map(|life| life.as_secs());
        assert_eq!(
            life(json!({ "x_refresh_token_expires_in": 8_726_400 })),
            Some(8_726_400)
        );
        assert_eq!(life(json!({ "refresh_token_expires_in": "59" })), Some(59));
        let hub = answer(json!({ "hub_id": 62_515, "instance_url": "https://na1" }));
        assert_eq!(hub.told("hub_id").as_deref(), Some("62515"));
        assert_eq!(hub.told("instance_url").as_deref(), Some("https://na1"));
        assert_eq!(hub.told("access_token"), None);
        assert_eq!(format!("{hub:?}"), "[a token]");
        assert_eq!(answer(json!({ "refresh_token": "" })).refresh(), None);
    }

    #[test]
    fn refusals_are_read_in_several_forms() {
        let refusal = |document| {
            serde_json::from_value::<Refusal>(document)
                .unwrap()
                .to_string()
        };
        // RFC 6749 §5.2, then HubSpot's own.
        let standard = json!({ "error": "invalid_grant", "error_description": "too old" });
        assert_eq!(refusal(standard), "invalid_grant (too old)");
        let own = json!({ "status": "BAD_REFRESH_TOKEN", "message": "missing" });
        assert_eq!(refusal(own), "BAD_REFRESH_TOKEN (missing)");
        assert_eq!(refusal(json!({})), "an error without a code");
    }
}
