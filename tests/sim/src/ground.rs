//! Where worlds keep their databases: a file in memory each, or a tenant each of
//! one database on a PostgreSQL of the run's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, Result};
use concord_core::TenantId;
use concord_core::ports::StoreError;
use concord_store::{Place, Server, SqlStore, StoreOptions, set_up};

pub(crate) enum Ground {
    Memory(tempfile::TempDir),
    Server { hub: Server, tenants: AtomicI64 },
}

/// One world's database.
pub(crate) struct Database {
    place: Place,
    tenant: TenantId,
    file: Option<PathBuf>,
}

impl Ground {
    /// A folder in memory where the machine has one: nothing of a world is kept.
    pub(crate) fn in_memory() -> Result<Self> {
        let shared = Path::new("/dev/shm");
        let folder = if shared.is_dir() {
            tempfile::tempdir_in(shared)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.context("no folder for the worlds' databases")?;
        Ok(Self::Memory(folder))
    }

    pub(crate) fn on_a_server() -> Result<Self> {
        let made = concord_cluster::database()?;
        let hub = Server::parse(&made.hub)?;
        let owner = Server::parse(&made.owner)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(set_up(&owner, &hub))?;
        let tenants = AtomicI64::new(1);
        Ok(Self::Server { hub, tenants })
    }

    /// Whether hubs may share a database there.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Server { .. })
    }

    /// An empty database.
    pub(crate) fn database(&self, seed: u64) -> Database {
        match self {
            Self::Memory(folder) => {
                let file = folder.path().join(format!("{seed}.db"));
                Database {
                    place: Place::File(file.clone()),
                    tenant: TenantId(1),
                    file: Some(file),
                }
            }
            Self::Server { hub, tenants } => Database {
                place: Place::Server(hub.clone()),
                tenant: TenantId(tenants.fetch_add(1, Ordering::Relaxed)),
                file: None,
            },
        }
    }
}

impl Database {
    pub(crate) async fn open(&self) -> Result<SqlStore, StoreError> {
        let options = StoreOptions {
            readers: 1,
            ..StoreOptions::default()
        };
        SqlStore::open(&self.place, self.tenant, options).await
    }

    /// Makes room for the next world.
    pub(crate) fn remove(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        for end in ["", "-wal", "-shm"] {
            let path = PathBuf::from(format!("{}{end}", file.display()));
            if path.exists() {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}
