//! The one way from a connector to the network.
//!
//! A request is looked at, waits for its quota, and only then gets the
//! credential, which the connector never sees.  Where it may go is decided
//! behind the port `Http`.

use concord_core::Manifest;
use concord_core::manifest::Auth;
use concord_core::ports::{Busy, HttpError, HttpRequest, TokenError};

use crate::Runtime;
use crate::bindings::imports::{HttpError as GuestError, Request, Response};

/// Headers that say whom the request is for, who sends it or where it ends:
/// RFC 9110 §7.2, §7.6.1, §10.1.1, §11; RFC 9112 §6; RFC 6265.
const RESERVED: [&str; 12] = [
    "host",
    "authorization",
    "cookie",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "forwarded",
];

/// CONNECT makes a tunnel past the egress policy; TRACE echoes the credential
/// (RFC 9110 §9.3.6, §9.3.8).
const REFUSED_METHODS: [&str; 2] = ["CONNECT", "TRACE"];

/// Sends a request of the connector for this connection.
pub(crate) async fn send(
    runtime: &Runtime,
    manifest: &Manifest,
    request: Request,
) -> Result<Response, GuestError> {
    refusal(manifest, &request).map_or(Ok(()), |why| Err(GuestError::Denied(why)))?;
    let class = request.quota;
    let mut sent = HttpRequest {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
        auth: None,
        timeout: runtime.limits.http_timeout,
        max_response_bytes: runtime.limits.response_bytes,
    };
    let permit = match runtime.quota.take(&class).await {
        Ok(permit) => permit,
        Err(busy) => return Ok(too_many(runtime, &busy)),
    };
    // Asked for after the wait, which may outlast a token.
    sent.auth = runtime.tokens.header().await.map_err(no_token)?;
    let mut response = runtime.http.send(sent.clone()).await.map_err(for_guest)?;
    permit.answered(&response);
    // Nothing was done for a request that was not let in (RFC 9110 §15.5.2), so
    // any request may be sent once more.
    if response.status == 401
        && let Some(refused) = &sent.auth
        && let Some(other) = runtime.tokens.instead_of(refused).await.map_err(no_token)?
    {
        let permit = match runtime.quota.take(&class).await {
            Ok(permit) => permit,
            Err(busy) => return Ok(too_many(runtime, &busy)),
        };
        sent.auth = Some(other);
        response = runtime.http.send(sent).await.map_err(for_guest)?;
        permit.answered(&response);
    }
    Ok(Response {
        status: response.status,
        headers: response.headers,
        body: response.body,
    })
}

/// What the system would answer, said before it is asked: a connector knows what
/// a 429 means, and the engine waits for the moment that it names.
fn too_many(runtime: &Runtime, busy: &Busy) -> Response {
    let wait = busy.until.since(runtime.clock.now());
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    Response {
        status: 429,
        headers: vec![("retry-after".to_owned(), seconds.to_string())],
        body: busy.to_string().into_bytes(),
    }
}

fn no_token(error: TokenError) -> GuestError {
    match error {
        TokenError::Person(why) => GuestError::Unauthorised(why),
        TokenError::Passing(why) => GuestError::Unreachable(why),
    }
}

fn for_guest(error: HttpError) -> GuestError {
    match error {
        HttpError::Denied(why) => GuestError::Denied(why),
        HttpError::Unreachable(why) => GuestError::Unreachable(why),
        HttpError::NoAnswer(why) => GuestError::NoAnswer(why),
        HttpError::TooLarge { .. } => GuestError::TooLarge(error.to_string()),
    }
}

/// Why this request does not leave, if it does not.
fn refusal(manifest: &Manifest, request: &Request) -> Option<String> {
    let method = &request.method;
    if !is_token(method) || REFUSED_METHODS.contains(&method.to_ascii_uppercase().as_str()) {
        return Some(format!("the method {method:?} is not allowed"));
    }
    for (name, value) in &request.headers {
        if !is_token(name) {
            return Some(format!("{name:?} is not the name of a header"));
        }
        if is_reserved(manifest, name) {
            return Some(format!("the header '{name}' is the host's to set"));
        }
        if value.bytes().any(|b| matches!(b, b'\r' | b'\n' | b'\0')) {
            return Some(format!(
                "the value of the header '{name}' has a line break in it"
            ));
        }
    }
    let class = &request.quota;
    // A class of its own making would be a way around the declared ones.
    if !class.is_empty() && !manifest.quotas.iter().any(|quota| &quota.class == class) {
        return Some(format!("the manifest declares no quota class '{class}'"));
    }
    None
}

fn is_reserved(manifest: &Manifest, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let own = match &manifest.auth {
        Auth::Header { name: own, .. } => own.eq_ignore_ascii_case(&name),
        Auth::None | Auth::Basic | Auth::Bearer => false,
    };
    own || name.starts_with("proxy-") || RESERVED.contains(&name.as_str())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::tests::MANIFEST;

    fn check(method: &str, header: Option<(&str, &str)>, quota: &str, expected: Option<&str>) {
        let text = MANIFEST
            .replace(
                "auth = { kind = \"bearer\" }",
                "auth = { kind = \"header\", name = \"X-Vendor-Key\" }",
            )
            .replace(
                "streams = []",
                "quotas = [{ class = \"search\" }]\nstreams = []",
            );
        let manifest = Manifest::parse(&text).unwrap();
        let request = Request {
            method: method.into(),
            url: "https://api.example.com/".into(),
            headers: header
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            body: None,
            quota: quota.into(),
            repeatable: true,
        };
        let found = refusal(&manifest, &request);
        match expected {
            None => assert_eq!(found, None, "{method} {header:?} {quota}"),
            Some(part) => {
                let found = found.unwrap_or_else(|| panic!("{method} {header:?} {quota} passed"));
                assert!(found.contains(part), "{found}");
            }
        }
    }

    #[test]
    fn ordinary_requests_pass() {
        for method in ["GET", "POST", "PATCH", "PROPFIND", "REPORT"] {
            check(method, Some(("Content-Type", "application/json")), "", None);
        }
        check("GET", Some(("If-Match", "\"abc\"")), "search", None);
    }

    #[test]
    fn the_hosts_headers_are_refused_in_any_case() {
        for name in [
            "Host",
            "AUTHORIZATION",
            "authorization",
            "Cookie",
            "Proxy-Authorization",
            "proxy-anything",
            "Connection",
            "Content-Length",
            "Transfer-Encoding",
            "Upgrade",
            "x-vendor-key",
        ] {
            check("GET", Some((name, "x")), "", Some("is the host's to set"));
        }
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        check("GET", Some(("X-A", "1\r\nHost: b")), "", Some("line break"));
        check("GET", Some(("X-A", "1\nHost: b")), "", Some("line break"));
        check("GET", Some(("X-A", "1\0")), "", Some("line break"));
        check(
            "GET",
            Some(("X-A: 1\r\nHost", "b")),
            "",
            Some("not the name"),
        );
        check("GET", Some(("Host ", "b")), "", Some("not the name"));
        check("GET", Some(("", "b")), "", Some("not the name"));
    }

    #[test]
    fn methods_that_tunnel_or_echo_are_refused() {
        for method in ["CONNECT", "trace", "GET / HTTP/1.1\r\nX: ", ""] {
            check(method, None, "", Some("is not allowed"));
        }
    }

    #[test]
    fn an_undeclared_quota_class_is_refused() {
        check("GET", None, "free", Some("no quota class 'free'"));
    }
}
