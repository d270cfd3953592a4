//! Documents in the state: small things of which there is one, as JSON.

use concord_core::ports::{Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The document with this name, where there is one.
pub(crate) async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let Some(text) = store.document(name).await? else {
        return Ok(None);
    };
    let document = serde_json::from_str(&text).map_err(|error| unreadable(name, error))?;
    Ok(Some(document))
}

/// Puts a document in the place of the one with this name.
pub(crate) async fn write(
    store: &dyn Store,
    name: &str,
    document: &impl Serialize,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(document).map_err(|error| unreadable(name, error))?;
    store.set_document(name, &text).await
}

/// What stands in a document is not what the hub writes there.
pub(crate) fn unreadable(name: &str, error: impl ToString) -> StoreError {
    StoreError::Inconsistent {
        table: "documents",
        column: "body",
        row: name.to_owned(),
        problem: error.to_string(),
    }
}
