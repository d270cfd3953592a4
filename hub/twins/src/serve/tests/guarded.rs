//! Twins behind a guard, each with its own words.

use serde_json::{Value, json};

use super::*;
use crate::guard::tests::Wire;

/// One call, and its answer.
async fn call(address: SocketAddr, method: &str, path: &str, token: &str) -> (u16, Value) {
    let bearer = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let call = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{bearer}Content-Length: 0\r\n\r\n");
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        stream.get_mut().write_all(call.as_bytes()).unwrap();
        let (head, body) = read_answer(&mut stream).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(&body).unwrap_or_default())
    });
    client.await.unwrap()
}

#[tokio::test]
async fn a_guarded_twin_asks_about_every_token_and_refuses_in_its_words() {
    let table = [
        (
            "hubspot",
            "/crm/objects/2026-03/contacts",
            "category",
            "INVALID_AUTHENTICATION",
        ),
        ("mailchimp", "/3.0/ping", "title", "API Key Invalid"),
    ];
    for (name, path, field, word) in table {
        let wire = Wire::new();
        let options = ServeOptions {
            guard: Some(wire.guard()),
            ..ServeOptions::default()
        };
        let twin = crate::by_name(name, 1, 5).unwrap();
        let clock = Arc::new(Still::default());
        let running = serve(twin, options, clock).await.unwrap();
        let at = running.http;
        let token = wire.token();
        assert_eq!(call(at, "GET", path, &token).await.0, 200, "{name}");
        for token in ["", "somebody-else's"] {
            let (status, told) = call(at, "GET", path, token).await;
            assert_eq!((status, &told[field]), (401, &json!(word)), "{token}");
        }
        wire.pass(3600);
        assert_eq!(call(at, "GET", path, &token).await.0, 401);

        let lost = json!({"count": 1, "status": "drop"});
        wire.ask(Request::json("POST", "/_twin/fail", &lost));
        let (status, told) = call(at, "GET", path, &token).await;
        assert_eq!(status, 503);
        assert!(told["error"].as_str().unwrap().contains("introspection"));
        // A person at the screen has no token.
        assert_eq!(call(at, "GET", "/_twin/writes", "").await.0, 200);
        running.stop().await;
    }
}

#[tokio::test]
async fn where_no_token_is_due_none_is_asked_about() {
    for (name, path) in [
        ("hubspot", "/oauth/authorize"),
        ("mailchimp", "/oauth2/authorize"),
        ("oauth", "/authorize"),
    ] {
        let options = ServeOptions {
            guard: Some(Wire::new().guard()),
            ..ServeOptions::default()
        };
        let twin = crate::by_name(name, 1, 5).unwrap();
        let clock = Arc::new(Still::default());
        let running = serve(twin, options, clock).await.unwrap();
        // The page for a client that is not known.
        assert_eq!(call(running.http, "GET", path, "").await.0, 400, "{name}");
        running.stop().await;
    }
}

#[test]
fn a_twin_without_words_of_its_own_refuses_as_the_rfc_says() {
    // RFC 6750 section 3.1.
    let answer = Echo.refuse_token();
    assert_eq!(answer.status, 401);
    let challenge = ("www-authenticate", "Bearer error=\"invalid_token\"");
    let challenge = (challenge.0.to_owned(), challenge.1.to_owned());
    assert!(answer.headers.contains(&challenge));
}
