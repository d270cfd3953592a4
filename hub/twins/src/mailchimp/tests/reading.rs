use super::*;

#[test]
fn a_page_has_ten_members_unless_asked_and_at_most_a_thousand() {
    // reference list-members: "Default value is 10. Maximum value is 1000".
    let mut account = Account::with_members(12);
    assert_eq!(account.names("").len(), 10);
    assert_eq!(account.names("count=1000").len(), 12);
    assert_eq!(account.names("count=5&offset=10"), ["p10", "p11"]);
    assert_eq!(account.names("count=0"), Vec::<String>::new());
    assert_eq!(
        title(&account.get("/members?count=1001")),
        (400, "Invalid Resource")
    );
    assert_eq!(account.get("/members?count=1").1["total_items"], 12);
}

#[test]
fn offsets_skip_and_repeat_when_the_set_moves() {
    // docs "pagination": an offset counts from the start of the present set.
    let mut account = Account::with_members(6);
    assert_eq!(account.names("count=3"), ["p0", "p1", "p2"]);
    account.call("DELETE", "/members/p0@example.org", Value::Null);
    assert_eq!(account.names("count=3&offset=3"), ["p4", "p5"]);
}

#[test]
fn changed_means_after_the_named_second_and_before_the_other() {
    // "Restrict results to subscribers whose information changed after the
    // set timeframe."  Member n changed at 10:00:0n.
    let mut account = Account::with_members(5);
    let at = |second: u32| format!("2026-03-01T10:00:0{second}%2B00:00");
    let since = format!("since_last_changed={}", at(2));
    assert_eq!(account.names(&since), ["p3", "p4"]);
    let between = format!("since_last_changed={}&before_last_changed={}", at(0), at(3));
    assert_eq!(account.names(&between), ["p1", "p2"]);
    assert_eq!(
        account.get(&format!("/members?{between}&count=1")).1["total_items"],
        2
    );
    let backwards = format!("since_last_changed={}&before_last_changed={}", at(4), at(1));
    assert_eq!(account.names(&backwards), Vec::<String>::new());
    let answer = account.get("/members?since_last_changed=yesterday");
    assert_eq!(title(&answer), (400, "Invalid Resource"));
}

#[test]
fn an_edit_moves_a_member_to_the_end_of_the_order_of_change() {
    let mut account = Account::with_members(3);
    let body = json!({"merge_fields": {"FNAME": "Ann"}});
    account.call("PATCH", "/members/p0@example.org", body.clone());
    let by_change = "sort_field=last_changed&sort_dir=ASC";
    assert_eq!(account.names(by_change), ["p1", "p2", "p0"]);
    assert_eq!(
        account.names("sort_field=last_changed&sort_dir=DESC"),
        ["p0", "p2", "p1"]
    );
    // The same again changes nothing, so the time stays.
    account.pass(5);
    account.call(
        "PATCH",
        "/members/p1@example.org",
        json!({"merge_fields": {"FNAME": ""}}),
    );
    assert_eq!(account.names(by_change), ["p1", "p2", "p0"]);
}

#[test]
fn status_and_opt_in_time_restrict_a_page() {
    let mut account = Account::with_members(3);
    account.call(
        "PATCH",
        "/members/p1@example.org",
        json!({"status": "unsubscribed"}),
    );
    assert_eq!(account.names("status=unsubscribed"), ["p1"]);
    assert_eq!(account.names("status=subscribed"), ["p0", "p2"]);
    assert_eq!(account.names("status=cleaned"), Vec::<String>::new());
    assert_eq!(
        account.names("since_timestamp_opt=2026-03-01T10:00:01Z"),
        ["p2"]
    );
    assert_eq!(
        account.names("sort_field=timestamp_opt&sort_dir=DESC"),
        ["p2", "p1", "p0"]
    );
    assert_eq!(account.get("/members?status=gone").0, 400);
}

#[test]
fn fields_cut_an_answer_down() {
    let mut account = Account::with_members(1);
    let (_, page) = account.get("/members?fields=members.email_address,total_items");
    assert_eq!(
        page,
        json!({"members": [{"email_address": "p0@example.org"}], "total_items": 1})
    );
    let (_, page) = account.get("/members?exclude_fields=members._links");
    assert_eq!(page["members"][0].get("_links"), None);
    assert_eq!(page["members"][0]["status"], "subscribed");
    assert_eq!(
        account
            .member("p0@example.org?fields=id")
            .1
            .as_object()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_member_is_found_by_hash_address_and_contact_id() {
    // reference list-members: "This endpoint also accepts a list member's
    // email address or contact_id."
    let mut account = Account::new();
    let ann = account.subscribe("Ann.Lee@example.org");
    assert_eq!(ann["email_address"], "Ann.Lee@example.org");
    for key in [
        &ann["id"],
        &ann["contact_id"],
        &json!("ANN.LEE@EXAMPLE.ORG"),
    ] {
        let (status, found) = account.member(key.as_str().unwrap());
        assert_eq!((status, &found["id"]), (200, &ann["id"]));
    }
    assert_eq!(
        title(&account.member("bob@example.org")),
        (404, "Resource Not Found")
    );
}

#[test]
fn the_account_its_audiences_and_their_fields_can_be_read() {
    let mut account = Account::with_members(2);
    let ping = account.send(Request::plain("GET", "/3.0/ping"));
    assert_eq!(
        ping.value(),
        json!({"health_status": "Everything's Chimpy!"})
    );
    let root = account.send(Request::plain("GET", "/3.0/")).value();
    assert_eq!(
        (&root["role"], &root["total_subscribers"]),
        (&json!("owner"), &json!(2))
    );
    let lists = account.send(Request::plain("GET", "/3.0/lists")).value();
    assert_eq!(lists["lists"][0]["id"], LIST_ID);
    assert_eq!(account.get("").1["stats"]["member_count"], 2);
    let (_, fields) = account.get("/merge-fields");
    let tags: Vec<&str> = fields["merge_fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["tag"].as_str().unwrap())
        .collect();
    assert_eq!(tags, ["FNAME", "LNAME", "ADDRESS", "PHONE", "BIRTHDAY"]);
    let shop = json!({"name": "Shop", "type": "dropdown", "options": {"choices": ["a", "b"]}});
    assert_eq!(
        account.call("POST", "/merge-fields", shop).1["tag"],
        "MMERGE6"
    );
    assert_eq!(
        account.member("p0@example.org").1["merge_fields"]["MMERGE6"],
        ""
    );
}

#[test]
fn lists_may_lag_and_reads_by_hash_do_not() {
    let mut account = Account::with_members(1);
    account.control("lag", json!({"ms": 3000}));
    account.subscribe("late@example.org");
    account.call(
        "PATCH",
        "/members/p0@example.org",
        json!({"merge_fields": {"FNAME": "Ann"}}),
    );
    assert_eq!(account.names(""), ["p0"]);
    assert_eq!(
        account.get("/members").1["members"][0]["merge_fields"]["FNAME"],
        ""
    );
    assert_eq!(
        account.member("p0@example.org").1["merge_fields"]["FNAME"],
        "Ann"
    );
    account.pass(3);
    assert_eq!(account.names(""), ["p0", "late"]);
    assert_eq!(
        account.get("/members").1["members"][0]["merge_fields"]["FNAME"],
        "Ann"
    );
}
