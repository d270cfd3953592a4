//! Names and numbers that identify things.  Each has a type of its own, so that
//! one cannot be passed for another.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text itself, shared and not copied.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_name! {
    /// A kind of entity: `person`, `organization`, …
    Kind
}
text_name! {
    /// A stream of a connector: `contacts`.
    StreamName
}
text_name! {
    /// A canonical field: `email`.
    FieldName
}
text_name! {
    /// A system's own id of a record.
    RemoteId
}

/// In bytes. Ids and match keys stand in the keys of tables, and the index of a
/// PostgreSQL takes 2,704 bytes an entry, which may hold two of them.
pub const LONGEST_KEY: usize = 1_000;

impl RemoteId {
    /// Whether the state can hold it.
    pub fn is_too_long(&self) -> bool {
        self.as_str().len() > LONGEST_KEY
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One customer of a hub; it leads every key in the database.
    TenantId
}
number! {
    /// One configured account of a system.
    ConnectionId
}
number! {
    /// One run of a sync.
    RunId
}
number! {
    /// One planned write; also its idempotency key.
    IntentId
}

/// One canonical record, written `person/42`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId {
    pub kind: Kind,
    pub number: i64,
}

impl EntityId {
    pub fn new(kind: impl Into<Kind>, number: i64) -> Self {
        Self {
            kind: kind.into(),
            number,
        }
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.number)
    }
}

/// The text is not of the form `person/42`.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not an entity: write kind/number, for example person/42")]
pub struct NotAnEntityId(String);

impl FromStr for EntityId {
    type Err = NotAnEntityId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnEntityId(text.to_owned());
        let (kind, number) = text.split_once('/').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        if kind.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(kind, number))
    }
}

impl Serialize for EntityId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_id_reads_what_it_prints() {
        let id = EntityId::new("person", 42);
        assert_eq!(id.to_string(), "person/42");
        assert_eq!("person/42".parse::<EntityId>().unwrap(), id);
        for wrong in ["person", "person/", "/1", "person/x", ""] {
            assert!(wrong.parse::<EntityId>().is_err(), "{wrong}");
        }
    }
}
