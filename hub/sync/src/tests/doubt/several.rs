//! Several fields in doubt at once, and two that share a remote field.

use super::*;

/// Title and department in doubt together.
fn two(title_read: &str, dept_read: &str) -> Case {
    let mut case = title(title_read);
    case.intent.values.insert("department".into(), json!("e"));
    case.intent.before.insert("department".into(), json!("d"));
    case.entity = person(json!({"job_title": "new", "department": "e"}));
    case.record.fields["dept"] = json!(dept_read);
    case
}

#[test]
fn only_what_is_still_in_doubt_is_sent_again() {
    let mut case = two("third", "e").late();
    case.resolve(Next::Replay);
    assert_eq!(
        Value::Object(case.intent.values.clone()),
        json!({"job_title": "new"})
    );
    assert_eq!(case.link.sent["department"], "e");
    assert_eq!(case.link.raw["dept"], "e");
    // A person's later edit of the settled field is an edit like any other.
    case.send_again(true, json!({"title": "third", "dept": "edited"}));
    case.resolve(Next::Closed);
    assert_eq!(case.entity.value("department"), "edited");
}

#[test]
fn a_persons_value_beside_a_third_one_is_not_sent_over() {
    let mut case = two("third", "person");
    case.intent.values["department"] = json!(null);
    case.entity = person(json!({"job_title": "new", "department": null}));
    let out = case.resolve(Next::Replay);
    assert_eq!(
        Value::Object(case.intent.values.clone()),
        json!({"job_title": "new"})
    );
    assert_eq!(out.conflicts[0].remote, "person");
    assert_eq!(case.entity.value("department"), "person");
}

#[test]
fn untouched_beside_a_third_value_waits_and_is_then_planned_anew() {
    let mut case = two("third", "d");
    case.resolve(Next::Wait);
    case.world.now = secs(1020);
    case.resolve(Next::Replay);
    assert_eq!(
        Value::Object(case.intent.values.clone()),
        json!({"job_title": "new"})
    );
    assert_eq!(case.link.sent["department"], "d");
}

/// The given name is in doubt; the family name stands in the same remote field.
fn half(read: &str) -> Case {
    let mut case = doubt(
        "given_name",
        "name",
        json!("Ann"),
        json!("Anna"),
        json!(read),
    );
    case.link.raw["name"] = json!("Ann Berg");
    case.link.sent.insert("family_name".into(), json!("Berg"));
    case.entity = person(json!({"given_name": "Anna", "family_name": "Berg"}));
    case
}

#[test]
fn the_other_half_of_a_name_in_doubt_is_not_overlooked() {
    let mut written = half("Anna Berg");
    written.resolve(Next::Closed);
    assert_eq!(written.link.sent["given_name"], "Anna");
    // A person married while our request was lost.
    let mut edited = half("Ann Meier").late();
    edited.resolve(Next::Closed);
    assert_eq!(edited.entity.value("family_name"), "Meier");
    assert_eq!(edited.link.sent["family_name"], "Meier");
    assert_eq!(edited.entity.value("given_name"), "Anna");
    assert_eq!(edited.link.sent["given_name"], "Ann");
    // The system writes names in capitals: neither half is a person's.
    let mut upper = half("ANNA BERG");
    upper.resolve(Next::Replay);
    upper.send_again(true, nothing());
    let out = upper.resolve(Next::Closed);
    assert!(out.conflicts.is_empty() && out.changes.is_empty());
    assert_eq!(upper.link.sent["given_name"], "Anna");
    assert_eq!(upper.link.sent["family_name"], "Berg");
}
