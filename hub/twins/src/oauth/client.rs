//! The registered clients: who they are, how they prove it, and where a browser
//! may be sent with a code for them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use super::form::Form;
use super::refusal::Refusal;
use crate::Request;

/// A client that is registered from the start, with all grants.
pub const CLIENT_ID: &str = "concord";
pub const CLIENT_SECRET: &str = "concord-secret";
/// Another one, which has no secret and has to send a PKCE challenge.
pub const PUBLIC_CLIENT_ID: &str = "concord-public";

/// Where the first two clients are answered; the ports do not matter.
const REDIRECT_URIS: [&str; 3] = [
    "http://127.0.0.1/callback",
    "http://127.0.0.1/oauth/callback",
    "http://[::1]/callback",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// None makes it a public client (RFC 6749 section 2.1).
    pub secret: Option<String>,
    pub redirect_uris: Vec<String>,
    /// Whether it has to send a PKCE challenge.
    pub pkce: bool,
}

impl Client {
    /// The address that a browser is sent back to: the one that is asked for, if
    /// it is registered, or the only one (RFC 6749 section 3.1.2.3).
    pub(super) fn redirect(&self, asked: Option<&str>) -> Option<String> {
        match (asked, self.redirect_uris.as_slice()) {
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
            (Some(asked), all) => {
                let known = all.iter().any(|registered| is_same(registered, asked));
                known.then(|| asked.to_owned())
            }
        }
    }
}

/// Texts are compared as they are (RFC 9700 section 2.1); only the port of an
/// address on loopback may be another (RFC 8252 section 7.3).  `localhost` is a
/// name and no such address.
fn is_same(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let on_loopback = |text: &str| -> Option<Url> {
        let mut url = Url::parse(text).ok()?;
        let loopback = match url.host()? {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(_) => false,
        };
        let plain = url.scheme() == "http" && loopback;
        url.set_port(None).ok()?;
        plain.then_some(url)
    };
    match (on_loopback(registered), on_loopback(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

#[derive(Debug)]
pub(super) struct Clients(BTreeMap<String, Client>);

impl Default for Clients {
    fn default() -> Self {
        let redirect_uris: Vec<String> = REDIRECT_URIS.map(str::to_owned).into();
        let confidential = Client {
            secret: Some(CLIENT_SECRET.to_owned()),
            redirect_uris: redirect_uris.clone(),
            pkce: false,
        };
        let public = Client {
            secret: None,
            redirect_uris,
            pkce: true,
        };
        Self(BTreeMap::from([
            (CLIENT_ID.to_owned(), confidential),
            (PUBLIC_CLIENT_ID.to_owned(), public),
        ]))
    }
}

impl Clients {
    /// A client of the same id is replaced.
    pub(super) fn add(&mut self, id: String, client: Client) {
        self.0.insert(id, client);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Client> {
        self.0.get(id)
    }

    /// Who sends this request: by HTTP Basic, by a secret in the body (RFC 6749
    /// section 2.3.1), or by its name alone if it is a public client.
    pub(super) fn authenticate(
        &self,
        request: &Request,
        form: &Form,
    ) -> Result<(String, &Client), Refusal> {
        let named = form.get("client_id");
        let mut given = form.get("client_secret").map(str::to_owned);
        let id = match request.header("authorization") {
            Some(header) => {
                let (id, secret) = basic(header).ok_or(Refusal::UnknownClient)?;
                if given.is_some() || named.is_some_and(|named| named != id) {
                    return Err(Refusal::TwoAuthentications);
                }
                given = Some(secret);
                id
            }
            None => named.ok_or(Refusal::UnknownClient)?.to_owned(),
        };
        let client = self.0.get(&id).ok_or(Refusal::UnknownClient)?;
        if client.secret != given {
            return Err(Refusal::WrongSecret);
        }
        Ok((id, client))
    }
}

/// Name and secret of a Basic header, each form-encoded before they were joined.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, pair) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(pair.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id)?, decode(secret)?))
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded.ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_compared_exactly_but_for_loopback_ports() {
        // RFC 6749 section 3.1.2.3, RFC 9700 section 2.1, RFC 8252 section 7.3.
        let table = [
            ("https://hub.test/cb", "https://hub.test/cb", true),
            ("https://hub.test/cb", "https://hub.test/cb/", false),
            ("https://hub.test/cb", "https://hub.test/cb?x=1", false),
            ("https://hub.test/cb", "https://hub.test:444/cb", false),
            ("https://hub.test/cb", "https://HUB.test/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1:9/cb", "http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false),
            ("http://127.0.0.1/cb", "http://localhost:51004/cb", false),
            ("http://[::1]/cb", "http://[::1]:51004/cb", true),
            ("http://localhost/cb", "http://localhost:51004/cb", false),
            ("http://10.0.0.1/cb", "http://10.0.0.1:51004/cb", false),
        ];
        for (registered, asked, expected) in table {
            assert_eq!(is_same(registered, asked), expected, "{registered} {asked}");
        }
    }

    #[test]
    fn a_redirect_may_be_left_out_where_there_is_one() {
        let mut client = Client {
            secret: None,
            redirect_uris: vec!["https://hub.test/cb".into()],
            pkce: true,
        };
        assert_eq!(
            client.redirect(None).as_deref(),
            Some("https://hub.test/cb")
        );
        client.redirect_uris.push("https://hub.test/other".into());
        assert_eq!(client.redirect(None), None);
    }

    #[test]
    fn names_and_secrets_are_form_encoded_in_a_basic_header() {
        // RFC 6749 section 2.3.1 and appendix B.
        let pair = STANDARD.encode("my+client%3A1:s%C3%A9cret+x");
        let expected = Some(("my client:1".to_owned(), "sécret x".to_owned()));
        assert_eq!(basic(&format!("Basic {pair}")), expected);
        for broken in ["Basic %%", "Bearer x", "Basic"] {
            assert_eq!(basic(broken), None, "{broken}");
        }
    }
}
