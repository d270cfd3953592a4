//! The one port of a hub that serves.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[derive(Debug, thiserror::Error)]
#[error(
    "{address} cannot be listened at ({source}): end what listens there, or name another \
     address with --listen"
)]
pub struct ListenError {
    address: String,
    source: io::Error,
}

/// Listens until it is closed.
pub struct Listening {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl Listening {
    pub async fn open(address: &str, app: Router) -> Result<Self, ListenError> {
        let failed = |source| ListenError {
            address: address.to_owned(),
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (end, ended) = oneshot::channel();
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            // It ends as well where its owner is gone.
            let _ = ended.await;
        });
        Ok(Self {
            address,
            end,
            server: tokio::spawn(server.into_future()),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes nobody in any more, and answers those who are.
    pub async fn close(self) {
        let _ = self.end.send(());
        let _ = self.server.await;
    }
}
