use super::*;

fn parse(body: &Value) -> Result<Vec<(String, String)>, Fault> {
    let request = RawRequest {
        method: "POST".into(),
        url: "https://hub.example/webhooks/crm".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into_bytes(),
    };
    let hints = HubSpot::parse(&host(), &request)?;
    Ok(hints
        .into_iter()
        .map(|hint| (hint.stream, hint.id))
        .collect())
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(stream, id): &(&str, &str)| ((*stream).to_owned(), (*id).to_owned());
    pairs.iter().map(owned).collect()
}

/// Fields as HubSpot's guide to webhooks lists them (developers.hubspot.com,
/// "webhooks" and "generic webhook subscriptions").
#[test]
fn a_record_is_named_once_whatever_is_said_of_it() {
    let event = |kind: &str, id: i64| {
        json!({
            "eventId": 100, "subscriptionId": 138, "portalId": 62515, "appId": 54198,
            "occurredAt": 1_462_216_307_945_i64, "subscriptionType": kind,
            "attemptNumber": 0, "objectId": id, "changeSource": "CRM_UI",
            "propertyName": "firstname", "propertyValue": "Ada",
        })
    };
    let body = json!([
        event("contact.propertyChange", 1246),
        event("contact.propertyChange", 1246),
        event("contact.creation", 7),
        event("company.deletion", 1246),
        event("deal.creation", 9),
    ]);
    let expected = [
        ("companies", "1246"),
        ("contacts", "7"),
        ("contacts", "1246"),
    ];
    assert_eq!(parse(&body).unwrap(), named(&expected));
    assert_eq!(parse(&json!([])).unwrap(), []);
}

#[test]
fn newer_events_name_the_kind_of_object_by_number() {
    let event = |kind: &str, id: i64| json!({"subscriptionType": "object.creation", "objectTypeId": kind, "objectId": id});
    let body = json!([event("0-1", 1), event("0-2", 2), event("0-3", 3)]);
    let expected = [("companies", "2"), ("contacts", "1")];
    assert_eq!(parse(&body).unwrap(), named(&expected));
}

#[test]
fn a_merge_names_everybody_in_it() {
    let body = json!([{
        "subscriptionType": "contact.merge", "objectId": 3, "primaryObjectId": 1,
        "mergedObjectIds": [2, 4], "newObjectId": 3, "numberOfPropertiesMoved": 12,
    }]);
    let expected = [1, 2, 3, 4].map(|id| ("contacts".to_owned(), id.to_string()));
    assert_eq!(parse(&body).unwrap(), expected);
}

#[test]
fn what_is_no_list_of_events_is_said_to_be_none() {
    for body in [json!({"objectId": 1}), json!("[]"), json!([1])] {
        assert!(matches!(parse(&body), Err(Fault::Bug(_))), "{body}");
    }
}
