//! What people have granted, and the tokens that stand for it.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::options::{Options, Rotation};
use super::refusal::Refusal;

/// How long the token before may be retried under [`Rotation::Grace`].
const GRACE: Duration = Duration::from_secs(30 * 86_400);
/// How long a value lasts under [`Rotation::Daily`].
const DAY: Duration = Duration::from_secs(86_400);

/// A grant by its number.
pub(super) type GrantId = usize;

#[derive(Debug)]
struct Grant {
    client: String,
    scope: String,
    revoked: bool,
}

#[derive(Debug)]
struct Access {
    grant: GrantId,
    scope: String,
    issued: Timestamp,
    expires: Option<Timestamp>,
    revoked: bool,
}

#[derive(Debug)]
struct Refresh {
    grant: GrantId,
    issued: Timestamp,
    expires: Option<Timestamp>,
    /// The token in whose place it was given, while that one still works.
    before: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    Good,
    /// Another is given already, and it works until that one is used.
    Replaced {
        by: String,
        at: Timestamp,
    },
    Void,
}

/// The answer to a granted token request (RFC 6749 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    /// None where the server does not say, or the token lives for ever.
    pub expires_in: Option<u64>,
    pub refresh: Option<String>,
    pub scope: String,
    /// Whether it came of client credentials, so that it is nobody's but the
    /// client's own.
    pub of_the_client: bool,
}

/// What a bearer token is worth to the API beside this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Live,
    Expired {
        at: Timestamp,
    },
    /// Revoked, or of this server's making and yet unknown.
    Refused,
    /// Not of this server's making.
    Foreign,
}

/// A live token, as introspection tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub token: String,
    pub client: String,
    pub scope: String,
    pub issued: Timestamp,
    pub expires: Option<Timestamp>,
    pub is_refresh: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Made since the start.
    pub grants: u64,
    /// Those of them that are not revoked.
    pub live: u64,
    /// Access tokens that came of a refresh token.
    pub refreshed: u64,
    /// Codes and refresh tokens that came once more after they were void.
    pub reused: u64,
    /// Grants that ended by a revocation, a reuse or the person.
    pub revoked: u64,
    /// Introspections that were answered.
    pub introspected: u64,
}

#[derive(Debug)]
pub(super) struct Grants {
    name: &'static str,
    seed: u64,
    minted: u64,
    grants: Vec<Grant>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    pub(super) counts: Counts,
}

