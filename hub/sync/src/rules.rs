//! The rules of an installation: who wins a conflict, per connection, stream and
//! field, how far clocks may be apart, and when a fight is stopped.

pub mod check;

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::schema::MergeRule;
use concord_core::state::Origin;
use concord_core::{ConnectionId, FieldName, FieldSpec, Kind, StreamName};

/// Where a rule holds: everywhere, for what one connection says, or for what one
/// of its streams says.  The narrowest one decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Everywhere,
    Connection(ConnectionId),
    Stream(ConnectionId, StreamName),
}

/// How conflicts are decided and when a fight is stopped.
#[derive(Clone, Debug)]
pub struct Rules {
    own: BTreeMap<(Reach, Kind, FieldName), MergeRule>,
    names: BTreeMap<ConnectionId, String>,
    /// How far two systems' clocks may be apart, where a connection says nothing
    /// of its own.
    pub skew: Duration,
    skews: BTreeMap<ConnectionId, Duration>,
    debounces: BTreeMap<ConnectionId, Duration>,
    /// This many changes of one field within `fight_window` are a fight.
    pub fight_limit: u32,
    pub fight_window: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            own: BTreeMap::new(),
            names: BTreeMap::new(),
            skew: Duration::from_secs(2),
            skews: BTreeMap::new(),
            debounces: BTreeMap::new(),
            fight_limit: 10,
            fight_window: Duration::from_secs(3600),
        }
    }
}

impl Rules {
    pub fn new(names: impl IntoIterator<Item = (ConnectionId, String)>) -> Self {
        Self {
            names: names.into_iter().collect(),
            ..Self::default()
        }
    }

    /// An admin's rule in place of the schema's default.
    pub fn set(&mut self, kind: Kind, field: FieldName, rule: MergeRule) {
        self.set_for(Reach::Everywhere, kind, field, rule);
    }

    /// An admin's rule for what a connection or one of its streams says.
    pub fn set_for(&mut self, reach: Reach, kind: Kind, field: FieldName, rule: MergeRule) {
        self.own.insert((reach, kind, field), rule);
    }

    /// How far this connection's clock may be off.
    pub fn set_skew(&mut self, connection: ConnectionId, skew: Duration) {
        self.skews.insert(connection, skew);
    }

    /// How long a record of this connection has to rest before a change of it is
    /// taken in.
    pub fn set_debounce(&mut self, connection: ConnectionId, rest: Duration) {
        self.debounces.insert(connection, rest);
    }

    pub fn debounce_of(&self, connection: ConnectionId) -> Duration {
        let own = self.debounces.get(&connection);
        own.copied().unwrap_or_default()
    }

    /// The rule for a value that this stream puts against the canonical one.
    pub fn of<'a>(
        &'a self,
        connection: ConnectionId,
        stream: &StreamName,
        kind: &Kind,
        spec: &'a FieldSpec,
    ) -> &'a MergeRule {
        let reaches = [
            Reach::Stream(connection, stream.clone()),
            Reach::Connection(connection),
            Reach::Everywhere,
        ];
        reaches
            .into_iter()
            .find_map(|reach| self.own.get(&(reach, kind.clone(), spec.name.clone())))
            .unwrap_or(&spec.merge)
    }

    /// How far this connection's clock may be from another one.
    pub fn skew_of(&self, connection: ConnectionId) -> Duration {
        self.skews.get(&connection).copied().unwrap_or(self.skew)
    }

    /// How far the clocks behind two values may be apart.  The hub's own clock,
    /// by which people's decisions are dated, is taken for right.
    pub fn skew_between(&self, one: &Origin, other: &Origin) -> Duration {
        let of = |origin: &Origin| match origin {
            Origin::Connection(connection) => self.skew_of(*connection),
            Origin::Person(_) => Duration::ZERO,
        };
        of(one).max(of(other))
    }

    /// Place of an origin in an `owner` list.  A person's decision at the hub
    /// stands before every system.
    pub(crate) fn rank(&self, owners: &[String], origin: &Origin) -> Option<usize> {
        match origin {
            Origin::Person(_) => Some(0),
            Origin::Connection(id) => {
                let name = self.names.get(id)?;
                owners
                    .iter()
                    .position(|owner| owner == name)
                    .map(|place| place + 1)
            }
        }
    }
}
