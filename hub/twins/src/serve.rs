//! The shell: HTTP, and HTTPS for the clients that insist on it, on loopback.
//!
//! There is no logic here, but for a guard that asks about tokens where one is
//! wanted, see [`Guard`], and a courier that carries the twin's webhooks.  One mutex holds the twin, so calls are answered one
//! after the other, as in a simulation.

mod courier;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response as HttpResponse;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use concord_core::ports::{Clock, Http};
use tokio::task::JoinHandle;

use crate::control::refused;
use crate::guard::Guard;
use crate::http::{IN_FLIGHT_HEADER, SCHEME_HEADER};
use crate::tls::{CertificateError, test_certificate};
use crate::{Request, Response, Twin};
use courier::Courier;

/// Larger request bodies are refused; no vendor here takes as much.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

#[derive(Clone, Default)]
pub struct ServeOptions {
    /// 0 takes a free port.
    pub port: u16,
    pub https: Option<HttpsOptions>,
    /// How long every answer is held back.
    pub latency: Duration,
    /// Asks about every request's token before the twin sees it.
    pub guard: Option<Guard>,
    /// The way to the receivers of webhooks; without one none is reached.
    pub webhooks: Option<Arc<dyn Http>>,
}

#[derive(Clone, Debug)]
pub struct HttpsOptions {
    /// 0 takes a free port.
    pub port: u16,
    /// Where the certificate of the test authority is written, for clients to trust.
    pub ca_file: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("port {port} of the loopback address cannot be used, choose another or 0: {source}")]
    Port { port: u16, source: io::Error },
    #[error("no test certificate could be made: {0}")]
    Certificate(#[from] CertificateError),
    #[error("the test authority's certificate cannot be written to {}: {source}", path.display())]
    CaFile { path: PathBuf, source: io::Error },
}

/// A twin that answers on sockets until it is stopped.
pub struct Running {
    pub http: SocketAddr,
    pub https: Option<SocketAddr>,
    handle: Handle<SocketAddr>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
    courier: JoinHandle<()>,
    shell: Arc<Shell>,
}

impl Running {
    /// Looks for webhooks to send.  Whoever acts on the twin past the ports says
    /// so by this; a request through them does it by itself.
    pub fn look_for_deliveries(&self) {
        self.shell.courier.ring();
    }

    /// Ends all connections and waits until the ports are free.
    pub async fn stop(self) {
        self.handle.shutdown();
        self.courier.abort();
        for task in self.tasks {
            // A server that failed while it was being ended has ended.
            let _ = task.await;
        }
        let _ = self.courier.await;
    }
}

/// The shell as one of its ports sees it.
#[derive(Clone)]
struct Door {
    shell: Arc<Shell>,
    scheme: &'static str,
}

struct Shell {
    twin: Mutex<Box<dyn Twin>>,
    clock: Arc<dyn Clock>,
    latency: Duration,
    guard: Option<Guard>,
    /// Requests that have come in and are not answered yet.
    in_flight: AtomicUsize,
    courier: Courier,
}

