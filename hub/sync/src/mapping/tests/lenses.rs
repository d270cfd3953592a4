//! Every kind of lens, read and written.

use super::*;

struct Case {
    mapping: StreamMapping,
    field: &'static str,
    canonical: Fields,
}

fn case(lenses: &str, field: &'static str) -> Case {
    Case {
        mapping: contacts(lenses),
        field,
        canonical: Fields::new(),
    }
}

impl Case {
    fn knowing(mut self, canonical: Value) -> Self {
        self.canonical = fields(canonical);
        self
    }

    fn get(&self, raw: Value) -> Result<Value, LensFault> {
        let lens = self.mapping.lens(self.field).unwrap();
        lens.get(&fields(raw), &self.canonical, &OneCompany)
    }

    fn reads(&self, raw: Value, expect: Value) -> &Self {
        assert_eq!(
            self.get(raw.clone()),
            Ok(expect),
            "get of {} from {raw}",
            self.field
        );
        self
    }

    fn refuses_to_read(&self, raw: Value, reason: &str) -> &Self {
        let fault = self.get(raw).unwrap_err().to_string();
        assert!(fault.contains(reason), "{fault}");
        self
    }

    fn put(&self, value: &Value, raw: Value) -> Result<Value, LensFault> {
        let lens = self.mapping.lens(self.field).unwrap();
        let mut raw = fields(raw);
        let mut canonical = self.canonical.clone();
        canonical.insert(self.field.to_owned(), value.clone());
        lens.put(value, &mut raw, &canonical, &OneCompany)?;
        Ok(Value::Object(raw))
    }

    fn writes(&self, value: Value, raw: Value, expect: Value) -> &Self {
        assert_eq!(
            self.put(&value, raw.clone()),
            Ok(expect),
            "put of {value} into {raw}"
        );
        self
    }

    fn refuses_to_write(&self, value: Value, reason: &str) -> &Self {
        let fault = self.put(&value, json!({})).unwrap_err().to_string();
        assert!(fault.contains(reason), "{fault}");
        self
    }
}

#[test]
fn absent_is_not_empty() {
    let mapping = contacts(
        "email: { path: email }\naddress: { group: { street: { path: street }, city: { path: city } } }",
    );
    let present = |field: &str, raw: Value| mapping.lens(field).unwrap().is_present(&fields(raw));
    assert!(!present("email", json!({})));
    assert!(present("email", json!({"email": null})));
    assert!(present("email", json!({"email": ""})));
    assert!(!present("address", json!({"street": "Main St"})));
    assert!(present(
        "address",
        json!({"street": "Main St", "city": null})
    ));
    assert_eq!(mapping.remote_fields(), ["city", "email", "street"]);
}

#[test]
fn renames_and_nested_paths() {
    case("job_title: { path: organization.title }", "job_title")
        .reads(
            json!({"organization": {"title": "CTO", "name": "Acme"}}),
            json!("CTO"),
        )
        .reads(json!({"organization": {"title": ""}}), json!(null))
        .reads(json!({"organization": null}), json!(null))
        .writes(
            json!("CEO"),
            json!({"organization": {"title": "CTO", "name": "Acme"}}),
            json!({"organization": {"title": "CEO", "name": "Acme"}}),
        )
        .writes(
            json!("CEO"),
            json!({}),
            json!({"organization": {"title": "CEO"}}),
        )
        .writes(
            json!(null),
            json!({"organization": {"title": "CTO", "name": "Acme"}}),
            json!({"organization": {"title": null, "name": "Acme"}}),
        )
        .refuses_to_read(json!({"organization": {"title": ["a"]}}), "not one value");
}

#[test]
fn what_the_copy_holds_already_is_left_as_it_is_spelt() {
    case("phone: { path: tel, phone: { region: DE } }", "phone")
        .reads(json!({"tel": "030 901820"}), json!("+4930901820"))
        .writes(
            json!("+4930901820"),
            json!({"tel": "030 901820"}),
            json!({"tel": "030 901820"}),
        )
        .writes(
            json!("+4930901821"),
            json!({"tel": "030 901820"}),
            json!({"tel": "+4930901821"}),
        )
        .reads(
            json!({"tel": "+1 415 555 2671 x5"}),
            json!("+14155552671 ext. 5"),
        )
        .reads(json!({"tel": "ask at the desk"}), json!("ask at the desk"));
}

