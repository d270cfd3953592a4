//! When bases may move: changed lenses, values that cannot be understood,
//! references to records that are not there yet.

use super::*;

const OTHER: &str = "job_title: { path: title, rewrites: [upper] }";

/// A world whose mapping was changed since the link was made.
pub(super) fn relensed(old: &str, new: &str) -> (World, String) {
    let mut world = world();
    let old = mapping_of(&LENSES.replace("job_title: { path: title }", old));
    world.mapping = mapping_of(&LENSES.replace("job_title: { path: title }", new));
    world.history.insert(
        old.hash.clone(),
        old.lenses
            .iter()
            .map(|l| (l.field.clone(), l.hash.clone()))
            .collect(),
    );
    (world, old.hash)
}

#[test]
fn a_changed_lens_is_a_debt_and_no_conflict() {
    let enumerated = "job_title: { path: title, enum: { boss: CEO } }";
    let (world, old) = relensed("job_title: { path: title }", enumerated);
    let mut entity = person(json!({"job_title": "CEO", "department": "d"}));
    let raw = json!({"title": "CEO", "dept": "d"});
    let mut link = world.link(
        raw.clone(),
        json!({"job_title": "CEO", "department": "other"}),
    );
    link.mapping = old;
    let out = world.absorb(&mut link, &mut entity, raw.clone());
    assert!(out.debt && out.conflicts.is_empty() && out.changes.is_empty());
    // sent := get′(r); the lens of the department is the one that it was.
    assert_holds(
        &link,
        &entity,
        json!({"job_title": "CEO"}),
        json!({"job_title": "boss", "department": "other"}),
        raw.clone(),
    );
    assert_eq!(link.mapping, world.mapping.hash);
    // From then on it is a field like any other.
    link.sent["job_title"] = json!("CEO");
    world.absorb(&mut link, &mut entity, raw);
    assert_eq!(link.sent["job_title"], "CEO");
}

#[test]
fn with_a_changed_lens_an_edit_is_still_an_edit() {
    let (world, old) = relensed("job_title: { path: title }", OTHER);
    let mut entity = person(json!({"job_title": "x"}));
    let mut link = world.link(json!({"title": "x"}), json!({"job_title": "x"}));
    link.mapping = old;
    world.absorb(&mut link, &mut entity, json!({"title": "y"}));
    assert_eq!(entity.value("job_title"), "y");
}

#[test]
fn a_lens_that_looks_elsewhere_meets_what_is_there_for_the_first_time() {
    let (world, old) = relensed(
        "job_title: { path: title }",
        "job_title: { path: position }",
    );
    let mut entity = person(json!({"job_title": "Cook"}));
    let mut link = world.link(json!({"title": "Cook"}), json!({"job_title": "Cook"}));
    link.mapping = old;
    let out = world.absorb(&mut link, &mut entity, json!({"position": "Chef"}));
    // What stood there all the time is no edit that came after ours.
    assert_eq!(entity.value("job_title"), "Cook");
    assert_eq!(out.conflicts.len(), 1);
}

#[test]
fn a_base_of_another_lens_does_not_outlive_a_look_that_missed_its_field() {
    let (world, old) = relensed("job_title: { path: title }", OTHER);
    let mut entity = person(json!({"job_title": "Cook"}));
    let mut link = world.link(json!({"title": "Cook"}), json!({"job_title": "Cook"}));
    link.mapping = old;
    world.absorb(&mut link, &mut entity, json!({"dept": "d"}));
    assert!(!link.sent.contains_key("job_title"));
    world.absorb(&mut link, &mut entity, json!({"title": "Cook"}));
    assert_eq!(link.sent["job_title"], "Cook");
}

#[test]
fn an_unfit_value_keeps_the_old_bases_and_the_rest_goes_on() {
    let world = world();
    let known = json!({"birthday": "1990-01-02", "job_title": "x"});
    let mut entity = person(known.clone());
    let mut link = world.link(json!({"born": "1990-01-02", "title": "x"}), known);
    let seen = json!({"born": "sometime", "title": "y"});
    let out = world.absorb(&mut link, &mut entity, seen.clone());
    assert_eq!(out.unfit.len(), 1);
    assert_eq!(out.unfit[0].0.as_str(), "birthday");
    assert!(out.unfit[0].1.contains("sometime"), "{}", out.unfit[0].1);
    assert_holds(
        &link,
        &entity,
        json!({"birthday": "1990-01-02", "job_title": "y"}),
        json!({"birthday": "1990-01-02", "job_title": "y"}),
        json!({"born": "1990-01-02", "title": "y"}),
    );
    // It is reported as long as it stands there, and taken when it is mended.
    assert_eq!(world.absorb(&mut link, &mut entity, seen).unfit.len(), 1);
    assert_eq!(link.unread, fields(json!({"born": "sometime"})));
    world.absorb(&mut link, &mut entity, json!({"born": "1991-03-04"}));
    assert_eq!(entity.value("birthday"), "1991-03-04");
    assert!(link.unread.is_empty());
}

#[test]
fn an_unfit_value_at_first_contact_leaves_the_field_unknown() {
    let world = world();
    let mut entity = person(json!({"birthday": "1990-01-02"}));
    let mut link = world.link(nothing(), nothing());
    let out = world.absorb(&mut link, &mut entity, json!({"born": "sometime"}));
    assert_eq!(out.unfit.len(), 1);
    assert!(!link.sent.contains_key("birthday") && !link.raw.contains_key("born"));
}

#[test]
fn a_reference_waits_for_its_record_and_is_then_seen_as_changed() {
    for sent in [nothing(), json!({"employer": null})] {
        let mut world = world();
        world.companies.linked = false;
        let mut entity = person(nothing());
        let mut link = world.link(json!({"company_id": null}), sent);
        let seen = json!({"company_id": "7"});
        let out = world.absorb(&mut link, &mut entity, seen.clone());
        assert_eq!(out.waiting.len(), 1);
        assert_eq!(out.waiting[0].wants_id.as_str(), "7");
        assert_eq!(out.waiting[0].wants_stream.as_str(), "companies");
        assert!(out.unfit.is_empty());
        world.companies.linked = true;
        let out = world.absorb(&mut link, &mut entity, seen);
        assert!(out.waiting.is_empty());
        assert_eq!(entity.value("employer"), "organization/42");
    }
}

#[test]
fn clearing_a_reference_whose_record_is_gone_is_an_edit() {
    let mut world = world();
    world.companies.linked = false;
    let mut entity = person(json!({"employer": "organization/42"}));
    let mut link = world.link(
        json!({"company_id": "7"}),
        json!({"employer": "organization/42"}),
    );
    world.absorb(&mut link, &mut entity, json!({"company_id": null}));
    assert_eq!(*entity.value("employer"), json!(null));
}
