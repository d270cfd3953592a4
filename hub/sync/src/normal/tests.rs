use concord_core::EntitySchema;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn spec(property: Value) -> FieldSpec {
    let document = json!({"title": "person", "properties": {"field": property}});
    let schema = EntitySchema::from_json_schema(&document).unwrap();
    schema.field("field").unwrap().clone()
}

fn of_type(name: &str) -> FieldSpec {
    spec(json!({"type": "string", "x-concord-type": name}))
}

fn key(name: &str) -> FieldSpec {
    spec(json!({"type": "string", "x-concord-type": name, "x-concord-identity": "key"}))
}

fn address() -> FieldSpec {
    spec(json!({"type": "object", "properties": {
        "street": {"type": "string"},
        "country": {"type": "string", "x-concord-type": "country"}}}))
}

fn consent() -> FieldSpec {
    spec(json!({"type": "object", "x-concord-type": "consent"}))
}

fn set() -> FieldSpec {
    spec(json!({"type": "array", "items": {"type": "string"}, "x-concord-normaliser": "caseless"}))
}

#[test]
fn values_that_mean_the_same_are_the_same() {
    let check = |spec: &FieldSpec, a: Value, b: Value, expect: bool| {
        assert_eq!(same(spec, &a, &b), expect, "{a} and {b}");
        assert_eq!(same(spec, &b, &a), expect, "{b} and {a}");
    };
    let text = of_type("text");
    check(&text, json!(" Ann  Lee\n"), json!("Ann Lee"), true);
    check(&text, json!(""), json!(null), true);
    check(&text, json!("  "), json!(null), true);
    check(&text, json!("Ann"), json!("ann"), false);
    check(&text, json!("e\u{301}"), json!("é"), true);
    check(&text, json!("0"), json!(null), false);
    let email = of_type("email");
    check(
        &email,
        json!("Ann@Example.COM "),
        json!("ann@example.com"),
        true,
    );
    check(
        &email,
        json!("ann@example.com"),
        json!("anne@example.com"),
        false,
    );
    let phone = of_type("phone");
    check(&phone, json!("+49 30 123456"), json!("+4930123456"), true);
    check(
        &phone,
        json!("+49 (0)30 123456"),
        json!("+4930123456"),
        true,
    );
    check(&phone, json!("030/123456"), json!("030 123456"), true);
    check(&phone, json!("+4930123456"), json!("+4930123457"), false);
    check(&phone, json!("none"), json!("unknown"), false);
    let amount = of_type("decimal");
    check(&amount, json!("1.50"), json!("1.5"), true);
    check(&amount, json!(1.5), json!("1.50"), true);
    check(&amount, json!("0"), json!(null), false);
    check(&amount, json!("-0.00"), json!("0"), true);
    check(&amount, json!("1e3"), json!("1000"), true);
    let moment = of_type("timestamp");
    check(
        &moment,
        json!("2026-11-21T12:00:00+02:00"),
        json!("2026-11-21T10:00:00Z"),
        true,
    );
    check(
        &moment,
        json!("2026-11-21T12:00:00Z"),
        json!("2026-11-21T12:00:01Z"),
        false,
    );
    check(&of_type("integer"), json!("7"), json!(7), true);
    check(&of_type("country"), json!("de"), json!("DE"), true);
    check(&of_type("language"), json!("pt_BR"), json!("pt-br"), true);
}

#[test]
fn structures_are_compared_by_what_they_hold() {
    let check = |spec: &FieldSpec, a: Value, b: Value, expect: bool| {
        assert_eq!(same(spec, &a, &b), expect, "{a} and {b}");
    };
    check(
        &set(),
        json!(["VIP", "new"]),
        json!(["new", "vip", "new"]),
        true,
    );
    check(&set(), json!([]), json!(null), true);
    check(&set(), json!(["a"]), json!(["a", "b"]), false);
    let at = |street: Value, country: &str| json!({"street": street, "country": country});
    check(
        &address(),
        at(json!("Main  St"), "us"),
        at(json!("Main St"), "US"),
        true,
    );
    check(
        &address(),
        at(json!(""), "US"),
        json!({"country": "US"}),
        true,
    );
    check(&address(), at(json!(null), ""), json!(null), true);
    check(
        &address(),
        at(json!("Main St"), "US"),
        at(json!("Main St"), "CA"),
        false,
    );
    let said = |status: &str, at: &str| json!({"status": status, "at": at});
    check(
        &consent(),
        said("opted_in", "2026-01-01T00:00:00Z"),
        said("opted_in", "2026-02-01T00:00:00Z"),
        true,
    );
    check(
        &consent(),
        said("opted_in", "2026-01-01T00:00:00Z"),
        said("opted_out", "2026-01-01T00:00:00Z"),
        false,
    );
}

