use super::*;

#[test]
fn people_edit_and_only_the_api_is_counted() {
    let mut account = Account::with_members(1);
    let ann = json!({"type": "members", "properties": {
        "email_address": "ann@example.org", "status": "subscribed",
        "merge_fields": {"FNAME": "Ann"},
    }});
    let (_, created) = account.control("create", ann);
    let edit = json!({"type": "members", "id": created["id"], "properties": {"language": "nl"}});
    assert_eq!(account.control("edit", edit).0, 200);
    assert_eq!(
        account
            .control("delete", json!({"type": "members", "id": "p0@example.org"}))
            .0,
        200
    );
    assert_eq!(account.member("p0@example.org").1["status"], "archived");
    let writes = account
        .twin
        .handle(account.now, Request::plain("GET", "/_twin/writes"))
        .value();
    assert_eq!(writes, json!({"requests": 1, "records": 1}));
    let dump = account
        .twin
        .handle(account.now, Request::plain("GET", "/_twin/dump/members"))
        .value();
    assert_eq!(dump["results"].as_array().unwrap().len(), 1);
    assert_eq!(dump["results"][0]["language"], "nl");
    assert_eq!(dump["archived"][0]["email_address"], "p0@example.org");
}

#[test]
fn writes_are_counted_by_record() {
    let mut account = Account::with_members(2);
    let member = |email: &str| json!({"email_address": email, "status": "subscribed"});
    let members = json!([
        member("a@example.org"),
        member("b@example.org"),
        member("p0@example.org")
    ]);
    account.call("POST", "", json!({"members": members}));
    account.call(
        "PATCH",
        "/members/nobody@example.org",
        json!({"language": "de"}),
    );
    account.get("/members");
    let writes = account
        .twin
        .handle(account.now, Request::plain("GET", "/_twin/writes"))
        .value();
    assert_eq!(writes, json!({"requests": 4, "records": 4}));
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut account = Account::with_members(1);
    assert_eq!(account.control("merge", json!({"type": "members"})).0, 404);
    assert_eq!(
        account
            .control("edit", json!({"type": "contacts", "id": "1"}))
            .0,
        404
    );
    let nobody = account.control("unsubscribe", json!({"id": "nobody@example.org"}));
    assert_eq!(
        nobody,
        (
            404,
            json!({"error": "The requested resource could not be found."})
        )
    );
    assert_eq!(
        account
            .control("create", json!({"type": "lists", "properties": {}}))
            .0,
        400
    );
    let second = json!({"type": "lists", "properties": {"id": "b2", "name": "News"}});
    assert_eq!(account.control("create", second).0, 200);
    let wish = json!({"list": "b2", "properties": {"email_address": "a@example.org", "status": "subscribed"}});
    assert_eq!(account.control("create", wish).0, 200);
    assert_eq!(account.member("a@example.org").0, 404);
}

#[test]
fn people_of_the_data_set_come_with_their_consent() {
    let mut account = Account::new();
    let (_, answer) = account.control("people", json!({"seed": 3, "count": 400}));
    let (_, page) = account.get("/members?count=1000");
    assert_eq!(page["total_items"], answer["members"]);
    let members = page["members"].as_array().unwrap();
    // Whoever has no address of their own is not in an audience.
    assert!(
        members.len() > 200 && members.len() < 400,
        "{}",
        members.len()
    );
    for status in ["subscribed", "unsubscribed", "transactional"] {
        assert!(members.iter().any(|m| m["status"] == status), "{status}");
    }
    let opted_out = members
        .iter()
        .find(|m| m["status"] == "unsubscribed")
        .unwrap();
    let path = format!("/members/{}", opted_out["id"].as_str().unwrap());
    let answer = account.call("PATCH", &path, json!({"status": "subscribed"}));
    assert_eq!(title(&answer), (400, "Member In Compliance State"));
    let body = json!({"merge_fields": {"FNAME": "Ann"}});
    assert_eq!(account.call("PATCH", &path, body).0, 200);
}
