use super::super::member::subscriber_hash;
use super::*;

#[test]
fn a_new_member_looks_as_the_vendor_answers() {
    // A recorded answer to POST members of 2021, and the reference for the rest.
    let mut account = Account::new();
    let body = json!({
        "status": "subscribed",
        "merge_fields": {"email_address": "x@example.org", "FNAME": "Caio"},
        "email_address": "x@example.org",
    });
    let (status, member) = account.call("POST", "/members", body);
    assert_eq!(status, 200);
    assert_eq!(member["id"], subscriber_hash("x@example.org"));
    assert_eq!(
        member["merge_fields"],
        json!({"FNAME": "Caio", "LNAME": "", "ADDRESS": "", "PHONE": "", "BIRTHDAY": ""})
    );
    assert_eq!(member["timestamp_signup"], "");
    assert_eq!(member["timestamp_opt"], "2026-03-01T10:00:00+00:00");
    assert_eq!(member["last_changed"], "2026-03-01T10:00:00+00:00");
    assert_eq!(member["source"], "API - Generic");
    assert_eq!(member["full_name"], "Caio");
}

#[test]
fn post_refuses_who_is_there_and_put_updates_them() {
    // Recorded: "Use PUT to insert or update list members."
    let mut account = Account::with_members(1);
    let body = json!({"email_address": "P0@example.org", "status": "subscribed"});
    let answer = account.call("POST", "/members", body);
    assert_eq!(title(&answer), (400, "Member Exists"));
    assert_eq!(
        answer.1["detail"],
        "P0@example.org is already a list member. Use PUT to insert or update list members."
    );
    let body = json!({"email_address": "p0@example.org", "merge_fields": {"LNAME": "Lee"}});
    let (status, member) = account.call("PUT", "/members/p0@example.org", body);
    assert_eq!(
        (status, &member["merge_fields"]["LNAME"]),
        (200, &json!("Lee"))
    );
}

#[test]
fn put_creates_with_status_if_new_and_never_changes_a_status_by_it() {
    // reference add-or-update-list-member: status_if_new "is required only if
    // the email address is not already present on the list".
    let mut account = Account::new();
    let path = format!("/members/{}", subscriber_hash("ann@example.org"));
    let answer = account.call("PUT", &path, json!({"email_address": "ann@example.org"}));
    assert_eq!(title(&answer), (400, "Invalid Resource"));
    assert_eq!(answer.1["errors"][0]["field"], "status_if_new");
    let body = json!({"email_address": "ann@example.org", "status_if_new": "unsubscribed"});
    assert_eq!(account.call("PUT", &path, body).1["status"], "unsubscribed");
    let body = json!({"email_address": "ann@example.org", "status_if_new": "subscribed"});
    assert_eq!(account.call("PUT", &path, body).1["status"], "unsubscribed");
}

#[test]
fn a_new_address_moves_the_member_to_a_new_hash() {
    let mut account = Account::with_members(2);
    let before = account.member("p0@example.org").1;
    let body = json!({"email_address": "new@example.org"});
    let (status, moved) = account.call("PATCH", "/members/p0@example.org", body);
    assert_eq!(
        (status, &moved["id"]),
        (200, &json!(subscriber_hash("new@example.org")))
    );
    assert_eq!(moved["contact_id"], before["contact_id"]);
    assert_eq!(account.member("p0@example.org").0, 404);
    assert_eq!(
        account.member(before["contact_id"].as_str().unwrap()).1["id"],
        moved["id"]
    );
    assert_eq!(account.names(""), ["new", "p1"]);
    let taken = account.call(
        "PATCH",
        "/members/p1@example.org",
        json!({"email_address": "new@example.org"}),
    );
    assert_eq!(title(&taken), (400, "Member Exists"));
    // Another spelling of the same address is not a move.
    let body = json!({"email_address": "NEW@example.org"});
    let (_, same) = account.call("PATCH", "/members/new@example.org", body);
    assert_eq!(
        (&same["id"], &same["email_address"]),
        (&moved["id"], &json!("NEW@example.org"))
    );
}

#[test]
fn delete_archives_once_and_a_status_brings_back() {
    // Recorded: the second DELETE is 405.
    let mut account = Account::with_members(2);
    let path = "/members/p0@example.org";
    assert_eq!(account.call("DELETE", path, Value::Null).0, 204);
    assert_eq!(account.get(path).1["status"], "archived");
    assert_eq!(account.names(""), ["p1"]);
    assert_eq!(account.names("status=archived"), ["p0"]);
    let again = account.call("DELETE", path, Value::Null);
    assert_eq!(title(&again), (405, "Method Not Allowed"));
    let edit = json!({"merge_fields": {"FNAME": "Ann"}});
    assert_eq!(account.call("PATCH", path, edit).1["status"], "archived");
    let back = json!({"status": "subscribed"});
    assert_eq!(account.call("PATCH", path, back).1["status"], "subscribed");
    assert_eq!(account.names(""), ["p0", "p1"]);
    account.call("DELETE", path, Value::Null);
    let body = json!({
        "email_address": "p0@example.org", "status": "subscribed", "tags": ["back"],
    });
    assert_eq!(
        account.call("POST", "/members", body).1["tags"][0]["name"],
        "back"
    );
    assert_eq!(
        account
            .call("DELETE", "/members/nobody@example.org", Value::Null)
            .0,
        404
    );
}

