use super::*;

fn put(id: &str) -> Expected {
    request("PUT", format!("{MEMBERS}/{id}"))
}

fn patch(id: &str) -> Expected {
    request("PATCH", format!("{MEMBERS}/{id}"))
}

fn one(host: &FakeHost, action: Action, fields: Value) -> Outcome {
    let mut outcomes = Mailchimp::push(host, "members", &[op(action, fields)])
        .expect("a push of members has one outcome per op");
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

fn update(id: &str) -> Action {
    Action::Update(id.into())
}

fn stored(outcome: Outcome) -> RemoteRecord {
    match outcome {
        Outcome::Applied(applied) => applied.stored.expect("the answer is the record"),
        Outcome::Failed(fault) => panic!("{fault:?}"),
    }
}

/// The fields that an outcome says are refused.
fn refused_fields(outcome: &Outcome) -> Vec<&str> {
    match outcome {
        Outcome::Failed(Fault::Invalid(faults)) => {
            faults.iter().map(|fault| fault.field.as_str()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_create_never_touches_the_status_of_somebody_who_came_in_since() {
    let host = host();
    host.expect(look(NEW), missing());
    host.expect(
        put(NEW).json(&json!({
            "email_address": "New@example.com",
            "status_if_new": "subscribed",
            "merge_fields": {"FNAME": "New", "LNAME": ""},
            "language": "pt",
        })),
        answer(200).json(&member(NEW, "New@example.com", "subscribed", &[])),
    );
    let fields = json!({"email_address": "New@example.com", "status": "subscribed",
        "FNAME": "New", "LNAME": null, "language": "pt", "consent_at": null});
    let record = stored(one(&host, Action::Create, fields));
    assert_eq!(record.id, NEW);
    assert!(!record.partial);
    // After a lost answer the hub looks before it writes again.
    assert!(!host.sent()[1].repeatable);
}

#[test]
fn nobody_is_created_without_an_opt_in_or_over_somebody() {
    let host = host();
    for status in [Value::Null, json!("unsubscribed"), json!("pending")] {
        let fields = json!({"email_address": "new@example.com", "status": status});
        assert_eq!(
            refused_fields(&one(&host, Action::Create, fields)),
            ["status"]
        );
    }
    for status in ["subscribed", "unsubscribed", "archived"] {
        host.expect(
            look(OLD),
            answer(200).json(&member(OLD, "old@example.com", status, &[])),
        );
        let fields = json!({"email_address": "old@example.com", "status": "subscribed"});
        assert_eq!(
            refused_fields(&one(&host, Action::Create, fields)),
            ["email_address"]
        );
    }
}

#[test]
fn merge_fields_and_a_new_address_travel_together_and_the_id_moves() {
    let host = host();
    host.expect(
        patch(OLD).json(&json!({
            "email_address": "new@example.com",
            "merge_fields": {
                "ADDRESS": {"addr1": "Rua 1", "addr2": "", "city": "Porto", "zip": "4050", "state": "", "country": "PT"},
            },
        })),
        answer(200).json(&member(NEW, "new@example.com", "subscribed", &[])),
    );
    let fields = json!({"email_address": "new@example.com", "ADDRESS": {"addr1": "Rua 1",
        "addr2": null, "city": "Porto", "zip": "4050", "state": "", "country": "PT"}});
    let Outcome::Applied(applied) = one(&host, update(OLD), fields) else {
        panic!("not applied");
    };
    assert_eq!(applied.id, NEW);
}

#[test]
fn an_address_is_emptied_as_a_whole() {
    let host = host();
    host.expect(
        patch(OLD).json(&json!({"merge_fields": {"ADDRESS": ""}})),
        answer(200).json(&member(OLD, "old@example.com", "subscribed", &[])),
    );
    one(
        &host,
        update(OLD),
        json!({"ADDRESS": {"addr1": null, "city": "", "zip": null}}),
    );
}

#[test]
fn an_opt_out_is_written_and_a_return_is_not() {
    let host = host();
    let now = |status: &str| answer(200).json(&member(OLD, "old@example.com", status, &[]));
    host.expect(look(OLD), now("subscribed"));
    host.expect(
        patch(OLD).json(&json!({"status": "unsubscribed"})),
        now("unsubscribed"),
    );
    stored(one(&host, update(OLD), json!({"status": "unsubscribed"})));

    // Without a request that writes: the fake host would fail on one.
    for status in ["unsubscribed", "cleaned", "pending", "archived"] {
        host.expect(look(OLD), now(status));
        let outcome = one(
            &host,
            update(OLD),
            json!({"status": "subscribed", "FNAME": "X"}),
        );
        assert_eq!(refused_fields(&outcome), ["status"], "{status}");
    }
}

#[test]
fn tags_are_switched_one_by_one_and_read_back() {
    let host = host();
    let now = |tags: &[&str]| answer(200).json(&member(OLD, "old@example.com", "subscribed", tags));
    host.expect(look(OLD), now(&["Customer", "Norte"]));
    host.expect(
        post(format!("{MEMBERS}/{OLD}/tags")).json(&json!({"tags": [
            {"name": "VIP", "status": "active"}, {"name": "Norte", "status": "inactive"},
        ]})),
        answer(204),
    );
    host.expect(look(OLD), now(&["Customer", "VIP"]));
    let tags = json!({"tags": [{"name": "customer"}, "VIP"]});
    let record = stored(one(&host, update(OLD), tags));
    let fields: Value = serde_json::from_str(&record.fields).unwrap();
    assert_eq!(
        fields["tags"],
        json!([{"name": "Customer"}, {"name": "VIP"}])
    );
}

#[test]
fn a_member_whose_tags_failed_is_in_doubt_and_not_untouched() {
    let host = host();
    host.expect(
        patch(OLD),
        answer(200).json(&member(OLD, "old@example.com", "subscribed", &[])),
    );
    host.expect(post(format!("{MEMBERS}/{OLD}/tags")), answer(429));
    let outcome = one(&host, update(OLD), json!({"FNAME": "X", "tags": ["new"]}));
    assert!(
        matches!(outcome, Outcome::Failed(Fault::UnknownOutcome(_))),
        "{outcome:?}"
    );
}

#[test]
fn deleting_archives_and_archiving_twice_is_archived() {
    let host = host();
    let delete = || request("DELETE", format!("{MEMBERS}/{OLD}"));
    let gone = Outcome::applied(OLD, None);
    host.expect(delete(), answer(204));
    assert_eq!(one(&host, Action::Delete(OLD.into()), json!({})), gone);

    let cannot = || {
        refused(
            405,
            "Method Not Allowed",
            "This list member cannot be removed.",
        )
    };
    host.expect(delete(), cannot());
    host.expect(
        look(OLD),
        answer(200).json(&member(OLD, "old@example.com", "archived", &[])),
    );
    assert_eq!(one(&host, Action::Delete(OLD.into()), json!({})), gone);

    host.expect(delete(), cannot());
    host.expect(
        look(OLD),
        answer(200).json(&member(OLD, "old@example.com", "pending", &[])),
    );
    assert_eq!(
        refused_fields(&one(&host, Action::Delete(OLD.into()), json!({}))),
        [""]
    );
}

#[test]
fn a_limit_stops_the_rest_of_the_batch_and_keeps_what_was_done() {
    let host = host();
    host.expect(
        patch(OLD),
        answer(200).json(&member(OLD, "old@example.com", "subscribed", &[])),
    );
    host.expect(patch(NEW), answer(429));
    let ops = [
        op(update(OLD), json!({"FNAME": "X"})),
        op(update(NEW), json!({"FNAME": "X"})),
        op(update(INES), json!({"FNAME": "X"})),
    ];
    let outcomes = Mailchimp::push(&host, "members", &ops).unwrap();
    assert!(matches!(outcomes[0], Outcome::Applied(_)), "{outcomes:?}");
    for outcome in &outcomes[1..] {
        assert!(
            matches!(outcome, Outcome::Failed(Fault::RateLimited(_))),
            "{outcome:?}"
        );
    }
}

#[test]
fn what_mailchimp_keeps_for_itself_is_refused_before_it_is_sent() {
    let host = host();
    for (fields, field) in [
        (
            json!({"last_changed": "2026-11-20T07:30:00+00:00"}),
            "last_changed",
        ),
        (json!({"email_address": null}), "email_address"),
        (json!({"tags": "a, b"}), "tags"),
    ] {
        assert_eq!(refused_fields(&one(&host, update(OLD), fields)), [field]);
    }
}
