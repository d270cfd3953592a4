//! Error answers in HubSpot's shape:
//! `{status, message, correlationId, category, context?, errors?}`.

use serde_json::{Map, Value, json};

use crate::Response;

/// A property value that HubSpot does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    name: String,
    code: &'static str,
    message: String,
}

impl Invalid {
    pub(crate) fn new(name: &str, code: &'static str, message: String) -> Self {
        Self {
            name: name.to_owned(),
            code,
            message,
        }
    }
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) category: &'static str,
    pub(crate) message: String,
    context: Map<String, Value>,
    errors: Vec<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, category: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            category,
            message: message.into(),
            context: Map::new(),
            errors: Vec::new(),
        }
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication \
             and you can find more details at \
             https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        )
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "VALIDATION_ERROR", message)
    }

    pub(crate) fn not_found(id: &str) -> Self {
        Self::new(404, "OBJECT_NOT_FOUND", "resource not found").with_context("id", &[id])
    }

    /// The values' problems, in the message as JSON text and once more as errors.
    pub(crate) fn invalid(problems: &[Invalid]) -> Self {
        let told: Vec<Value> = problems
            .iter()
            .map(|p| {
                json!({
                    "isValid": false,
                    "message": p.message,
                    "error": p.code,
                    "name": p.name,
                    "localizedErrorMessage": p.message,
                })
            })
            .collect();
        let message = format!("Property values were not valid: {}", Value::from(told));
        let mut refusal = Self::validation(message);
        refusal.errors = problems
            .iter()
            .map(|p| {
                json!({
                    "message": p.message,
                    "code": p.code,
                    "context": {"propertyName": [p.name]},
                })
            })
            .collect();
        refusal
    }

    pub(crate) fn with_context(mut self, key: &str, values: &[&str]) -> Self {
        self.context.insert(key.to_owned(), json!(values));
        self
    }

    /// The error as it stands inside a multi-status answer.
    pub(crate) fn as_row(&self) -> Value {
        let mut row = json!({
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": self.context,
        });
        if !self.errors.is_empty() {
            row["errors"] = Value::from(self.errors.clone());
        }
        row
    }

    pub(crate) fn answer(self, correlation_id: String) -> Response {
        let mut body = json!({
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
        });
        if !self.context.is_empty() {
            body["context"] = Value::Object(self.context);
        }
        if !self.errors.is_empty() {
            body["errors"] = Value::from(self.errors);
        }
        Response::json(self.status, &body)
    }
}
