//! What a system is owed, and what stands in the way.

use super::*;
use crate::emit::{Debt, Target, debt, is_outdated};
use crate::scope::Filter;

struct Case {
    world: World,
    entity: Entity,
    link: Option<Link>,
    held: Vec<&'static str>,
    write: Filter,
    open: bool,
    create_blocked: bool,
    approved: Vec<ConnectionId>,
}

/// Everything is agreed on, but the job title.
fn case() -> Case {
    let world = world();
    let entity = person(json!({"job_title": "new", "department": "d"}));
    let raw = json!({"title": "old", "dept": "d", "mail": null, "news": "pending"});
    let sent = json!({"job_title": "old", "department": "d", "email": null});
    Case {
        link: Some(world.link(raw, sent)),
        world,
        entity,
        held: Vec::new(),
        write: Filter::default(),
        open: false,
        create_blocked: false,
        approved: vec![A, B],
    }
}

impl Case {
    fn debt(&self) -> Option<Debt> {
        let target = Target {
            scene: self.world.scene(),
            write: &self.write,
            link: self.link.as_ref(),
            open: self.open,
            create_blocked: self.create_blocked.then(|| "not read yet".into()),
        };
        let approved = |id| self.approved.contains(&id);
        debt(&self.entity, &target, &holding(&self.held), &approved)
    }

    fn link(&mut self) -> &mut Link {
        self.link.as_mut().unwrap()
    }

    fn creating() -> Self {
        Case {
            link: None,
            ..case()
        }
    }

    fn put(&mut self, field: &str, value: Value, by: ConnectionId) {
        let mut added = person(json!({ field: value }));
        for (name, mut cell) in std::mem::take(&mut added.cells) {
            cell.origin = Origin::Connection(by);
            self.entity.cells.insert(name, cell);
        }
    }

    /// The values that are owed, and whether anything blocks them.
    fn owes(&self, values: Value, blocked: bool) {
        let debt = self.debt().expect("something is owed");
        assert_eq!(Value::Object(debt.values), values);
        assert_eq!(debt.blocked.is_some(), blocked, "{:?}", debt.blocked);
    }

    fn owes_nothing(&self) {
        assert_eq!(self.debt(), None);
    }
}

#[test]
fn the_difference_to_sent_is_owed_with_what_it_was() {
    let debt = case().debt().unwrap();
    assert_eq!(debt.action, IntentAction::Update);
    assert_eq!(Value::Object(debt.values), json!({"job_title": "new"}));
    assert_eq!(Value::Object(debt.before), json!({"job_title": "old"}));
    assert_eq!(debt.blocked, None);
}

#[test]
fn a_system_that_rewrites_is_owed_nothing_for_it() {
    // P8: compared with what was sent, not with what it made of that.
    let mut case = case();
    case.link().sent["job_title"] = json!("new");
    case.link().raw["title"] = json!("NEW");
    case.owes_nothing();
    // White space is no difference.
    case.link().sent["job_title"] = json!(" new ");
    case.owes_nothing();
}

#[test]
fn blanking_is_owed_too() {
    let mut case = case();
    case.put("job_title", json!(null), B);
    case.owes(json!({"job_title": null}), false);
}

#[test]
fn what_is_held_refused_open_or_out_of_scope_is_not_owed() {
    let mut held = case();
    held.held = vec!["job_title"];
    held.owes_nothing();
    let mut open = case();
    open.open = true;
    open.owes_nothing();
    let mut outside = case();
    let filter = json!([{"field": "stage", "any-of": ["customer"]}]);
    outside.write = serde_json::from_value(filter).unwrap();
    outside.owes_nothing();
    let mut fixed = case();
    fixed.world.stream.update = false;
    fixed.owes_nothing();
    let mut refused = case();
    refused.link().refused = fields(json!({"job_title": "new"}));
    refused.owes_nothing();
    // Nobody could read what stands there: it is not written over.
    let mut unread = case();
    unread.link().unread = fields(json!({"title": {"odd": 1}}));
    unread.owes_nothing();
    // Another value than the one that was refused.
    refused.put("job_title", json!("newer"), B);
    refused.owes(json!({"job_title": "newer"}), false);
}

