//! What an operator wants of a hub that runs: a document that the hub looks at
//! again and again.

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

    pub async fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).expect("plain data with text keys is JSON");
        store.set_document(DOCUMENT, &text).await
    }
}
