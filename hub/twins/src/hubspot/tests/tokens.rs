//! OAuth, from the install link to the withdrawn app.

use super::*;

const CALLBACK: &str = "http://127.0.0.1:51004/callback";
const CLIENT: [(&str, &str); 2] = [
    ("client_id", "concord"),
    ("client_secret", "concord-secret"),
];

impl Desk {
    /// Without the bearer token that the other requests have.
    fn bare(&mut self, request: Request) -> Response {
        self.twin.handle(Timestamp::from_millis(self.ms), request)
    }

    fn code(&mut self) -> String {
        let target = "/oauth/authorize?client_id=concord&scope=crm.objects.contacts.read&state=s\
                      &redirect_uri=http%3A%2F%2F127.0.0.1%3A51004%2Fcallback";
        let answer = self.bare(Request::plain("GET", target));
        let location = answer.headers.iter().find(|(n, _)| n == "location");
        let query = location.unwrap().1.split_once('?').unwrap().1.to_owned();
        let landing = Request::plain("GET", &format!("/?{query}"));
        assert_eq!(landing.parameter("state").as_deref(), Some("s"));
        landing.parameter("code").unwrap()
    }

    fn token(&mut self, fields: &[(&str, &str)]) -> (u16, Value) {
        let request = Request::form("POST", "/oauth/2026-03/token", fields);
        let answer = self.bare(request);
        (answer.status, answer.value())
    }

    fn install(&mut self) -> Value {
        let code = self.code();
        let fields = [
            CLIENT[0],
            CLIENT[1],
            ("grant_type", "authorization_code"),
            ("redirect_uri", CALLBACK),
            ("code", &code),
        ];
        let (status, tokens) = self.token(&fields);
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    fn refresh(&mut self, token: &str) -> (u16, Value) {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(&[&CLIENT[..], &fields].concat())
    }

    /// What a read with this token is answered.
    fn try_token(&mut self, token: &Value) -> (u16, Value) {
        let header = format!("Bearer {}", token.as_str().unwrap());
        let request = Request::plain("GET", CONTACTS).with_header("authorization", &header);
        let answer = self.bare(request);
        (answer.status, answer.value())
    }
}

#[test]
fn an_app_is_installed_and_its_token_lives_half_an_hour() {
    let mut desk = Desk::new();
    let tokens = desk.install();
    // SDK, AccessTokenResponse.
    assert_eq!(tokens["expires_in"], 1800);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["token_use"], "access_token");
    assert_eq!(tokens["hub_id"], 4_242_424);
    assert_eq!(tokens["scopes"], json!(["crm.objects.contacts.read"]));
    assert_eq!(desk.try_token(&tokens["access_token"]).0, 200);

    desk.ms += 1_800_000;
    let (status, told) = desk.try_token(&tokens["access_token"]);
    // The body of airbytehq/airbyte#74726.
    assert_eq!(
        (status, &told["category"]),
        (401, &json!("EXPIRED_AUTHENTICATION"))
    );
    assert_eq!(
        told["message"],
        "The OAuth token used to make this call expired 0 second(s) ago."
    );
    assert_eq!(
        told["context"]["expire time"],
        json!(["2026-03-01T00:30:00.000Z"])
    );

    let token = tokens["refresh_token"].as_str().unwrap();
    let (status, renewed) = desk.refresh(token);
    assert_eq!((status, &renewed["refresh_token"]), (200, &json!(token)));
    assert_eq!(desk.try_token(&renewed["access_token"]).0, 200);
    // None of this is a write.
    let none = json!({"requests": 0, "records": 0});
    assert_eq!(desk.get("/_twin/writes").1, none);
}

