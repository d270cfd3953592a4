//! The vendor's error answers: `application/problem+json` with a title that
//! clients switch on.  Titles and details are those of the error glossary at
//! mailchimp.com/developer/marketing/docs/errors and of recorded answers.

use serde_json::{Value, json};

use crate::http::Response;

/// A refused request, before it has been given its instance id.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub status: u16,
    pub title: &'static str,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// The methods of a 405.
    pub allow: Option<&'static str>,
}

/// One entry of the `errors` array: which field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl Problem {
    fn plain(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
        }
    }

    pub fn not_found() -> Self {
        Self::plain(
            404,
            "Resource Not Found",
            "The requested resource could not be found.",
        )
    }

    pub fn key_missing() -> Self {
        Self::plain(
            401,
            "API Key Missing",
            "Your request did not include an API key.",
        )
    }

    pub fn key_invalid() -> Self {
        let detail =
            "Your API key may be invalid, or you've attempted to access the wrong datacenter.";
        Self::plain(401, "API Key Invalid", detail)
    }

    pub fn unreadable_json() -> Self {
        let detail = "We encountered an unspecified JSON parsing error.";
        Self::plain(400, "JSON Parse Error", detail)
    }

    /// The schema check that runs before anything else is looked at.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = "The resource submitted could not be validated. \
                      For field-specific details, see the 'errors' array.";
        Self {
            errors,
            ..Self::plain(400, "Invalid Resource", detail)
        }
    }

    pub fn invalid_email() -> Self {
        Self::plain(
            400,
            "Invalid Resource",
            "Please provide a valid email address.",
        )
    }

    pub fn invalid_merge_fields(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::plain(400, "Invalid Resource", "Your merge fields were invalid.")
        }
    }

    pub fn member_exists(email: &str) -> Self {
        let detail =
            format!("{email} is already a list member. Use PUT to insert or update list members.");
        Self::plain(400, "Member Exists", detail)
    }

    pub fn compliance(email: &str) -> Self {
        let detail = format!(
            "{email} is in a compliance state due to unsubscribe, bounce, or compliance review \
             and cannot be subscribed."
        );
        Self::plain(400, "Member In Compliance State", detail)
    }

    pub fn forgotten(email: &str) -> Self {
        let detail = format!(
            "{email} was permanently deleted and cannot be re-imported. \
             The contact must re-subscribe to get back on the list."
        );
        Self::plain(400, "Forgotten Email Not Subscribed", detail)
    }

    /// What a second DELETE of an archived member is answered with.
    pub fn cannot_be_removed() -> Self {
        let detail = "This list member cannot be removed.  Please contact support.";
        Self {
            allow: Some("GET, PUT"),
            ..Self::plain(405, "Method Not Allowed", detail)
        }
    }

    pub fn wrong_method(allow: &'static str) -> Self {
        let detail = "The requested method and resource are not compatible. \
                      See the Allow header for this resource's available methods.";
        Self {
            allow: Some(allow),
            ..Self::plain(405, "Method Not Allowed", detail)
        }
    }

    pub fn too_many_connections() -> Self {
        let detail = "You have exceeded the limit of 10 simultaneous connections.";
        Self::plain(429, "Too Many Requests", detail)
    }

    /// Any other status that a test asks for.
    pub fn server_error(status: u16) -> Self {
        let detail = "An unexpected internal error has occurred. \
                      Please contact Support for more information.";
        Self::plain(status, "Internal Server Error", detail)
    }

    /// `instance` is what the vendor's support would look the request up by.
    pub fn response(&self, instance: &str) -> Response {
        let mut body = json!({
            "type": "https://mailchimp.com/developer/marketing/docs/errors/",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        });
        if !self.errors.is_empty() {
            let errors = self
                .errors
                .iter()
                .map(|e| json!({"field": e.field, "message": e.message}));
            body["errors"] = Value::Array(errors.collect());
        }
        let mut response = Response::json(self.status, &body);
        response.headers = vec![(
            "content-type".to_owned(),
            "application/problem+json; charset=utf-8".to_owned(),
        )];
        if let Some(allow) = self.allow {
            response
                .headers
                .push(("allow".to_owned(), allow.to_owned()));
        }
        response
    }
}
