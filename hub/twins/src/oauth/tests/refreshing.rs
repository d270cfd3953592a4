use super::*;

/// A server with this rotation, and the first refresh token of a grant.
fn rotating(rotation: &str) -> (Desk, String) {
    let mut desk = Desk::new();
    desk.control("oauth", json!({"rotation": rotation}));
    let tokens = desk.tokens();
    (desk, text(&tokens, "refresh_token").to_owned())
}

/// The refresh token that is to be used after this one; none if it is refused.
fn next(desk: &mut Desk, token: &str) -> Option<String> {
    let (status, tokens) = desk.refresh(token);
    if status != 200 {
        assert_eq!((status, &tokens["error"]), (400, &json!("invalid_grant")));
        return None;
    }
    assert!(desk.is_active(text(&tokens, "access_token")));
    Some(text(&tokens, "refresh_token").to_owned())
}

#[test]
fn a_token_that_never_rotates_stays() {
    let (mut desk, token) = rotating("never");
    for _ in 0..3 {
        assert_eq!(next(&mut desk, &token), Some(token.clone()));
    }
    assert_eq!(desk.counts()["refreshed"], 3);
}

#[test]
fn a_token_that_always_rotates_ends_the_grant_when_it_is_used_again() {
    // RFC 9700 section 4.14.2.
    let (mut desk, first) = rotating("always");
    let second = next(&mut desk, &first).unwrap();
    let third = next(&mut desk, &second).unwrap();
    let (_, tokens) = desk.refresh(&third);
    assert_ne!(first, second);
    assert_eq!(next(&mut desk, &first), None);
    // The one that is good until then is void too, with its access token.
    assert_eq!(next(&mut desk, text(&tokens, "refresh_token")), None);
    assert!(!desk.is_active(text(&tokens, "access_token")));
    let counts = desk.counts();
    assert_eq!((&counts["live"], &counts["reused"]), (&json!(0), &json!(1)));
}

#[test]
fn with_grace_the_one_before_works_until_the_new_one_is_used() {
    // shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens
    let (mut desk, first) = rotating("grace");
    let second = next(&mut desk, &first).unwrap();
    assert_ne!(first, second);
    // The answer was lost: the retry leads to the same replacement.
    desk.pass(29 * 86_400);
    assert_eq!(next(&mut desk, &first), Some(second.clone()));
    let third = next(&mut desk, &second).unwrap();
    assert_eq!(next(&mut desk, &first), None);
    // A late retry ends nothing.
    assert_eq!(next(&mut desk, &second), Some(third));
}

#[test]
fn grace_ends_after_thirty_days() {
    // The same page: "limited to 30 days from the original refresh token's first use".
    let (mut desk, first) = rotating("grace");
    let second = next(&mut desk, &first).unwrap();
    desk.pass(30 * 86_400 + 1);
    assert_eq!(next(&mut desk, &first), None);
    assert!(next(&mut desk, &second).is_some());
}

#[test]
fn a_daily_token_changes_with_the_first_use_after_a_day() {
    // IntuitDeveloper/OAuth2-Dotnet_UsingSDK docs/help/Tokens.md.
    let (mut desk, first) = rotating("daily");
    desk.pass(86_399);
    assert_eq!(next(&mut desk, &first), Some(first.clone()));
    desk.pass(1);
    let second = next(&mut desk, &first).unwrap();
    assert_ne!(first, second);
    assert_eq!(next(&mut desk, &first), None);
    assert_eq!(next(&mut desk, &second), Some(second.clone()));
}

#[test]
fn a_new_scope_may_be_narrower_and_never_wider() {
    // RFC 6749 section 6.
    let (mut desk, token) = rotating("never");
    let table = [
        ("contacts.read", (200, "")),
        ("contacts.write contacts.read", (200, "")),
        ("contacts.read deals.read", (400, "invalid_scope")),
    ];
    for (scope, expected) in table {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
            ("scope", scope),
        ];
        let answer = desk.post("/token", &fields);
        assert_eq!(error(&answer), expected, "{scope}");
        if answer.0 == 200 {
            assert_eq!(answer.1["scope"], scope);
            let told = desk.introspect(text(&answer.1, "access_token"));
            assert_eq!(told["scope"], scope);
        }
    }
}

#[test]
fn a_refresh_token_is_its_clients_alone_and_has_its_own_life() {
    let mut desk = Desk::new();
    desk.control("oauth", json!({"refresh_life_s": 100}));
    let tokens = desk.tokens();
    let token = text(&tokens, "refresh_token");
    let fields = [
        ("client_id", "concord-public"),
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
    ];
    let answer = desk.post_as_is("/token", &fields);
    assert_eq!(error(&answer), (400, "invalid_grant"));
    desk.pass(99);
    assert!(next(&mut desk, token).is_some());
    desk.pass(1);
    assert_eq!(next(&mut desk, token), None);
}

#[test]
fn a_lost_answer_leaves_a_rotated_token_behind() {
    let (mut desk, first) = rotating("always");
    let lost = json!({"count": 1, "status": "drop", "path": "/token"});
    desk.control("fail", lost);
    let fields = [
        ("client_id", "concord"),
        ("client_secret", "concord-secret"),
        ("grant_type", "refresh_token"),
        ("refresh_token", &first),
    ];
    assert!(
        desk.send(Request::form("POST", "/token", &fields))
            .is_lost()
    );
    assert_eq!(desk.counts()["refreshed"], 1);
    assert_eq!(next(&mut desk, &first), None);
}
