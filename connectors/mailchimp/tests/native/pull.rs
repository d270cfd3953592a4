use super::*;

pub fn selection(mode: PullMode, page_size: u32) -> Selection {
    Selection {
        mode,
        fields: vec!["email_address".into(), "FNAME".into()],
        page_size,
        window: None,
    }
}

fn list(count: u64, offset: u64, rest: &str) -> Expected {
    let fields = FIELDS.map(|field| format!("members.{field}")).join("%2C");
    get(format!(
        "{MEMBERS}?count={count}&offset={offset}&sort_field=last_changed&sort_dir=ASC\
         &fields={fields}%2Ctotal_items{rest}"
    ))
}

/// A page of members `m1`, `m2`, …, who changed that many minutes after eight.
fn page(total: u64, minutes: &[u32]) -> Answer {
    let members: Vec<Value> = minutes
        .iter()
        .map(|minute| {
            let mut member = member(&format!("m{minute}"), "m@example.com", "subscribed", &[]);
            member["last_changed"] = json!(format!("2026-11-20T08:{minute:02}:00+00:00"));
            member
        })
        .collect();
    answer(200).json(&json!({"members": members, "total_items": total}))
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

fn go(host: &FakeHost, mode: PullMode, size: u32, cursor: Option<&str>) -> Page {
    Mailchimp::pull(host, "members", &selection(mode, size), cursor).expect("the page is read")
}

/// A minute before the run began, as `since_last_changed` takes it.
const A_MINUTE_AGO: &str = "&since_last_changed=2026-11-21T09%3A59%3A00%2B00%3A00";

#[test]
fn a_full_walk_begins_each_page_with_the_last_member_of_the_one_before() {
    let host = host();
    host.expect(list(2, 0, ""), page(5, &[1, 2]));
    host.expect(list(3, 1, ""), page(5, &[2, 3, 4]));
    host.expect(list(3, 3, ""), page(5, &[4, 5]));
    host.expect(
        list(2, 0, &format!("&status=archived{A_MINUTE_AGO}")),
        page(0, &[]),
    );

    let first = go(&host, PullMode::Full, 2, None);
    assert_eq!(ids(&first), ["m1", "m2"]);
    let second = go(&host, PullMode::Full, 2, first.next.as_deref());
    assert_eq!(ids(&second), ["m3", "m4"]);
    let third = go(&host, PullMode::Full, 2, second.next.as_deref());
    assert_eq!(ids(&third), ["m5"]);
    assert!(third.more && !third.complete);
    let last = go(&host, PullMode::Full, 2, third.next.as_deref());
    assert!(last.complete && !last.more);

    // The next run goes on from a minute before this one began.
    host.expect(list(2, 0, A_MINUTE_AGO), page(0, &[]));
    go(&host, PullMode::Changes, 2, last.next.as_deref());
}

#[test]
fn a_member_who_moves_while_the_list_is_read_makes_nobody_else_be_skipped() {
    let host = host();
    host.expect(list(2, 0, ""), page(4, &[1, 2]));
    // m1 changes and goes to the end: m3 now stands where m2 stood.
    host.expect(list(3, 1, ""), page(4, &[3, 4, 9]));
    // From two seconds before m2: everybody whom the reader has not passed.
    let since = "&since_last_changed=2026-11-20T08%3A01%3A58%2B00%3A00";
    host.expect(list(2, 0, since), page(4, &[2, 3]));
    host.expect(list(3, 1, since), page(4, &[3, 4, 9]));

    let mut seen = Vec::new();
    let mut cursor = None;
    for _ in 0..4 {
        let page = go(&host, PullMode::Full, 2, cursor.as_deref());
        seen.extend(ids(&page));
        cursor = page.next;
    }
    assert_eq!(seen, ["m1", "m2", "m2", "m3", "m4", "m9"]);
}

#[test]
fn a_run_of_changes_ends_with_those_archived_since() {
    let host = host();
    let rest = json!({"at": "rest", "since": NOW_S - 3_600}).to_string();
    let since = "&since_last_changed=2026-11-21T09%3A00%3A00%2B00%3A00";
    host.expect(list(500, 0, since), answer(200).json(&fixture("members")));
    let gone = member(OLD, "old@example.com", "archived", &[]);
    host.expect(
        list(500, 0, &format!("&status=archived{since}")),
        answer(200).json(&json!({"members": [gone], "total_items": 1})),
    );
    let first = go(&host, PullMode::Changes, 500, Some(&rest));
    assert!(first.more);
    let last = go(&host, PullMode::Changes, 500, first.next.as_deref());
    assert!(
        !last.more && !last.complete,
        "a run of changes has not listed everybody"
    );
    // 2026-11-20T07:30:00Z.
    let at = Some(1_795_159_800_000_000);
    assert_eq!(last.changes, [Change::gone(OLD, Absence::Archived, at)]);
}

#[test]
fn members_become_records_with_their_merge_fields_lifted_out() {
    let host = host();
    host.expect(list(500, 0, ""), answer(200).json(&fixture("members")));
    let page = go(&host, PullMode::Full, 500, None);
    let [Change::Upsert(ines), Change::Upsert(tunde)] = &page.changes[..] else {
        panic!("{page:?}");
    };
    assert_eq!(ines.id, INES);
    assert_eq!(ines.version, None);
    let fields: Value = serde_json::from_str(&ines.fields).unwrap();
    assert_eq!(fields["FNAME"], "Inês");
    assert_eq!(fields["ADDRESS"]["city"], "Porto");
    assert_eq!(
        fields["tags"],
        json!([{"name": "Customer"}, {"name": "Norte"}])
    );
    assert_eq!(fields["consent_at"], "2026-03-01T08:00:00+00:00");
    let fields: Value = serde_json::from_str(&tunde.fields).unwrap();
    assert_eq!(fields["ADDRESS"], Value::Null);
    // Not the opt-in's time: that would make the opt-out as old as the opt-in.
    assert_eq!(fields["consent_at"], "2026-11-20T09:30:00+00:00");
}

#[test]
fn one_malformed_member_does_not_stop_the_next() {
    let host = host();
    let whole = member(NEW, "new@example.com", "subscribed", &[]);
    host.expect(
        list(500, 0, ""),
        answer(200).json(&json!({
            "members": [{"id": "broken", "status": 7}, whole], "total_items": 2,
        })),
    );
    let page = go(&host, PullMode::Full, 500, None);
    assert_eq!(ids(&page), ["?broken", NEW]);
}

#[test]
fn a_foreign_cursor_asks_for_a_full_walk() {
    for foreign in ["", "{}", "{\"at\":\"list\"}", "{\"offset\":3}"] {
        let page = Mailchimp::pull(
            &host(),
            "members",
            &selection(PullMode::Changes, 2),
            Some(foreign),
        );
        assert!(
            matches!(page, Err(Fault::CursorExpired(_))),
            "{foreign}: {page:?}"
        );
    }
}
