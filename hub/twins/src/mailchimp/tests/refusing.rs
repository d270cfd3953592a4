use super::*;
use crate::http::IN_FLIGHT_HEADER;

/// What a ping with this header is answered by a twin that wants one key.
fn check(header: &str, expect: (u16, &str)) {
    let mut twin = Account::new().twin;
    let wish = Request::json("POST", "/_twin/token", &json!({"token": KEY}));
    twin.handle(Timestamp::ZERO, wish);
    let ping = Request::plain("GET", "/3.0/ping").with_header("authorization", header);
    let response = twin.handle(Timestamp::ZERO, ping);
    assert_eq!(
        title(&(response.status, response.value())),
        expect,
        "{header}"
    );
}

#[test]
fn a_key_is_wanted_by_basic_or_bearer() {
    // docs fundamentals: "any string" as the user name, or an OAuth token.
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    check(&basic(&format!("anystring:{KEY}")), (200, ""));
    check(&format!("Bearer {KEY}"), (200, ""));
    let invalid = (401, "API Key Invalid");
    check(&basic("anystring:wrong-us1"), invalid);
    check(&basic("anystring:"), invalid);
    check("Bearer wrong", invalid);
    check("Basic %%%", invalid);
}

#[test]
fn without_a_key_nobody_is_let_in() {
    let ping = Request::plain("GET", "/3.0/ping");
    let answer = Account::new().twin.handle(Timestamp::ZERO, ping);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.value()["title"], "API Key Missing");
}

#[test]
fn problems_are_rfc_7807_documents() {
    let mut account = Account::new();
    let response = account.send(Request::plain("GET", "/3.0/lists/none"));
    let kind = (
        "content-type".to_owned(),
        "application/problem+json; charset=utf-8".to_owned(),
    );
    assert!(response.headers.contains(&kind));
    let body = response.value();
    assert_eq!(
        body["type"],
        "https://mailchimp.com/developer/marketing/docs/errors/"
    );
    assert_eq!(
        (&body["status"], &body["title"]),
        (&json!(404), &json!("Resource Not Found"))
    );
    let next = account
        .send(Request::plain("GET", "/3.0/lists/none"))
        .value();
    assert_ne!(body["instance"], next["instance"]);
}

#[test]
fn wrong_methods_and_unreadable_bodies_are_named() {
    let mut account = Account::with_members(1);
    assert_eq!(
        title(&account.call("PATCH", "/members", json!({}))),
        (405, "Method Not Allowed")
    );
    let target = format!("/3.0/lists/{LIST_ID}/members");
    let mut broken = Request::plain("POST", &target);
    broken.body = b"{\"email".to_vec();
    let response = account.send(broken);
    assert_eq!(
        (response.status, &response.value()["title"]),
        (400, &json!("JSON Parse Error"))
    );
    assert_eq!(
        title(&account.call("POST", "/members", json!([]))),
        (400, "Invalid Resource")
    );
}

#[test]
fn an_eleventh_connection_is_refused_without_any_header() {
    // docs errors: "You have exceeded the limit of 10 simultaneous connections."
    let mut account = Account::new();
    let ping = |n: &str| Request::plain("GET", "/3.0/ping").with_header(IN_FLIGHT_HEADER, n);
    assert_eq!(account.send(ping("10")).status, 200);
    let refused = account.send(ping("11"));
    assert_eq!(refused.status, 429);
    assert!(
        refused
            .headers
            .iter()
            .all(|(name, _)| name == "content-type")
    );
    account.control("limits", json!({"on": false}));
    assert_eq!(account.send(ping("11")).status, 200);
}

#[test]
fn failures_on_demand_have_the_vendors_form() {
    let mut account = Account::new();
    account.control("fail", json!({"count": 1, "status": 429}));
    assert_eq!(title(&account.get("/members")), (429, "Too Many Requests"));
    account.control("fail", json!({"count": 1, "status": 403}));
    let bare = account.send(Request::plain("GET", "/3.0/ping"));
    assert_eq!((bare.status, bare.value()), (403, Value::Null));
    account.control("fail", json!({"count": 1, "status": 500}));
    assert_eq!(
        title(&account.get("/members")),
        (500, "Internal Server Error")
    );
    assert_eq!(account.get("/members").0, 200);
}

#[test]
fn a_dropped_answer_was_carried_out() {
    let mut account = Account::new();
    account.control("fail", json!({"count": 1, "status": "drop"}));
    let body = json!({"email_address": "ann@example.org", "status": "subscribed"});
    let target = format!("/3.0/lists/{LIST_ID}/members");
    assert!(
        account
            .send(Request::json("POST", &target, &body))
            .is_lost()
    );
    assert_eq!(account.member("ann@example.org").0, 200);
}
