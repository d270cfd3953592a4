//! HubSpot's error bodies and the faults they are.
//!
//! HubSpot asks to treat every member of an error body as optional.

use concord_sdk::prelude::*;
use serde::Deserialize;

/// An error answer, or one entry of `errors` in a partly written batch.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Problem {
    message: String,
    category: String,
    policy_name: String,
    errors: Vec<Detail>,
    context: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    message: String,
    context: Value,
}

/// An entry of the list that HubSpot writes, as JSON text, into the message of
/// a refused write.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

const REFUSALS: &str = "Property values were not valid: ";

impl Problem {
    fn of(response: &Response) -> Self {
        serde_json::from_slice(&response.body).unwrap_or_default()
    }

    /// Whether the context says `key: [… value …]`.
    pub fn names(&self, key: &str, value: &str) -> bool {
        strings(&self.context[key]).any(|text| text == value)
    }

    fn field_faults(&self) -> Vec<FieldFault> {
        let refusals: Vec<Refusal> = self
            .message
            .split_once(REFUSALS)
            .and_then(|(_, list)| serde_json::from_str(list).ok())
            .unwrap_or_default();
        let mut faults: Vec<FieldFault> = refusals
            .into_iter()
            .map(|refusal| FieldFault {
                field: refusal.name,
                message: refusal.message,
            })
            .collect();
        for detail in &self.errors {
            for name in strings(&detail.context["propertyName"]) {
                if faults.iter().all(|fault| fault.field != name) {
                    faults.push(FieldFault {
                        field: name.to_owned(),
                        message: detail.message.clone(),
                    });
                }
            }
        }
        if faults.is_empty() {
            faults.push(FieldFault {
                field: String::new(),
                message: self.message.clone(),
            });
        }
        faults
    }
}

/// The texts of a value that is a list or a single text.
fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().chain([value]).filter_map(Value::as_str)
}

/// The whole answer is about records that are not there, not about a path that
/// HubSpot does not know.
pub fn says_not_found(response: &Response) -> bool {
    response.status == 404 && Problem::of(response).category == "OBJECT_NOT_FOUND"
}

/// What an error answer to a read means.
pub fn of_read(response: &Response, now: i64) -> Fault {
    let problem = Problem::of(response);
    if response.status == 400 {
        // A read has no values that a person could correct.
        return Fault::Bug(format!("HubSpot refuses a read: {}", response.summary()));
    }
    common(response, &problem, now).unwrap_or_else(|| response.fault(now, true))
}

/// What an error answer to a write means; `None` leaves it to the meaning of
/// its status.
pub fn of_write(response: &Response, now: i64) -> Option<Fault> {
    let problem = Problem::of(response);
    match response.status {
        400 | 409 | 422 => Some(of_one(&problem)),
        _ => common(response, &problem, now),
    }
}

/// What HubSpot says of one record that it did not write.
pub fn of_one(problem: &Problem) -> Fault {
    match problem.category.as_str() {
        "OBJECT_NOT_FOUND" => Fault::NotFound(problem.message.clone()),
        // The one conflict that is about a value: an address can belong to one
        // contact only, and HubSpot names the contact that has it.
        "CONFLICT" if problem.message.contains("already exists") => {
            Fault::invalid("email", problem.message.clone())
        }
        "CONFLICT" => Fault::transient(problem.message.clone()),
        _ => Fault::Invalid(problem.field_faults()),
    }
}

fn common(response: &Response, problem: &Problem, now: i64) -> Option<Fault> {
    let message = || {
        if problem.message.is_empty() {
            response.summary()
        } else {
            problem.message.clone()
        }
    };
    match response.status {
        401 if problem.category == "EXPIRED_AUTHENTICATION" => Some(Fault::AuthExpired(message())),
        401 => Some(Fault::AuthRevoked(message())),
        403 => Some(Fault::Forbidden(scopes(problem, message()))),
        429 => Some(Fault::RateLimited(Delay {
            until: response
                .retry_after(now)
                .or_else(|| Some(now + wait_seconds(problem) * 1_000_000)),
            message: message(),
        })),
        // A large import locks records for a moment, and asks for two seconds.
        423 => Some(Fault::Transient(Delay {
            until: Some(now + 2_000_000),
            message: message(),
        })),
        // The account moves between data centres; the header says how long.
        477 => Some(Fault::Transient(Delay {
            until: response.retry_after(now),
            message: message(),
        })),
        _ => None,
    }
}

/// How long the exhausted allowance asks to wait.  There is no header for it.
fn wait_seconds(problem: &Problem) -> i64 {
    match problem.policy_name.as_str() {
        // It is filled at midnight in the account's own time zone, which the
        // answer does not tell: look again every hour.
        "DAILY" => 3_600,
        "TEN_SECONDLY_ROLLING" => 10,
        "SECONDLY" => 1,
        // The search's allowance is known by its message alone.
        _ if problem.message.contains("secondly limit") => 1,
        _ => 10,
    }
}

/// Names the scopes that are missing, so that an admin knows what to grant.
fn scopes(problem: &Problem, message: String) -> String {
    let missing: Vec<&str> = problem
        .errors
        .iter()
        .flat_map(|detail| {
            strings(&detail.context["requiredGranularScopes"])
                .chain(strings(&detail.context["requiredScopes"]))
        })
        .collect();
    if missing.is_empty() {
        message
    } else {
        format!("{message} (one of: {})", missing.join(", "))
    }
}
