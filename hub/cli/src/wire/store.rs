//! Opens the database, for writing or for reading only.

use std::sync::Arc;

use concord_core::TenantId;
use concord_core::ports::StoreError;
use concord_store::{OpenFault, Place, SqlStore, StoreOptions};

/// One database holds one hub's records, so its tenant has the first number.
const TENANT: TenantId = TenantId(1);

/// Makes a file where there is none, and brings its schema up to date.
pub async fn make(place: impl Into<Place>) -> Result<Arc<SqlStore>, StoreError> {
    let place = place.into();
    warn_of_listeners(&place);
    Ok(Arc::new(
        SqlStore::open(&place, TENANT, StoreOptions::default()).await?,
    ))
}

/// Opens a database that is there.  A mistyped path shall not become a new hub.
pub async fn for_writing(place: impl Into<Place>) -> Result<Arc<SqlStore>, StoreError> {
    let place = place.into();
    if let Place::File(path) = &place
        && is_missing(&place)
    {
        return Err(OpenFault::Missing(path.clone()).into());
    }
    make(&place).await
}

/// Works while another process writes.
pub async fn for_reading(place: impl Into<Place>) -> Result<Arc<SqlStore>, StoreError> {
    let place = place.into();
    warn_of_listeners(&place);
    let store = SqlStore::open_read_only(&place, TENANT, StoreOptions::default()).await?;
    Ok(Arc::new(store))
}

/// A file that is not there yet.  Of a server only opening it tells.
pub fn is_missing(place: &Place) -> bool {
    matches!(place, Place::File(path) if !path.exists())
}

fn warn_of_listeners(place: &Place) {
    if let Place::Server(server) = place
        && server.is_in_the_clear()
    {
        tracing::warn!(
            "the way to {server} need not be encrypted: add ?sslmode=verify-full to its address"
        );
    }
}

#[cfg(test)]
pub mod testing {
    use tempfile::TempDir;

    use super::*;

    /// An empty database, as long as its folder is there.
    pub async fn fresh() -> (TempDir, Arc<SqlStore>) {
        let folder = tempfile::tempdir().unwrap();
        let store = make(&folder.path().join("concord.db")).await.unwrap();
        (folder, store)
    }
}
