//! What an operator wants of a hub that runs: a document that the hub looks at
//! again and again.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::Timestamp;
use concord_core::ports::{Store, StoreError};
use serde::{Deserialize, Serialize};

const DOCUMENT: &str = "schedule";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wishes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// A sync is wanted that begins after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hurry: Option<Timestamp>,
    /// The same, of one connection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<String, Wish>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hurry: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pause {
    pub since: Timestamp,
    pub reason: String,
}

impl Wishes {
    /// What cannot be read was written by a later version, and is no wish here.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let text = store.document(DOCUMENT).await?;
        let wishes = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(wishes.unwrap_or_default())
    }

    /// What is wanted of all of them.
    pub fn all(&self) -> Wish {
        Wish {
            paused: self.paused.clone(),
            hurry: self.hurry,
        }
    }

    /// Puts this in the place of what was wanted of one connection, or of all.
    pub fn set(&mut self, connection: Option<&str>, wish: Wish) {
        match connection {
            None => {
                self.paused = wish.paused;
                self.hurry = wish.hurry;
            }
            Some(name) if wish == Wish::default() => {
                self.connections.remove(name);
            }
            Some(name) => {
                self.connections.insert(name.to_owned(), wish);
            }
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
        let mut wanted = [self.hurry, own].into_iter().flatten();
        wanted.any(|wanted| Some(wanted) > began && wanted <= now)
    }

    pub async fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).expect("plain data with text keys is JSON");
        store.set_document(DOCUMENT, &text).await
    }
}
