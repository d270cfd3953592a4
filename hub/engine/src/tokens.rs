//! Credentials that do not change: API keys and passwords.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_core::manifest::Auth;
use concord_core::ports::{Secret, SecretHeader, TokenError, Tokens};
use std::collections::BTreeMap;

pub struct StaticTokens {
    header: Option<SecretHeader>,
    secrets: Vec<Secret>,
}

impl StaticTokens {
    /// Builds the header that the manifest asks for.  Names the secret that is
    /// missing.
    pub fn new(auth: &Auth, secrets: &BTreeMap<String, Secret>) -> Result<Self, TokenError> {
        let secret = |name: &str| {
            secrets.get(name).ok_or_else(|| {
                TokenError::Person(format!(
                    "the secret '{name}' is missing: name it under 'secrets' of the connection"
                ))
            })
        };
        let header = match auth {
            Auth::None => None,
            Auth::Basic => {
                let pair = format!(
                    "{}:{}",
                    secret("username")?.expose(),
                    secret("password")?.expose()
                );
                Some(SecretHeader {
                    name: "authorization".into(),
                    value: Secret::new(format!("Basic {}", STANDARD.encode(pair))),
                })
            }
            Auth::Bearer => Some(SecretHeader {
                name: "authorization".into(),
                value: Secret::new(format!("Bearer {}", secret("token")?.expose())),
            }),
            Auth::Header { name, prefix } => Some(SecretHeader {
                name: name.to_ascii_lowercase(),
                value: Secret::new(format!("{prefix}{}", secret("token")?.expose())),
            }),
        };
        // A user name is no secret, and striking it out would garble errors.
        let hidden = secrets
            .iter()
            .filter(|(name, _)| name.as_str() != "username");
        Ok(Self {
            header,
            secrets: hidden.map(|(_, secret)| secret.clone()).collect(),
        })
    }
}

#[async_trait]
impl Tokens for StaticTokens {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        Ok(self.header.clone())
    }

    fn secrets(&self) -> Vec<Secret> {
        self.secrets.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth: Auth, secrets: &[(&str, &str)], expect: Result<&str, &str>) {
        let secrets = secrets
            .iter()
            .map(|(n, v)| ((*n).to_owned(), Secret::new(*v)))
            .collect();
        match (StaticTokens::new(&auth, &secrets), expect) {
            (Ok(tokens), Ok(value)) => assert_eq!(tokens.header.unwrap().value.expose(), value),
            (Err(error), Err(missing)) => assert!(error.to_string().contains(missing), "{error}"),
            (got, _) => panic!(
                "{}",
                got.err()
                    .map_or_else(|| "a header".into(), |e| e.to_string())
            ),
        }
    }

    #[test]
    fn headers_follow_the_manifest() {
        // RFC 7617 section 2 gives this pair and its encoding.
        let pair = [("username", "Aladdin"), ("password", "open sesame")];
        check(Auth::Basic, &pair, Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        check(Auth::Bearer, &[("token", "t")], Ok("Bearer t"));
        let header = Auth::Header {
            name: "X-Key".into(),
            prefix: "Key ".into(),
        };
        check(header, &[("token", "t")], Ok("Key t"));
        check(Auth::Basic, &pair[..1], Err("'password'"));
        check(Auth::Bearer, &[], Err("'token'"));
    }
}
