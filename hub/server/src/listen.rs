//! The one port of a hub that serves.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How many wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4_096;

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
        let listener = bound(address).await.map_err(failed)?;
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

/// Takes the first of the addresses that a name stands for.  More connections wait
/// to be accepted than by default: vendors send in bursts.
async fn bound(address: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host(address).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As `TcpListener::bind` does: one that was killed leaves its port behind.
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Ok(()) => return socket.listen(BACKLOG),
            Err(error) => last = error,
        }
    }
    Err(last)
}
