mod guarded;
mod webhooks;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use async_trait::async_trait;
use concord_core::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

/// Answers with what it was asked, and with nothing below `/lost`.
struct Echo;

impl Twin for Echo {
    fn handle(&mut self, now: Timestamp, request: Request) -> Response {
        if request.path == "/lost" {
            return Response::lost();
        }
        let target = format!("{} {} {}", request.method, request.path, request.query);
        let body = String::from_utf8(request.body).unwrap();
        Response::json(207, &(now, target, body)).with_test_header()
    }
}

impl Response {
    fn with_test_header(mut self) -> Self {
        self.headers.push(("x-echo".into(), "yes".into()));
        self
    }
}

/// Stands still, and remembers how long it was asked to sleep.
#[derive(Default)]
struct Still(Mutex<Duration>);

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(42)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }
}

/// The status line, the headers and the body of one answer.
fn read_answer(stream: &mut impl BufRead) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

const CHUNKED: &[u8] = b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

#[tokio::test]
async fn one_connection_carries_many_calls_and_chunks() {
    let clock = Arc::new(Still::default());
    let options = ServeOptions {
        latency: Duration::from_millis(7),
        ..ServeOptions::default()
    };
    let running = serve(Box::new(Echo), options, clock.clone()).await.unwrap();
    assert!(running.http.ip().is_loopback());
    let address = running.http;
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        for _ in 0..2 {
            stream.get_mut().write_all(CHUNKED).unwrap();
            let (head, body) = read_answer(&mut stream).unwrap();
            assert!(head.starts_with("HTTP/1.1 207"), "{head}");
            assert!(head.contains("x-echo: yes"));
            assert_eq!(body, r#"[42,"POST /a%20b c=d","abcde"]"#);
        }
    });
    client.await.unwrap();
    assert_eq!(*clock.0.lock().unwrap(), Duration::from_millis(14));
    running.stop().await;
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_lost_answer_is_a_closed_connection() {
    let clock = Arc::new(Still::default());
    let running = serve(Box::new(Echo), ServeOptions::default(), clock)
        .await
        .unwrap();
    let address = running.http;
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let call = b"GET /lost HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(call).unwrap();
        let mut answer = Vec::new();
        // Either end of file or a reset; never a byte of an answer.
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    });
    client.await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn https_is_trusted_by_who_trusts_the_test_authority() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let options = ServeOptions {
        https: Some(HttpsOptions {
            port: 0,
            ca_file: ca_file.clone(),
        }),
        ..ServeOptions::default()
    };
    let clock = Arc::new(Still::default());
    let running = serve(Box::new(Echo), options, clock).await.unwrap();
    let address = running.https.unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(ca_file).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        for name in ["localhost", "127.0.0.1"] {
            let name = ServerName::try_from(name).unwrap();
            let session = ClientConnection::new(Arc::new(config.clone()), name).unwrap();
            let socket = TcpStream::connect(address).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(session, socket));
            stream.get_mut().write_all(CHUNKED).unwrap();
            let (_, body) = read_answer(&mut stream).unwrap();
            assert!(body.contains("abcde"));
        }
    });
    client.await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let options = ServeOptions {
        port,
        ..ServeOptions::default()
    };
    let clock = Arc::new(Still::default());
    let problem = serve(Box::new(Echo), options, clock).await.err().unwrap();
    assert!(problem.to_string().contains(&port.to_string()), "{problem}");
}
