//! Who a new record is.

use std::collections::BTreeMap;

use super::*;
use crate::matching::{Candidate, Match, find, keys};

const ASK: &str = "ask";

fn named(number: i64, given: &str, family: &str, email: &str, phone: &str) -> Entity {
    let mut entity = person(json!({
        "given_name": given, "family_name": family, "email": email, "phone": phone,
    }));
    entity.id.number = number;
    entity
}

/// Person 1 is new; the others are known, the occupied ones with a record in
/// the same stream.
fn look(new: Entity, known: &[Entity], occupied: &[i64]) -> Match {
    let schemas = schemas::builtin();
    let schema = schemas.get(new.id.kind.as_str()).unwrap();
    let mut holders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for entity in std::iter::once(&new).chain(known) {
        for key in keys(entity, schema) {
            holders.entry(key.key).or_default().push(entity.id.number);
        }
    }
    let mine: Vec<String> = keys(&new, schema).into_iter().map(|k| k.key).collect();
    holders.retain(|key, _| mine.contains(key));
    let candidates = known
        .iter()
        .map(|entity| {
            let occupied = occupied.contains(&entity.id.number);
            let candidate = Candidate {
                entity,
                occupied,
                is_known: true,
            };
            (entity.id.number, candidate)
        })
        .collect();
    find(&new, schema, &holders, &candidates)
}

fn same(number: i64) -> Match {
    Match::Same(EntityId::new("person", number))
}

#[track_caller]
fn asks(found: Match, numbers: &[i64], why: &str) {
    let Match::Ask { candidates, reason } = found else {
        panic!("{found:?}, and a person should have been asked")
    };
    let found: Vec<i64> = candidates.iter().map(|id| id.number).collect();
    assert_eq!(found, numbers);
    assert!(reason.contains(why), "{reason}");
}

/// Ann Berg, known by one key, against somebody of another name.
fn check_names(given: &str, family: &str, expect: &str) {
    let new = named(1, given, family, "ann@example.com", "");
    let found = look(new, &[named(2, "Ann", "Berg", "ann@example.com", "")], &[]);
    match expect {
        ASK => asks(found, &[2], "names do not agree"),
        _ => assert_eq!(found, same(2), "{given} {family}"),
    }
}

#[test]
fn a_key_links_where_the_given_or_the_family_name_agrees() {
    check_names("Ann", "Berg", "same");
    check_names("ANN", "berg ", "same");
    // One edit apart in either.
    check_names("Anne", "Berg", "same");
    check_names("Ann", "Burg", "same");
    // One of the two is enough (a marriage, a nickname).
    check_names("Ann", "Meier", "same");
    check_names("Nancy", "Berg", "same");
    check_names("Bob", "Meier", ASK);
    check_names("", "", ASK);
}

#[test]
fn a_phone_number_is_a_key_however_it_is_written() {
    let new = named(1, "Ann", "Berg", "", "+1 202-555-0123");
    assert_eq!(
        look(new, &[named(2, "Ann", "Berg", "", "+12025550123")], &[]),
        same(2)
    );
}

#[test]
fn nobody_with_the_same_key_is_somebody_new() {
    let others = [named(2, "Ann", "Berg", "other@example.com", "")];
    let by_email = named(1, "Ann", "Berg", "ann@example.com", "");
    assert_eq!(look(by_email, &others, &[]), Match::New);
    assert_eq!(
        look(named(1, "Ann", "Berg", "", ""), &others, &[]),
        Match::New
    );
}

#[test]
fn the_address_of_a_desk_is_nobodys() {
    let others = [named(2, "Ann", "Berg", "info@example.com", "")];
    let new = named(1, "Ann", "Berg", "info@example.com", "");
    assert_eq!(look(new, &others, &[]), Match::New);
}

#[test]
fn a_key_that_a_household_shares_links_nobody() {
    let home = "home@example.com";
    let couple = [
        named(2, "Ann", "Berg", home, ""),
        named(3, "Bob", "Berg", home, ""),
    ];
    asks(
        look(named(1, "Ann", "Berg", home, ""), &couple, &[]),
        &[2, 3],
        "share",
    );
    // One of them is taken already: that leaves one, and no certainty.
    asks(
        look(named(1, "Ann", "Berg", home, ""), &couple, &[3]),
        &[2],
        "share",
    );
}

