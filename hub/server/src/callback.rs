//! Where a browser comes back to from a vendor's page: one address on loopback, for
//! as long as one sign-in lasts (RFC 8252 §7.3), or a hub that serves.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use url::{Host, Url, form_urlencoded};

#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    #[error(
        "'redirect-uri' {uri} is neither an address of this machine, like \
         http://127.0.0.1:8497/callback, nor one of a hub that serves, like \
         https://hub.example.com{PATH}: register another, or use `--paste`"
    )]
    NotHere { uri: String },
    #[error(
        "{uri} cannot be listened at ({source}): end what listens there, register another \
         'redirect-uri', or use `--paste`"
    )]
    Taken { uri: String, source: io::Error },
    #[error("the listener for the browser ended")]
    Ended,
}

/// Listens until it is closed.
pub struct Callback {
    arrivals: mpsc::Receiver<Arrival>,
    end: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// A browser that came back and waits for what it is told.
pub struct Arrival {
    /// The redirect's query, decoded; of two values of one name the first.
    pub query: BTreeMap<String, String>,
    page: oneshot::Sender<Page>,
}

struct Page {
    status: StatusCode,
    text: String,
}

impl Arrival {
    /// The sign-in is through.
    pub fn accept(self, text: impl Into<String>) {
        self.say(StatusCode::OK, text);
    }

    /// It is not, and the page says why.
    pub fn refuse(self, text: impl Into<String>) {
        self.say(StatusCode::BAD_REQUEST, text);
    }

    fn say(self, status: StatusCode, text: impl Into<String>) {
        let text = text.into();
        // A browser that was closed meanwhile reads nothing.
        let _ = self.page.send(Page { status, text });
    }
}

struct Place {
    path: String,
    /// The names under which a browser on this machine asks for it.  Any other is
    /// a page of somebody else's that had its name point here.
    hosts: Vec<String>,
    arrivals: mpsc::Sender<Arrival>,
}

impl Callback {
    pub async fn open(uri: &str) -> Result<Self, CallbackError> {
        let not_here = || CallbackError::NotHere { uri: uri.into() };
        let url = Url::parse(uri).map_err(|_| not_here())?;
        let (host, port) = loopback(&url).ok_or_else(not_here)?;
        let bound = TcpListener::bind((host.as_str(), port)).await;
        let listener = bound.map_err(|source| CallbackError::Taken {
            uri: uri.into(),
            source,
        })?;
        let (sender, arrivals) = mpsc::channel(8);
        let named = url.host_str().unwrap_or_default();
        let place = Arc::new(Place {
            path: url.path().to_owned(),
            hosts: vec![format!("{named}:{port}"), named.to_owned()],
            arrivals: sender,
        });
        let app = Router::new().fallback(answer).with_state(place);
        let (end, ended) = oneshot::channel();
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            // It ends as well where its owner is gone.
            let _ = ended.await;
        });
        Ok(Self {
            arrivals,
            end,
            server: tokio::spawn(server.into_future()),
        })
    }

    /// The next browser that comes back.
    pub async fn next(&mut self) -> Result<Arrival, CallbackError> {
        self.arrivals.recv().await.ok_or(CallbackError::Ended)
    }

    /// Lets the last page go out and ends.
    pub async fn close(self) {
        let Self {
            arrivals,
            end,
            server,
        } = self;
        // Whoever comes now is told that it is over.
        drop(arrivals);
        let _ = end.send(());
        let _ = server.await;
    }
}

/// Host and port to listen at, where the address is on this machine.
fn loopback(url: &Url) -> Option<(String, u16)> {
    let host = match url.host()? {
        Host::Ipv4(address) if address.is_loopback() => address.to_string(),
        Host::Ipv6(address) if address.is_loopback() => address.to_string(),
        Host::Domain("localhost") => "localhost".to_owned(),
        _ => return None,
    };
    (url.scheme() == "http").then_some((host, url.port_or_known_default()?))
}

/// Where a hub that serves is come back to, behind whatever its proxy puts before.
pub const PATH: &str = "/oauth/callback";

/// What is listening where a redirect leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lands {
    /// Whoever listens on this machine for as long as the sign-in lasts.
    Here,
    /// A hub that serves.
    Hub,
}

