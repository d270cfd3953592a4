//! A way to this machine and nowhere else, for addresses that are not known
//! beforehand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use concord_core::ports::{Http, HttpError, HttpRequest, HttpResponse};
use url::{Host, Url};

use crate::{ConnectionHttp, EgressPolicy, NetError, Tls};

/// Reaches every port of loopback, each with a client of its own.
pub struct LoopbackHttp {
    tls: Tls,
    by_origin: Mutex<HashMap<String, Arc<ConnectionHttp>>>,
}

impl LoopbackHttp {
    pub fn new(tls: Tls) -> Self {
        Self {
            tls,
            by_origin: Mutex::default(),
        }
    }

    fn client(&self, url: &str) -> Result<Arc<ConnectionHttp>, HttpError> {
        let url = Url::parse(url).map_err(|problem| HttpError::Denied(problem.to_string()))?;
        let origin = url.origin().ascii_serialization();
        if !is_here(&url) {
            let problem = format!("{origin} is not on this machine");
            return Err(HttpError::Denied(problem));
        }
        let mut known = self
            .by_origin
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&origin) {
            return Ok(Arc::clone(client));
        }
        let client = self.open(&origin);
        let client = client.map_err(|problem| HttpError::Denied(problem.to_string()))?;
        let client = Arc::new(client);
        known.insert(origin, Arc::clone(&client));
        Ok(client)
    }

    fn open(&self, origin: &str) -> Result<ConnectionHttp, NetError> {
        let policy = EgressPolicy {
            hosts: vec![origin.parse()?],
            allow_private: true,
        };
        ConnectionHttp::new(&self.tls, policy, None)
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[async_trait]
impl Http for LoopbackHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let client = self.client(&request.url)?;
        client.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached() {
        let http = LoopbackHttp::new(Tls::new(&[]).unwrap());
        for (url, reached) in [
            ("http://127.0.0.1:8080/hooks?a=b", true),
            ("https://127.0.0.1:8080/hooks", true),
            ("http://localhost/hooks", true),
            ("http://[::1]:1/", true),
            ("http://127.0.0.1.example.com/", false),
            ("http://192.168.0.1/", false),
            ("ftp://127.0.0.1/", false),
            ("", false),
        ] {
            assert_eq!(http.client(url).is_ok(), reached, "{url}");
        }
    }
}