#[test]
fn keys_say_who_somebody_is() {
    let check = |spec: &FieldSpec, value: &str, expect: Option<&str>| {
        assert_eq!(match_key(spec, &json!(value)).as_deref(), expect, "{value}");
    };
    let email = key("email");
    check(&email, " Ann@Example.com", Some("email:ann@example.com"));
    check(&email, "info@example.com", None);
    check(&email, "Sales@example.com", None);
    check(&email, "not an address", None);
    check(&email, "", None);
    check(&key("phone"), "+49 30 123456", Some("phone:+4930123456"));
    check(&key("phone"), "030 123456", None);
    check(&key("text"), "DE123", Some("field:DE123"));
    check(&of_type("email"), "ann@example.com", None);
}

#[test]
fn names_agree_up_to_one_edit() {
    let check = |a: &str, b: &str, expect: bool| {
        assert_eq!(name_agrees(a, b), expect, "{a} and {b}");
        assert_eq!(name_agrees(b, a), expect, "{b} and {a}");
    };
    check("Meyer", "meyer", true);
    check("Meyer", "Meier", true);
    check("Meyer", "Myeer", true);
    check("Meyer", "Meyers", true);
    check("Meyer", "Maier", false);
    check("Müller", "Muller", true);
    check("Müller", "Mueller", true);
    check("Groß", "Gross", true);
    check("Søren", "Soren", true);
    check("Łukasz", "Lukasz", true);
    check("O'Brien", "OBrien", true);
    check("Ann", "Anne", true);
    check("Al", "Ed", false);
    check("Jo", "Bo", false);
    check("", "", false);
    check("", "A", false);
    check("Иванов", "иванов", true);
    check("Иванов", "Иваноф", true);
    check("Νίκος", "ΝΙΚΟΣ", true);
    check("王", "王", true);
    check("王", "李", false);
    check("小明", "小红", false);
    check("김민준", "김민서", false);
    check("अमित", "अमीत", true);
    assert!(names_agree("Ann", "Lee", "Anna", "Smith"));
    assert!(names_agree("", "Lee", "Bob", "Lea"));
    assert!(!names_agree("Ann", "Lee", "Bob", "Ray"));
    assert!(!names_agree("", "", "", ""));
}

fn any_spec() -> impl Strategy<Value = FieldSpec> {
    prop_oneof![
        proptest::sample::select(vec![
            "text",
            "email",
            "phone",
            "date",
            "timestamp",
            "decimal",
            "integer",
            "country",
            "language",
            "currency",
        ])
        .prop_map(of_type),
        Just(address()),
        Just(set()),
        Just(consent()),
    ]
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[ +()0-9a-zA-ZäßΣς@.\u{301}\u{2003}-]{0,16}".prop_map(Value::from),
        "\\+[0-9 ]{5,16}".prop_map(Value::from),
        "-?[0-9]{1,6}(\\.[0-9]{0,4})?".prop_map(Value::from),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_scalar(),
        1 => proptest::collection::vec(any_scalar(), 0..4).prop_map(Value::from),
        1 => (any_scalar(), any_scalar()).prop_map(|(street, country)| {
            json!({"street": street, "country": country})
        }),
        1 => proptest::sample::select(vec!["opted_in", "opted_out"])
            .prop_map(|status| json!({"status": status, "at": null})),
    ]
}

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(spec in any_spec(), value in any_value()) {
        let once = normalise(&spec, &value);
        prop_assert_eq!(normalise(&spec, &once), once);
    }

    #[test]
    fn sameness_has_no_side(spec in any_spec(), a in any_value(), b in any_value()) {
        prop_assert!(same(&spec, &a, &a));
        prop_assert_eq!(same(&spec, &a, &b), same(&spec, &b, &a));
        prop_assert_eq!(same(&spec, &a, &normalise(&spec, &a)), true);
    }

    #[test]
    fn agreement_of_names_has_no_side(a in "\\PC{0,8}", b in "\\PC{0,8}") {
        prop_assert_eq!(name_agrees(&a, &b), name_agrees(&b, &a));
    }
}
