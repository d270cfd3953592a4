//! What came of a sign-in, as it is kept: tokens, how long they live, and what is
//! being done to them.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::ports::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::app::App;
use super::tenants::Tenant;

/// The name under which a connection's sign-in is kept among its secrets.
pub const GRANT: &str = "sign-in";

/// A token is renewed before a fifth of its life is left, and at the latest so
/// long before its end.
const LONGEST_MARGIN: Duration = Duration::from_secs(300);

/// An app in testing mode loses its sign-ins after seven days at Google; one day
/// of grace for the refresh that notices.
const TESTING: Duration = Duration::from_secs(8 * 24 * 3600);

#[derive(Clone, Serialize, Deserialize)]
pub struct Grant {
    access: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Zeroizing<String>>,
    /// None where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// When a person has to sign in again, whatever happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_until: Option<Timestamp>,
    obtained_at: Timestamp,
    signed_in_at: Timestamp,
    /// Configuration that came with the sign-in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Where the account lives, if the redirect said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accounts_server: Option<String>,
    /// Which of the accounts that it reaches is meant has to be chosen still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    undecided: bool,
    state: State,
    /// How an earlier refresh may have been carried out unheard, if one may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doubt: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Ready,
    /// Somebody asks for a new token; their answer or their failure has come by
    /// `until`.
    Refreshing {
        mark: u64,
        until: Timestamp,
    },
    Over {
        reason: String,
    },
}

/// How a connection's sign-in stands, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    SignedIn {
        since: Timestamp,
        /// When a person has to sign in again, where the vendor says so.
        until: Option<Timestamp>,
    },
    NeedsSignIn {
        reason: String,
    },
}

/// What is kept is no grant, which only another program or a later version of this
/// one can have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is kept of the sign-in cannot be read: sign in again")]
pub struct Unreadable;

impl Grant {
    /// What a person's sign-in gave.
    pub fn new(
        app: &App,
        answer: &Answer,
        values: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        Self {
            access: Zeroizing::new(answer.access().to_owned()),
            refresh: answer.refresh().map(|text| Zeroizing::new(text.to_owned())),
            expires_at: end(app, answer, now),
            refresh_until: answer.refresh_life().map(|life| now.plus(life)),
            obtained_at: now,
            signed_in_at: now,
            values,
            accounts_server: None,
            undecided: app.manifest.tenants.is_some() && !app.by_itself,
            state: State::Ready,
            doubt: None,
        }
    }

    /// The same for an account that lives at a server of its own.
    pub(super) fn living_at(self, accounts_server: Option<String>) -> Self {
        Self {
            accounts_server,
            ..self
        }
    }

    pub fn parse(text: &Secret) -> Result<Self, Unreadable> {
        serde_json::from_str(text.expose()).map_err(|_| Unreadable)
    }

    /// As it is kept.
    pub fn text(&self) -> Secret {
        let text = serde_json::to_string(self).expect("plain data with text keys is JSON");
        Secret::new(text)
    }

    pub fn standing(&self) -> Standing {
        match &self.state {
            State::Ready | State::Refreshing { .. } if self.undecided => Standing::NeedsSignIn {
                reason: "it reaches several accounts, and which one is meant is not chosen yet"
                    .into(),
            },
            State::Ready | State::Refreshing { .. } => Standing::SignedIn {
                since: self.signed_in_at,
                until: self.refresh_until,
            },
            State::Over { reason } => Standing::NeedsSignIn {
                reason: reason.clone(),
            },
        }
    }

    /// Whether nothing but the choice of an account is missing.
    pub fn is_undecided(&self) -> bool {
        self.undecided && !matches!(self.state, State::Over { .. })
    }

    /// With the account that was chosen, as the value of its configuration key.
    pub fn of_tenant(&self, key: &str, tenant: &Tenant) -> Self {
        let mut grant = self.clone();
        grant.values.insert(key.to_owned(), tenant.id.clone());
        grant.undecided = false;
        grant
    }

    /// In place of an earlier one, whose choice is the first to be looked for.
    pub fn in_place_of(mut self, earlier: &Grant, key: &str) -> Self {
        if let Some(chosen) = earlier.values.get(key) {
            self.values.insert(key.to_owned(), chosen.clone());
        }
        self
    }

    pub fn access(&self) -> &str {
        &self.access
    }

    /// The server that renews it and takes it back, where that is not the
    /// manifest's.
    pub fn accounts_server(&self) -> Option<&str> {
        self.accounts_server.as_deref()
    }

    /// What gives the sign-in back: the refresh token, else the access token.
    pub(super) fn to_revoke(&self) -> &str {
        self.refresh.as_ref().unwrap_or(&self.access)
    }

    pub(super) fn refresh(&self) -> Option<&str> {
        self.refresh.as_ref().map(|text| text.as_str())
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// Whether the access token lives.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it lives for long enough to send a request with it.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        let Some(end) = self.expires_at else {
            return true;
        };
        let life = end.since(self.obtained_at);
        now.plus((life / 5).min(LONGEST_MARGIN)) < end
    }

    pub(super) fn in_state(&self, state: State, doubt: Option<String>) -> Self {
        Self {
            state,
            doubt,
            ..self.clone()
        }
    }

    /// With what a refresh gave; what it does not name stays.
    pub(super) fn renewed(&self, app: &App, answer: &Answer, now: Timestamp) -> Self {
        let fresh = Self::new(app, answer, self.values.clone(), now);
        Self {
            refresh: fresh.refresh.or_else(|| self.refresh.clone()),
            refresh_until: fresh.refresh_until.or(self.refresh_until),
            signed_in_at: self.signed_in_at,
            accounts_server: self.accounts_server.clone(),
            undecided: self.undecided,
            ..fresh
        }
    }

    /// Why the sign-in is over, after the server said `refusal` to a refresh.
    pub(super) fn epitaph(&self, refusal: &str, now: Timestamp) -> String {
        if let Some(doubt) = &self.doubt {
            return format!("{doubt}, and the server does not take the old token again: {refusal}");
        }
        if self.refresh_until.is_some_and(|until| until <= now) {
            return format!("it had a life of its own, which has ended: {refusal}");
        }
        let age = now.since(self.signed_in_at);
        if age < TESTING {
            return format!(
                "the server does not know it any more, {} after it was given: {refusal}. If nobody \
                 withdrew it, the app may still be in testing mode, in which some vendors end every \
                 sign-in after days (Google: seven): publish the app first",
                in_words(age)
            );
        }
        format!("the server does not know it any more: {refusal}")
    }
}

/// When the access token ends, by the answer or else by the manifest.
fn end(app: &App, answer: &Answer, now: Timestamp) -> Option<Timestamp> {
    let known = app.manifest.access_life_s;
    let life = answer
        .life()
        .or_else(|| known.map(|seconds| Duration::from_secs(u64::from(seconds))));
    life.map(|life| now.plus(life))
}

fn in_words(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}