/// Says which of both a redirect URI means.  A hub may be at an address of this
/// machine as well, where that is said.
pub fn lands(uri: &str, is_hub: bool) -> Result<Lands, CallbackError> {
    let url = Url::parse(uri).ok();
    let is_here = url.as_ref().is_some_and(|url| loopback(url).is_some());
    match url {
        Some(_) if is_here && !is_hub => Ok(Lands::Here),
        Some(url) if url.path().ends_with(PATH) => Ok(Lands::Hub),
        _ => Err(CallbackError::NotHere { uri: uri.into() }),
    }
}

/// Takes browsers back at a hub that serves.
pub fn routes(arrivals: mpsc::Sender<Arrival>) -> Router {
    let come = async |State(arrivals): State<mpsc::Sender<Arrival>>, RawQuery(query)| {
        come(&arrivals, query.as_deref()).await
    };
    Router::new().route(PATH, get(come)).with_state(arrivals)
}

async fn answer(State(place): State<Arc<Place>>, request: Request) -> Response {
    let host = request.headers().get(HOST).and_then(|h| h.to_str().ok());
    if !host.is_some_and(|host| place.hosts.iter().any(|known| known == host)) {
        return page(StatusCode::MISDIRECTED_REQUEST, "this is not that host");
    }
    if request.uri().path() != place.path {
        return page(StatusCode::NOT_FOUND, "there is nothing here");
    }
    come(&place.arrivals, request.uri().query()).await
}

/// Hands a browser over and waits for what it is told.
async fn come(arrivals: &mpsc::Sender<Arrival>, text: Option<&str>) -> Response {
    let mut query = BTreeMap::new();
    let text = text.unwrap_or_default();
    for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
        query.entry(name).or_insert(value);
    }
    let (sender, told) = oneshot::channel();
    let arrival = Arrival {
        query,
        page: sender,
    };
    let over = || page(StatusCode::GONE, "this sign-in is over; begin another");
    if arrivals.send(arrival).await.is_err() {
        return over();
    }
    match told.await {
        Ok(Page { status, text }) => page(status, &text),
        Err(_) => over(),
    }
}

/// Plain text, so that nothing of what a vendor says is taken for a page; and kept
/// nowhere, since the address holds a code.
fn page(status: StatusCode, text: &str) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks from a thread, as a browser beside the hub would.
    async fn get(url: String, host: Option<&'static str>) -> (u16, String) {
        let asked = tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false);
            let agent: ureq::Agent = agent.build().into();
            let mut request = agent.get(&url);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let mut answer = request.call().unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            (answer.status().as_u16(), text)
        });
        asked.await.unwrap()
    }

    async fn open() -> (Callback, String) {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let uri = format!("http://127.0.0.1:{port}/back");
        (Callback::open(&uri).await.unwrap(), uri)
    }

    #[tokio::test]
    async fn a_browser_is_told_how_it_went_and_one_that_comes_again_that_it_is_over() {
        let (mut callback, uri) = open().await;
        let first = tokio::spawn(get(format!("{uri}?state=s%201&code=c&code=d"), None));
        let arrival = callback.next().await.unwrap();
        assert_eq!(arrival.query["state"], "s 1");
        assert_eq!(arrival.query["code"], "c");
        let second = tokio::spawn(get(format!("{uri}?state=s%201&code=c"), None));
        arrival.accept("signed in");
        assert_eq!(first.await.unwrap(), (200, "signed in\n".into()));
        let again = callback.next().await.unwrap();
        drop(again);
        assert_eq!(second.await.unwrap().0, 410);
        callback.close().await;
    }

    #[tokio::test]
    async fn other_names_and_other_paths_reach_nothing() {
        let (callback, uri) = open().await;
        assert_eq!(get(uri.clone(), Some("evil.example")).await.0, 421);
        assert_eq!(get(uri.replace("/back", "/other"), None).await.0, 404);
        callback.close().await;
    }

    #[tokio::test]
    async fn only_this_machine_is_listened_at() {
        for uri in [
            "https://hub.example.com/callback",
            "http://192.0.2.1:80/callback",
            "https://127.0.0.1:8497/callback",
            "no address",
        ] {
            let error = Callback::open(uri).await.err().unwrap();
            assert!(matches!(error, CallbackError::NotHere { .. }), "{uri}");
        }
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Callback::open(&format!("http://127.0.0.1:{port}/"))
            .await
            .err()
            .unwrap();
        assert!(matches!(error, CallbackError::Taken { .. }));
    }
}
