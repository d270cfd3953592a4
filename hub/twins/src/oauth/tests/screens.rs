use super::*;

#[test]
fn the_rules_can_be_changed_one_by_one() {
    let mut desk = Desk::new();
    let rules = json!({
        "access_life_s": 3600,
        "refresh_life_s": null,
        "rotation": "never",
        "states_life": true,
        "strict": false,
        "home": null,
    });
    assert_eq!(desk.control("oauth", json!({})), rules);
    let told = desk.control("oauth", json!({"access_life_s": 2, "rotation": "grace"}));
    assert_eq!(
        (&told["access_life_s"], &told["rotation"]),
        (&json!(2), &json!("grace"))
    );
    assert_eq!(desk.tokens()["expires_in"], 2);

    // RFC 6749 section 5.1: expires_in is recommended, so that it can be missing.
    desk.control("oauth", json!({"states_life": false}));
    let silent = desk.tokens();
    assert!(silent.get("expires_in").is_none());
    desk.pass(2);
    assert!(!desk.is_active(text(&silent, "access_token")));

    desk.control("oauth", json!({"access_life_s": null, "states_life": true}));
    let endless = desk.tokens();
    assert!(endless.get("expires_in").is_none());
    desk.pass(1_000_000_000);
    assert!(desk.is_active(text(&endless, "access_token")));
}

#[test]
fn the_person_can_withdraw_the_app() {
    let mut desk = Desk::new();
    let tokens = desk.tokens();
    let on_its_way = desk.code();
    let counts = desk.control("grants", json!({"revoke": "all"}));
    let expected = json!({
        "grants": 1, "live": 0, "refreshed": 0, "reused": 0, "revoked": 1, "introspected": 0,
    });
    assert_eq!(counts, expected);
    assert!(!desk.is_active(text(&tokens, "access_token")));
    let token = text(&tokens, "refresh_token");
    assert_eq!(error(&desk.refresh(token)), (400, "invalid_grant"));
    assert_eq!(error(&desk.redeem(&on_its_way)), (400, "invalid_grant"));
    desk.tokens();
    assert_eq!(desk.counts()["live"], 1);
}

#[test]
fn clients_can_be_added_and_replaced() {
    let mut desk = Desk::new();
    let redirect = "https://hub.test/oauth/callback?from=twin";
    let parameters = [
        ("response_type", "code"),
        ("client_id", "concord"),
        ("redirect_uri", redirect),
    ];
    assert_eq!(desk.authorize(&parameters), Err(400));
    let client = json!({
        "client_id": "concord", "client_secret": "other", "redirect_uris": [redirect],
    });
    desk.control("clients", client);
    let target = desk.authorize(&parameters).unwrap();
    // RFC 6749 section 3.1.2: a query that is there is kept.
    assert_eq!(parameter(&target, "from").as_deref(), Some("twin"));
    assert_eq!(desk.post("/token", &[]).0, 401);
    let demanding = json!({
        "client_id": "concord", "client_secret": "s", "redirect_uris": [redirect], "pkce": true,
    });
    desk.control("clients", demanding);
    let target = desk.authorize(&parameters).unwrap();
    assert_eq!(parameter(&target, "error").unwrap(), "invalid_request");
}

#[test]
fn what_is_misspelt_is_refused() {
    let mut desk = Desk::new();
    for (name, body) in [
        ("consent", json!({"answer": "perhaps"})),
        ("grants", json!({"revoke": "some"})),
        ("oauth", json!({"rotation": "weekly"})),
        ("oauth", json!({"access_life": 5})),
        (
            "clients",
            json!({"client_id": "x", "redirect_uris": ["/relative"]}),
        ),
        (
            "clients",
            json!({"client_id": "x", "redirect_uris": ["https://x.test/#f"]}),
        ),
    ] {
        let request = Request::json("POST", &format!("/_twin/{name}"), &body);
        assert_eq!(desk.send(request).status, 400, "{name} {body}");
    }
    assert_eq!(
        desk.send(Request::plain("GET", "/_twin/nothing")).status,
        404
    );
}

#[test]
fn two_runs_give_the_same_tokens_and_two_seeds_do_not() {
    assert_eq!(Desk::new().tokens(), Desk::new().tokens());
    let mut other = Desk {
        twin: OAuth::new(2),
        ..Desk::new()
    };
    assert_ne!(other.tokens(), Desk::new().tokens());
}

#[test]
fn a_redirect_with_a_code_names_the_account_s_data_centre() {
    let mut desk = Desk::new();
    let home = json!({"location": "eu", "accounts-server": "https://accounts.eu.example"});
    assert_eq!(desk.control("oauth", json!({"home": home}))["home"], home);
    let asked = [
        ("response_type", "code"),
        ("client_id", "concord"),
        ("redirect_uri", CALLBACK),
    ];
    let back = desk.authorize(&asked).unwrap();
    let server = parameter(&back, "accounts-server");
    assert_eq!(server.as_deref(), Some("https://accounts.eu.example"));
    assert_eq!(parameter(&back, "location").as_deref(), Some("eu"));
    desk.control("consent", json!({"answer": "deny"}));
    let back = desk.authorize(&asked).unwrap();
    assert_eq!(parameter(&back, "accounts-server"), None);
}

#[test]
fn whoever_has_a_live_token_sees_the_accounts_that_it_reaches() {
    let mut desk = Desk::new();
    let tenants = json!([{"tenantId": "t-1", "tenantName": "Maple"}]);
    desk.control("tenants", json!({"tenants": tenants}));
    let listed = |desk: &mut Desk, token: &str| {
        let request = Request::plain("GET", "/connections");
        desk.send(request.with_header("authorization", &format!("Bearer {token}")))
    };
    let tokens = desk.tokens();
    let token = text(&tokens, "access_token");
    let answer = listed(&mut desk, token);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.value()[0]["tenantId"], "t-1");
    assert_eq!(answer.value()[0]["tenantName"], "Maple");
    desk.control("grants", json!({"revoke": "all"}));
    assert_eq!(listed(&mut desk, token).status, 401);
    assert_eq!(listed(&mut desk, "none").status, 401);
}
