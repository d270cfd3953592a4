//! What went wrong at a system, sorted by what the engine does next.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::record::RemoteRecord;

/// A system refuses one field.  An empty name speaks of the whole record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    pub field: String,
    pub message: String,
}

/// The typed faults of the contract.  Each names the engine's next step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    #[error("the access token is no longer accepted: {0}")]
    AuthExpired(String),
    #[error(
        "the sign-in is no longer valid: {0}; give the connection a valid secret, or sign in again"
    )]
    AuthRevoked(String),
    #[error("this account may not do that: {0}")]
    Forbidden(String),
    #[error("the system asks to wait: {message}")]
    RateLimited {
        until: Option<Timestamp>,
        message: String,
    },
    #[error("a passing failure, nothing was done: {message}; the next sync tries again")]
    Transient {
        until: Option<Timestamp>,
        message: String,
    },
    #[error("it is not known whether it was done: {0}")]
    UnknownOutcome(String),
    #[error("there is no such record: {0}")]
    NotFound(String),
    #[error("the record has moved on since it was read")]
    VersionConflict(Option<Box<RemoteRecord>>),
    #[error("refused: {}", list(.0))]
    Invalid(Vec<FieldFault>),
    #[error("more changed than one walk can list: {0}")]
    WindowTooLarge(String),
    #[error("the place in the stream is no longer accepted: {0}")]
    CursorExpired(String),
    #[error("the connector or the system broke the contract: {0}")]
    Bug(String),
}

fn list(faults: &[FieldFault]) -> String {
    let mut text = String::new();
    for fault in faults {
        if !text.is_empty() {
            text.push_str("; ");
        }
        if !fault.field.is_empty() {
            text.push_str(&fault.field);
            text.push_str(": ");
        }
        text.push_str(&fault.message);
    }
    text
}

impl Fault {
    pub fn bug(message: impl Into<String>) -> Self {
        Fault::Bug(message.into())
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Fault::Transient {
            until: None,
            message: message.into(),
        }
    }

    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Fault::Invalid(vec![FieldFault {
            field: field.into(),
            message: message.into(),
        }])
    }
}
