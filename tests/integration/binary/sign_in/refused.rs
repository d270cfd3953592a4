//! What can go wrong with a sign-in: each is told with the next step, nothing is
//! lost by it, and no secret is shown.

use super::*;

/// The page of a login, with another value for one of its parameters.
fn with(page: &str, name: &str, value: &str) -> String {
    let mut url = url::Url::parse(page).unwrap();
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(key, old)| {
            let text = if key == name { value.into() } else { old };
            (key.into_owned(), text.into_owned())
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url.into()
}

/// The configuration with the browser coming back to another host.
pub(super) fn moved(config: &str, host: &str) -> String {
    let start = config.find("redirect-uri: ").unwrap();
    let end = start + config[start..].find("/callback").unwrap();
    config.replace(&config[start..end], &format!("redirect-uri: {host}"))
}

#[test]
fn an_answer_to_another_sign_in_is_turned_away_and_the_right_one_still_counts() {
    let firm = Firm::new(Program::new());
    let visit = Visit::begin(&firm.program, "connection login hubspot");
    let (status, page) = visit::open(&with(&visit.page, "state", "somebody-elses"));
    assert_eq!(status, 400);
    assert!(page.contains("another sign-in"), "{page}");
    let back = visit::leads_to(&visit.page);
    assert_eq!(visit::open(&back).0, 200);
    visit.end().fine();
    // The same address once more: nobody listens any more, and the code was used.
    let mut again = Visit::begin(&firm.program, "connection login hubspot --paste");
    again.paste(&back);
    again.end().refuses(1, &["another sign-in"]);
    firm.program.run("connection check hubspot").fine();
}

#[test]
fn a_person_who_says_no_is_heard() {
    let firm = Firm::new(Program::new());
    firm.hubspot.act("consent", &json!({ "answer": "deny" }));
    let visit = Visit::begin(&firm.program, "connection login hubspot");
    let (status, page) = visit::open(&visit.page);
    assert_eq!(status, 400);
    assert!(page.contains("turned down"), "{page}");
    visit.end().refuses(1, &["turned down", "access_denied"]);
}

#[test]
fn a_wrong_secret_and_a_wrong_address_are_named() {
    let mut firm = Firm::new(Program::new());
    firm.program.set("APP_SECRET", "wr0ng-s3cret");
    let visit = Visit::begin(&firm.program, "connection login hubspot");
    let (status, _) = visit::open(&visit.page);
    assert_eq!(status, 400);
    let ended = visit.end();
    ended.refuses(1, &["refuses the app", "client_secret"]);
    assert!(!format!("{ended:?}").contains("wr0ng-s3cret"));

    // The vendor's own page says that it knows no such address; nobody comes back.
    let wrong = firm.config("").replace("/callback", "/elsewhere");
    firm.program.apply(&wrong).fine();
    let visit = Visit::begin(&firm.program, "connection login hubspot");
    assert_eq!(visit::open(&visit.page).0, 400);
    drop(visit);

    let far = moved(&firm.config(""), "https://hub.example.com");
    firm.program.apply(&far).fine();
    let listens = firm.program.run("connection login hubspot");
    listens.refuses(1, &["neither an address of this machine", "--paste"]);
}

#[test]
fn a_sign_in_during_an_outage_of_the_server_can_be_begun_again() {
    let firm = Firm::new(Program::new());
    let outage = json!({ "count": 1, "status": 503, "path": "/token" });
    firm.hubspot.act("fail", &outage);
    let visit = Visit::begin(&firm.program, "connection login hubspot");
    visit::open(&visit.page);
    visit.end().refuses(1, &["cannot be asked", "503"]);
    firm.signs_in();
}

#[test]
fn what_a_configuration_or_a_command_gets_wrong_is_told() {
    let mut firm = Firm::new(Program::new());
    let login = |firm: &Firm, line: &str| firm.program.run(&format!("connection login {line}"));
    login(&firm, "hubspott").refuses(1, &["hubspott"]);
    login(&firm, "mailchimp").refuses(1, &["oauth: { client-id"]);
    login(&firm, "hubspot --device").refuses(1, &["knows no sign-in with a code"]);
    firm.program.unset("CONCORD_KEY");
    login(&firm, "hubspot").refuses(1, &["--key", "CONCORD_KEY"]);
    firm.syncs("sync").refuses(4, &["nobody has signed in yet"]);

    let both = firm.config("").replace("{ client_secret: ", "{ token: ");
    let refused = firm.program.apply(&both);
    refused.refuses(1, &["takes no secret 'token'", "client_secret"]);
    let typo = firm.config("      scope: [a]");
    firm.program.apply(&typo).refuses(1, &["scope"]);
    let url = firm.config("      token-url: \"{base}/token\"");
    firm.program
        .apply(&url)
        .refuses(1, &["connections.hubspot.oauth", "'base'"]);
}

#[test]
fn a_port_that_somebody_listens_at_is_named() {
    let firm = Firm::new(Program::new());
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = moved(&firm.config(""), &format!("http://127.0.0.1:{port}"));
    firm.program.apply(&config).fine();
    firm.program
        .run("connection login hubspot")
        .refuses(1, &["cannot be listened at", "--paste"]);
}
