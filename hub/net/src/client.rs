//! The HTTP client of one connection: the port `Http`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use concord_core::ports::{Http, HttpError, HttpRequest, HttpResponse, SecretHeader};
use reqwest::header::{HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response};
use url::{Host, Url};

use crate::redirect::{self, BODY_HEADERS};
use crate::resolver::{self, GuardedResolver, RefusedAddress};
use crate::{EgressPolicy, NetError, Proxy, Tls};

/// Name, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const MOST_REDIRECTS: usize = 5;

/// Room made ahead for an answer that announces its length; what it really
/// sends is counted.
const MOST_RESERVED: u64 = 1 << 20;

pub struct ConnectionHttp {
    client: Client,
    policy: Arc<EgressPolicy>,
    proxied: bool,
}

/// A request on its way, possibly after redirects.
struct Hop {
    method: Method,
    url: Url,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    auth: Option<SecretHeader>,
}

impl ConnectionHttp {
    /// `proxy` is the admin's.  The environment's is not looked at.
    pub fn new(tls: &Tls, policy: EgressPolicy, proxy: Option<&Proxy>) -> Result<Self, NetError> {
        let policy = Arc::new(policy);
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls.config())
            .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT);
        let mut proxy_host = None;
        if let Some(proxy) = proxy {
            proxy_host = proxy.url.host_str().map(str::to_owned);
            builder = builder.proxy(proxy.for_client()?);
        }
        let client = builder
            .dns_resolver(GuardedResolver {
                policy: Arc::clone(&policy),
                proxy_host,
            })
            .build()
            .map_err(|error| NetError::Client(chain(&error)))?;
        Ok(Self {
            client,
            policy,
            proxied: proxy.is_some(),
        })
    }

    /// Sends a request and follows where it is redirected to.
    async fn follow(&self, mut hop: Hop, most_bytes: u64) -> Result<HttpResponse, HttpError> {
        // What an earlier hop has done is done: when a later one then fails to
        // leave, the request as a whole was sent all the same.
        let mut wrote = false;
        for _ in 0..=MOST_REDIRECTS {
            let response = self
                .send_once(&hop)
                .await
                .map_err(|error| if wrote { after_a_write(error) } else { error })?;
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let next = redirect::next(response.status().as_u16(), location, &hop.method, &hop.url)
                .map_err(HttpError::Denied)?;
            let Some(next) = next else {
                return read(response, most_bytes).await;
            };
            // Only a redirect that turns a write into a read says that the
            // write was taken.
            wrote |= !redirect::reads(&hop.method) && redirect::reads(&next.method);
            if !next.keeps_body {
                hop.body = None;
                hop.headers.retain(|(name, _)| {
                    !BODY_HEADERS.contains(&name.to_ascii_lowercase().as_str())
                });
            }
            if !next.same_origin {
                hop.auth = None;
            }
            hop.method = next.method;
            hop.url = next.url;
        }
        Err(HttpError::NoAnswer(format!(
            "the system redirected more than {MOST_REDIRECTS} times"
        )))
    }

    /// One request, without following.
    async fn send_once(&self, hop: &Hop) -> Result<Response, HttpError> {
        if let Some(why) = self.policy.refusal(&hop.url) {
            return Err(HttpError::Denied(why));
        }
        if self.proxied
            && let Some(Host::Domain(name)) = hop.url.host()
        {
            // The proxy will resolve the name for itself; this refuses at least
            // every name that is known here to lead inside.
            resolver::allowed(&self.policy, name)
                .await
                .map_err(|error| unsent(error.as_ref()))?;
        }
        let mut request = self.client.request(hop.method.clone(), hop.url.clone());
        for (name, value) in &hop.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        let mut request = request
            .build()
            .map_err(|error| HttpError::Denied(chain(&error.without_url())))?;
        if let Some(auth) = &hop.auth {
            let (name, value) = auth_header(auth)?;
            request.headers_mut().insert(name, value);
        }
        let response = self.client.execute(request).await.map_err(failed)?;
        // The resolver is not asked for addresses in URLs and for pooled
        // sockets, so the address that answered is looked at as well.
        if !self.proxied
            && let Some(address) = response.remote_addr()
            && let Some(why) = self.policy.address_refusal(address.ip())
        {
            return Err(HttpError::NoAnswer(format!("the answer is refused: {why}")));
        }
        Ok(response)
    }
}

#[async_trait]
impl Http for ConnectionHttp {
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "http", skip_all)]
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(&request.url)
            .map_err(|error| HttpError::Denied(format!("the URL cannot be read: {error}")))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|error| HttpError::Denied(error.to_string()))?;
        let hop = Hop {
            method,
            url,
            headers: request.headers,
            body: request.body,
            auth: request.auth,
        };
        let most_bytes = request.max_response_bytes;
        // One span over all redirects and the whole body: after it, nothing of
        // this request can arrive any more.
        tokio::time::timeout(request.timeout, self.follow(hop, most_bytes))
            .await
            .unwrap_or_else(|_| {
                Err(HttpError::NoAnswer(format!(
                    "no whole answer within {} s",
                    request.timeout.as_secs_f32()
                )))
            })
    }
}

async fn read(mut response: Response, most: u64) -> Result<HttpResponse, HttpError> {
    let too_large = HttpError::TooLarge { limit: most };
    let announced = response.content_length().unwrap_or(0);
    if announced > most {
        return Err(too_large);
    }
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut body = Vec::with_capacity(usize::try_from(announced.min(MOST_RESERVED)).unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if (body.len() + chunk.len()) as u64 > most {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers,
        body,
    })
}

fn auth_header(auth: &SecretHeader) -> Result<(HeaderName, HeaderValue), HttpError> {
    // The errors of these parsers would quote what they could not read.
    let refused = |what: &str| HttpError::Denied(format!("the credential's {what} is no header"));
    let name = HeaderName::from_bytes(auth.name.as_bytes()).map_err(|_| refused("name"))?;
    let mut value = HeaderValue::from_str(auth.value.expose()).map_err(|_| refused("value"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Sorts a failed request by whether it was sent.
fn failed(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        unsent(&error)
    } else {
        no_answer(error)
    }
}

fn unsent(error: &(dyn std::error::Error + 'static)) -> HttpError {
    let mut source = Some(error);
    while let Some(cause) = source {
        if cause.is::<RefusedAddress>() {
            return HttpError::Denied(cause.to_string());
        }
        source = cause.source();
    }
    HttpError::Unreachable(chain(error))
}

fn after_a_write(error: HttpError) -> HttpError {
    match error {
        HttpError::Denied(why) | HttpError::Unreachable(why) => {
            HttpError::NoAnswer(format!("after a redirect: {why}"))
        }
        error => error,
    }
}

fn no_answer(error: reqwest::Error) -> HttpError {
    HttpError::NoAnswer(chain(&error.without_url()))
}

/// An error with its causes: the first text alone says only "error sending
/// request".
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
