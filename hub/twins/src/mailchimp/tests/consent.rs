use super::*;

/// The status that a PATCH to `wanted` leads to, or the vendor's title.
fn check(before: &str, wanted: &str, expect: &str) {
    let mut account = Account::with_members(1);
    let path = "/members/p0@example.org";
    match before {
        "opted out" => {
            account
                .control("unsubscribe", json!({"id": "p0@example.org"}))
                .0
        }
        "bounced" => account.control("bounce", json!({"id": "p0@example.org"})).0,
        status => account.call("PATCH", path, json!({"status": status})).0,
    };
    let (_, answer) = account.call("PATCH", path, json!({"status": wanted}));
    let outcome = answer["title"].as_str().or(answer["status"].as_str());
    assert_eq!(outcome, Some(expect), "{before} -> {wanted}");
}

#[test]
fn who_opted_out_is_not_subscribed_by_the_api() {
    // Recorded: "is in a compliance state due to unsubscribe, bounce, or
    // compliance review and cannot be subscribed"; public answers: pending is
    // the way back, and an unsubscribe by the API is not an opt-out.
    check("opted out", "subscribed", "Member In Compliance State");
    check("opted out", "pending", "pending");
    check("opted out", "unsubscribed", "unsubscribed");
    check("bounced", "subscribed", "Member In Compliance State");
    check("unsubscribed", "subscribed", "subscribed");
    check("pending", "subscribed", "subscribed");
    check("subscribed", "unsubscribed", "unsubscribed");
    check("subscribed", "archived", "Invalid Resource");
}

#[test]
fn archiving_does_not_wash_an_opt_out_away() {
    let mut account = Account::with_members(1);
    account.control("unsubscribe", json!({"id": "p0@example.org"}));
    account.call("DELETE", "/members/p0@example.org", Value::Null);
    let body = json!({"email_address": "p0@example.org", "status": "subscribed"});
    let answer = account.call("POST", "/members", body.clone());
    assert_eq!(title(&answer), (400, "Member In Compliance State"));
    let (_, batch) = account.call(
        "POST",
        "",
        json!({"members": [body], "update_existing": true}),
    );
    assert_eq!(
        (&batch["error_count"], &batch["total_created"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn the_person_can_come_back_by_a_form() {
    let mut account = Account::with_members(2);
    account.control("unsubscribe", json!({"id": "p0@example.org"}));
    account.control("delete", json!({"id": "p1@example.org", "permanent": true}));
    account.pass(60);
    for email in ["p0@example.org", "p1@example.org"] {
        assert_eq!(account.control("resubscribe", json!({"id": email})).0, 200);
        let (_, member) = account.member(email);
        assert_eq!(member["status"], "subscribed");
        assert_eq!(member["timestamp_opt"], member["last_changed"]);
    }
    let body = json!({"status": "subscribed"});
    assert_eq!(
        account.call("PATCH", "/members/p0@example.org", body).0,
        200
    );
}

#[test]
fn consent_is_stamped_when_it_is_given() {
    let mut account = Account::with_members(1);
    let opted = account.member("p0@example.org").1["timestamp_opt"].clone();
    account.pass(30);
    account.call(
        "PATCH",
        "/members/p0@example.org",
        json!({"status": "unsubscribed"}),
    );
    let (_, member) = account.member("p0@example.org");
    assert_eq!(member["timestamp_opt"], opted);
    assert_ne!(member["last_changed"], opted);
    account.pass(30);
    account.call(
        "PATCH",
        "/members/p0@example.org",
        json!({"status": "subscribed"}),
    );
    let (_, member) = account.member("p0@example.org");
    assert_eq!(member["timestamp_opt"], member["last_changed"]);
}