#[test]
fn a_permanent_delete_cannot_be_undone_by_an_import() {
    // Recorded: 400 "was permanently deleted and cannot be re-imported".
    let mut account = Account::with_members(2);
    let path = "/members/p0@example.org";
    let delete = format!("{path}/actions/delete-permanent");
    assert_eq!(account.call("POST", &delete, Value::Null).0, 204);
    assert_eq!(account.get(path).0, 404);
    assert_eq!(account.call("POST", &delete, Value::Null).0, 404);
    assert_eq!(account.names(""), ["p1"]);
    for status in ["subscribed", "pending", "unsubscribed"] {
        let body = json!({"email_address": "p0@example.org", "status": status});
        let answer = account.call("POST", "/members", body.clone());
        assert_eq!(title(&answer), (400, "Forgotten Email Not Subscribed"));
        let answer = account.call("PUT", path, body);
        assert_eq!(title(&answer), (400, "Forgotten Email Not Subscribed"));
    }
    let body = json!({"email_address": "p0@example.org"});
    let answer = account.call("PATCH", "/members/p1@example.org", body);
    assert_eq!(title(&answer), (400, "Forgotten Email Not Subscribed"));
}

#[test]
fn tags_are_added_and_removed_by_name() {
    // reference list-member-tags: 204, and "inactive" removes.
    let mut account = Account::with_members(1);
    let path = "/members/p0@example.org/tags";
    let both =
        json!({"tags": [{"name": "vip", "status": "active"}, {"name": "b", "status": "active"}]});
    assert_eq!(account.call("POST", path, both).0, 204);
    let off = json!({"tags": [{"name": "vip", "status": "inactive"}]});
    assert_eq!(account.call("POST", path, off).0, 204);
    let (_, tags) = account.get(path);
    assert_eq!(
        (&tags["total_items"], &tags["tags"][0]["name"]),
        (&json!(1), &json!("b"))
    );
    assert_eq!(account.member("p0@example.org").1["tags_count"], 1);
}

#[test]
fn a_batch_answers_for_every_member() {
    // reference batch-subscribe-or-unsubscribe: errors carry ERROR_CONTACT_EXISTS
    // or ERROR_GENERIC, the rest goes through.
    let mut account = Account::with_members(1);
    let member = |email: &str| json!({"email_address": email, "status": "subscribed"});
    let members = json!([
        member("p0@example.org"),
        member("new@example.org"),
        member("not an address"),
        member("new@example.org"),
    ]);
    let (status, answer) = account.call("POST", "", json!({"members": members}));
    assert_eq!(
        (status, &answer["total_created"], &answer["error_count"]),
        (200, &json!(1), &json!(3))
    );
    let codes: Vec<&str> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["error_code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["ERROR_CONTACT_EXISTS", "ERROR_GENERIC", "ERROR_GENERIC"]
    );

    let tagged = json!({
        "email_address": "p0@example.org", "tags": ["vip"], "merge_fields": {"FNAME": "Ann"},
    });
    let body = json!({"members": [tagged], "update_existing": true});
    let (_, answer) = account.call("POST", "", body);
    assert_eq!(answer["total_updated"], 1);
    assert_eq!(answer["updated_members"][0]["merge_fields"]["FNAME"], "Ann");
    assert_eq!(answer["updated_members"][0]["tags"][0]["name"], "vip");

    let many: Vec<Value> = (0..501)
        .map(|n| member(&format!("m{n}@example.org")))
        .collect();
    let answer = account.call("POST", "", json!({"members": many}));
    assert_eq!(title(&answer), (400, "Invalid Resource"));
}

#[test]
fn merge_fields_are_kept_cleared_and_checked() {
    let mut account = Account::with_members(1);
    let path = "/members/p0@example.org";
    account.call(
        "PATCH",
        path,
        json!({"merge_fields": {"FNAME": "Ann", "LNAME": "Lee"}}),
    );
    let (_, member) = account.call("PATCH", path, json!({"merge_fields": {"FNAME": ""}}));
    assert_eq!(member["merge_fields"]["FNAME"], "");
    assert_eq!(member["merge_fields"]["LNAME"], "Lee");
    let answer = account.call(
        "PATCH",
        path,
        json!({"merge_fields": {"ADDRESS": {"addr1": "1 Main St"}}}),
    );
    assert_eq!(title(&answer), (400, "Invalid Resource"));
    assert_eq!(answer.1["detail"], "Your merge fields were invalid.");
    let expect = json!([{"field": "ADDRESS", "message": "Please enter a complete address"}]);
    assert_eq!(answer.1["errors"], expect);

    let required = json!({"name": "Id", "tag": "CODE", "type": "text", "required": true});
    account.call("POST", "/merge-fields", required);
    let answer = account.call("PATCH", path, json!({"language": "de"}));
    assert_eq!(
        answer.1["errors"],
        json!([{"field": "CODE", "message": "Please enter a value"}])
    );
    let skipping = format!("{path}?skip_merge_validation=true");
    assert_eq!(
        account
            .call("PATCH", &skipping, json!({"language": "de"}))
            .1["language"],
        "de"
    );
}
