//! A sign-in whose browser comes back to another process than the one that began it.
//!
//! While it lasts it is one sealed secret of its connection.  Each step replaces the
//! one before it by compare-and-set, so that a code is used once, whoever it comes to.

use std::collections::BTreeMap;

use concord_core::Timestamp;
use concord_core::ports::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::sign_in::Begun;

/// The name under which it is kept among the connection's secrets.
pub const PENDING: &str = "sign-in-under-way";

#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    state: Zeroizing<String>,
    pub stage: Stage,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The browser has not come back yet, and is not let in later than this.
    Waiting {
        verifier: Option<Zeroizing<String>>,
        until: Timestamp,
    },
    /// It has, and what comes of it is not known yet.
    Taken,
    Through,
    Failed {
        why: String,
    },
}

impl Pending {
    pub fn new(begun: &Begun, until: Timestamp) -> Self {
        let verifier = begun.verifier.as_ref();
        Self {
            state: Zeroizing::new(begun.state.secret().clone()),
            stage: Stage::Waiting {
                verifier: verifier.map(|verifier| Zeroizing::new(verifier.secret().clone())),
                until,
            },
        }
    }

    /// None where another version of this program wrote it.
    pub fn parse(text: &Secret) -> Option<Self> {
        serde_json::from_str(text.expose()).ok()
    }

    pub fn text(&self) -> Secret {
        Secret::new(serde_json::to_string(self).expect("plain data with text keys is JSON"))
    }

    /// Whether a redirect with this query belongs to it.
    pub fn is_for(&self, query: &BTreeMap<String, String>) -> bool {
        query.get("state") == Some(&*self.state)
    }

    /// Whether both are one sign-in.
    pub fn is_same(&self, other: &Self) -> bool {
        self.state == other.state
    }

    pub fn at(&self, stage: Stage) -> Self {
        Self {
            state: self.state.clone(),
            stage,
        }
    }

    /// What the browser that comes back now is to be met with; none where it comes
    /// twice or too late.
    pub fn begun(&self, now: Timestamp) -> Option<Begun> {
        match &self.stage {
            Stage::Waiting { verifier, until } if now < *until => {
                let verifier = verifier.as_ref().map(|text| text.to_string());
                Some(Begun::again(self.state.to_string(), verifier))
            }
            _ => None,
        }
    }
}