#[test]
fn refusals_have_the_words_of_the_rfc_and_of_hubspot() {
    let of_code = |code| [("grant_type", "authorization_code"), ("code", code)];
    let table = [
        (
            [
                &CLIENT[..],
                &[("grant_type", "refresh_token"), ("refresh_token", "x")],
            ]
            .concat(),
            (400, "invalid_grant", "BAD_REFRESH_TOKEN"),
        ),
        (
            [&CLIENT[..], &of_code("x")].concat(),
            (400, "invalid_grant", "BAD_AUTH_CODE"),
        ),
        (
            [&CLIENT[..], &of_code("")].concat(),
            (400, "invalid_request", "BAD_AUTH_CODE"),
        ),
        (
            vec![("client_id", "x"), ("grant_type", "refresh_token")],
            (401, "invalid_client", "BAD_CLIENT_ID"),
        ),
        (
            vec![CLIENT[0], ("grant_type", "refresh_token")],
            (401, "invalid_client", "BAD_CLIENT_SECRET"),
        ),
        (
            [&CLIENT[..], &[("grant_type", "password")]].concat(),
            (400, "unsupported_grant_type", "BAD_GRANT_TYPE"),
        ),
    ];
    for (fields, (status, error, word)) in table {
        let (answered, told) = Desk::new().token(&fields);
        assert_eq!(answered, status, "{fields:?}");
        assert_eq!(
            (&told["error"], &told["status"]),
            (&json!(error), &json!(word))
        );
    }
    // The example of the changelog on standardized error responses.
    let (_, told) = Desk::new().refresh("x");
    let text = "refresh token is invalid, expired or revoked";
    let example = json!({
        "error": "invalid_grant", "error_description": text,
        "status": "BAD_REFRESH_TOKEN", "message": text,
    });
    assert_eq!(told, example);
}

#[test]
fn a_code_has_its_time_and_its_place() {
    let mut desk = Desk::new();
    let code = desk.code();
    let elsewhere = [
        CLIENT[0],
        CLIENT[1],
        ("grant_type", "authorization_code"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("code", &code),
    ];
    let (_, told) = desk.token(&elsewhere);
    assert_eq!(told["status"], "MISMATCH_REDIRECT_URI_AUTH_CODE");
    desk.ms += 60_000;
    let (_, told) = desk.token(&elsewhere);
    assert_eq!(told["status"], "EXPIRED_AUTH_CODE");
}

#[test]
fn an_app_that_is_withdrawn_has_no_token_left() {
    let mut desk = Desk::new();
    let tokens = desk.install();
    desk.control("grants", json!({"revoke": "all"}));
    let (status, told) = desk.try_token(&tokens["access_token"]);
    assert_eq!(
        (status, &told["category"]),
        (401, &json!("INVALID_AUTHENTICATION"))
    );
    let (status, told) = desk.refresh(tokens["refresh_token"].as_str().unwrap());
    assert_eq!(
        (status, &told["status"]),
        (400, &json!("BAD_REFRESH_TOKEN"))
    );
    // A refresh token is no access token.
    assert_eq!(desk.try_token(&tokens["refresh_token"]).0, 401);
}

#[test]
fn other_tokens_are_a_private_apps_unless_the_account_is_strict() {
    let mut desk = Desk::new();
    let private = json!("pat-eu1-1");
    assert_eq!(desk.try_token(&private).0, 200);
    assert_eq!(
        desk.control("oauth", json!({"strict": true}))["strict"],
        true
    );
    let (status, told) = desk.try_token(&private);
    assert_eq!(
        (status, &told["category"]),
        (401, &json!("INVALID_AUTHENTICATION"))
    );
    let tokens = desk.install();
    assert_eq!(desk.try_token(&tokens["access_token"]).0, 200);
}

#[test]
fn a_token_can_be_asked_about() {
    // SDK, PublicAccessTokenInfoResponse; usertour/usertour#490 for the unknown one.
    let mut desk = Desk::new();
    let tokens = desk.install();
    desk.ms += 60_000;
    let mut ask = |token: &str| {
        let fields = [CLIENT[0], CLIENT[1], ("token", token)];
        let request = Request::form("POST", "/oauth/2026-03/token/introspect", &fields);
        let answer = desk.bare(request);
        assert_eq!(answer.status, 200);
        answer.value()
    };
    let told = ask(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        (&told["active"], &told["expires_in"]),
        (&json!(true), &json!(1740))
    );
    assert_eq!(
        (&told["token"], &told["hub_id"]),
        (&tokens["access_token"], &json!(4_242_424))
    );
    let told = ask(tokens["refresh_token"].as_str().unwrap());
    assert_eq!(told["token_use"], "refresh_token");
    assert_eq!(ask("unknown"), json!({"active": false}));
}

#[test]
fn an_answer_with_tokens_can_be_lost() {
    let mut desk = Desk::new();
    let tokens = desk.install();
    desk.control(
        "fail",
        json!({"count": 1, "status": "drop", "path": "/oauth/"}),
    );
    let token = tokens["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let fields = [&CLIENT[..], &fields].concat();
    let lost = desk.bare(Request::form("POST", "/oauth/2026-03/token", &fields));
    assert!(lost.is_lost());
    assert_eq!(desk.get("/_twin/grants").1["refreshed"], 1);
}
