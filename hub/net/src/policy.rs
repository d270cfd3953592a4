//! Where a connection may send requests.

use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use crate::NetError;
use crate::address::{AddressClass, classify};

/// Deny by default: a request leaves only to a host that a rule names, and
/// never to an address that its class forbids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    pub hosts: Vec<HostRule>,
    /// Loopback and private networks may be reached as well (a server in the
    /// house).  The host must still be named.
    pub allow_private: bool,
}

/// One place, written `api.example.com`, `*.example.com`, `host:8443` or as a
/// URL.  Without a scheme it is https; without a port, the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    host: HostPattern,
    http: bool,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(String),
    /// Any name below this one, which starts with a dot.
    Below(String),
}

impl FromStr for HostRule {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = |problem: &str| NetError::Rule {
            rule: text.to_owned(),
            problem: problem.to_owned(),
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (rest, below) = match rest.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        // The URL parser brings names and numeric addresses into the one form
        // in which requests are compared.
        let url =
            Url::parse(&format!("{scheme}://{rest}")).map_err(|error| wrong(&error.to_string()))?;
        let http = match url.scheme() {
            "http" => true,
            "https" => false,
            _ => return Err(wrong("only http and https leave the hub")),
        };
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(wrong("it names no host"));
        };
        let host = comparable(&host);
        if host.contains('*') {
            return Err(wrong("'*' stands only for the first labels of a name"));
        }
        let host = if below {
            if !host.contains('.') || matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_))) {
                return Err(wrong("a whole top-level domain is too wide"));
            }
            HostPattern::Below(format!(".{host}"))
        } else {
            HostPattern::Exact(host)
        };
        Ok(Self { host, http, port })
    }
}

/// A host as text that can be compared: `localhost.` is `localhost`.
fn comparable(host: &Host<&str>) -> String {
    let text = host.to_string();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

impl HostRule {
    fn matches(&self, url: &Url, host: &str) -> bool {
        let host_matches = match &self.host {
            HostPattern::Exact(name) => host == name,
            HostPattern::Below(suffix) => host.ends_with(suffix.as_str()),
        };
        host_matches
            && self.http == (url.scheme() == "http")
            && url.port_or_known_default() == Some(self.port)
    }
}

impl EgressPolicy {
    /// Why a request to this URL is refused, if it is, as far as the URL tells.
    pub(crate) fn refusal(&self, url: &Url) -> Option<String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Some(format!("'{}' URLs are not allowed", url.scheme()));
        }
        // It would become an Authorization header.
        if !url.username().is_empty() || url.password().is_some() {
            return Some("the URL carries a user name or password".into());
        }
        let Some(host) = url.host() else {
            return Some("the URL names no host".into());
        };
        let name = comparable(&host);
        if !self.hosts.iter().any(|rule| rule.matches(url, &name)) {
            return Some(format!(
                "{} is not among the hosts of this connection",
                url.origin().ascii_serialization()
            ));
        }
        match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => self.address_refusal(address.into()),
            Host::Ipv6(address) => self.address_refusal(address.into()),
        }
    }

    /// Why this address may not be reached, if it may not.
    pub(crate) fn address_refusal(&self, address: IpAddr) -> Option<String> {
        match classify(address) {
            AddressClass::Public => None,
            AddressClass::Private(_) if self.allow_private => None,
            AddressClass::Private(what) => Some(format!(
                "{address} is {what}, which this connection does not allow"
            )),
            AddressClass::Forbidden(what) => Some(format!("{address} is {what}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &[&str], allow_private: bool, url: &str, expected: Option<&str>) {
        let policy = EgressPolicy {
            hosts: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            allow_private,
        };
        let found = policy.refusal(&Url::parse(url).unwrap());
        match expected {
            None => assert_eq!(found, None, "{url}"),
            Some(part) => {
                let found = found.unwrap_or_else(|| panic!("{url} passed {rules:?}"));
                assert!(found.contains(part), "{url}: {found}");
            }
        }
    }

    #[test]
    fn only_named_hosts_schemes_and_ports_pass() {
        let not_named = Some("is not among the hosts");
        let rules = &[
            "api.example.com",
            "*.shop.example",
            "http://old.example:8080",
        ][..];
        for url in [
            "https://api.example.com/x",
            "https://API.Example.COM./x",
            "https://api.example.com:443/x",
            "https://a.shop.example/",
            "https://a.b.shop.example/",
            "http://old.example:8080/",
        ] {
            check(rules, false, url, None);
        }
        for url in [
            "http://api.example.com/x",
            "https://api.example.com:8443/x",
            "https://example.com/",
            "https://api.example.com.evil.example/",
            "https://evil-api.example.com/",
            "https://shop.example/",
            "https://evilshop.example/",
            "https://old.example:8080/",
            "http://old.example/",
        ] {
            check(rules, false, url, not_named);
        }
        check(rules, false, "ftp://api.example.com/", Some("'ftp' URLs"));
        check(
            rules,
            false,
            "https://u:p@api.example.com/",
            Some("user name or password"),
        );
    }

    #[test]
    fn an_address_is_recognised_in_every_spelling() {
        // WHATWG URL §3.5: all of these are 127.0.0.1 or stand for it.
        for spelling in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
        ] {
            let url = format!("https://{spelling}/");
            check(&[&url], false, &url, Some("loopback"));
            check(&[&url], true, &url, None);
            check(
                &["api.example.com"],
                true,
                &url,
                Some("is not among the hosts"),
            );
        }
    }

    #[test]
    fn metadata_services_are_refused_even_where_private_networks_are_allowed() {
        for spelling in [
            "169.254.169.254",
            "2852039166",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "[::ffff:a9fe:a9fe]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "0.0.0.0",
            "0",
            "[::]",
        ] {
            let url = format!("http://{spelling}/");
            check(&[&url], true, &url, Some(" is "));
        }
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        for rule in [
            "",
            "ftp://x.example",
            "*.com",
            "*",
            "a.*.example",
            "https://",
            "*.127.0.0.1",
        ] {
            assert!(rule.parse::<HostRule>().is_err(), "{rule}");
        }
    }
}
