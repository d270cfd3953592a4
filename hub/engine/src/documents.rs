//! Documents in the state: small things of which there is one, as JSON.

use concord_core::ports::{Store, StoreError};
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

/// What stands in a document is not what the hub writes there.
pub(crate) fn unreadable(name: &str, error: impl ToString) -> StoreError {
    StoreError::Inconsistent {
        table: "documents",
        column: "body",
        row: name.to_owned(),
        problem: error.to_string(),
    }
}
