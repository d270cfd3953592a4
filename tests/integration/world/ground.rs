//! What a world's hubs keep their state in: a file, or a tenant of a database on
//! a server.  Each story is run on both.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use concord_core::TenantId;
use concord_store::{Place, Server, SqlStore, StoreOptions, set_up};
use tokio::sync::OnceCell;

#[async_trait]
pub trait Ground: Send + Sync {
    /// A ground that nobody else stands on.
    fn fresh() -> Self;
    /// Another tenant in the same database.
    fn beside(&self) -> Self;
    /// Opens the store as a new process would.
    async fn open(&self) -> SqlStore;
}

/// A file of its own.
pub struct OnFile {
    folder: Arc<tempfile::TempDir>,
    tenants: Arc<AtomicI64>,
    tenant: TenantId,
}

impl OnFile {
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("concord.db")
    }

    fn next(folder: &Arc<tempfile::TempDir>, tenants: &Arc<AtomicI64>) -> Self {
        Self {
            folder: Arc::clone(folder),
            tenants: Arc::clone(tenants),
            tenant: TenantId(tenants.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

#[async_trait]
impl Ground for OnFile {
    fn fresh() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::next(&folder, &Arc::new(AtomicI64::new(1)))
    }

    fn beside(&self) -> Self {
        Self::next(&self.folder, &self.tenants)
    }

    async fn open(&self) -> SqlStore {
        open(&Place::File(self.path()), self.tenant).await
    }
}

/// A tenant of its own, in one database for all stories.
pub struct OnServer {
    tenant: TenantId,
}

#[async_trait]
impl Ground for OnServer {
    fn fresh() -> Self {
        static TENANTS: AtomicI64 = AtomicI64::new(1);
        let tenant = TenantId(TENANTS.fetch_add(1, Ordering::Relaxed));
        Self { tenant }
    }

    fn beside(&self) -> Self {
        Self::fresh()
    }

    async fn open(&self) -> SqlStore {
        static SHARED: OnceCell<Place> = OnceCell::const_new();
        let place = SHARED.get_or_init(|| async {
            let made = concord_cluster::database().unwrap();
            let hub = Server::parse(&made.hub).unwrap();
            set_up(&Server::parse(&made.owner).unwrap(), &hub)
                .await
                .unwrap();
            Place::Server(hub)
        });
        open(place.await, self.tenant).await
    }
}

async fn open(place: &Place, tenant: TenantId) -> SqlStore {
    SqlStore::open(place, tenant, StoreOptions::default())
        .await
        .unwrap()
}
