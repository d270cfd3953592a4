//! What happens in a run, as a recording tells it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_core::ports::{HttpError, HttpRequest, HttpResponse, TokenError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::witness::raw;
use crate::error::EngineError;
use crate::run::Report;

/// One thing that happened.  What is only compared stays the text that it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A connector is called.
    Call(Call),
    /// It asks its system.
    Http(Box<Exchange>),
    /// Its credentials are asked for.
    Token(TokenAsked),
    /// What the connector answers.
    Answer(Answer),
    /// Something is committed.
    Commit(Box<RawValue>),
    /// A document is put into the books.
    Document { name: String, text: String },
    /// All entities of a kind are to be looked at.
    Dirty(String),
    /// The run is through.
    End(Ended),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub connection: String,
    /// The name of the connector's function, `pull` for example.
    pub operation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What the call takes, by name.
    pub with: Box<RawValue>,
}

impl Call {
    /// For people: `pull hubspot/contacts`.
    pub fn name(&self) -> String {
        let Call {
            connection,
            operation,
            stream,
            ..
        } = self;
        match stream {
            Some(stream) => format!("{operation} {connection}/{stream}"),
            None => format!("{operation} {connection}"),
        }
    }

    pub fn is_like(&self, other: &Self) -> bool {
        self.connection == other.connection
            && self.operation == other.operation
            && self.stream == other.stream
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub connection: String,
    /// `{"ok": …}` or `{"fault": …}`.
    pub result: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    pub connection: String,
    pub request: Sent,
    pub answer: Result<Received, Failure>,
}

/// A request without its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub method: String,
    pub url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    pub status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// Text where it is text, so that a person can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    Text(String),
    Base64(String),
}

impl Body {
    /// With secrets masked.  Where one is in what is no text, the text that is left
    /// of it is kept instead.
    pub fn masked(bytes: &[u8], mask: &dyn Fn(&str) -> String) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Body::Text(mask(text)),
            Err(_) => {
                let text = String::from_utf8_lossy(bytes);
                let clean = mask(&text);
                match clean == text {
                    true => Body::Base64(STANDARD.encode(bytes)),
                    false => Body::Text(clean),
                }
            }
        }
    }

    /// As it is.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Body::Text(text.to_owned()),
            Err(_) => Body::Base64(STANDARD.encode(bytes)),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Body::Text(text) => text.clone().into_bytes(),
            Body::Base64(text) => STANDARD.decode(text).unwrap_or_default(),
        }
    }

    /// For people.
    pub fn text(&self) -> &str {
        match self {
            Body::Text(text) | Body::Base64(text) => text,
        }
    }
}

impl Sent {
    pub fn masked(request: &HttpRequest, mask: &dyn Fn(&str) -> String) -> Self {
        let body = request.body.as_deref();
        Self {
            method: mask(&request.method),
            url: mask(&request.url),
            headers: headers(&request.headers, mask),
            body: body.map(|bytes| Body::masked(bytes, mask)),
        }
    }

    /// Where it goes, without what is asked there.
    pub fn path(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

impl Received {
    pub fn masked(response: &HttpResponse, mask: &dyn Fn(&str) -> String) -> Self {
        Self {
            status: response.status,
            headers: headers(&response.headers, mask),
            body: Body::masked(&response.body, mask),
        }
    }

    pub fn response(&self) -> HttpResponse {
        HttpResponse {
            status: self.status,
            headers: self.headers.clone(),
            body: self.body.bytes(),
        }
    }
}

fn headers(all: &[(String, String)], mask: &dyn Fn(&str) -> String) -> Vec<(String, String)> {
    let masked = all.iter().map(|(name, value)| (name.clone(), mask(value)));
    masked.collect()
}

/// Why a request has no answer: [`HttpError`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    Denied(String),
    Unreachable(String),
    NoAnswer(String),
    TooLarge(u64),
}

impl Failure {
    pub fn masked(error: &HttpError, mask: &dyn Fn(&str) -> String) -> Self {
        match error {
            HttpError::Denied(why) => Failure::Denied(mask(why)),
            HttpError::Unreachable(why) => Failure::Unreachable(mask(why)),
            HttpError::NoAnswer(why) => Failure::NoAnswer(mask(why)),
            HttpError::TooLarge { limit } => Failure::TooLarge(*limit),
        }
    }

    pub fn error(&self) -> HttpError {
        match self.clone() {
            Failure::Denied(why) => HttpError::Denied(why),
            Failure::Unreachable(why) => HttpError::Unreachable(why),
            Failure::NoAnswer(why) => HttpError::NoAnswer(why),
            Failure::TooLarge(limit) => HttpError::TooLarge { limit },
        }
    }
}

/// What came of asking for credentials, which are not told themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAsked {
    pub connection: String,
    /// In place of one that the system refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    pub answer: TokenAnswer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenAnswer {
    /// There is one, for the header of this name.
    Header(String),
    None,
    Person(String),
    Passing(String),
}

impl TokenAnswer {
    pub fn masked(error: &TokenError, mask: &dyn Fn(&str) -> String) -> Self {
        match error {
            TokenError::Person(why) => TokenAnswer::Person(mask(why)),
            TokenError::Passing(why) => TokenAnswer::Passing(mask(why)),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    Report(Box<RawValue>),
    Failed(String),
    /// Told to end before it was through.
    Interrupted,
}

impl Ended {
    pub fn of(result: Result<&Report, &EngineError>) -> Self {
        match result {
            Ok(report) => Ended::Report(raw(report)),
            Err(EngineError::Ended) => Ended::Interrupted,
            Err(error) => Ended::Failed(error.to_string()),
        }
    }
}
