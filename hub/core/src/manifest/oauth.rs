//! What a manifest says of signing in with OAuth 2 (RFC 6749).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where an account is signed in to.  The access token that comes of it stands in
/// the place of the secret `token`.
///
/// In every URL `{key}` stands for that value of the configuration: servers of
/// one's own, and vendors with a host per account, have no address for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OAuth {
    /// Where a person agrees, in a browser.
    #[serde(default)]
    pub authorize_url: Option<String>,
    pub token_url: String,
    /// RFC 8628: where a code for a person without a browser is asked for.
    #[serde(default)]
    pub device_url: Option<String>,
    /// RFC 7009: where a token is given back.
    #[serde(default)]
    pub revoke_url: Option<String>,
    /// What the connector needs, as the vendor calls it.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What the vendor wants in the authorize URL beside the standard:
    /// `access_type = "offline"`.
    #[serde(default)]
    pub authorize_params: BTreeMap<String, String>,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// RFC 7636 with S256; false where a server stumbles over it.
    #[serde(default = "yes")]
    pub pkce: bool,
    /// How many seconds an access token lives where the answer does not say so.
    /// Without both it is used until it is refused.
    #[serde(default)]
    pub access_life_s: Option<u32>,
    /// Error codes that end a sign-in, besides `invalid_grant`.
    #[serde(default)]
    pub over: Vec<String>,
    /// Configuration that comes with the sign-in.
    #[serde(default)]
    pub values: Vec<SignInValue>,
    /// Where accounts live on servers of their own.
    #[serde(default)]
    pub accounts_server: Option<AccountsServer>,
    /// Where one sign-in reaches several accounts.
    #[serde(default)]
    pub tenants: Option<Tenants>,
}

/// A connection is one of the accounts that its sign-in reaches: the only one, or
/// the one that a person chooses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tenants {
    /// Gives them to whoever has the token, as a JSON array of objects.
    pub url: String,
    /// What an object calls the id: `tenantId`.
    pub id: String,
    /// What it calls the name that a person knows the account by.
    pub name: String,
    /// The configuration key that the id is the value of, unless the admin gave one.
    pub config: String,
}

/// The redirect names the server that the account lives at: its token URL and its
/// revoke URL are those of the manifest at that server, from the code on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccountsServer {
    /// What the redirect calls it.  One without it means the manifest's server.
    pub parameter: String,
    /// The servers that it may name, as in `egress`.  Code and client secret go to
    /// no other, since a redirect may be anybody's.
    pub hosts: Vec<String>,
}

/// How the app proves itself at the token URL (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
}

/// One thing that a vendor tells in passing, such as the account's own host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignInValue {
    pub from: Told,
    /// What the vendor calls it: `instance_url`.
    pub name: String,
    /// The configuration key that it is the value of, unless the admin gave one.
    pub config: String,
}

/// Where a vendor tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// In the query of the redirect.
    Redirect,
    /// Beside the token.
    Token,
}

fn yes() -> bool {
    true
}

impl OAuth {
    pub(super) fn problem(&self, keys: &[&str]) -> Option<String> {
        if self.authorize_url.is_none() && self.device_url.is_none() {
            return Some("oauth needs an authorize-url or a device-url".into());
        }
        let filled = self.values.iter().map(|value| &value.config);
        let filled = filled.chain(self.tenants.iter().map(|tenants| &tenants.config));
        for key in filled {
            if !keys.contains(&key.as_str()) {
                return Some(format!(
                    "oauth fills the configuration key '{key}', which is not declared"
                ));
            }
        }
        let hosts = self.accounts_server.iter().map(|server| &server.hosts);
        if hosts.clone().any(Vec::is_empty) {
            return Some("oauth has an accounts-server that may be at no hosts".into());
        }
        let urls = [
            &self.authorize_url,
            &Some(self.token_url.clone()),
            &self.device_url,
            &self.revoke_url,
            &self.tenants.as_ref().map(|tenants| tenants.url.clone()),
        ];
        let urls = urls.into_iter().flatten().chain(hosts.flatten());
        let mut places = urls.flat_map(|url| placeholders(url));
        let unknown = places.find(|key| !keys.contains(key))?;
        Some(format!(
            "oauth has the configuration key '{unknown}' in a URL, which is not declared"
        ))
    }
}

/// The names in braces of a URL.
fn placeholders(url: &str) -> impl Iterator<Item = &str> {
    url.split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// The URL with values in the places of its braces; the name of the first that
/// there is none for.
pub fn filled(url: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = url.to_owned();
    for key in placeholders(url) {
        let value = values.get(key).ok_or_else(|| key.to_owned())?;
        text = text.replace(&format!("{{{key}}}"), value.trim_end_matches('/'));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_the_braces_of_a_url() {
        let values = BTreeMap::from([("base_url".to_owned(), "https://a.example/".to_owned())]);
        assert_eq!(
            filled("{base_url}/oauth/token", &values),
            Ok("https://a.example/oauth/token".into())
        );
        assert_eq!(
            filled("https://b.example/t", &values),
            Ok("https://b.example/t".into())
        );
        assert_eq!(filled("https://{shop}/t", &values), Err("shop".into()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let oauth = |text: &str| toml::from_str::<OAuth>(text).unwrap();
        let fine = "authorize-url = 'https://a/{shop}'\ntoken-url = 'https://a/t'";
        assert_eq!(oauth(fine).problem(&["shop"]), None);
        let found = oauth(fine).problem(&[]).unwrap();
        assert!(found.contains("'shop'"), "{found}");
        let found = oauth("token-url = 'https://a/t'").problem(&[]).unwrap();
        assert!(found.contains("authorize-url"), "{found}");
        let server = "[accounts-server]\nparameter = 'accounts-server'\nhosts = ";
        let found = |hosts: &str| oauth(&format!("{fine}\n{server}{hosts}")).problem(&["shop"]);
        assert_eq!(found("['accounts.example', 'https://{shop}']"), None);
        let unknown = found("['https://{region}.example']").unwrap();
        assert!(unknown.contains("'region'"), "{unknown}");
        let none = found("[]").unwrap();
        assert!(none.contains("no hosts"), "{none}");
        let tenants = |url: &str, config: &str| {
            let text = format!(
                "{fine}\n[tenants]\nurl = '{url}'\nid = 'i'\nname = 'n'\nconfig = '{config}'"
            );
            oauth(&text).problem(&["shop"])
        };
        assert_eq!(tenants("https://{shop}/all", "shop"), None);
        let found = tenants("https://{shop}/all", "tenant").unwrap();
        assert!(found.contains("'tenant'"), "{found}");
        let found = tenants("https://{region}/all", "shop").unwrap();
        assert!(found.contains("'region'"), "{found}");
        let value = "values = [{ from = 'token', name = 'instance_url', config = 'base_url' }]";
        let found = oauth(&format!("{fine}\n{value}"))
            .problem(&["shop"])
            .unwrap();
        assert!(found.contains("'base_url'"), "{found}");
    }
}
