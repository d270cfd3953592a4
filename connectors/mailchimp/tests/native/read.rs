use super::*;

#[test]
fn each_id_comes_back_as_what_is_known_of_it() {
    let host = host();
    host.expect(
        look(INES),
        answer(200).json(&member(INES, "ines.almeida@example.pt", "cleaned", &[])),
    );
    host.expect(
        look(OLD),
        answer(200).json(&member(OLD, "old@example.com", "archived", &[])),
    );
    host.expect(look(NEW), missing());
    let ids = [INES, OLD, NEW, "../../ping"].map(str::to_owned);
    let changes = Mailchimp::fetch(&host, "members", &ids, &[]).unwrap();
    assert!(matches!(&changes[0], Change::Upsert(record) if record.id == INES));
    assert!(matches!(&changes[1], Change::Gone(gone) if gone.absence == Absence::Archived));
    assert_eq!(changes[2], Change::gone(NEW, Absence::Hidden, None));
    // Not an id: it is not asked for, and cannot lead to another path.
    assert_eq!(
        changes[3],
        Change::gone("../../ping", Absence::Hidden, None)
    );
}

fn find(host: &FakeHost, values: Value) -> Result<Vec<String>, Fault> {
    let Value::Object(values) = values else {
        panic!("values are an object");
    };
    let found = Mailchimp::find(host, "members", &values, &[])?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

#[test]
fn an_address_leads_to_its_member_whatever_its_case() {
    let host = host();
    let ines = || answer(200).json(&member(INES, "ines.almeida@example.pt", "subscribed", &[]));
    host.expect(look(INES), ines());
    let address = json!({"email_address": "Ines.Almeida@Example.PT"});
    assert_eq!(find(&host, address), Ok(vec![INES.into()]));
    host.expect(look(INES), ines());
    let other = json!({"email_address": "ines.almeida@example.pt", "FNAME": "Somebody else"});
    assert_eq!(find(&host, other), Ok(vec![]));
    host.expect(
        look(OLD),
        answer(200).json(&member(OLD, "old@example.com", "archived", &[])),
    );
    assert_eq!(
        find(&host, json!({"email_address": "old@example.com"})),
        Ok(vec![])
    );
    let nameless = find(&host, json!({"FNAME": "Inês"}));
    assert!(matches!(nameless, Err(Fault::Invalid(_))), "{nameless:?}");
}