#[test]
fn a_whole_entity_can_be_held() {
    let hold = Hold {
        entity: EntityId::new("person", 1),
        field: None,
        reason: String::new(),
        at: secs(1),
    };
    let case = case();
    let target = Target {
        scene: case.world.scene(),
        write: &case.write,
        link: case.link.as_ref(),
        open: false,
        create_blocked: None,
    };
    assert_eq!(
        debt(&case.entity, &target, &Held::of(&[hold]), &|_| true),
        None
    );
}

#[test]
fn a_read_only_lens_owes_nothing() {
    let mut case = case();
    let only_read = "job_title: { path: title, direction: read }";
    case.world.mapping = mapping_of(&LENSES.replace("job_title: { path: title }", only_read));
    case.owes_nothing();
}

#[test]
fn a_constant_and_a_computed_value_are_owed_until_they_were_sent() {
    let mut case = case();
    let lenses = "job_title: { path: title, direction: read }
      source: { path: src, constant: concord }
      note: { path: label, computed: '{given_name} at {department}', direction: write }";
    case.world.mapping = mapping_of(&LENSES.replace("job_title: { path: title }", lenses));
    case.put("given_name", json!("Ann"), B);
    case.link().sent.insert("given_name".into(), json!("Ann"));
    case.owes(json!({"source": "concord", "note": "Ann at d"}), false);
    case.link().sent.insert("source".into(), json!("concord"));
    case.link().sent.insert("note".into(), json!("Ann at d"));
    case.owes_nothing();
}

#[test]
fn a_field_that_was_never_read_there_is_not_written_over() {
    // P10: a new lens, or a value that could not be understood at first contact.
    let mut case = case();
    case.put("birthday", json!("1990-01-02"), B);
    case.owes(json!({"job_title": "new"}), false);
    case.link().sent.insert("birthday".into(), json!(null));
    case.owes(json!({"job_title": "new", "birthday": "1990-01-02"}), false);
}

#[test]
fn nothing_goes_to_an_unapproved_connection_or_comes_from_one() {
    let mut to = case();
    to.world.approved = false;
    to.owes(json!({"job_title": "new"}), true);
    let mut from = case();
    from.approved = vec![A];
    from.owes(json!({"job_title": "new"}), true);
    // P5: what is vouched for goes out without the rest.
    from.put("email", json!("a@b.c"), A);
    from.owes(json!({"email": "a@b.c"}), false);
    // A person's decision needs nobody's approval.
    let mut decided = case();
    decided.approved = Vec::new();
    let cell = decided.entity.cells.get_mut("job_title").unwrap();
    cell.origin = Origin::Person("eve".into());
    decided.owes(json!({"job_title": "new"}), false);
}

#[test]
fn any_link_but_a_live_one_occupies_the_place() {
    use LinkState::{Gone, Hidden, Merged, OutOfScope};
    for state in [Gone, Hidden, Merged, OutOfScope] {
        let mut case = case();
        case.link().state = state;
        case.owes_nothing();
    }
}

#[test]
fn only_a_live_entity_is_written_anywhere() {
    for state in [
        EntityState::Unmatched,
        EntityState::MergedInto(2),
        EntityState::Deleted,
    ] {
        for mut case in [case(), Case::creating()] {
            case.entity.state = state.clone();
            case.owes_nothing();
        }
    }
}

