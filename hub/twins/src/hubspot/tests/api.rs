//! Reading and writing single records.

use super::*;

#[test]
fn without_a_token_nobody_gets_in() {
    let mut twin = HubSpot::default();
    let now = Timestamp::from_millis(NOW);
    let bare = twin.handle(now, Request::plain("GET", CONTACTS));
    // The body is quoted in HubSpot/hubspot-api-nodejs#432.
    assert_eq!(bare.status, 401);
    assert_eq!(bare.value()["category"], "INVALID_AUTHENTICATION");
    let message = bare.value()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Authentication credentials not found."));

    let mut desk = Desk::new();
    desk.control("token", json!({"token": "pat-other"}));
    assert_eq!(desk.get(CONTACTS).0, 401);
    desk.control("token", json!({"token": "pat-test"}));
    assert_eq!(desk.get(CONTACTS).0, 200);
}

#[test]
fn a_new_contact_is_stored_and_shown() {
    let mut desk = Desk::new();
    let body = json!({"properties": {"email": "Ann@Lee.TEST", "firstname": "Ann"}});
    let (status, made) = desk.post(CONTACTS, body);
    assert_eq!(status, 201);
    assert_eq!(made["archived"], false);
    assert_eq!(made["createdAt"], "2026-03-01T00:00:00.000Z");
    let properties = &made["properties"];
    // E-mail addresses are kept in lower case; all values are text.
    assert_eq!(properties["email"], "ann@lee.test");
    assert_eq!(properties["hs_object_id"], made["id"]);
    assert_eq!(properties["lastmodifieddate"], "2026-03-01T00:00:00.000Z");

    let id = made["id"].as_str().unwrap();
    let (_, read) = desk.get(&format!("{CONTACTS}/{id}"));
    // What a read shows where nothing is asked for (search guide, default properties).
    let shown: Vec<&String> = read["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        shown,
        [
            "createdate",
            "email",
            "firstname",
            "hs_object_id",
            "lastmodifieddate",
            "lastname"
        ]
    );
    assert_eq!(read["properties"]["lastname"], Value::Null);
}

#[test]
fn properties_are_asked_for_and_unknown_ones_ignored() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test", "city": "Leeds"}));
    // The SDK joins lists with commas; repeated parameters are taken as well.
    for query in [
        "properties=city,nonsense",
        "properties=city&properties=nonsense",
    ] {
        let (status, read) = desk.get(&format!("{CONTACTS}/{id}?{query}"));
        assert_eq!(
            (status, &read["properties"]["city"]),
            (200, &json!("Leeds"))
        );
        assert!(read["properties"].get("nonsense").is_none());
        assert!(read["properties"].get("email").is_none());
    }
}

#[test]
fn a_record_is_found_by_a_unique_property() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "ann@lee.test"}));
    let target = format!("{CONTACTS}/Ann%40Lee.test?idProperty=email");
    assert_eq!(desk.get(&target).1["id"], id);
    let (status, _) = desk.call("PATCH", &target, json!({"properties": {"city": "Bath"}}));
    assert_eq!(status, 200);
    assert_eq!(desk.property(&id, "city"), "Bath");
    assert_eq!(
        desk.get(&format!("{CONTACTS}/Ann?idProperty=firstname")).0,
        400
    );
}

