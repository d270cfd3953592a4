use super::*;

/// What an answer to a write of one member is taken for.
fn fault_of(response: impl Into<Result<Response, HttpError>>) -> Fault {
    let host = host();
    host.expect(request("PATCH", format!("{MEMBERS}/{OLD}")), response);
    let ops = [op(Action::Update(OLD.into()), json!({"FNAME": "X"}))];
    match Mailchimp::push(&host, "members", &ops)
        .expect("a push of members has one outcome per op")
        .remove(0)
    {
        Outcome::Failed(fault) => fault,
        done => panic!("{done:?}"),
    }
}

#[test]
fn a_403_without_json_is_a_limit_and_one_with_json_a_refusal() {
    let edge = fault_of(answer(403).body("<html>Access Denied</html>"));
    assert!(matches!(edge, Fault::RateLimited(_)), "{edge:?}");
    let limit = fault_of(refused(
        429,
        "Too Many Requests",
        "You have exceeded the limit of 10.",
    ));
    assert!(matches!(limit, Fault::RateLimited(_)), "{limit:?}");
    let refusal = fault_of(refused(403, "Forbidden", "You don't have permission."));
    assert!(matches!(refusal, Fault::Forbidden(_)), "{refusal:?}");
    let key = fault_of(refused(
        401,
        "API Key Invalid",
        "Your API key may be invalid.",
    ));
    assert!(matches!(key, Fault::AuthRevoked(_)), "{key:?}");
}

#[test]
fn a_failure_of_the_server_leaves_a_write_open() {
    let failed = fault_of(refused(
        500,
        "Internal Server Error",
        "A deep, internal error.",
    ));
    assert!(matches!(failed, Fault::UnknownOutcome(_)), "{failed:?}");
    let lost = fault_of(HttpError::NoAnswer("reset".into()));
    assert!(matches!(lost, Fault::UnknownOutcome(_)), "{lost:?}");
    let unreadable = fault_of(answer(200).body("{"));
    assert!(
        matches!(unreadable, Fault::UnknownOutcome(_)),
        "{unreadable:?}"
    );
}

/// The titles and details are those that Mailchimp's users quote.
#[test]
fn a_refusal_names_its_field() {
    let field = |response: Answer| match fault_of(response) {
        Fault::Invalid(faults) => faults
            .iter()
            .map(|fault| fault.field.clone())
            .collect::<Vec<_>>()
            .join(","),
        other => panic!("{other:?}"),
    };
    let titled = |title: &str, detail: &str| field(refused(400, title, detail));
    assert_eq!(
        titled("Member In Compliance State", "x is in a compliance state"),
        "status"
    );
    assert_eq!(
        titled(
            "Forgotten Email Not Subscribed",
            "x was permanently deleted"
        ),
        "email_address"
    );
    assert_eq!(
        titled(
            "Invalid Resource",
            "x looks fake or invalid, please enter a real email address."
        ),
        "email_address"
    );
    assert_eq!(titled("Invalid Resource", "Something else."), "");
    let listed = |errors: Value| {
        field(answer(400).json(&json!({
            "title": "Invalid Resource", "status": 400,
            "detail": "Your merge fields were invalid.", "errors": errors,
        })))
    };
    assert_eq!(
        listed(json!([{"field": "LNAME", "message": "Please enter a value"}])),
        "LNAME"
    );
    assert_eq!(
        listed(json!([
            {"field": "merge_fields.FNAME", "message": "Schema describes string"},
            {"field": "", "message": "Required fields were not provided: email_address"},
        ])),
        "FNAME,"
    );
}
