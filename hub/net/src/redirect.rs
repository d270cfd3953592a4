//! What the next request is after a redirect (RFC 9110 §15.4).

use reqwest::Method;
use url::Url;

/// Methods that change nothing, so that they may be sent again anywhere that
/// the policy allows (RFC 9110 §9.2.1, RFC 4918, RFC 3253).
const READING: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"];

/// Headers that speak of a body.
pub(crate) const BODY_HEADERS: [&str; 4] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
];

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) keeps_body: bool,
    pub(crate) same_origin: bool,
}

pub(crate) fn reads(method: &Method) -> bool {
    READING.contains(&method.as_str())
}

/// The request that follows an answer; none where the answer is no redirect.
pub(crate) fn next(
    status: u16,
    location: Option<&str>,
    method: &Method,
    url: &Url,
) -> Result<Option<Next>, String> {
    let becomes_get = match status {
        301 | 302 => *method == Method::POST,
        303 => *method != Method::HEAD,
        307 | 308 => false,
        _ => return Ok(None),
    };
    let Some(location) = location else {
        return Ok(None);
    };
    let target = url
        .join(location)
        .map_err(|error| format!("the system redirects to something that is no URL: {error}"))?;
    let same_origin = target.origin() == url.origin();
    let method = if becomes_get {
        Method::GET
    } else {
        method.clone()
    };
    if !same_origin && !reads(&method) {
        return Err(format!(
            "the system redirects a {method} to another origin, {}; what it carries is not sent \
             there",
            target.origin().ascii_serialization()
        ));
    }
    Ok(Some(Next {
        method,
        url: target,
        keeps_body: !becomes_get,
        same_origin,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, method: &str, location: &str, expected: &str) {
        let url = Url::parse("https://a.example/x/y").unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let found = match next(status, Some(location), &method, &url) {
            Ok(None) => "stays".to_owned(),
            Ok(Some(next)) => format!(
                "{} {}{}{}",
                next.method,
                next.url,
                if next.keeps_body { " +body" } else { "" },
                if next.same_origin { " +auth" } else { "" },
            ),
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(found, expected, "{status} {method} {location}");
    }

    #[test]
    fn redirects_follow_the_rfc() {
        check(200, "GET", "/z", "stays");
        check(304, "GET", "/z", "stays");
        check(301, "GET", "/z", "GET https://a.example/z +body +auth");
        check(302, "POST", "z", "GET https://a.example/x/z +auth");
        check(303, "PUT", "/z", "GET https://a.example/z +auth");
        check(303, "HEAD", "/z", "HEAD https://a.example/z +body +auth");
        check(307, "POST", "/z", "POST https://a.example/z +body +auth");
        check(
            308,
            "PROPFIND",
            "/z",
            "PROPFIND https://a.example/z +body +auth",
        );
    }

    #[test]
    fn another_origin_gets_neither_credential_nor_writes() {
        check(
            302,
            "GET",
            "https://b.example/",
            "GET https://b.example/ +body",
        );
        check(
            302,
            "GET",
            "http://a.example/",
            "GET http://a.example/ +body",
        );
        check(
            302,
            "GET",
            "https://a.example:8443/",
            "GET https://a.example:8443/ +body",
        );
        check(307, "POST", "https://b.example/", "refused");
        check(308, "PUT", "//b.example/", "refused");
        check(301, "DELETE", "https://b.example/", "refused");
        check(307, "GET", "http://[", "refused");
    }
}