impl Grants {
    pub(super) fn new(name: &'static str, seed: u64) -> Self {
        Self {
            name,
            seed,
            minted: 0,
            grants: Vec::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// A text that nobody guesses and that is the same in every run: the number of
    /// the text, hashed.  The server's name makes two servers' texts differ.
    pub(super) fn mint(&mut self, kind: &str) -> String {
        let number = self.draw();
        format!("{}_{kind}_{number:032x}", self.name)
    }

    /// A number that nobody guesses, for texts that a person types.
    pub(super) fn draw(&mut self) -> u128 {
        self.minted += 1;
        let text = format!("{}/{}/{}", self.name, self.seed, self.minted);
        let digest = Sha256::digest(text.as_bytes());
        digest
            .iter()
            .take(16)
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    pub(super) fn grant(&mut self, client: &str, scope: &str) -> GrantId {
        self.grants.push(Grant {
            client: client.to_owned(),
            scope: scope.to_owned(),
            revoked: false,
        });
        self.counts.grants += 1;
        self.counts.live += 1;
        self.grants.len() - 1
    }

    /// The first tokens of a grant.
    pub(super) fn first(&mut self, now: Timestamp, grant: GrantId, options: &Options) -> Tokens {
        let refresh = options
            .has_refresh_tokens()
            .then(|| self.new_refresh(now, grant, None, options));
        let scope = self.grants[grant].scope.clone();
        self.new_access(now, grant, scope, refresh, options)
    }

    /// The token of a client that asks for itself; it has no refresh token (RFC
    /// 6749 section 4.4.3).
    pub(super) fn of_client(
        &mut self,
        now: Timestamp,
        client: &str,
        scope: &str,
        options: &Options,
    ) -> Tokens {
        let grant = self.grant(client, scope);
        let tokens = self.new_access(now, grant, scope.to_owned(), None, options);
        Tokens {
            of_the_client: true,
            ..tokens
        }
    }

    /// New tokens for a refresh token (RFC 6749 section 6).
    pub(super) fn renew(
        &mut self,
        now: Timestamp,
        token: &str,
        client: &str,
        scope: Option<&str>,
        options: &Options,
    ) -> Result<Tokens, Refusal> {
        let held = self.refresh.get(token).ok_or(Refusal::DeadRefreshToken)?;
        let id = held.grant;
        if self.grants[id].client != client {
            return Err(Refusal::OtherClient);
        }
        if self.grants[id].revoked || is_over(held.expires, now) {
            return Err(Refusal::DeadRefreshToken);
        }
        let replacement = match &held.state {
            State::Good => None,
            State::Replaced { by, at } if now.since(*at) <= GRACE => Some(by.clone()),
            State::Replaced { .. } | State::Void => {
                self.counts.reused += 1;
                if options.rotation == Rotation::Always {
                    self.revoke(id);
                }
                return Err(Refusal::DeadRefreshToken);
            }
        };
        let age = now.since(held.issued);
        let scope = narrowed(&self.grants[id].scope, scope)?;
        let next = match replacement {
            Some(replacement) => replacement,
            None => {
                self.retire_the_one_before(token);
                self.rotate(now, id, token, age, options)
            }
        };
        self.counts.refreshed += 1;
        Ok(self.new_access(now, id, scope, Some(next), options))
    }

    /// A replacement that is used ends the token that it replaced.
    fn retire_the_one_before(&mut self, token: &str) {
        let before = self.refresh.get_mut(token).and_then(|t| t.before.take());
        if let Some(old) = before.and_then(|before| self.refresh.get_mut(&before)) {
            old.state = State::Void;
        }
    }

    /// What the client is to use from now on; the same where nothing rotates.
    fn rotate(
        &mut self,
        now: Timestamp,
        grant: GrantId,
        token: &str,
        age: Duration,
        options: &Options,
    ) -> String {
        let (before, grace) = match options.rotation {
            Rotation::Never => return token.to_owned(),
            Rotation::Daily if age < DAY => return token.to_owned(),
            Rotation::Always | Rotation::Daily => (None, false),
            Rotation::Grace => (Some(token.to_owned()), true),
        };
        let next = self.new_refresh(now, grant, before, options);
        if let Some(old) = self.refresh.get_mut(token) {
            old.state = if grace {
                let by = next.clone();
                State::Replaced { by, at: now }
            } else {
                State::Void
            };
        }
        next
    }

    fn new_refresh(
        &mut self,
        now: Timestamp,
        grant: GrantId,
        before: Option<String>,
        options: &Options,
    ) -> String {
        let token = self.mint("rt");
        let refresh = Refresh {
            grant,
            issued: now,
            expires: options.refresh_life.map(|life| now.plus(life)),
            before,
            state: State::Good,
        };
        self.refresh.insert(token.clone(), refresh);
        token
    }

    fn new_access(
        &mut self,
        now: Timestamp,
        grant: GrantId,
        scope: String,
        refresh: Option<String>,
        options: &Options,
    ) -> Tokens {
        let token = self.mint("at");
        let access = Access {
            grant,
            scope: scope.clone(),
            issued: now,
            expires: options.access_life.map(|life| now.plus(life)),
            revoked: false,
        };
        self.access.insert(token.clone(), access);
        let stated = options.access_life.filter(|_| options.states_life);
        Tokens {
            access: token,
            expires_in: stated.map(|life| life.as_secs()),
            refresh,
            scope,
            of_the_client: false,
        }
    }

    /// Ends a grant and all its tokens.
    pub(super) fn revoke(&mut self, grant: GrantId) {
        let grant = &mut self.grants[grant];
        if !grant.revoked {
            grant.revoked = true;
            self.counts.revoked += 1;
            self.counts.live -= 1;
        }
    }

    pub(super) fn revoke_all(&mut self) {
        for grant in 0..self.grants.len() {
            self.revoke(grant);
        }
    }

    /// A client gives a token back (RFC 7009 section 2.1): a refresh token ends its
    /// grant, an access token only itself.  An unknown one is no error.
    pub(super) fn give_back(&mut self, token: &str, client: &str) -> Result<(), Refusal> {
        let refresh = self.refresh.get(token).map(|t| t.grant);
        let grant = refresh.or_else(|| self.access.get(token).map(|t| t.grant));
        if grant.is_some_and(|id| self.grants[id].client != client) {
            return Err(Refusal::OtherClient);
        }
        if let Some(id) = refresh {
            self.revoke(id);
        } else if let Some(access) = self.access.get_mut(token) {
            access.revoked = true;
        }
        Ok(())
    }

    pub(super) fn standing(&self, now: Timestamp, token: &str) -> Standing {
        if let Some(access) = self.access.get(token) {
            return match access.expires {
                _ if access.revoked || self.grants[access.grant].revoked => Standing::Refused,
                Some(at) if at <= now => Standing::Expired { at },
                _ => Standing::Live,
            };
        }
        let own = |kind: &str| token.starts_with(&format!("{}_{kind}_", self.name));
        if own("at") || own("rt") {
            Standing::Refused
        } else {
            Standing::Foreign
        }
    }

    /// What there is to tell of a token that could be used now.
    pub(super) fn look(&self, now: Timestamp, token: &str) -> Option<Seen> {
        let (grant, scope, issued, expires, is_refresh) = match self.access.get(token) {
            Some(t) if t.revoked => return None,
            Some(t) => (t.grant, &t.scope, t.issued, t.expires, false),
            None => {
                let t = self.refresh.get(token)?;
                if matches!(t.state, State::Void) {
                    return None;
                }
                let scope = &self.grants[t.grant].scope;
                (t.grant, scope, t.issued, t.expires, true)
            }
        };
        let grant = &self.grants[grant];
        if grant.revoked || is_over(expires, now) {
            return None;
        }
        Some(Seen {
            token: token.to_owned(),
            client: grant.client.clone(),
            scope: scope.clone(),
            issued,
            expires,
            is_refresh,
        })
    }
}

fn is_over(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_some_and(|at| at <= now)
}

/// The scope of a new access token: what was granted, or as much of it as is
/// asked for, and never more (RFC 6749 section 6).
fn narrowed(granted: &str, asked: Option<&str>) -> Result<String, Refusal> {
    let Some(asked) = asked else {
        return Ok(granted.to_owned());
    };
    let all: Vec<&str> = granted.split(' ').collect();
    if asked.split(' ').all(|scope| all.contains(&scope)) {
        Ok(asked.to_owned())
    } else {
        Err(Refusal::Scope)
    }
}
