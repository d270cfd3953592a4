//! Folds SQLite's log into the file beside the writer.
//!
//! The writer does so by itself when its log is long, within the commit that made it
//! so, and whoever waits for that commit waits for thousands of pages.  Where many
//! small commits are waited for, most of it is done by another connection meanwhile:
//! a passive checkpoint keeps nobody from writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use concord_core::ports::StoreError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::Mutex;

use crate::error::failed;

/// After so many bytes it is done again.
const PORTION: usize = 1 << 20;

pub(crate) struct Folder {
    options: SqliteConnectOptions,
    /// Written since it was last begun.
    written: AtomicUsize,
    /// Held while it is done; none before the first time and after a failure.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

impl Folder {
    pub fn new(options: SqliteConnectOptions) -> Self {
        Self {
            options,
            written: AtomicUsize::new(0),
            connection: Arc::default(),
        }
    }

    /// So many bytes were written.  Begins where it is time, and nobody waits for it.
    pub fn note(&self, written: usize) {
        let so_far = self.written.fetch_add(written, Ordering::Relaxed) + written;
        if so_far < PORTION {
            return;
        }
        let Ok(mut slot) = Arc::clone(&self.connection).try_lock_owned() else {
            return;
        };
        self.written.store(0, Ordering::Relaxed);
        let options = self.options.clone();
        tokio::spawn(async move {
            let folded = async {
                let mut connection = match slot.take() {
                    Some(connection) => connection,
                    None => options.connect().await?,
                };
                sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                    .fetch_all(&mut connection)
                    .await?;
                *slot = Some(connection);
                Ok::<_, sqlx::Error>(())
            };
            // The writer does what is left undone.
            if let Err(error) = folded.await {
                tracing::debug!("the log was not folded beside the writer: {error}");
            }
        });
    }

    /// Waits for one that is under way.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self.connection.lock().await.take() {
            Some(connection) => connection.close().await.map_err(failed),
            None => Ok(()),
        }
    }
}
