use super::*;

/// What HubSpot's answer to a write or a read of one contact is taken for.
fn fault_of(write: bool, response: impl Into<Result<Response, HttpError>>) -> Fault {
    let host = host();
    if write {
        host.expect(post(format!("{CONTACTS}/batch/archive")), response);
        let ops = [
            op("i1", Action::Delete("1".into()), json!({})),
            op("i2", Action::Delete("2".into()), json!({})),
        ];
        HubSpot::push(&host, "contacts", &ops).expect_err("the answer is an error")
    } else {
        host.expect(
            post(format!("{CONTACTS}/batch/read?archived=false")),
            response,
        );
        HubSpot::fetch(&host, "contacts", &["1".into()], &[]).expect_err("the answer is an error")
    }
}

fn error(status: u16, body: Value) -> Answer {
    answer(status).json(&body)
}

fn limited(body: Value) -> Option<i64> {
    let response = error(429, body);
    match fault_of(false, response) {
        Fault::RateLimited(delay) => delay.until.map(|until| (until - NOW) / 1_000_000),
        other => panic!("{other:?}"),
    }
}

/// The bodies are those of HubSpot's usage guidelines and of its own client's
/// retry rules.
#[test]
fn an_exhausted_allowance_says_how_long_to_wait() {
    let rolling = json!({"status": "error", "errorType": "RATE_LIMIT",
        "message": "You have reached your ten_secondly_rolling limit.",
        "policyName": "TEN_SECONDLY_ROLLING"});
    assert_eq!(limited(rolling), Some(10));
    let search = json!({"status": "error", "errorType": "RATE_LIMIT",
        "message": "You have reached your secondly limit.", "policyName": "SECONDLY"});
    assert_eq!(limited(search), Some(1));
    let unnamed = json!({"message": "You have reached your secondly limit."});
    assert_eq!(limited(unnamed), Some(1));
    let daily = json!({"status": "error", "errorType": "RATE_LIMIT",
        "message": "You have reached your daily limit.", "policyName": "DAILY"});
    assert_eq!(limited(daily), Some(3_600));
}

#[test]
fn a_header_that_says_how_long_to_wait_is_believed() {
    let response = error(429, json!({"policyName": "DAILY"})).header("Retry-After", "7");
    let Fault::RateLimited(delay) = fault_of(true, response) else {
        panic!("not rate limited");
    };
    assert_eq!(delay.until, Some(NOW + 7_000_000));
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let category = |name: &str| json!({"status": "error", "category": name, "message": "no"});
    assert!(matches!(
        fault_of(false, error(401, category("EXPIRED_AUTHENTICATION"))),
        Fault::AuthExpired(_)
    ));
    assert!(matches!(
        fault_of(false, error(401, category("INVALID_AUTHENTICATION"))),
        Fault::AuthRevoked(_)
    ));
    assert!(matches!(
        fault_of(true, error(403, category("MISSING_SCOPES"))),
        Fault::Forbidden(_)
    ));
}

#[test]
fn a_failure_of_the_server_leaves_a_write_open_and_a_read_untouched() {
    for status in [500, 502, 504] {
        let write = fault_of(true, error(status, json!({"message": "internal error"})));
        assert!(matches!(write, Fault::UnknownOutcome(_)), "{write:?}");
        let read = fault_of(false, error(status, json!({"message": "internal error"})));
        assert!(matches!(read, Fault::Transient(_)), "{read:?}");
    }
    let lost = fault_of(true, HttpError::NoAnswer("reset".into()));
    assert!(matches!(lost, Fault::UnknownOutcome(_)), "{lost:?}");
    let locked = fault_of(true, error(423, json!({"message": "locked"})));
    assert!(matches!(locked, Fault::Transient(_)), "{locked:?}");
}

#[test]
fn fields_are_named_from_the_message_or_from_the_context() {
    let row = |body: Value, expect: &[(&str, &str)]| {
        let Fault::Invalid(faults) = fault_of(true, error(400, body)) else {
            panic!("not invalid");
        };
        let got: Vec<(&str, &str)> = faults
            .iter()
            .map(|fault| (fault.field.as_str(), fault.message.as_str()))
            .collect();
        assert_eq!(got, expect);
    };
    row(
        json!({"category": "VALIDATION_ERROR", "message": "Property values were not valid: \
            [{\"isValid\":false,\"message\":\"Property \\\"a\\\" does not exist\",\
            \"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"a\"},{\"isValid\":false,\
            \"message\":\"x was not one of the allowed options: [y]\",\
            \"error\":\"INVALID_OPTION\",\"name\":\"b\"}]"}),
        &[
            ("a", "Property \"a\" does not exist"),
            ("b", "x was not one of the allowed options: [y]"),
        ],
    );
    row(
        json!({"category": "VALIDATION_ERROR", "message": "Invalid input", "errors": [
            {"message": "must be a number", "code": "INVALID_NUMBER",
             "context": {"propertyName": ["amount"]}}]}),
        &[("amount", "must be a number")],
    );
    row(
        json!({"category": "VALIDATION_ERROR", "message": "No properties found to update"}),
        &[("", "No properties found to update")],
    );
}

#[test]
fn a_refused_read_is_nothing_that_a_person_could_correct() {
    let fault = fault_of(false, error(400, json!({"message": "bad filter"})));
    assert!(matches!(fault, Fault::Bug(_)), "{fault:?}");
}
