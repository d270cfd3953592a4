//! The laws, on fixed mappings and on drawn ones.

use proptest::prelude::*;

use super::*;
use crate::normal;

fn broken(lenses: &str) -> LawBroken {
    laws::check(&contacts(lenses)).unwrap_err()
}

#[test]
fn a_mapping_that_loses_values_is_refused_with_a_counter_example() {
    // A two-digit year: 1931 is read back as 2031.
    let century = broken("birthday: { path: b, date: \"%d/%m/%y\" }");
    assert_eq!(
        (century.law, century.counter_example),
        (Law::PutGet, json!("1931-02-28"))
    );
    // A month without its day cannot be read back at all.
    let month = broken("birthday: { path: b, date: \"%Y-%m\" }");
    assert_eq!((month.law, month.field.as_str()), (Law::PutGet, "birthday"));
    // The system cuts the words that the enum is written in.
    let cut = broken(
        "stage: { path: s, enum: { lead: prospect, customer: client }, rewrites: [{truncate: 3}] }",
    );
    assert_eq!(cut.law, Law::PutGet);
    assert!(cut.to_string().contains("'stage'"), "{cut}");
    // Upper case never comes back to what the lower-case word was.
    let shouted = broken("stage: { path: s, enum: { lead: Lead }, rewrites: [upper] }");
    assert_eq!(shouted.counter_example, json!("lead"));
}

#[test]
fn rewriting_that_is_declared_is_within_the_law() {
    for lenses in [
        "email: { path: email, rewrites: [trim, lower] }",
        "given_name: { path: f, rewrites: [trim, {truncate: 20}] }",
        "company: { path: c, rewrites: [upper] }",
        "tags: { path: t, set: { of: name }, rewrites: [lower] }",
        "birthday: { path: b, date: \"%m/%d\" }",
        "language: { path: l, language: alpha2 }",
        "email_consent: { consent: { path: s, opted-in: [in], opted-out: [out] } }",
        "employer: { path: e, reference: { stream: companies } }",
        "address: { path: adr, list: { where: { type: home } }, group: { street: { path: street }, country: { path: c, country: name } } }",
        "given_name: { path: name, split: { part: given, with: family_name } }\n\
         family_name: { path: name, split: { part: family, with: given_name } }",
        "phone: { path: t, list: { without: { type: work }, value: v } }\n\
         work_phone: { path: t, list: { where: { type: work }, value: v } }",
    ] {
        laws::check(&contacts(lenses)).unwrap();
    }
}

const LENSES: &str = "\
email: { path: email }
given_name: { path: name.first }
job_title: { path: org.title }
phone: { path: tel, phone: { region: US } }
work_phone: { path: tels, list: { where: { type: work }, value: value } }
tags: { path: labels, set: { of: name } }
birthday: { path: born, date: \"%m/%d/%Y\" }
language: { path: lang, language: locale }
stage: { path: stage, enum: { lead: l, customer: c, other: o } }
email_consent: { consent: { path: status, opted-in: [in], opted-out: [out] } }
address: { group: { street: { path: street }, city: { path: city }, country: { path: land, country: name } } }";

fn any_raw() -> impl Strategy<Value = Value> {
    let text = || {
        prop_oneof![
            Just(json!(null)),
            Just(json!("")),
            "\\PC{0,10}".prop_map(Value::from)
        ]
    };
    let tel =
        ("[a-z]{0,2}|work", "\\PC{0,10}").prop_map(|(t, v)| json!({"type": t, "value": v, "x": 1}));
    let label = (any::<u8>(), "\\PC{0,6}").prop_map(|(id, name)| json!({"id": id, "name": name}));
    (
        (text(), text(), text(), text()),
        (
            text(),
            text(),
            prop_oneof![Just("Germany"), Just("usa"), Just("Atlantis"), Just("")],
        ),
        proptest::collection::vec(tel, 0..4),
        proptest::collection::vec(label, 0..4),
        proptest::sample::select(vec!["in", "out", ""]),
        proptest::sample::select(vec!["l", "c", "o", ""]),
    )
        .prop_map(
            |((email, first, title, tel), (street, city, land), tels, labels, status, stage)| {
                json!({"email": email, "name": {"first": first, "kept": 1}, "org": {"title": title},
                   "tel": tel, "tels": tels, "labels": labels, "born": "02/29/2000",
                   "lang": "pt_BR", "stage": stage, "status": status,
                   "street": street, "city": city, "land": land})
            },
        )
}

fn any_text() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(null)), "\\PC{0,12}".prop_map(Value::from)]
}

fn any_value() -> impl Strategy<Value = (&'static str, Value)> {
    let date =
        (1i32..9999, 1u8..13, 1u8..29).prop_map(|(y, m, d)| json!(format!("{y:04}-{m:02}-{d:02}")));
    let country = proptest::sample::select(vec!["DE", "US", "KR", "CI", "GB"]);
    let address = (any_text(), any_text(), country).prop_map(
        |(street, city, country)| json!({"street": street, "city": city, "country": country}),
    );
    prop_oneof![
        any_text().prop_map(|v| ("email", v)),
        any_text().prop_map(|v| ("given_name", v)),
        any_text().prop_map(|v| ("job_title", v)),
        "\\+1415555[0-9]{4}".prop_map(|v| ("phone", json!(v))),
        "\\+4930[0-9]{6}".prop_map(|v| ("work_phone", json!(v))),
        proptest::collection::vec("[a-zA-Z]{1,4}", 0..4).prop_map(|v| ("tags", json!(v))),
        date.prop_map(|v| ("birthday", v)),
        proptest::sample::select(vec!["de", "pt-BR", "zh-Hant"])
            .prop_map(|v| ("language", json!(v))),
        proptest::sample::select(vec!["lead", "customer", "other"])
            .prop_map(|v| ("stage", json!(v))),
        proptest::sample::select(vec!["opted_in", "opted_out"])
            .prop_map(|s| ("email_consent", json!({"status": s, "at": null}))),
        address.prop_map(|v| ("address", v)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_put_is_got_and_other_fields_keep_theirs(raw in any_raw(), (field, value) in any_value()) {
        let mapping = contacts(LENSES);
        let lens = mapping.lens(field).unwrap();
        let before = fields(raw);
        let canonical = fields(json!({field: value.clone()}));
        let mut after = before.clone();
        lens.put(&value, &mut after, &canonical, &OneCompany).unwrap();
        let got = lens.get(&after, &canonical, &OneCompany).unwrap();
        prop_assert!(normal::same(&lens.spec, &got, &value), "put {value}, got {got}");
        for other in mapping.lenses.iter().filter(|other| other.field != lens.field) {
            prop_assert_eq!(
                other.get(&before, &canonical, &OneCompany),
                other.get(&after, &canonical, &OneCompany)
            );
        }
        prop_assert_eq!(&after["name"]["kept"], &json!(1));
    }

    #[test]
    fn putting_back_what_was_got_changes_nothing(raw in any_raw()) {
        let mapping = contacts(LENSES);
        let before = fields(raw);
        for lens in &mapping.lenses {
            let got = lens.get(&before, &Fields::new(), &OneCompany).unwrap();
            let mut after = before.clone();
            lens.put(&got, &mut after, &Fields::new(), &OneCompany).unwrap();
            prop_assert_eq!(&after, &before, "{}", lens.field);
        }
    }
}
