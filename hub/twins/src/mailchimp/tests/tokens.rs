//! OAuth, from the authorization to the withdrawn app.

use super::*;

impl Account {
    fn bare(&mut self, request: Request) -> Response {
        self.twin.handle(self.now, request)
    }

    /// The answer of the token endpoint to a new code.
    fn authorize(&mut self) -> Value {
        let callback = "https://hub.test/callback";
        let client = json!({
            "client_id": "635959587059", "client_secret": "s", "redirect_uris": [callback],
        });
        assert_eq!(self.control("clients", client).0, 200);
        let target = "/oauth2/authorize?response_type=code&client_id=635959587059\
                      &redirect_uri=https%3A%2F%2Fhub.test%2Fcallback";
        let answer = self.bare(Request::plain("GET", target));
        let location = answer.headers.iter().find(|(n, _)| n == "location");
        let query = location.unwrap().1.split_once('?').unwrap().1.to_owned();
        let code = Request::plain("GET", &format!("/?{query}")).parameter("code");
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "635959587059"),
            ("client_secret", "s"),
            ("redirect_uri", callback),
            ("code", &code.unwrap()),
        ];
        let answer = self.bare(Request::form("POST", "/oauth2/token", &fields));
        assert_eq!(answer.status, 200);
        answer.value()
    }

    fn ping(&mut self, header: &str) -> (u16, Value) {
        let ping = Request::plain("GET", "/3.0/ping").with_header("authorization", header);
        let answer = self.bare(ping);
        (answer.status, answer.value())
    }

    fn metadata(&mut self, header: &str) -> Value {
        let request = Request::plain("GET", "/oauth2/metadata")
            .with_header("host", "127.0.0.1:7102")
            .with_header("authorization", header);
        let answer = self.bare(request);
        // Also where the token is none: airbyte's source-mailchimp.
        assert_eq!(answer.status, 200);
        answer.value()
    }
}

#[test]
fn a_token_has_no_end_and_no_refresh_token() {
    // requests/requests-oauthlib#169: expires_in is 0 and scope is null.
    let mut account = Account::new();
    let tokens = account.authorize();
    let token = tokens["access_token"].as_str().unwrap();
    let expected = json!({"access_token": token, "expires_in": 0, "scope": null});
    assert_eq!(tokens, expected);
    account.pass(10 * 365 * 86_400);
    assert_eq!(account.ping(&format!("Bearer {token}")).0, 200);
    let pair = STANDARD.encode(format!("any:{token}-us1"));
    assert_eq!(account.ping(&format!("Basic {pair}")).0, 200);
}

#[test]
fn the_metadata_says_where_the_account_is() {
    let mut account = Account::new();
    let token = account.authorize()["access_token"].clone();
    for scheme in ["OAuth", "Bearer"] {
        let told = account.metadata(&format!("{scheme} {}", token.as_str().unwrap()));
        assert_eq!(told["dc"], "us1");
        assert_eq!(told["api_endpoint"], "http://127.0.0.1:7102");
        assert!(told["login"]["email"].is_string());
    }
    let invalid = json!({"error": "invalid_token"});
    for header in ["OAuth mailchimp_at_0", "OAuth ", "Basic eDp5", "OAuth"] {
        assert_eq!(account.metadata(header), invalid, "{header}");
    }
}

#[test]
fn a_withdrawn_token_is_refused_as_a_key_is() {
    let mut account = Account::new();
    let tokens = account.authorize();
    let header = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    account.control("grants", json!({"revoke": "all"}));
    assert_eq!(title(&account.ping(&header)), (401, "API Key Invalid"));
    assert_eq!(account.metadata(&header)["error"], "invalid_token");
}

#[test]
fn keys_are_taken_unless_the_account_is_strict() {
    let mut account = Account::new();
    let token = account.authorize()["access_token"].clone();
    let key = format!("Bearer {KEY}");
    assert_eq!(account.ping(&key).0, 200);
    assert_eq!(account.control("oauth", json!({"strict": true})).0, 200);
    assert_eq!(title(&account.ping(&key)), (401, "API Key Invalid"));
    let header = format!("Bearer {}", token.as_str().unwrap());
    assert_eq!(account.ping(&header).0, 200);
}

#[test]
fn other_grants_are_not_known_here() {
    let mut account = Account::new();
    for kind in ["refresh_token", "client_credentials", "password"] {
        let fields = [
            ("grant_type", kind),
            ("client_id", "concord"),
            ("client_secret", "concord-secret"),
            ("refresh_token", "x"),
        ];
        let answer = account.bare(Request::form("POST", "/oauth2/token", &fields));
        // RFC 6749 section 5.2.
        assert_eq!(answer.status, 400);
        assert_eq!(answer.value()["error"], "unsupported_grant_type", "{kind}");
    }
    let stray = account.bare(Request::plain("GET", "/oauth2/elsewhere"));
    assert_eq!(stray.status, 404);
    let writes = account.bare(Request::plain("GET", "/_twin/writes")).value();
    assert_eq!(writes["requests"], 0);
}
