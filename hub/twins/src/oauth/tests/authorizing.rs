use super::*;

#[test]
fn a_browser_comes_back_with_a_code_and_the_code_is_worth_tokens() {
    let mut desk = Desk::new();
    let target = desk
        .authorize(&[
            ("response_type", "code"),
            ("client_id", "concord"),
            ("redirect_uri", CALLBACK),
            ("scope", "contacts.read"),
            ("state", "a b&c"),
        ])
        .unwrap();
    // RFC 6749 section 4.1.2: code, and the state exactly as it came.
    assert!(target.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&target, "state").as_deref(), Some("a b&c"));
    let (status, tokens) = desk.redeem(&parameter(&target, "code").unwrap());
    assert_eq!(status, 200);
    // Section 5.1.
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "contacts.read");
    assert!(tokens["refresh_token"].is_string());
    assert!(desk.is_active(text(&tokens, "access_token")));
}

#[test]
fn answers_with_tokens_are_not_to_be_cached() {
    // RFC 6749 section 5.1.
    let mut desk = Desk::new();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "concord"),
        ("client_secret", "concord-secret"),
    ];
    let answer = desk.send(Request::form("POST", "/token", &fields));
    let no_store = ("cache-control".to_owned(), "no-store".to_owned());
    assert!(answer.headers.contains(&no_store));
    // Section 4.4.3: a refresh token should not be included.
    assert!(answer.value().get("refresh_token").is_none());
}

#[test]
fn errors_are_told_to_the_client_or_to_the_person_alone() {
    let whole = [
        ("response_type", "code"),
        ("client_id", "concord"),
        ("redirect_uri", CALLBACK),
        ("scope", "a"),
    ];
    // RFC 6749 section 4.1.2.1; RFC 7636 section 4.4.1 for the challenge.
    let table: &[(Fields<'_>, Result<&str, u16>)] = &[
        (&[("client_id", "nobody")], Err(400)),
        (&[("client_id", "")], Err(400)),
        (&[("redirect_uri", "https://thief.test/callback")], Err(400)),
        (&[("redirect_uri", "http://127.0.0.1/callback/x")], Err(400)),
        // Three are registered, so that one has to be named.
        (&[("redirect_uri", "")], Err(400)),
        (&[("response_type", "")], Ok("invalid_request")),
        (
            &[("response_type", "token")],
            Ok("unsupported_response_type"),
        ),
        (&[("scope", "a  b")], Ok("invalid_scope")),
        (&[("scope", "\"a\"")], Ok("invalid_scope")),
        (&[("client_id", "concord-public")], Ok("invalid_request")),
        (&[("code_challenge", CHALLENGE)], Ok("invalid_request")),
        (
            &[
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "plain"),
            ],
            Ok("invalid_request"),
        ),
    ];
    for (changes, expected) in table {
        let mut parameters = Vec::from(whole);
        parameters.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        parameters.extend_from_slice(changes);
        parameters.push(("state", "s1"));
        match (Desk::new().authorize(&parameters), expected) {
            (Err(status), Err(expected)) => assert_eq!(status, *expected, "{changes:?}"),
            (Ok(target), Ok(expected)) => {
                let told = parameter(&target, "error");
                assert_eq!(told.as_deref(), Some(*expected), "{changes:?}");
                assert_eq!(parameter(&target, "state").as_deref(), Some("s1"));
                assert_eq!(parameter(&target, "code"), None);
            }
            (outcome, expected) => panic!("{changes:?}: {outcome:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_parameter_that_comes_twice_is_refused() {
    // RFC 6749 section 3.1.
    let mut desk = Desk::new();
    let whole = [
        ("response_type", "code"),
        ("client_id", "concord"),
        ("redirect_uri", CALLBACK),
    ];
    let twice = |extra| [&whole[..], &[extra]].concat();
    let target = desk.authorize(&twice(("response_type", "code"))).unwrap();
    assert_eq!(parameter(&target, "error").unwrap(), "invalid_request");
    // Of two addresses, neither is the client's for certain.
    let thief = ("redirect_uri", "https://thief.test/");
    assert_eq!(desk.authorize(&twice(thief)), Err(400));
}

#[test]
fn the_person_can_say_no() {
    let mut desk = Desk::new();
    desk.control("consent", json!({"answer": "deny"}));
    let parameters = [
        ("response_type", "code"),
        ("client_id", "concord"),
        ("redirect_uri", CALLBACK),
        ("state", "s1"),
    ];
    let target = desk.authorize(&parameters).unwrap();
    assert_eq!(parameter(&target, "error").unwrap(), "access_denied");
    desk.control("consent", json!({"answer": "approve"}));
    let target = desk.authorize(&parameters).unwrap();
    assert!(parameter(&target, "code").is_some());
}

#[test]
fn a_public_client_proves_itself_by_its_verifier() {
    // RFC 7636 sections 4.3 to 4.6.
    let table = [
        (Some(VERIFIER), (200, "")),
        (Some(CHALLENGE), (400, "invalid_grant")),
        (None, (400, "invalid_grant")),
    ];
    for (verifier, expected) in table {
        let mut desk = Desk::new();
        let target = desk.authorize(&[
            ("response_type", "code"),
            ("client_id", "concord-public"),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let code = parameter(&target.unwrap(), "code").unwrap();
        let mut fields = vec![
            ("client_id", "concord-public"),
            ("grant_type", "authorization_code"),
            ("redirect_uri", CALLBACK),
            ("code", &code),
        ];
        fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let answer = desk.post_as_is("/token", &fields);
        assert_eq!(error(&answer), expected, "{verifier:?}");
    }
}

#[test]
fn a_code_lives_a_minute_and_is_used_once() {
    let mut desk = Desk::new();
    let code = desk.code();
    desk.pass(60);
    assert_eq!(error(&desk.redeem(&code)), (400, "invalid_grant"));

    let code = desk.code();
    desk.pass(59);
    let (_, tokens) = desk.redeem(&code);
    let access = text(&tokens, "access_token");
    assert!(desk.is_active(access));
    // RFC 6749 section 4.1.2: used twice, it revokes what came of it.
    assert_eq!(error(&desk.redeem(&code)), (400, "invalid_grant"));
    assert!(!desk.is_active(access));
    let refresh = text(&tokens, "refresh_token");
    assert_eq!(error(&desk.refresh(refresh)), (400, "invalid_grant"));
    let counts = desk.counts();
    assert_eq!(
        (&counts["reused"], &counts["revoked"]),
        (&json!(1), &json!(1))
    );
}
