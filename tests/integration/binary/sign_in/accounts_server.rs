//! A vendor whose accounts live in data centres, each with a sign-in server of its
//! own, as Zoho's do: the redirect says which.

use super::vendor::Vendor;
use super::*;

/// Nobody answers at the manifest's own server.
const MANIFEST: &str = r#"
[oauth]
authorize-url = "{login}/authorize"
token-url = "http://127.0.0.1:9/token"
revoke-url = "http://127.0.0.1:9/revoke"
accounts-server = { parameter = "accounts-server", hosts = ["{login}"] }
"#;

fn an_account_s_server_is_asked_and_no_other(program: Program) {
    let vendor = Vendor::new(program, MANIFEST);
    let home = |server: &str| json!({ "location": "eu", "accounts-server": server });
    let moves_to = |server: &str| {
        let wish = json!({ "home": home(server), "access_life_s": 4 });
        vendor.login.act("oauth", &wish);
    };

    // A server that answers, but that the manifest does not name.
    moves_to(&vendor.api.url);
    let (ended, page) = vendor.login("connection login crm");
    ended.refuses(
        1,
        &["may not send the code", &vendor.api.url, "nothing was sent"],
    );
    assert!(page.contains("may not send the code"), "{page}");
    let told = format!("{ended:?}{page}");
    for secret in ["oauth_code_", concord_twins::oauth::CLIENT_SECRET] {
        assert!(!told.contains(secret), "{told}");
    }
    assert_eq!(vendor.grants()["grants"], 0);
    moves_to("http://127.0.0.1@thief.example");
    let (ended, _) = vendor.login("connection login crm");
    ended.refuses(1, &["is no address like", "nothing was sent"]);
    vendor.program.run("status").fine();

    moves_to(&vendor.login.url);
    let (ended, page) = vendor.login("connection login crm");
    assert_eq!(ended.fine()["signed_in"], true);
    assert!(page.contains("Signed in"), "{page}");
    // Another process, and a token that has ended.
    std::thread::sleep(Duration::from_secs(5));
    vendor.program.run("connection check crm").fine();
    let grants = vendor.grants();
    assert_eq!(
        (&grants["refreshed"], &grants["live"]),
        (&json!(1), &json!(1))
    );
    let out = vendor.program.run("connection logout crm").fine();
    let told = out["vendor"].to_string();
    assert!(told.contains("was told to forget"), "{told}");
    assert_eq!(vendor.grants()["live"], 0);
}

#[test]
fn an_account_s_server_is_asked_for_everything_and_no_other_for_anything() {
    an_account_s_server_is_asked_and_no_other(Program::new());
}

#[test]
fn an_account_s_server_is_asked_for_everything_and_no_other_for_anything_on_a_server() {
    let database = concord_cluster::database().unwrap();
    an_account_s_server_is_asked_and_no_other(Program::on_server(&database));
}
