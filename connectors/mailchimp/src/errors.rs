//! Mailchimp's problem documents (RFC 9457) and the faults they are.

use concord_sdk::prelude::*;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    field: String,
    message: String,
}

/// What an answer that is no success means; `None` leaves it to its status.
pub fn judge(response: &Response) -> Option<Fault> {
    let problem: Option<Problem> = serde_json::from_slice(&response.body).ok();
    match (response.status, problem) {
        // A key or a token of Mailchimp's does not expire: somebody revoked it.
        (401, _) => Some(Fault::AuthRevoked(response.summary())),
        // Beyond ten connections Mailchimp's edge answers, without JSON.
        (403, None) => Some(Fault::RateLimited(Delay {
            until: None,
            message: "Mailchimp refuses further connections for now (a 403 without a reason)"
                .into(),
        })),
        (400 | 422, Some(problem)) => Some(Fault::Invalid(field_faults(problem))),
        (405, Some(problem)) => Some(Fault::invalid("", problem.detail)),
        _ => None,
    }
}

fn field_faults(problem: Problem) -> Vec<FieldFault> {
    if !problem.errors.is_empty() {
        return problem
            .errors
            .into_iter()
            .map(|detail| FieldFault {
                // Merge fields come as `FNAME` or `merge_fields.FNAME`.
                field: detail
                    .field
                    .strip_prefix("merge_fields.")
                    .unwrap_or(&detail.field)
                    .to_owned(),
                message: detail.message,
            })
            .collect();
    }
    let field = match problem.title.as_str() {
        "Member In Compliance State" => "status",
        "Forgotten Email Not Subscribed" | "Member Exists" => "email_address",
        _ if speaks_of_address(&problem.detail) => "email_address",
        _ => "",
    };
    vec![FieldFault {
        field: field.to_owned(),
        message: format!("{}: {}", problem.title, problem.detail),
    }]
}

fn speaks_of_address(detail: &str) -> bool {
    detail.contains("looks fake or invalid") || detail.contains("valid email address")
}