#[test]
fn enums() {
    let strict = "stage: { path: s, enum: { lead: L, customer: 2 } }";
    case(strict, "stage")
        .reads(json!({"s": "L"}), json!("lead"))
        .reads(json!({"s": "2"}), json!("customer"))
        .reads(json!({"s": 2}), json!("customer"))
        .refuses_to_read(json!({"s": "X"}), "otherwise")
        .writes(json!("customer"), json!({}), json!({"s": 2}))
        .refuses_to_write(json!("evangelist"), "add it to 'enum'");
    case(
        "stage: { path: s, enum: { lead: L }, otherwise: other }",
        "stage",
    )
    .reads(json!({"s": "X"}), json!("other"))
    .writes(json!("other"), json!({"s": "X"}), json!({"s": "X"}))
    .writes(json!("lead"), json!({"s": "X"}), json!({"s": "L"}));
    case("stage: { path: s }", "stage")
        .reads(json!({"s": "lead"}), json!("lead"))
        .refuses_to_read(json!({"s": "Lead"}), "map it with 'enum'");
}

#[test]
fn dates() {
    case("birthday: { path: b, date: \"%d.%m.%Y\" }", "birthday")
        .reads(json!({"b": "28.02.1931"}), json!("1931-02-28"))
        .writes(json!("1931-02-28"), json!({}), json!({"b": "28.02.1931"}))
        .refuses_to_read(json!({"b": "31.02.1931"}), "%d.%m.%Y")
        .refuses_to_write(json!("--02-28"), "without its year");
    case("birthday: { path: b, date: epoch-ms }", "birthday")
        .reads(json!({"b": 951_782_400_000_i64}), json!("2000-02-29"))
        .writes(
            json!("2000-02-29"),
            json!({}),
            json!({"b": 951_782_400_000_i64}),
        );
    let monthly = "birthday: { path: b, date: \"%m/%d\" }";
    case(monthly, "birthday")
        .reads(json!({"b": "02/29"}), json!("--02-29"))
        .writes(json!("--02-29"), json!({}), json!({"b": "02/29"}))
        .writes(json!("1931-02-28"), json!({}), json!({"b": "02/28"}));
    case(monthly, "birthday")
        .knowing(json!({"birthday": "1931-02-28"}))
        .reads(json!({"b": "02/28"}), json!("1931-02-28"))
        .reads(json!({"b": "03/01"}), json!("1931-03-01"))
        .reads(json!({"b": "02/29"}), json!("--02-29"));
}

#[test]
fn moments() {
    let text = "version: 1\nstreams:\n  calls:\n    entity: interaction\n    fields:\n      at: { path: t, TIME }\n";
    let lens = |time: &str| {
        let mapping = Mapping::parse(&text.replace("TIME", time), &schemas::builtin()).unwrap();
        mapping.streams["calls"].lens("at").unwrap().clone()
    };
    let both = |time: &str, remote: Value, canonical: &str| {
        let lens = lens(time);
        let none = Fields::new();
        let raw = fields(json!({"t": remote}));
        assert_eq!(
            lens.get(&raw, &none, &OneCompany),
            Ok(json!(canonical)),
            "{time}"
        );
        let mut raw = Fields::new();
        lens.put(&json!(canonical), &mut raw, &none, &OneCompany)
            .unwrap();
        assert_eq!(raw["t"], remote, "{time}");
    };
    both(
        "timestamp: rfc3339",
        json!("2026-11-21T10:00:00Z"),
        "2026-11-21T10:00:00Z",
    );
    both(
        "timestamp: epoch-ms",
        json!(1_795_255_200_000_i64),
        "2026-11-21T10:00:00Z",
    );
    both(
        "timestamp: epoch-s",
        json!(1_795_255_200),
        "2026-11-21T10:00:00Z",
    );
    let local = "timestamp: \"%Y-%m-%d %H:%M:%S\", zone: Europe/Berlin";
    both(local, json!("2026-11-21 11:00:00"), "2026-11-21T10:00:00Z");
    both(local, json!("2026-07-01 12:00:00"), "2026-07-01T10:00:00Z");
    // The second 2:30 of that night, and a fraction, cannot be written so.
    for lost in ["2026-10-25T01:30:00Z", "2026-07-01T12:00:00.5Z"] {
        let mut raw = Fields::new();
        let put = lens(local).put(&json!(lost), &mut raw, &Fields::new(), &OneCompany);
        assert!(
            put.unwrap_err().to_string().contains("another moment"),
            "{lost}"
        );
    }
}