#[test]
fn an_address_belongs_to_one_contact() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "ann@lee.test"}));
    let (status, body) = desk.post(CONTACTS, json!({"properties": {"email": "ANN@lee.test"}}));
    // HubSpot/hubspot-api-nodejs#545.
    assert_eq!(status, 409);
    assert_eq!(body["category"], "CONFLICT");
    assert_eq!(
        body["message"],
        format!("Contact already exists. Existing ID: {id}")
    );
    let other = desk.contact(json!({"email": "bob@lee.test"}));
    let target = format!("{CONTACTS}/{other}");
    let take = json!({"properties": {"email": "ann@lee.test"}});
    assert_eq!(desk.call("PATCH", &target, take).0, 409);
    // An archived contact's address is free again.
    assert_eq!(
        desk.send(Request::plain("DELETE", &format!("{CONTACTS}/{id}")))
            .status,
        204
    );
    desk.contact(json!({"email": "ann@lee.test"}));
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_reasons() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    // Codes and wording from hubspot-net/HubSpot.NET#50, gitcoinco/code_fund_ads#479 and
    // gregorspan/csc-frodx#21.
    for (name, value, code) in [
        ("nonsense", "1", "PROPERTY_DOESNT_EXIST"),
        ("lifecyclestage", "dreaming", "INVALID_OPTION"),
        ("email", "not an address", "INVALID_EMAIL"),
        ("createdate", "1", "READ_ONLY_VALUE"),
        ("hs_email_optout", "true", "READ_ONLY_VALUE"),
    ] {
        let body = json!({"properties": {name: value, "city": "never"}});
        let (status, refusal) = desk.call("PATCH", &format!("{CONTACTS}/{id}"), body);
        assert_eq!(status, 400, "{name}");
        assert_eq!(refusal["category"], "VALIDATION_ERROR");
        let message = refusal["message"].as_str().unwrap();
        let told = message
            .strip_prefix("Property values were not valid: ")
            .unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told[0]["error"], code);
        assert_eq!(told[0]["name"], name);
        assert_eq!(refusal["errors"][0]["code"], code);
    }
    assert_eq!(desk.property(&id, "city"), Value::Null);
}

#[test]
fn an_empty_text_clears() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test", "city": "Leeds"}));
    let body = json!({"properties": {"city": ""}});
    assert_eq!(desk.call("PATCH", &format!("{CONTACTS}/{id}"), body).0, 200);
    assert_eq!(desk.property(&id, "city"), Value::Null);
}

#[test]
fn only_a_change_moves_the_moment() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test", "city": "Leeds"}));
    let target = format!("{CONTACTS}/{id}");
    desk.ms += 1_500;
    desk.call("PATCH", &target, json!({"properties": {"city": "Leeds"}}));
    assert_eq!(desk.get(&target).1["updatedAt"], "2026-03-01T00:00:00.000Z");
    desk.call("PATCH", &target, json!({"properties": {"city": "Bath"}}));
    assert_eq!(desk.get(&target).1["updatedAt"], "2026-03-01T00:00:01.500Z");
}

#[test]
fn the_lifecycle_goes_forward_only() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test", "lifecyclestage": "customer"}));
    let target = format!("{CONTACTS}/{id}");
    let mut set = |stage: &str| {
        let body = json!({"properties": {"lifecyclestage": stage}});
        assert_eq!(desk.call("PATCH", &target, body).0, 200);
        desk.property(&id, "lifecyclestage")
    };
    assert_eq!(set("lead"), "customer");
    assert_eq!(set("evangelist"), "evangelist");
    assert_eq!(set(""), Value::Null);
    assert_eq!(set("lead"), "lead");
}

#[test]
fn a_new_record_needs_a_name_or_an_address() {
    let mut desk = Desk::new();
    let phone = json!({"properties": {"phone": "+1 212 234 0000"}});
    assert_eq!(desk.post(CONTACTS, phone.clone()).0, 400);
    assert_eq!(desk.post(COMPANIES, phone).0, 400);
    desk.company("Blue Kiln");
}

#[test]
fn what_is_archived_is_gone_but_listed_apart() {
    let mut desk = Desk::new();
    let kept = desk.contact(json!({"email": "a@b.test"}));
    let gone = desk.contact(json!({"email": "c@d.test"}));
    let target = format!("{CONTACTS}/{gone}");
    assert_eq!(desk.send(Request::plain("DELETE", &target)).status, 204);
    let (status, refusal) = desk.get(&target);
    assert_eq!(
        (status, &refusal["category"]),
        (404, &json!("OBJECT_NOT_FOUND"))
    );
    assert_eq!(ids(&desk.get(CONTACTS).1), [kept.as_str()]);
    assert_eq!(ids(&desk.search(json!({}))), [kept.as_str()]);
    let (_, archived) = desk.get(&format!("{CONTACTS}?archived=true"));
    assert_eq!(ids(&archived), [gone.as_str()]);
    assert_eq!(archived["results"][0]["archived"], true);
    assert_eq!(
        archived["results"][0]["archivedAt"],
        "2026-03-01T00:00:00.000Z"
    );
    assert_eq!(desk.get(&format!("{target}?archived=true")).0, 200);
    // n8n-io/n8n#3219: deleting what is not there succeeds too.
    assert_eq!(desk.send(Request::plain("DELETE", &target)).status, 204);
}

