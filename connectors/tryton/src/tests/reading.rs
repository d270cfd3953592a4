//! Pages and single parties.

use concord_sdk::prelude::*;
use serde_json::json;

use super::{call, expect, host, pull, rows};
use crate::Tryton;

#[test]
fn a_walk_goes_by_id_and_then_looks_for_new_dates() {
    let first = host();
    expect(&first, rows());
    let page = pull(&first, PullMode::Changes, 2, None).unwrap();
    assert_eq!(
        (page.changes.len(), page.more, page.complete),
        (2, true, false)
    );
    assert_eq!(call(&first, 0).1[0], json!([["id", ">", 0]]));
    assert_eq!(
        call(&first, 0).1[5],
        json!({"active_test": false, "company": 1}),
        "archived parties as well, as the user's company sees them"
    );
    assert_eq!(
        call(&first, 0).1[2],
        3,
        "one more than the page shows whether there is more"
    );

    let second = host();
    expect(&second, json!([rows()[2]]));
    let page = pull(&second, PullMode::Changes, 2, page.next.as_deref()).unwrap();
    assert_eq!(
        (page.changes.len(), page.more, page.complete),
        (1, false, true)
    );
    assert_eq!(call(&second, 0).1[0], json!([["id", ">", 3]]));

    // A minute before the first page was read, on the server's clock.
    let third = host();
    expect(&third, json!([]));
    let page = pull(&third, PullMode::Changes, 2, page.next.as_deref()).unwrap();
    assert_eq!(
        (page.more, page.complete),
        (false, false),
        "a delta never proves an absence"
    );
    let since = json!({"__class__":"datetime","year":2026,"month":11,"day":21,"hour":22,"minute":38,"second":30,"microsecond":0});
    let domain = call(&third, 0).1[0].clone();
    assert_eq!(domain[1][0], "OR");
    let dates: Vec<&str> = domain[1].as_array().unwrap()[1..]
        .iter()
        .map(|c| c[0].as_str().unwrap())
        .collect();
    assert_eq!(
        dates,
        [
            "write_date",
            "create_date",
            "addresses.write_date",
            "addresses.create_date",
            "contact_mechanisms.write_date",
            "contact_mechanisms.create_date"
        ]
    );
    assert!(
        domain[1].as_array().unwrap()[1..]
            .iter()
            .all(|c| c[1] == ">=" && c[2] == since)
    );
    // The server's clock stands, so the next one looks back as far.
    assert_eq!(page.next.as_deref(), Some("{\"from\":1795300710000000}"));
}

#[test]
fn a_full_walk_starts_anew_whatever_the_cursor_says() {
    let host = host();
    expect(&host, json!([]));
    let page = pull(
        &host,
        PullMode::Full,
        10,
        Some("{\"from\":1795300710000000}"),
    )
    .unwrap();
    assert!(page.complete);
    assert_eq!(call(&host, 0).1[0], json!([["id", ">", 0]]));
    let fault = pull(&host, PullMode::Full, 10, Some("{\"read\":\"t\"}")).unwrap_err();
    assert!(matches!(fault, Fault::CursorExpired(_)));
}

#[test]
fn what_is_not_found_may_be_hidden() {
    let host = host();
    expect(&host, rows());
    let ids = ["2", "3", "4", "99", "no number"].map(str::to_owned);
    let changes = Tryton::fetch(&host, "parties", &ids, &[]).unwrap();
    assert!(matches!(&changes[0], Change::Upsert(r) if r.id == "2"));
    let absences: Vec<_> = changes[1..]
        .iter()
        .map(|c| match c {
            Change::Gone(gone) => (gone.id.as_str(), gone.absence.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        absences,
        [
            ("3", Absence::Archived),
            ("4", Absence::MergedInto("2".into())),
            ("99", Absence::Hidden),
            ("no number", Absence::Hidden)
        ]
    );
}
