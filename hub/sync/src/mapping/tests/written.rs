//! What is wrong with a written mapping, and how it is said.

use super::*;

/// Every part of the message that must be there.
fn refused(lenses: &str, parts: &[&str]) {
    let error = parse(lenses).unwrap_err().to_string();
    for part in parts {
        assert!(
            error.contains(part),
            "{lenses}\ngave: {error}\nwithout: {part}"
        );
    }
}

#[test]
fn errors_name_the_place_the_field_and_what_was_expected() {
    refused(
        "emial: { path: email }",
        &["line 10", "'emial'", "did you mean 'email'", "given_name"],
    );
    refused(
        "email: { path: email, rewrite: [lower] }",
        &["line 10", "rewrites"],
    );
    refused(
        "email: { path: email, rewrites: [lowr] }",
        &["line 10", "lower"],
    );
    refused("email: {}", &["'path'"]);
    refused("email: { path: a..b }", &["empty step"]);
    refused("email:", &["'email'", "no lens"]);
    refused(
        "stage: { path: s, enum: { leed: lead } }",
        &["'leed'", "did you mean 'lead'"],
    );
    refused("phone: { path: p, phone: { region: XX } }", &["'XX'"]);
    refused(
        "email: { path: e, phone: { region: US } }",
        &["'phone' does not fit", "email"],
    );
    refused(
        "email: { path: e, date: \"%Y\", language: tag }",
        &["'date' and 'language'"],
    );
    refused(
        "note: { path: n, otherwise: x }",
        &["'otherwise' belongs to 'enum'"],
    );
    refused("birthday: { path: b, date: year }", &["'year'", "strftime"]);
    refused(
        "employer: { path: e, reference: { stream: company } }",
        &["did you mean 'companies'"],
    );
    refused(
        "employer: { path: e, reference: { stream: contacts } }",
        &["organization", "person"],
    );
    refused("employer: { path: e }", &["reference: { stream"]);
    refused("address: { path: a }", &["it is a group"]);
    refused(
        "address: { group: { town: { path: t } } }",
        &["'town'", "city"],
    );
    refused(
        "address: { group: { city: { path: t, direction: read } } }",
        &["moves as one"],
    );
    refused("tags: { path: t, enum: { a: b } }", &["it is a set"]);
    refused("email_consent: { path: s }", &["it is a consent"]);
    refused(
        "email_consent: { consent: { path: s, opted-in: [x], opted-out: [x] } }",
        &["listed twice"],
    );
    refused(
        "x: { path: x, computed: \"{given_nam}\" }",
        &["did you mean 'given_name'"],
    );
    refused(
        "phone: { path: t, list: { where: { type: work }, value: type } }",
        &["'type'"],
    );
}

#[test]
fn lenses_that_cannot_be_true_both_ways_are_refused() {
    refused(
        "stage: { path: s, enum: { lead: a, customer: a } }",
        &["'customer'", "'lead'", "\"a\""],
    );
    refused(
        "source: { path: s, constant: x, direction: both }",
        &["only written"],
    );
    refused(
        "note: { path: s, computed: \"{email}\", direction: read }",
        &["only written"],
    );
    refused(
        "given_name: { path: n, split: { part: given, with: family_name } }",
        &["half"],
    );
    refused(
        "given_name: { path: n, split: { part: given, with: family_name } }\n\
         family_name: { path: m, split: { part: family, with: given_name } }",
        &["half"],
    );
    refused(
        "email: { path: e }\nother_email: { path: e }",
        &["same remote field as 'email'"],
    );
    refused(
        "company: { path: org }\njob_title: { path: org.title }",
        &["same remote field"],
    );
    refused(
        "company: { path: street }\naddress: { group: { street: { path: street } } }",
        &["same remote field"],
    );
    refused(
        "phone: { path: t, list: { value: v } }\nwork_phone: { path: t, list: { where: { type: work }, value: v } }",
        &["same remote field"],
    );
}

#[test]
fn lenses_that_stand_apart_are_taken() {
    for lenses in [
        "email: { path: e }\nother_email: { path: e, direction: read }",
        "phone: { path: t, list: { without: { type: work }, value: v } }\n\
         work_phone: { path: t, list: { where: { type: work }, value: v } }",
        "phone: { path: t, list: { where: { type: home }, value: v } }\n\
         work_phone: { path: t, list: { where: { type: work }, value: v } }",
        "company: { path: org.name }\njob_title: { path: org.title }",
    ] {
        parse(lenses).unwrap();
    }
}

#[test]
fn streams_and_versions_are_checked() {
    let schemas = schemas::builtin();
    let error = |text: &str| Mapping::parse(text, &schemas).unwrap_err().to_string();
    assert!(error("version: 2\nstreams: {}").contains("version 2"));
    let unknown = error("streams:\n  contacts: { entity: persn, fields: {} }");
    assert!(unknown.contains("did you mean 'person'"), "{unknown}");
    let missing = error("streams:\n  contacts: { fields: {} }");
    assert!(missing.contains("'entity'"), "{missing}");
    let consent = "streams:\n  contacts: { entity: person, create-requires: { email: opted_in }, fields: {} }";
    assert!(
        error(consent).contains("'email' can be present"),
        "{}",
        error(consent)
    );
    let present = "email: present, email_consent: opted_in";
    let known = consent
        .replace("email: opted_in", present)
        .replace("fields: {}", "fields: { email: { path: mail } }");
    assert_eq!(
        Mapping::parse(&format!("version: 1\n{known}"), &schemas::builtin()).err(),
        None
    );
}