#[test]
fn a_couple_with_one_telephone_is_two_people() {
    let home = "+12025550123";
    let ann = [named(2, "Ann", "Berg", "", home)];
    asks(
        look(named(1, "Bob", "Berg", "", home), &ann, &[]),
        &[2],
        "names do not agree",
    );
    assert_eq!(look(named(1, "", "Berg", "", home), &ann, &[]), same(2));
}

#[test]
fn what_an_office_shares_says_nothing() {
    let switchboard = "+12025550123";
    let names = ["Ann", "Bob", "Cid", "Dee", "Eve", "Fay", "Gus"];
    let office: Vec<Entity> = (2..)
        .zip(names)
        .map(|(number, name)| named(number, name, name, "", switchboard))
        .collect();
    let new = || named(1, "Ann", "Ann", "", switchboard);
    assert_eq!(look(new(), &office, &[]), Match::New);
    // Six may be a household, so a person is asked.
    let (_, household) = office.split_last().unwrap();
    asks(look(new(), household, &[]), &[2, 3, 4, 5, 6, 7], "share");
}

#[test]
fn a_shared_key_does_not_stop_one_that_is_sure() {
    let home = "+12025550123";
    let known = [
        named(2, "Ann", "Berg", "ann@example.com", home),
        named(3, "Bob", "Berg", "", home),
    ];
    let new = named(1, "Ann", "Berg", "ann@example.com", home);
    assert_eq!(look(new, &known, &[]), same(2));
}

#[test]
fn two_keys_that_point_to_two_people_are_for_a_person() {
    let (email, phone) = ("ann@example.com", "+12025550123");
    let known = [
        named(2, "Ann", "Berg", email, ""),
        named(3, "Ann", "Berg", "", phone),
    ];
    asks(
        look(named(1, "Ann", "Berg", email, phone), &known, &[]),
        &[2, 3],
        "different entities",
    );
    // Also where one of the two is a stranger by name.
    let known = [
        named(2, "Ann", "Berg", email, ""),
        named(3, "Zoe", "Qual", "", phone),
    ];
    asks(
        look(named(1, "Ann", "Berg", email, phone), &known, &[]),
        &[2, 3],
        "different entities",
    );
    // Both keys of the same person agree with each other.
    let known = [named(2, "Ann", "Berg", email, phone)];
    assert_eq!(
        look(named(1, "Ann", "Berg", email, phone), &known, &[]),
        same(2)
    );
}

#[test]
fn who_has_a_record_in_the_same_stream_is_not_this_one() {
    // Two people of one system with one address are that system's business.
    let known = [named(2, "Ann", "Berg", "ann@example.com", "")];
    assert_eq!(
        look(
            named(1, "Bob", "Quill", "ann@example.com", ""),
            &known,
            &[2]
        ),
        Match::New
    );
    // The same person twice would be taken for new, and be twice everywhere.
    asks(
        look(named(1, "Ann", "Berg", "ann@example.com", ""), &known, &[2]),
        &[2],
        "has a record of this name and key already",
    );
}

#[test]
fn an_organization_is_known_by_its_name() {
    let schemas = schemas::builtin();
    let schema = schemas.get("organization").unwrap();
    let key = schema
        .fields
        .values()
        .find(|spec| spec.identity == Some(concord_core::schema::Identity::Key))
        .map(|spec| spec.name.to_string())
        .unwrap();
    let organization = |number: i64, name: &str| {
        let mut entity = person(json!({"name": name, key.as_str(): "acme.example"}));
        entity.id = EntityId::new("organization", number);
        entity
    };
    let same = Match::Same(EntityId::new("organization", 2));
    assert_eq!(
        look(organization(1, "Acme"), &[organization(2, "ACME")], &[]),
        same
    );
    let found = look(organization(1, "Acme"), &[organization(2, "Zenith")], &[]);
    asks(found, &[2], "names do not agree");
}
