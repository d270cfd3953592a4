//! Why the way out of a connection could not be set up.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("the certificates in {} cannot be read: {problem}; give a PEM file", path.display())]
    Roots { path: PathBuf, problem: String },
    #[error(
        "'{rule}' does not say where requests may go: {problem}; write a host name, *.example.com or a URL"
    )]
    Rule { rule: String, problem: String },
    #[error("the proxy cannot be used: {problem}; write http://host:port")]
    Proxy { problem: String },
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