/// Puts a twin on loopback.
pub async fn serve(
    twin: Box<dyn Twin>,
    options: ServeOptions,
    clock: Arc<dyn Clock>,
) -> Result<Running, ServeError> {
    let shell = Arc::new(Shell {
        twin: Mutex::new(twin),
        clock,
        latency: options.latency,
        guard: options.guard,
        in_flight: AtomicUsize::new(0),
        courier: Courier::new(options.webhooks),
    });
    let app = |scheme| {
        let shell = Arc::clone(&shell);
        Router::new()
            .fallback(answer)
            .with_state(Door { shell, scheme })
    };
    let handle = Handle::new();
    let mut tasks = Vec::new();

    let (listener, http) = listen(options.port)?;
    let port_error = |source| ServeError::Port {
        port: http.port(),
        source,
    };
    let server = axum_server::from_tcp(listener)
        .map_err(port_error)?
        .acceptor(NoDelayAcceptor::new())
        .handle(handle.clone());
    tasks.push(tokio::spawn(server.serve(app("http").into_make_service())));

    let mut https = None;
    if let Some(wish) = options.https {
        let certificate = test_certificate()?;
        std::fs::write(&wish.ca_file, &certificate.authority_pem).map_err(|source| {
            ServeError::CaFile {
                path: wish.ca_file.clone(),
                source,
            }
        })?;
        let (listener, address) = listen(wish.port)?;
        let config = RustlsConfig::from_config(certificate.server);
        let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
        let server = axum_server::from_tcp(listener)
            .map_err(|source| ServeError::Port {
                port: address.port(),
                source,
            })?
            .acceptor(acceptor)
            .handle(handle.clone());
        tasks.push(tokio::spawn(server.serve(app("https").into_make_service())));
        https = Some(address);
    }
    Ok(Running {
        http,
        https,
        handle,
        tasks,
        courier: tokio::spawn(courier::carry(Arc::clone(&shell))),
        shell,
    })
}

fn listen(port: u16) -> Result<(TcpListener, SocketAddr), ServeError> {
    let open = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|source| ServeError::Port { port, source })
}

async fn answer(State(door): State<Door>, request: HttpRequest) -> HttpResponse {
    let shell = &door.shell;
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return to_http(Response::empty(413));
    };
    let in_flight = InFlight::one_more(&shell.in_flight);
    let sent = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let mut headers: Vec<(String, String)> = sent.collect();
    headers.retain(|(name, _)| name != IN_FLIGHT_HEADER && name != SCHEME_HEADER);
    headers.push((SCHEME_HEADER.to_owned(), door.scheme.to_owned()));
    headers.push((IN_FLIGHT_HEADER.to_owned(), in_flight.count.to_string()));
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.into(),
    };
    if !shell.latency.is_zero() {
        shell.clock.sleep(shell.latency).await;
    }
    if let Some(refusal) = shell.stop_at_the_guard(&request).await {
        return to_http(refusal);
    }
    to_http(shell.ask(request).await)
}

impl Shell {
    /// A twin that panicked in one call is still a value that can answer the next.
    fn twin(&self) -> MutexGuard<'_, Box<dyn Twin>> {
        self.twin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The twin's answer, which may have to wait for a delivery of the twin's own.
    async fn ask(&self, request: Request) -> Response {
        let (answer, later) = {
            let mut twin = self.twin();
            let answer = twin.handle(self.clock.now(), request);
            let delivery = answer.waits_for();
            (answer, delivery.map(|id| self.courier.wait_for(id)))
        };
        self.courier.ring();
        match later {
            // The twin that was to answer has been ended.
            Some(later) => later.await.unwrap_or_else(|_| Response::lost()),
            None => answer,
        }
    }

    /// The answer to a request whose token is not good, or cannot be asked about.
    async fn stop_at_the_guard(&self, request: &Request) -> Option<Response> {
        let guard = self.guard.as_ref()?;
        let is_open = self.twin().is_open(request);
        if is_open {
            return None;
        }
        match guard.admits(request).await {
            Ok(true) => None,
            Ok(false) => Some(self.twin().refuse_token()),
            Err(problem) => Some(refused(503, &problem.to_string())),
        }
    }
}

/// Counts one request until it is answered or its client has gone.
struct InFlight<'a> {
    counter: &'a AtomicUsize,
    count: usize,
}

impl<'a> InFlight<'a> {
    fn one_more(counter: &'a AtomicUsize) -> Self {
        let count = counter.fetch_add(1, Ordering::Relaxed) + 1;
        Self { counter, count }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

fn to_http(response: Response) -> HttpResponse {
    if response.is_lost() {
        // A body that fails before its first byte makes the server close the
        // connection without an answer.
        let cut = futures::stream::once(async { Err::<Vec<u8>, _>(io::Error::other("lost")) });
        return HttpResponse::new(Body::from_stream(cut));
    }
    let mut answer = HttpResponse::new(Body::from(response.body));
    *answer.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests;
