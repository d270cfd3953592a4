//! Opens the database, for writing or for reading only.

use std::path::Path;
use std::sync::Arc;

use concord_core::TenantId;
use concord_core::ports::StoreError;
use concord_store::{OpenFault, SqliteStore, StoreOptions};

/// One file holds one hub, so its tenant has the first number.
const TENANT: TenantId = TenantId(1);

/// Makes the file where there is none, and brings its schema up to date.
pub async fn make(path: &Path) -> Result<Arc<SqliteStore>, StoreError> {
    Ok(Arc::new(
        SqliteStore::open(path, TENANT, StoreOptions::default()).await?,
    ))
}

/// Opens a file that is there.  A mistyped path shall not become a new hub.
pub async fn for_writing(path: &Path) -> Result<Arc<SqliteStore>, StoreError> {
    if !path.exists() {
        return Err(OpenFault::Missing(path.to_owned()).into());
    }
    make(path).await
}

/// Works while another process writes.
pub async fn for_reading(path: &Path) -> Result<Arc<SqliteStore>, StoreError> {
    let store = SqliteStore::open_read_only(path, TENANT, StoreOptions::default()).await?;
    Ok(Arc::new(store))
}