#[test]
fn money() {
    let text = "version: 1\nstreams:\n  bills:\n    entity: invoice\n    fields:\n      total: { path: t, MONEY }\n";
    let lens = |money: &str| {
        let mapping = Mapping::parse(&text.replace("MONEY", money), &schemas::builtin()).unwrap();
        mapping.streams["bills"].lens("total").unwrap().clone()
    };
    let put = |money: &str, total: &str, raw: Value| {
        let mut raw = fields(raw);
        let fault = lens(money).put(&json!(total), &mut raw, &Fields::new(), &OneCompany);
        fault
            .map(|()| raw["t"].clone())
            .map_err(|fault| fault.to_string())
    };
    let get = |money: &str, raw: Value| lens(money).get(&fields(raw), &Fields::new(), &OneCompany);
    assert_eq!(
        put("decimal: { scale: 2 }", "12.5", json!({})),
        Ok(json!("12.5"))
    );
    assert!(
        put("decimal: { scale: 2 }", "12.345", json!({}))
            .unwrap_err()
            .contains("round: 2")
    );
    assert_eq!(
        put(
            "decimal: { scale: 2 }, rewrites: [{round: 2}]",
            "12.345",
            json!({})
        ),
        Ok(json!("12.35"))
    );
    assert_eq!(
        put("decimal: { as: number }", "12.50", json!({})),
        Ok(json!(12.5))
    );
    assert!(put("decimal: { as: number }", "12345678901234567.89", json!({})).is_err());
    let minor = "decimal: { as: minor, scale: 2, currency-path: cur }";
    // ISO 4217: the euro has two decimal places, the yen none, the dinar three.
    for (currency, total, remote) in [
        ("EUR", "12.50", 1250),
        ("JPY", "1250", 1250),
        ("BHD", "1.250", 1250),
    ] {
        assert_eq!(
            put(minor, total, json!({"cur": currency})),
            Ok(json!(remote)),
            "{currency}"
        );
        let got = get(minor, json!({"cur": currency, "t": remote})).unwrap();
        let spec = &lens(minor).spec;
        assert!(crate::normal::same(spec, &got, &json!(total)), "{got}");
    }
    assert_eq!(get("decimal: {}", json!({"t": 12.5})), Ok(json!("12.5")));
    assert!(get("decimal: {}", json!({"t": "12,50"})).is_err());
}

#[test]
fn elements_of_lists_are_found_by_their_tags() {
    let work = "work_phone: { path: tels, list: { where: { type: work }, value: value } }";
    let tels = |home: &str, work: &str| {
        json!({"tels": [
        {"type": "home", "value": home, "note": "evenings"},
        {"type": ["WORK", "voice"], "value": work}]})
    };
    case(work, "work_phone")
        .reads(
            tels("+14155552671", "+442071838750"),
            json!("+442071838750"),
        )
        .reads(json!({"tels": []}), json!(null))
        .writes(
            json!("+4930901820"),
            tels("+14155552671", "+442071838750"),
            tels("+14155552671", "+4930901820"),
        )
        .writes(
            json!("+4930901820"),
            json!({"tels": null}),
            json!({"tels": [{"type": "work", "value": "+4930901820"}]}),
        )
        .writes(
            json!(null),
            tels("+14155552671", "+442071838750"),
            json!({"tels": [{"type": "home", "value": "+14155552671", "note": "evenings"}]}),
        );
}

