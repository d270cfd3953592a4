//! Merging, as the changelog "Updated merge functionality for contacts and
//! companies" and the knowledge base's "Merge records" have it.

use super::*;

#[test]
fn a_merge_makes_a_new_record_that_both_ids_lead_to() {
    let mut desk = Desk::new();
    let first = desk.contact(json!({"email": "a@b.test", "city": "Leeds",
        "lifecyclestage": "lead"}));
    let second = desk.contact(json!({"email": "c@d.test", "city": "Bath", "phone": "5",
        "lifecyclestage": "customer"}));
    let body = json!({"primaryObjectId": first, "objectIdToMerge": second});
    let (status, merged) = desk.post(&format!("{CONTACTS}/merge"), body);
    assert_eq!(status, 200, "{merged}");
    let id = merged["id"].as_str().unwrap().to_owned();
    assert!(id != first && id != second);
    for old in [&first, &second] {
        let (status, read) = desk.get(&format!("{CONTACTS}/{old}"));
        assert_eq!((status, read["id"].as_str()), (200, Some(id.as_str())));
    }
    // The primary record's values win, gaps are filled, the furthest stage is kept.
    for (name, expect) in [
        ("email", "a@b.test"),
        ("city", "Leeds"),
        ("phone", "5"),
        ("lifecyclestage", "customer"),
        ("hs_additional_emails", "c@d.test"),
    ] {
        assert_eq!(desk.property(&id, name), expect, "{name}");
    }
    assert_eq!(
        desk.property(&id, "hs_merged_object_ids"),
        format!("{first};{second}")
    );
    assert_eq!(ids(&desk.get(CONTACTS).1), [id.as_str()]);
    assert_eq!(ids(&desk.search(json!({}))), [id.as_str()]);
    assert_eq!(
        ids(&desk.get(&format!("{CONTACTS}?archived=true")).1).len(),
        0
    );
}

#[test]
fn the_other_address_stays_taken() {
    // "You will not be able to create a new contact with the email address of
    // the old contact record that was merged" (knowledge base).
    let mut desk = Desk::new();
    let first = desk.contact(json!({"email": "a@b.test"}));
    let second = desk.contact(json!({"email": "c@d.test"}));
    let merged = desk.control("merge", json!({"id": second, "into": first}));
    let again = json!({"properties": {"email": "c@d.test"}});
    let (status, refusal) = desk.post(CONTACTS, again);
    assert_eq!(status, 409);
    let id = merged["id"].as_str().unwrap();
    assert!(refusal["message"].as_str().unwrap().ends_with(id));
}

#[test]
fn merged_companies_keep_their_people() {
    let mut desk = Desk::new();
    let (first, second) = (desk.company("Blue Kiln"), desk.company("Blue Kiln Ltd"));
    let ann = desk.contact(json!({"email": "a@b.test", "associatedcompanyid": second}));
    let merged = desk.control(
        "merge",
        json!({"type": "companies", "id": second, "into": first}),
    );
    assert_eq!(desk.property(&ann, "associatedcompanyid"), merged["id"]);
}

#[test]
fn a_record_does_not_merge_with_itself_or_nobody() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    for (other, expect) in [(id.as_str(), 400), ("77", 404)] {
        let body = json!({"primaryObjectId": id, "objectIdToMerge": other});
        assert_eq!(desk.post(&format!("{CONTACTS}/merge"), body).0, expect);
    }
}
