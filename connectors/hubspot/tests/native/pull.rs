use super::*;

const PROPERTIES: &str = "properties=email%2Cfirstname%2Chs_merged_object_ids";

fn list_url(archived: bool, rest: &str) -> String {
    format!("{CONTACTS}?limit=100&archived={archived}{rest}")
}

fn search_body(since_ms: i64, above: &str, limit: u32) -> Value {
    json!({
        "filterGroups": [{"filters": [
            {"propertyName": "lastmodifieddate", "operator": "GTE", "value": since_ms.to_string()},
            {"propertyName": "hs_object_id", "operator": "GT", "value": above},
        ]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": ["email", "firstname", "hs_merged_object_ids"],
        "limit": limit,
    })
}

fn ids(page: &Page) -> Vec<String> {
    page.changes
        .iter()
        .map(|change| match change {
            Change::Upsert(record) => record.id.clone(),
            Change::Gone(gone) => format!("-{}", gone.id),
            Change::Malformed(malformed) => format!("?{}", malformed.id.as_deref().unwrap_or("")),
        })
        .collect()
}

#[test]
fn a_full_walk_lists_the_live_then_the_archived_and_then_says_that_it_is_complete() {
    let host = host();
    host.expect(
        get(list_url(false, &format!("&{PROPERTIES}"))),
        fixture(200, "list"),
    );
    host.expect(
        get(list_url(false, &format!("&{PROPERTIES}&after=103"))),
        answer(200).json(&json!({"results": []})),
    );
    host.expect(get(list_url(true, "")), fixture(200, "archived"));

    let pull = |cursor: Option<&str>| {
        HubSpot::pull(&host, "contacts", &selection(PullMode::Full, 500), cursor).unwrap()
    };
    let first = pull(None);
    assert_eq!(ids(&first), ["101", "102", "-88", "-97"]);
    assert!(first.more && !first.complete);
    let second = pull(first.next.as_deref());
    assert!(second.more && !second.complete);
    let last = pull(second.next.as_deref());
    assert_eq!(ids(&last), ["-55", "-60"]);
    assert!(!last.more && last.complete);

    // The next run searches from two minutes before this one began.
    host.expect(
        post(format!("{CONTACTS}/search")).json(&search_body((NOW_S - 120) * 1_000, "0", 200)),
        answer(200).json(&json!({"total": 0, "results": []})),
    );
    let next = HubSpot::pull(
        &host,
        "contacts",
        &selection(PullMode::Changes, 500),
        last.next.as_deref(),
    );
    assert!(next.unwrap().more, "the archived list is still to come");
}

#[test]
fn records_pass_through_with_versions_that_sort() {
    let host = host();
    host.expect(
        get(list_url(false, &format!("&{PROPERTIES}"))),
        fixture(200, "list"),
    );
    let page = HubSpot::pull(&host, "contacts", &selection(PullMode::Changes, 100), None).unwrap();
    let [
        Change::Upsert(first),
        Change::Upsert(second),
        Change::Gone(merged),
        _,
    ] = &page.changes[..]
    else {
        panic!("{:?}", page.changes);
    };
    let fields: Value = serde_json::from_str(&first.fields).unwrap();
    assert_eq!(fields["firstname"], "Inês");
    // 10:15:00Z and 10:15:00.007Z of 2026-11-03: the text without a fraction
    // would sort behind the one that has it.
    assert_eq!(first.version.as_deref(), Some("1793700900000"));
    assert_eq!(second.version.as_deref(), Some("1793700900007"));
    assert_eq!(merged.absence, Absence::MergedInto("102".into()));
}

#[test]
fn changes_are_searched_in_the_order_of_ids_and_end_with_what_was_archived_since() {
    let host = host();
    let since = (NOW_S - 3_600) * 1_000;
    let rest = json!({"at": "search", "since": since, "started": null, "above": 0}).to_string();
    let search = || post(format!("{CONTACTS}/search"));
    host.expect(
        search().json(&search_body(since, "0", 2)),
        fixture(200, "search"),
    );
    host.expect(
        search().json(&search_body(since, "1010", 2)),
        answer(200).json(&json!({"total": 0, "results": []})),
    );
    host.expect(
        get(format!("{CONTACTS}?limit=2&archived=true")),
        fixture(200, "archived"),
    );

    let pull = |cursor: Option<&str>| {
        HubSpot::pull(&host, "contacts", &selection(PullMode::Changes, 2), cursor).unwrap()
    };
    let first = pull(Some(&rest));
    assert_eq!(ids(&first), ["990", "1010"]);
    let second = pull(first.next.as_deref());
    let last = pull(second.next.as_deref());
    // 55 was archived in September, before the last run.
    assert_eq!(ids(&last), ["-60"]);
    assert!(!last.more && !last.complete);
    let cursor: Value = serde_json::from_str(last.next.as_deref().unwrap()).unwrap();
    assert_eq!(cursor["since"], (NOW_S - 120) * 1_000);
}

#[test]
fn companies_are_searched_by_their_own_time() {
    let host = host();
    let rest = json!({"at": "search", "since": 1, "started": null, "above": 0}).to_string();
    host.expect(
        post(format!("{BASE}/crm/objects/2026-03/companies/search")),
        answer(200).json(&json!({"total": 0, "results": []})),
    );
    HubSpot::pull(
        &host,
        "companies",
        &selection(PullMode::Changes, 10),
        Some(&rest),
    )
    .unwrap();
    let sent = host.sent().remove(0);
    assert_eq!(sent.quota, "search");
    assert!(sent.repeatable);
    let body: Value = serde_json::from_slice(sent.body.as_deref().unwrap()).unwrap();
    let filter = &body["filterGroups"][0]["filters"][0]["propertyName"];
    assert_eq!(filter, "hs_lastmodifieddate");
}

#[test]
fn a_full_walk_begins_anew_whatever_the_last_run_left() {
    let host = host();
    let rest = json!({"at": "search", "since": 1, "started": null, "above": 0}).to_string();
    host.expect(
        get(list_url(false, &format!("&{PROPERTIES}"))),
        fixture(200, "list"),
    );
    let page = HubSpot::pull(
        &host,
        "contacts",
        &selection(PullMode::Full, 100),
        Some(&rest),
    );
    assert_eq!(page.unwrap().changes.len(), 4);
}

#[test]
fn one_malformed_record_does_not_stop_the_next() {
    let host = host();
    host.expect(
        get(list_url(false, &format!("&{PROPERTIES}"))),
        answer(200).json(&json!({"results": [
            {"id": "1", "properties": {"email": "a@example.com"}, "updatedAt": "2026-11-01T00:00:00Z"},
            {"id": "2", "updatedAt": "2026-11-01T00:00:00Z"},
            {"id": "3", "properties": ["a list"], "updatedAt": "2026-11-01T00:00:00Z"},
            "no record at all",
            {"id": "5", "properties": {"email": "e@example.com"}, "updatedAt": "2026-11-01T00:00:00Z"},
        ]})),
    );
    let page = HubSpot::pull(&host, "contacts", &selection(PullMode::Full, 100), None).unwrap();
    assert_eq!(ids(&page), ["1", "?2", "?3", "?", "5"]);
}

#[test]
fn a_search_that_promises_more_and_shows_nothing_is_a_bug_and_no_endless_loop() {
    let host = host();
    let rest = json!({"at": "search", "since": 1, "started": null, "above": 2000}).to_string();
    host.expect(post(format!("{CONTACTS}/search")), fixture(200, "search"));
    let page = HubSpot::pull(
        &host,
        "contacts",
        &selection(PullMode::Changes, 2),
        Some(&rest),
    );
    assert!(matches!(page, Err(Fault::Bug(_))), "{page:?}");
}

#[test]
fn a_foreign_cursor_asks_for_a_full_walk() {
    for foreign in ["", "7", "{\"at\":\"nowhere\"}", "{\"offset\":5}"] {
        let page = HubSpot::pull(
            &host(),
            "contacts",
            &selection(PullMode::Changes, 2),
            Some(foreign),
        );
        assert!(
            matches!(page, Err(Fault::CursorExpired(_))),
            "{foreign}: {page:?}"
        );
    }
}