#[test]
fn groups_move_as_one() {
    let flat = "address: { group: { street: { path: street }, city: { path: city }, country: { path: country, country: name } } }";
    case(flat, "address")
        .reads(
            json!({"street": "Main St 1", "city": "", "country": "United States"}),
            json!({"street": "Main St 1", "country": "US"}),
        )
        .reads(
            json!({"street": "", "city": null, "country": null}),
            json!(null),
        )
        .writes(
            json!({"street": "Elm St", "country": "DE"}),
            json!({"street": "Main St", "city": "Ulm", "country": "USA"}),
            json!({"street": "Elm St", "city": null, "country": "Germany"}),
        )
        .writes(
            json!({"street": "Main St", "country": "US"}),
            json!({"street": "Main St", "city": null, "country": "USA"}),
            json!({"street": "Main St", "city": null, "country": "USA"}),
        )
        .writes(
            json!(null),
            json!({"street": "Main St", "city": "Ulm", "country": ""}),
            json!({"street": null, "city": null, "country": ""}),
        );
    // The region that the system has no field for stays with the same address.
    case(flat, "address")
        .knowing(json!({"address": {"street": "Main St", "region": "BW"}}))
        .reads(
            json!({"street": "Main St", "city": "", "country": ""}),
            json!({"street": "Main St", "region": "BW"}),
        )
        .reads(
            json!({"street": "Elm St", "city": "", "country": ""}),
            json!({"street": "Elm St"}),
        );
    case("address: { path: adr, list: { where: { type: home } }, group: { street: { path: street } } }", "address")
        .reads(json!({"adr": [{"type": "home", "street": "Main St"}]}), json!({"street": "Main St"}))
        .writes(json!({"street": "Elm St"}), json!({"adr": [{"type": "work", "street": "Dock 1"}]}),
            json!({"adr": [{"type": "work", "street": "Dock 1"}, {"type": "home", "street": "Elm St"}]}))
        .writes(json!(null), json!({"adr": [{"type": "work"}, {"type": "home", "street": "Elm St"}]}), json!({"adr": [{"type": "work"}]}));
    case(
        "address: { path: merge_fields.ADDRESS, group: { street: { path: addr1 } } }",
        "address",
    )
    .reads(json!({"merge_fields": {"ADDRESS": ""}}), json!(null))
    .writes(
        json!({"street": "Elm St"}),
        json!({"merge_fields": {"ADDRESS": "", "PHONE": "1"}}),
        json!({"merge_fields": {"ADDRESS": {"addr1": "Elm St"}, "PHONE": "1"}}),
    );
}

#[test]
fn names_in_one_field() {
    let lenses = "given_name: { path: name, split: { part: given, with: family_name } }\n\
                  family_name: { path: name, split: { part: family, with: given_name } }";
    case(lenses, "given_name")
        .knowing(json!({"given_name": "Ann", "family_name": "van der Berg"}))
        .reads(json!({"name": "Ann van der Berg"}), json!("Ann"))
        .reads(json!({"name": "Anna van der Berg"}), json!("Anna"))
        .writes(
            json!("Bea"),
            json!({"name": "Ann van der Berg"}),
            json!({"name": "Bea van der Berg"}),
        )
        .writes(json!("Bea"), json!({}), json!({"name": "Bea"}))
        .writes(
            json!(null),
            json!({"name": "Ann van der Berg"}),
            json!({"name": "van der Berg"}),
        );
    case(lenses, "family_name")
        .knowing(json!({"given_name": "Ann", "family_name": "van der Berg"}))
        .reads(json!({"name": "Ann van der Berg"}), json!("van der Berg"))
        .reads(json!({"name": "Ann de la Cruz"}), json!("de la Cruz"))
        .writes(
            json!("Lee"),
            json!({"name": "Ann van der Berg"}),
            json!({"name": "Ann Lee"}),
        );
    // The same word twice is two names.
    case(lenses, "family_name")
        .knowing(json!({"given_name": "Ali"}))
        .writes(
            json!("Ali"),
            json!({"name": "Ali"}),
            json!({"name": "Ali Ali"}),
        )
        .writes(
            json!("Ali"),
            json!({"name": "Ali  Ali"}),
            json!({"name": "Ali  Ali"}),
        );
}

#[test]
fn sets() {
    case("tags: { path: tags, set: { of: name } }", "tags")
        .reads(
            json!({"tags": [{"id": 1, "name": "VIP"}, {"id": 2, "name": "new"}]}),
            json!(["VIP", "new"]),
        )
        .reads(json!({"tags": []}), json!(null))
        .writes(
            json!(["vip", "late"]),
            json!({"tags": [{"id": 1, "name": "VIP"}, {"id": 2, "name": "new"}]}),
            json!({"tags": [{"id": 1, "name": "VIP"}, {"name": "late"}]}),
        )
        .writes(
            json!(null),
            json!({"tags": [{"id": 1, "name": "VIP"}]}),
            json!({"tags": []}),
        );
    case("tags: { path: tags }", "tags")
        .reads(json!({"tags": ["a", "A", "b"]}), json!(["a", "b"]))
        .writes(json!(["b"]), json!({}), json!({"tags": ["b"]}));
    case("tags: { path: tags, set: { separator: ; } }", "tags")
        .reads(json!({"tags": "a; b"}), json!(["a", "b"]))
        .writes(
            json!(["a", "c"]),
            json!({"tags": "a;b"}),
            json!({"tags": "a;c"}),
        )
        .refuses_to_write(json!(["a;b"]), "separates");
}