#[test]
fn a_create_brings_all_there_is() {
    let mut create = Case::creating();
    create.put("email", json!(""), B);
    let debt = create.debt().unwrap();
    assert_eq!(debt.action, IntentAction::Create);
    assert!(debt.before.is_empty());
    create.owes(json!({"job_title": "new", "department": "d"}), false);
    create.held = vec!["department"];
    create.owes(json!({"job_title": "new"}), false);
    create.create_blocked = true;
    create.owes(json!({"job_title": "new"}), true);
    create.held = vec!["department", "job_title"];
    create.owes_nothing();
    let mut fixed = Case::creating();
    fixed.world.stream.create = false;
    fixed.owes_nothing();
}

#[test]
fn what_approval_does_not_settle_is_said_before_it() {
    let reason = |case: &Case| case.debt().unwrap().blocked.unwrap();
    for mut case in [case(), Case::creating()] {
        case.world.approved = false;
        assert!(reason(&case).contains("not approved"));
        case.create_blocked = true;
        let said = reason(&case);
        assert_eq!(said == "not read yet", case.link.is_none(), "{said}");
    }
}

#[test]
fn a_create_brings_only_what_is_vouched_for() {
    let mut create = Case::creating();
    create.approved = vec![A];
    create.owes(json!({"job_title": "new", "department": "d"}), true);
    create.put("email", json!("a@b.c"), A);
    create.owes(json!({"email": "a@b.c"}), false);
}

fn requiring(requires: &str) -> Case {
    let mut case = Case::creating();
    let stream = format!("entity: person\n    create-requires: {requires}");
    case.world.mapping = mapping_of(&LENSES.replace("entity: person", &stream));
    case
}

fn consent(status: &str) -> Value {
    json!({"status": status, "at": null})
}

#[test]
fn nobody_is_put_into_an_audience_without_a_recorded_opt_in() {
    let mut case = requiring("{ email_consent: opted_in }");
    case.owes_nothing();
    case.put("email_consent", consent("opted_out"), B);
    case.owes_nothing();
    case.put("email_consent", consent("opted_in"), B);
    let all = json!({
        "job_title": "new", "department": "d", "email_consent": consent("opted_in"),
    });
    case.owes(all, false);
    // Not without it either, where it is held or nobody vouches for it.
    case.held = vec!["email_consent"];
    case.owes(json!({"job_title": "new", "department": "d"}), true);
    case.held.clear();
    case.put("email_consent", consent("opted_in"), ConnectionId(9));
    case.owes(json!({"job_title": "new", "department": "d"}), true);
}

#[test]
fn a_field_can_be_required_to_be_there() {
    let mut case = requiring("{ family_name: present }");
    case.owes_nothing();
    case.put("family_name", json!(""), B);
    case.owes_nothing();
    case.put("family_name", json!("Berg"), B);
    assert!(case.debt().is_some_and(|debt| debt.blocked.is_none()));
    case.held = vec!["family_name"];
    assert!(case.debt().is_some_and(|debt| debt.blocked.is_some()));
}

#[test]
fn no_write_takes_an_opt_out_back() {
    let dated = |status: &str, at: &str| json!({"status": status, "at": at});
    let check = |ours: Value, theirs: Option<Value>, expect: bool| {
        let mut case = case();
        case.link().sent["job_title"] = json!("new");
        if let Some(theirs) = &theirs {
            case.link()
                .sent
                .insert("email_consent".into(), theirs.clone());
        }
        case.put("email_consent", ours.clone(), B);
        assert_eq!(case.debt().is_some(), expect, "{ours} over {theirs:?}");
    };
    let (may, june) = ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z");
    check(consent("opted_in"), Some(consent("opted_out")), false);
    check(dated("opted_in", june), Some(consent("opted_out")), false);
    check(consent("opted_in"), Some(dated("opted_out", may)), false);
    check(
        dated("opted_in", may),
        Some(dated("opted_out", june)),
        false,
    );
    check(dated("opted_in", june), Some(dated("opted_out", may)), true);
    check(consent("opted_out"), Some(consent("opted_in")), true);
    check(consent("opted_out"), Some(dated("opted_in", may)), true);
    check(consent("opted_in"), Some(json!(null)), true);
    check(consent("opted_out"), Some(json!(null)), true);
    // Not read there: nobody knows what it would run over.
    check(consent("opted_in"), None, false);
    // The same status needs no write, and an empty one is none.
    check(dated("opted_in", june), Some(dated("opted_in", may)), false);
    check(json!(null), Some(consent("opted_in")), false);
}

