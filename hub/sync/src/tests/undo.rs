//! What of a write is taken back.

use super::*;
use crate::undo::{Taken, in_one, keep_apart, take_back};

/// `new` was written over `old`; the canonical value and what was last agreed on
/// with the system are as given.
fn taken(canonical: &str, agreed: &str, kept: Option<&str>) -> Taken {
    let world = world();
    let entity = person(json!({"job_title": canonical}));
    let mut link = world.link(json!({"title": agreed}), json!({"job_title": agreed}));
    if let Some(kept) = kept {
        link.refused.insert("job_title".into(), json!(kept));
    }
    let mut intent = intent(json!({"job_title": "new"}), json!({"job_title": "old"}));
    intent.state = IntentState::Done;
    take_back(&intent, &entity, &link, &world.scene())
}

fn values(taken: &Taken) -> (Value, Vec<&str>) {
    match taken {
        Taken::Fields { values, left, .. } => {
            let left = left.iter().map(|(_, why)| *why).collect();
            (Value::Object(values.clone()), left)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_field_is_taken_back_unless_somebody_has_changed_it_since() {
    let check = |canonical, agreed, kept, expect: Result<(), &str>| {
        let taken = taken(canonical, agreed, kept);
        let (values, left) = values(&taken);
        let shown = format!("{canonical} {agreed} {kept:?}");
        match expect {
            Ok(()) => assert_eq!(
                (values, left.len()),
                (json!({"job_title": "old"}), 0),
                "{shown}"
            ),
            Err(why) => {
                assert_eq!(values, json!({}), "{shown}");
                assert!(left[0].contains(why), "{shown}: {left:?}");
            }
        }
    };
    check("new", "new", None, Ok(()));
    check("new", " new ", None, Ok(()));
    check("new", "edited", None, Err("changed it there"));
    check("newer", "new", None, Err("canonical value has changed"));
    // This was an undo itself: the canonical value is kept from the system.
    check("first", "new", Some("first"), Ok(()));
    check(
        "changed",
        "new",
        Some("first"),
        Err("canonical value has changed"),
    );
}

#[test]
fn what_cannot_be_taken_back_says_why() {
    let mut world = world();
    let entity = person(json!({"job_title": "new"}));
    let link = world.link(json!({"title": "new"}), json!({"job_title": "new"}));
    let mut intent = intent(json!({"job_title": "new"}), json!({}));
    let of = |world: &World, intent: &Intent| take_back(intent, &entity, &link, &world.scene());
    let taken = of(&world, &intent);
    assert_eq!(values(&taken).1, ["what was there before is not on record"]);
    intent.action = IntentAction::Create;
    assert!(matches!(of(&world, &intent), Taken::Nothing(why) if why.contains("delete it there")));
    world.stream.delete = true;
    assert_eq!(of(&world, &intent), Taken::Record);
    intent.values.insert("department".into(), json!("d"));
    assert!(matches!(of(&world, &intent), Taken::Nothing(why) if why.contains("changed")));
    intent.action = IntentAction::Delete;
    assert!(matches!(of(&world, &intent), Taken::Nothing(why) if why.contains("restore it")));
}

#[test]
fn a_consent_is_never_taken_back() {
    let world = world();
    let opted = json!({"status": "opted_out", "at": null});
    let entity = person(json!({"email_consent": opted}));
    let link = world.link(json!({}), json!({"email_consent": opted}));
    let intent = intent(
        json!({"email_consent": opted}),
        json!({"email_consent": null}),
    );
    let taken = take_back(&intent, &entity, &link, &world.scene());
    assert_eq!(
        values(&taken),
        (json!({}), vec!["a consent is never taken back"])
    );
}

#[test]
fn two_writes_of_one_run_are_taken_back_as_one() {
    let first = intent(
        json!({"job_title": "b", "department": "x"}),
        json!({"job_title": "a", "department": "w"}),
    );
    let second = intent(json!({"job_title": "c"}), json!({"job_title": "b"}));
    let both = in_one(&first, &second);
    assert_eq!(
        Value::Object(both.values),
        json!({"job_title": "c", "department": "x"})
    );
    assert_eq!(
        Value::Object(both.before),
        json!({"job_title": "a", "department": "w"})
    );
    // What was created and then written to is still what was created.
    let mut create = intent(json!({"job_title": "b"}), json!({}));
    create.action = IntentAction::Create;
    let both = in_one(&create, &second);
    assert_eq!(both.action, IntentAction::Create);
    assert_eq!(Value::Object(both.values), json!({"job_title": "c"}));
}

#[test]
fn a_value_that_was_brought_back_keeps_the_canonical_one_away() {
    let world = world();
    let entity = person(json!({"job_title": "new", "department": "d"}));
    let mut link = world.link(json!({}), json!({}));
    let mut intent = intent(json!({"job_title": "old", "department": "d"}), json!({}));
    keep_apart(&intent, &entity, &mut link, &world.scene());
    assert!(link.refused.is_empty(), "only after an undo");
    intent.action = IntentAction::Restore;
    keep_apart(&intent, &entity, &mut link, &world.scene());
    assert_eq!(Value::Object(link.refused), json!({"job_title": "new"}));
}