#[test]
fn references_wait_for_their_record() {
    let lens = "employer: { path: company, reference: { stream: companies } }";
    case(lens, "employer")
        .reads(json!({"company": "7"}), json!("organization/42"))
        .reads(json!({"company": 7}), json!("organization/42"))
        .reads(json!({"company": ""}), json!(null))
        .writes(json!("organization/42"), json!({}), json!({"company": "7"}))
        .refuses_to_write(
            json!("organization/1"),
            "has no record in stream 'companies'",
        );
    let fault = case(lens, "employer")
        .get(json!({"company": "8"}))
        .unwrap_err();
    assert_eq!(
        fault,
        LensFault::Waits {
            field: "employer".into(),
            stream: "companies".into(),
            id: "8".into(),
        }
    );
    case(
        "employer: { path: company, reference: { stream: companies, as: number } }",
        "employer",
    )
    .writes(json!("organization/42"), json!({}), json!({"company": 7}));
}

#[test]
fn consents() {
    case(
        "email_consent: { consent: { path: status, opted-in: [subscribed], opted-out: [unsubscribed, cleaned], neither: [pending], at: when } }",
        "email_consent",
    )
    .reads(json!({"status": "subscribed", "when": "2026-01-02T03:04:05+00:00"}), json!({"status": "opted_in", "at": "2026-01-02T03:04:05Z"}))
    .reads(json!({"status": "cleaned"}), json!({"status": "opted_out", "at": null}))
    .reads(json!({"status": "pending"}), json!(null))
    .refuses_to_read(json!({"status": "complained"}), "opted-out")
    .writes(json!({"status": "opted_out", "at": null}), json!({"status": "subscribed"}), json!({"status": "unsubscribed"}))
    .writes(json!({"status": "opted_out", "at": null}), json!({"status": "cleaned"}), json!({"status": "cleaned"}))
    .writes(json!({"status": "opted_in", "at": null}), json!({"status": "pending"}), json!({"status": "subscribed"}));
    case(
        "email_consent: { consent: { path: out, opted-out: [true], neither: [false] } }",
        "email_consent",
    )
    .reads(
        json!({"out": "true"}),
        json!({"status": "opted_out", "at": null}),
    )
    .reads(json!({"out": false}), json!(null))
    .refuses_to_write(json!({"status": "opted_in", "at": null}), "no remote value");
}

#[test]
fn one_way_lenses_say_what_they_want() {
    let mapping = contacts(
        "source: { path: origin, constant: HubSpot }\nfull_name: { path: display, computed: \"{given_name} {family_name}\" }",
    );
    let canonical = fields(json!({"given_name": "Ann", "family_name": "Lee"}));
    for (field, remote, wanted) in [
        ("source", "origin", "HubSpot"),
        ("full_name", "display", "Ann Lee"),
    ] {
        let lens = mapping.lens(field).unwrap();
        assert!(lens.writes() && !lens.reads());
        assert_eq!(*lens.wanted(&canonical), json!(wanted));
        let mut raw = Fields::new();
        lens.put(&lens.wanted(&canonical), &mut raw, &canonical, &OneCompany)
            .unwrap();
        assert_eq!(raw[remote], json!(wanted));
    }
}

#[test]
fn declared_rewriting_is_foreseen() {
    let mapping = contacts(
        "email: { path: email, rewrites: [trim, lower] }\naddress: { group: { street: { path: street, rewrites: [{truncate: 4}] } } }\n\
         tags: { path: tags, set: { of: name }, rewrites: [upper] }",
    );
    let mut raw =
        fields(json!({"email": " Ann@X.org", "street": "Main Street", "tags": [{"name": "vip"}]}));
    for lens in &mapping.lenses {
        lens.predict(&mut raw);
    }
    assert_eq!(
        Value::Object(raw),
        json!({"email": "ann@x.org", "street": "Main", "tags": [{"name": "VIP"}]})
    );
}
