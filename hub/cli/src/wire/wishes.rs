//! What an operator wants of a hub that runs: a document that the hub looks at
//! again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use concord_core::Timestamp;
use concord_core::ports::{Store, StoreError};
use serde::{Deserialize, Serialize};

const DOCUMENT: &str = "schedule";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wishes {
    /// Of all of them.
    #[serde(flatten)]
    pub all: Wish,
    /// Of one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<String, Wish>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// A sync is wanted that begins after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hurry: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pause {
    pub since: Timestamp,
    /// Empty where nobody gave one.
    pub reason: String,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "paused since {}", self.since)?;
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}

impl Wishes {
    /// What cannot be read was written by a later version, and is no wish here.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let text = store.document(DOCUMENT).await?;
        let wishes = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(wishes.unwrap_or_default())
    }

    /// What is wanted of one connection, or of all.
    pub fn of(&mut self, connection: Option<&str>) -> &mut Wish {
        match connection {
            None => &mut self.all,
            Some(name) => self.connections.entry(name.to_owned()).or_default(),
        }
    }

    /// The connections that are paused by themselves.
    pub fn paused_ones(&self) -> BTreeSet<String> {
        let all = self.connections.iter();
        let paused = all.filter(|(_, wish)| wish.paused.is_some());
        paused.map(|(name, _)| name.clone()).collect()
    }

    /// Whether a run is wanted that this one, which began last, is not.
    pub fn hurries(&self, connection: &str, began: Option<Timestamp>, now: Timestamp) -> bool {
        let own = self.connections.get(connection);
        let own = own.and_then(|wish| wish.hurry);
        let mut wanted = [self.all.hurry, own].into_iter().flatten();
        wanted.any(|wanted| Some(wanted) > began && wanted <= now)
    }

    pub async fn keep(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        self.connections.retain(|_, wish| *wish != Wish::default());
        let text = serde_json::to_string(self).expect("plain data with text keys is JSON");
        store.set_document(DOCUMENT, &text).await
    }
}