#[test]
fn a_planned_write_is_outdated_when_it_no_longer_says_what_is_wanted() {
    let check = |world: &World, values: Value, held: &[&str], expect: bool| {
        let entity = person(json!({"job_title": "new", "department": "d"}));
        let planned = intent(values.clone(), nothing());
        let outdated = is_outdated(&planned, &entity, &holding(held), &world.scene());
        assert_eq!(outdated, expect, "{values} {held:?}");
    };
    let world = world();
    check(&world, json!({"job_title": "new"}), &[], false);
    check(&world, json!({"job_title": " new"}), &[], false);
    check(&world, json!({"job_title": "newer"}), &[], true);
    // V21: it went on hold between plan and call.
    check(&world, json!({"job_title": "new"}), &["job_title"], true);
    check(&world, json!({"job_title": "new"}), &["department"], false);
    // Its lens was taken out of the mapping.
    check(&world, json!({"gender": "f"}), &[], true);
}

#[test]
fn a_planned_create_is_outdated_by_an_opt_out() {
    let mut case = requiring("{ email_consent: opted_in }");
    let mut create = intent(json!({"job_title": "new"}), nothing());
    create.action = IntentAction::Create;
    let outdated =
        |case: &Case| is_outdated(&create, &case.entity, &holding(&[]), &case.world.scene());
    case.put("email_consent", consent("opted_in"), B);
    assert!(!outdated(&case));
    case.put("email_consent", consent("opted_out"), B);
    assert!(outdated(&case));
}

/// The person works for organization 42, which may have no record there yet.
fn employed(mut case: Case) -> Case {
    case.put("employer", json!("organization/42"), B);
    if let Some(link) = &mut case.link {
        link.sent.insert("employer".into(), Value::Null);
    }
    case.world.companies.linked = false;
    case
}

#[test]
fn a_reference_waits_for_its_record_and_holds_nothing_else_up() {
    for mut case in [employed(case()), employed(Case::creating())] {
        let debt = case.debt().unwrap();
        assert!(!debt.values.contains_key("employer") && debt.values.contains_key("job_title"));
        assert!(debt.waits && debt.blocked.is_none());
        case.world.companies.linked = true;
        let debt = case.debt().unwrap();
        assert_eq!(debt.values["employer"], "organization/42");
        assert!(!debt.waits);
    }
}

#[test]
fn a_reference_alone_is_shown_with_what_it_waits_for() {
    let mut case = employed(case());
    case.link().sent.insert("job_title".into(), json!("new"));
    case.owes(json!({"employer": "organization/42"}), true);
    let reason = case.debt().unwrap().blocked.unwrap();
    assert!(reason.contains("organization/42"), "{reason}");
    case.world.companies.linked = true;
    case.owes(json!({"employer": "organization/42"}), false);
}

#[test]
fn a_create_that_needs_a_reference_waits_for_it() {
    let mut case = employed(requiring("{ employer: present }"));
    assert!(case.debt().unwrap().blocked.is_some());
    case.world.companies.linked = true;
    assert!(case.debt().unwrap().blocked.is_none());
}

#[test]
fn a_planned_reference_is_outdated_when_its_record_went() {
    let mut case = employed(case());
    let planned = intent(json!({"employer": "organization/42"}), nothing());
    let outdated =
        |case: &Case| is_outdated(&planned, &case.entity, &holding(&[]), &case.world.scene());
    assert!(outdated(&case));
    case.world.companies.linked = true;
    assert!(!outdated(&case));
}
