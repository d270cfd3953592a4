//! What a test stands on: a file of its own, or a tenant of its own in one
//! database on a server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use concord_core::TenantId;
use concord_store::{Place, Server, SqlStore, StoreOptions, set_up};
use tokio::sync::OnceCell;

/// A file of the test's own.
#[derive(Clone)]
pub struct OnFile {
    folder: Arc<tempfile::TempDir>,
}

impl OnFile {
    pub async fn new() -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("hub.db")
    }

    /// Opens the store as a new process would.
    pub async fn open(&self) -> SqlStore {
        open(&Place::File(self.path()), TenantId(7)).await
    }

    /// The store of the next tenant in the same database.
    pub async fn open_other(&self) -> SqlStore {
        open(&Place::File(self.path()), TenantId(8)).await
    }
}

/// A tenant of the test's own.
#[derive(Clone)]
pub struct OnServer {
    place: Place,
    tenant: TenantId,
}

impl OnServer {
    pub async fn new() -> Self {
        static DATABASE: OnceCell<Place> = OnceCell::const_new();
        static TENANT: AtomicI64 = AtomicI64::new(1);
        let place = DATABASE.get_or_init(|| async { Place::from(&fresh().await.hub) });
        Self {
            place: place.await.clone(),
            tenant: TenantId(TENANT.fetch_add(2, Ordering::Relaxed)),
        }
    }

    pub async fn open(&self) -> SqlStore {
        open(&self.place, self.tenant).await
    }

    pub async fn open_other(&self) -> SqlStore {
        open(&self.place, TenantId(self.tenant.0 + 1)).await
    }
}

async fn open(place: &Place, tenant: TenantId) -> SqlStore {
    SqlStore::open(place, tenant, StoreOptions::default())
        .await
        .unwrap()
}

/// A database of its own on the server, ready for a hub.
pub struct Fresh {
    pub owner: Server,
    pub hub: Server,
    pub admin: Server,
    /// The addresses of these three, for what goes behind the store's back.
    pub urls: concord_cluster::Database,
}

/// A database with nothing in it.
pub fn empty() -> Fresh {
    let made = concord_cluster::database().unwrap();
    Fresh {
        owner: Server::parse(&made.owner).unwrap(),
        hub: Server::parse(&made.hub).unwrap(),
        admin: Server::parse(&made.admin).unwrap(),
        urls: made,
    }
}

pub async fn fresh() -> Fresh {
    let made = empty();
    set_up(&made.owner, &made.hub).await.unwrap();
    made
}
