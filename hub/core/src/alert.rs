//! What somebody is told of without having asked.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// A connection does not run: it needs a sign-in, a secret or its connector.
    Held,
    /// A run wrote nothing to a connection, since a person has to approve it.
    WaitsForApproval,
    /// A connection has not come through for a while, and nobody but its system
    /// knows why.
    Failing,
    /// The same, where it is written to at times of its own.
    FailingWrites,
    /// Somebody wants to see whether alerts arrive.
    Test,
}

/// One trouble that began, or is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    pub kind: AlertKind,
    /// Whose trouble it is; a test is nobody's.
    pub connection: Option<String>,
    pub since: Timestamp,
    pub says: String,
    /// What to do about it.
    pub next: String,
    pub over: bool,
}

impl Alert {
    /// For people, without a line break.
    pub fn headline(&self) -> String {
        let connection = self.connection.as_deref().unwrap_or_default();
        match (self.kind, self.over) {
            (AlertKind::Test, _) => "alerts arrive".to_owned(),
            (AlertKind::Held, false) => format!("{connection} does not run"),
            (AlertKind::Held, true) => format!("{connection} runs again"),
            (AlertKind::WaitsForApproval, false) => format!("{connection} waits for approval"),
            (AlertKind::WaitsForApproval, true) => format!("{connection} waits no longer"),
            (AlertKind::Failing, false) => format!("{connection} does not come through"),
            (AlertKind::Failing, true) => format!("{connection} comes through again"),
            (AlertKind::FailingWrites, false) => format!("{connection} cannot be written to"),
            (AlertKind::FailingWrites, true) => format!("{connection} can be written to again"),
        }
    }

    /// For people: the whole of it.
    pub fn words(&self) -> String {
        match self.over {
            true => format!("{} (it was so since {})", self.headline(), self.since),
            false => format!(
                "{}, since {}: {}\n  Next: {}",
                self.headline(),
                self.since,
                self.says,
                self.next
            ),
        }
    }
}

/// A way on which alerts reach people.
#[async_trait]
pub trait Messenger: Send + Sync {
    /// For errors: `mail to ops@example.com`.
    fn name(&self) -> String;
    async fn send(&self, alerts: &[Alert]) -> Result<(), MessengerError>;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MessengerError(pub String);
