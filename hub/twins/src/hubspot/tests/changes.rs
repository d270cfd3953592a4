//! Searches, and following changes with them.

use super::*;
use crate::people::{Side, known_to};

fn by_moment(filters: Value) -> Value {
    json!({"filterGroups": [{"filters": filters}], "limit": 100,
        "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]})
}

#[test]
fn filters_follow_the_search_guide() {
    let mut desk = Desk::new();
    let ann = desk.contact(
        json!({"email": "ann@lee.test", "firstname": "Ann", "city": "Leeds",
        "lifecyclestage": "lead", "associatedcompanyid": "9"}),
    );
    let bob = desk.contact(json!({"email": "bob@kiln.test", "firstname": "Bob",
        "lifecyclestage": "customer", "associatedcompanyid": "10"}));
    let both = [ann.clone(), bob.clone()];
    let one = |id: &String| vec![id.clone()];
    let filter = |name: &str, operator: &str, value: Value| json!({"propertyName": name, "operator": operator, "value": value});
    let list = |name: &str, operator: &str, values: Value| json!({"propertyName": name, "operator": operator, "values": values});
    for (condition, expect) in [
        (filter("firstname", "EQ", json!("ANN")), one(&ann)),
        (filter("firstname", "NEQ", json!("ann")), one(&bob)),
        (filter("email", "EQ", json!("Ann@Lee.test")), one(&ann)),
        (
            list("firstname", "IN", json!(["ann", "bob"])),
            both.to_vec(),
        ),
        // "When filtering for a string property using IN … the searched values must be lowercase."
        (list("firstname", "IN", json!(["Ann"])), vec![]),
        (
            list("email", "IN", json!(["bob@kiln.test", "x@y.test"])),
            one(&bob),
        ),
        (list("firstname", "NOT_IN", json!(["ann"])), one(&bob)),
        // "When filtering for an enumeration property, search is case-sensitive."
        (filter("lifecyclestage", "EQ", json!("Lead")), vec![]),
        (filter("lifecyclestage", "EQ", json!("lead")), one(&ann)),
        (filter("city", "HAS_PROPERTY", Value::Null), one(&ann)),
        (filter("city", "NOT_HAS_PROPERTY", Value::Null), one(&bob)),
        (
            filter("email", "CONTAINS_TOKEN", json!("*@kiln.test")),
            one(&bob),
        ),
        (
            filter("email", "NOT_CONTAINS_TOKEN", json!("*@kiln.test")),
            one(&ann),
        ),
        // Numbers are compared as numbers: 9 < 10.
        (filter("associatedcompanyid", "LT", json!("10")), one(&ann)),
        (filter("associatedcompanyid", "GTE", json!(10)), one(&bob)),
        (
            json!({"propertyName": "associatedcompanyid", "operator": "BETWEEN",
                "value": "9", "highValue": "10"}),
            both.to_vec(),
        ),
    ] {
        let body = json!({"filterGroups": [{"filters": [condition]}]});
        assert_eq!(ids(&desk.search(body)), expect, "{condition}");
    }
    assert_eq!(
        ids(&desk.search(json!({"query": "KILN bob"}))),
        [bob.as_str()]
    );
}

#[test]
fn groups_are_or_and_filters_are_and() {
    let mut desk = Desk::new();
    let ann = desk.contact(json!({"firstname": "Alice", "lastname": "Jones", "email": "a@b.test"}));
    desk.contact(json!({"firstname": "Alice", "lastname": "Smith", "email": "c@d.test"}));
    let bare = desk.contact(json!({"firstname": "Carl"}));
    // The guide's own example.
    let body = json!({"filterGroups": [
        {"filters": [
            {"propertyName": "firstname", "operator": "EQ", "value": "Alice"},
            {"propertyName": "lastname", "operator": "NEQ", "value": "Smith"},
        ]},
        {"filters": [{"propertyName": "email", "operator": "NOT_HAS_PROPERTY"}]},
    ]});
    assert_eq!(ids(&desk.search(body)), [ann, bare]);
}

#[test]
fn sorts_are_rules_or_names() {
    let mut desk = Desk::new();
    let ann = desk.contact(json!({"firstname": "Ann"}));
    desk.ms += 5;
    let bob = desk.contact(json!({"firstname": "Bob"}));
    let none = desk.contact(json!({"email": "a@b.test"}));
    for (sort, expect) in [
        (json!("firstname"), [&ann, &bob, &none]),
        (json!("-firstname"), [&bob, &ann, &none]),
        (
            json!({"propertyName": "createdate", "direction": "DESCENDING"}),
            [&none, &bob, &ann],
        ),
        (
            json!({"propertyName": "lastmodifieddate", "direction": "DESCENDING"}),
            [&none, &bob, &ann],
        ),
        (json!("lastmodifieddate"), [&ann, &bob, &none]),
        (json!("-hs_object_id"), [&none, &bob, &ann]),
    ] {
        let found = ids(&desk.search(json!({"sorts": [sort]})));
        assert_eq!(found.iter().collect::<Vec<_>>(), expect, "{sort}");
    }
}

/// Every way that a client follows changes, against a plain walk over all records.
#[test]
fn changes_are_followed_by_moment_and_id() {
    let mut desk = Desk::new();
    let mut all: Vec<(i64, u64)> = Vec::new();
    for n in 0..120 {
        // Lots of seven share a moment.
        desk.ms = NOW + n / 7 * 10;
        let id = desk.contact(json!({"firstname": format!("P{n}")}));
        all.push((desk.ms, id.parse().unwrap()));
    }
    let moment = |m: i64| json!(m.to_string());
    let condition = |name: &str, operator: &str, value: Value| json!({"propertyName": name, "operator": operator, "value": value});
    for probe in [0, 6, 7, 50, 83, 119] {
        let (at, id) = all[probe];
        let later = condition("lastmodifieddate", "GT", moment(at));
        let same = condition("lastmodifieddate", "EQ", moment(at));
        let above = condition("hs_object_id", "GT", json!(id.to_string()));
        let body = json!({"limit": 200, "sorts": ["lastmodifieddate"], "filterGroups": [
            {"filters": [later]}, {"filters": [same, above]},
        ]});
        let found = desk.search(body);
        let expect: Vec<String> = all
            .iter()
            .filter(|key| **key > (at, id))
            .map(|key| key.1.to_string())
            .collect();
        assert_eq!(ids(&found), expect, "after {probe}");
        assert_eq!(found["total"], expect.len());

        let since = by_moment(json!([condition("lastmodifieddate", "GTE", moment(at))]));
        let expect = all.iter().filter(|key| key.0 >= at).count();
        assert_eq!(desk.search(since)["total"], expect);
        let window = by_moment(json!([{"propertyName": "lastmodifieddate",
            "operator": "BETWEEN", "value": moment(NOW), "highValue": moment(at)}]));
        let expect = all.iter().filter(|key| key.0 <= at).count();
        assert_eq!(desk.search(window)["total"], expect);
    }
}

#[test]
fn pages_of_a_search_go_by_offset() {
    let mut desk = Desk::new();
    let made: Vec<String> = (0..25)
        .map(|n| desk.contact(json!({"firstname": format!("P{n}")})))
        .collect();
    for sort in ["hs_object_id", "firstname", "-lastmodifieddate"] {
        let (mut seen, mut after) = (Vec::new(), json!("0"));
        loop {
            let page = desk.search(json!({"sorts": [sort], "limit": 10, "after": after}));
            assert_eq!(page["total"], 25);
            seen.extend(ids(&page));
            match &page["paging"]["next"]["after"] {
                Value::Null => break,
                next => after = next.clone(),
            }
        }
        seen.sort_by_key(|id| id.parse::<u64>().unwrap());
        assert_eq!(seen, made, "{sort}");
    }
    // "By default, the search endpoints will return pages of 10 records."
    assert_eq!(ids(&desk.search(json!({}))).len(), 10);
}

#[test]
fn a_search_has_its_limits() {
    let mut desk = Desk::new();
    desk.contact(json!({"firstname": "Ann"}));
    let filter = json!({"propertyName": "firstname", "operator": "EQ", "value": "Ann"});
    let filters = |n: usize| Value::from(vec![filter.clone(); n]);
    let groups =
        |n: usize, of: usize| json!({"filterGroups": vec![json!({"filters": filters(of)}); n]});
    for (body, expect) in [
        (json!({"limit": 200}), 200),
        (json!({"limit": 201}), 400),
        // "Attempting to page beyond 10,000 will result in a 400 error."
        (json!({"limit": 100, "after": "9900"}), 200),
        (json!({"limit": 10, "after": 10_000}), 400),
        (json!({"after": "soon"}), 400),
        (groups(5, 3), 200),
        (groups(6, 1), 400),
        (groups(1, 7), 400),
        (groups(4, 5), 400),
        (
            json!({"filterGroups": [{"filters": [{"propertyName": "nonsense",
            "operator": "EQ", "value": "1"}]}]}),
            400,
        ),
        (
            json!({"filterGroups": [{"filters": [{"propertyName": "firstname",
            "operator": "LIKE", "value": "1"}]}]}),
            400,
        ),
        (json!({"query": "x".repeat(2_900)}), 200),
        (json!({"query": "x".repeat(3_000)}), 400),
    ] {
        let (status, answer) = desk.post(&format!("{CONTACTS}/search"), body.clone());
        assert_eq!(status, expect, "{body} {answer}");
    }
}

#[test]
fn searches_see_changes_after_the_lag_and_reads_at_once() {
    let mut desk = Desk::new();
    let old = desk.contact(json!({"email": "a@b.test", "city": "Leeds"}));
    desk.control("lag", json!({"ms": 1_000}));
    let new = desk.contact(json!({"email": "c@d.test"}));
    let body = json!({"properties": {"city": "Bath"}});
    desk.call("PATCH", &format!("{CONTACTS}/{old}"), body);
    assert_eq!(desk.property(&old, "city"), "Bath");
    let wanted = json!({"properties": ["city"]});
    desk.ms += 999;
    let found = desk.search(wanted.clone());
    assert_eq!(ids(&found), [old.as_str()]);
    assert_eq!(found["results"][0]["properties"]["city"], "Leeds");
    desk.ms += 1;
    let found = desk.search(wanted);
    assert_eq!(ids(&found), [old.clone(), new]);
    assert_eq!(found["results"][0]["properties"]["city"], "Bath");
    // An archived record is still found until the index hears of it.
    desk.send(Request::plain("DELETE", &format!("{CONTACTS}/{old}")));
    assert_eq!(desk.search(json!({}))["total"], 2);
    desk.control("lag", json!({"ms": 0}));
    assert_eq!(desk.search(json!({}))["total"], 1);
}

#[test]
fn companies_have_their_own_moment() {
    let mut desk = Desk::new();
    let id = desk.company("Blue Kiln");
    let body = json!({"sorts": ["hs_lastmodifieddate"], "filterGroups": [{"filters": [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": NOW}]}]});
    let (status, found) = desk.post(&format!("{COMPANIES}/search"), body);
    assert_eq!((status, ids(&found)), (200, vec![id]));
    let shown = &found["results"][0]["properties"];
    assert_eq!(shown["hs_lastmodifieddate"], "2026-03-01T00:00:00.000Z");
    assert_eq!(shown["name"], "Blue Kiln");
}

#[test]
fn a_page_of_changes_of_a_large_account_is_exact() {
    let mut twin = HubSpot::default();
    twin.add_people(
        Timestamp::from_millis(NOW),
        &known_to(Side::First, 1, 30_000),
    );
    let now = Timestamp::from_millis(NOW);
    twin.control.limits = false;
    let from = twin.contacts.live.values().nth(12_345).unwrap().modified;
    let expect = twin
        .contacts
        .live
        .values()
        .filter(|r| r.modified >= from)
        .count();
    let body = by_moment(json!([{"propertyName": "lastmodifieddate",
        "operator": "GTE", "value": from}]));
    let request = Request::json("POST", &format!("{CONTACTS}/search"), &body)
        .with_header("authorization", "Bearer pat-test");
    let answer = twin.handle(now, request).value();
    assert_eq!(answer["total"], expect);
    assert_eq!(ids(&answer).len(), 100);
}