#[test]
fn the_list_is_read_page_by_page() {
    let mut desk = Desk::new();
    let made: Vec<String> = (0..60)
        .map(|n| desk.contact(json!({"email": format!("p{n}@b.test")})))
        .collect();
    let (mut seen, mut target) = (Vec::new(), format!("{CONTACTS}?limit=25"));
    loop {
        let (status, page) = desk.get(&target);
        assert_eq!(status, 200);
        seen.extend(ids(&page));
        match page["paging"]["next"]["after"].as_str() {
            Some(after) => target = format!("{CONTACTS}?limit=25&after={after}"),
            None => break,
        }
    }
    // Ids grow from three digits to four on the way: an order by text would show.
    assert_eq!(seen, made);
    assert!(made[0].len() < made[59].len());
    assert_eq!(ids(&desk.get(CONTACTS).1).len(), 10);
    assert_eq!(desk.get(&format!("{CONTACTS}?limit=101")).0, 400);
}

#[test]
fn properties_can_be_listed_and_added() {
    let mut desk = Desk::new();
    let path = "/crm/properties/2026-03/contacts";
    let new = json!({"name": "hub_id", "label": "Hub id", "type": "string",
        "fieldType": "text", "groupName": "contactinformation", "hasUniqueValue": true});
    let (status, made) = desk.post(path, new.clone());
    assert_eq!((status, &made["hubspotDefined"]), (201, &json!(false)));
    assert_eq!(desk.post(path, new).0, 409);
    let (_, all) = desk.get(path);
    let names: Vec<&str> = all["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    for name in ["email", "lifecyclestage", "hub_id", "lastmodifieddate"] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!(
        desk.get(&format!("{path}/lifecyclestage")).1["type"],
        "enumeration"
    );

    desk.contact(json!({"email": "a@b.test", "hub_id": "7"}));
    let again = json!({"properties": {"email": "c@d.test", "hub_id": "7"}});
    let (status, refusal) = desk.post(CONTACTS, again);
    assert_eq!(status, 400);
    assert!(
        refusal["message"]
            .as_str()
            .unwrap()
            .contains("already has that value")
    );
}

#[test]
fn a_contact_has_a_company() {
    let mut desk = Desk::new();
    let company = desk.company("Blue Kiln");
    // Type 1 is "contact to primary company" (associations reference).
    let types = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]);
    let body = json!({
        "properties": {"email": "a@b.test"},
        "associations": [{"to": {"id": company}, "types": types}],
    });
    let (status, made) = desk.post(CONTACTS, body);
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.property(&id, "associatedcompanyid"), company);
    let (_, read) = desk.get(&format!("{CONTACTS}/{id}?associations=companies"));
    assert_eq!(
        read["associations"]["companies"]["results"][0]["id"],
        company
    );
    desk.send(Request::plain("DELETE", &format!("{COMPANIES}/{company}")));
    assert_eq!(desk.property(&id, "associatedcompanyid"), Value::Null);
}

#[test]
fn the_account_tells_who_it_is() {
    // The fields that PortalInformationResponse of the SDK requires.
    let (status, account) = Desk::new().get("/account-info/2026-03/details");
    assert_eq!(status, 200);
    for field in [
        "portalId",
        "accountType",
        "timeZone",
        "companyCurrency",
        "uiDomain",
    ] {
        assert!(!account[field].is_null(), "{field}");
    }
}

#[test]
fn limits_refuse_and_can_be_switched_off() {
    let mut desk = Desk::new();
    desk.control("limits", json!({"on": true}));
    for _ in 0..5 {
        desk.search(json!({}));
    }
    let (status, refusal) = desk.post(&format!("{CONTACTS}/search"), json!({}));
    assert_eq!((status, &refusal["policyName"]), (429, &json!("SECONDLY")));
    let answer = desk.send(Request::plain("GET", CONTACTS));
    assert!(
        answer
            .headers
            .iter()
            .any(|(n, _)| n == "x-hubspot-ratelimit-remaining")
    );
    desk.control("limits", json!({"on": false}));
    desk.search(json!({}));
}
