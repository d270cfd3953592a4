//! One sign-in that reaches several accounts, as at Xero: a person says which one
//! the connection is.

use super::vendor::Vendor;
use super::*;

const MANIFEST: &str = r#"
[oauth]
authorize-url = "{login}/authorize"
token-url = "{login}/token"
tenants = { url = "{login}/connections", id = "tenantId", name = "tenantName", config = "tenant" }

[[config]]
key = "tenant"
label = "Organisation"
required = true
"#;

fn tenant(id: &str, name: &str) -> Value {
    json!({ "tenantId": id, "tenantName": name })
}

fn one_of_several_accounts_is_chosen(program: Program) {
    let vendor = Vendor::new(program, MANIFEST);
    let reaches = |tenants: &[Value]| {
        let wish = json!({ "tenants": tenants });
        vendor.login.act("tenants", &wish);
    };
    let (maple, oak) = (tenant("t-1", "Maple"), tenant("t-2", "Oak"));
    let run = |line: &str| vendor.program.run(line);

    // Nobody is at a terminal: the sign-in is kept, and what to type is told.
    reaches(&[maple.clone(), oak.clone()]);
    let (ended, page) = vendor.login("connection login crm");
    ended.refuses(
        1,
        &["reaches 2 accounts", "login crm --tenant ID", "t-1", "Oak"],
    );
    assert!(page.contains("Signed in"), "{page}");
    run("connection check crm").refuses(1, &["not chosen yet"]);
    run("secrets doctor").refuses(2, &["not chosen yet"]);
    run("connection login crm --tenant Elm").refuses(1, &["no account 'Elm'", "t-2"]);
    vendor.login.act(
        "fail",
        &json!({ "count": 1, "status": 503, "path": "/connections" }),
    );
    run("connection login crm --tenant Oak").refuses(1, &["503", "is kept"]);
    let out = run("connection login crm --tenant Oak").fine();
    assert_eq!(out["tenant"], json!({ "id": "t-2", "name": "Oak" }));
    assert_eq!(vendor.grants()["grants"], 1, "nobody signed in twice");
    run("connection check crm").fine();

    // The next sign-in keeps the choice, and takes no other in its place.
    let (ended, _) = vendor.login("connection login crm");
    assert_eq!(ended.fine()["tenant"]["id"], "t-2");
    reaches(std::slice::from_ref(&maple));
    let (ended, _) = vendor.login("connection login crm");
    ended.refuses(1, &["'t-2', is not reached any more", "t-1"]);
    run("connection login crm").refuses(1, &["'t-2', is not reached any more"]);
    // A sign-in that was withdrawn before the choice is begun anew.
    vendor.login.act("grants", &json!({ "revoke": "all" }));
    let (ended, _) = vendor.login("connection login crm --tenant t-1");
    assert_eq!(ended.fine()["tenant"]["name"], "Maple");

    // The only one there is needs no word.
    run("connection logout crm").fine();
    let (ended, _) = vendor.login("connection login crm");
    assert_eq!(ended.fine()["tenant"]["id"], "t-1");
    run("connection check crm").fine();
}

#[test]
fn one_of_the_accounts_that_a_sign_in_reaches_is_chosen_and_stays_so() {
    one_of_several_accounts_is_chosen(Program::new());
}

#[test]
fn one_of_the_accounts_that_a_sign_in_reaches_is_chosen_and_stays_so_on_a_server() {
    let database = concord_cluster::database().unwrap();
    one_of_several_accounts_is_chosen(Program::on_server(&database));
}
