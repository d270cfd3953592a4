//! Requests that must not leave, and what of them is known when they fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Http, HttpError, HttpRequest, Secret};
use concord_net::{ConnectionHttp, EgressPolicy, Proxy, Tls};
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::rig::{CANARY, Connection};
use super::server::{Server, ok, redirect, serve, with_status};

/// Sends one request to `url` with private addresses refused, and wants it
/// denied with these words.
async fn denied(connection: Connection, url: &str, expected: &str) {
    let said = connection.config("url", url).check().await.unwrap();
    assert!(
        said.starts_with("denied: ") && said.contains(expected),
        "{url}: {said}"
    );
}

#[tokio::test]
async fn only_named_hosts_are_reached() {
    let server = Server::start(|_| ok("reached")).await;
    let other = Server::start(|_| ok("reached")).await;
    let to = |url: String| {
        Connection::to("get")
            .hosts(&[&server.url("")])
            .private()
            .config("url", url)
            .check()
    };
    assert_eq!(to(server.url("/")).await.unwrap(), "200 reached");
    let said = to(other.url("/")).await.unwrap();
    assert!(said.contains("is not among the hosts"), "{said}");
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn loopback_is_refused_in_every_spelling_and_by_name() {
    let server = Server::start(|_| ok("reached")).await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "app.localhost",
    ] {
        let url = format!("http://{host}:{port}/");
        let connection = Connection::to("get").hosts(&[&url]);
        denied(
            connection,
            &url,
            "loopback, which this connection does not allow",
        )
        .await;
    }
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn metadata_is_refused_even_where_private_networks_are_allowed() {
    for url in [
        "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]/latest",
        "http://0/",
    ] {
        let connection = Connection::to("get").hosts(&[url]).private();
        denied(connection, url, " is ").await;
    }
}

#[tokio::test]
async fn a_redirect_does_not_lead_to_what_may_not_be_asked_for() {
    let inside = Server::start(|_| ok("inside")).await;
    for target in [
        inside.url("/"),
        format!("http://localhost:{}/", inside.address.port()),
        "http://169.254.169.254/latest".to_owned(),
        "http://[::ffff:169.254.169.254]/latest".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let server = Server::start(move |_| redirect("302 Found", &target)).await;
        // Even where the admin names a metadata service, it is refused.
        let rules = [
            &server.url("")[..],
            "http://169.254.169.254",
            "http://[::ffff:169.254.169.254]",
        ];
        let connection = Connection::to("get").hosts(&rules).private();
        denied(connection, &server.url("/"), "").await;
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(inside.seen().len(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_origin_loses_the_credential() {
    let other = Server::start(|_| ok("other")).await;
    let target = other.url("/there");
    let server = Server::start(move |_| redirect("302 Found", &target)).await;
    let said = Connection::to("get")
        .hosts(&[&server.url(""), &other.url("")])
        .private()
        .config("url", server.url("/here"))
        .check()
        .await
        .unwrap();
    assert_eq!(said, "200 other");
    assert!(server.seen()[0].contains(CANARY));
    assert!(!other.seen()[0].contains(CANARY), "{:?}", other.seen());
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = Server::start(|_| redirect("302 Found", "/again")).await;
    let said = Connection::to("get")
        .hosts(&[&server.url("")])
        .private()
        .config("url", server.url("/"))
        .check()
        .await
        .unwrap();
    assert!(said.contains("redirected more than 5 times"), "{said}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_write_is_not_carried_to_another_origin() {
    let other = Server::start(|_| ok("other")).await;
    let target = other.url("/");
    let server = Server::start(move |_| redirect("307 Temporary Redirect", &target)).await;
    let connection = Connection::to("post")
        .hosts(&[&server.url(""), &other.url("")])
        .private();
    denied(connection, &server.url("/"), "to another origin").await;
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn the_hosts_headers_cannot_be_forged() {
    let server = Server::start(|_| ok("reached")).await;
    for (misbehave, expected) in [
        ("forge-host", "'Host' is the host's to set"),
        (
            "forge-authorization",
            "'authorization' is the host's to set",
        ),
        ("smuggle-header", "line break"),
    ] {
        let connection = Connection::to(misbehave)
            .hosts(&[&server.url("")])
            .private();
        denied(connection, &server.url("/"), expected).await;
    }
    let with_user = format!("http://u:p@{}/", server.address);
    let connection = Connection::to("get").hosts(&[&server.url("")]).private();
    denied(connection, &with_user, "user name or password").await;
    assert_eq!(server.seen().len(), 0);
}

/// What the hub does next depends on whether a request left.
#[tokio::test]
async fn failures_say_whether_the_request_left() {
    let silent = Server::start(|_| Vec::new()).await;
    let torn =
        Server::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()).await;
    let large = Server::start(|_| ok(&"x".repeat(2000))).await;
    let chunked = Server::start(|_| {
        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n")
            .into_bytes()
    })
    .await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    for (url, expected) in [
        (silent.url("/"), "no answer: "),
        (torn.url("/"), "no answer: "),
        (
            large.url("/"),
            "too large: the answer is larger than 1000 bytes",
        ),
        (
            chunked.url("/"),
            "too large: the answer is larger than 1000 bytes",
        ),
        (closed, "unreachable: "),
    ] {
        let mut connection = Connection::to("post").hosts(&[&url]).private();
        connection.limits.response_bytes = 1000;
        connection.limits.http_timeout = Duration::from_secs(2);
        let said = connection.config("url", &url).check().await.unwrap();
        assert!(said.starts_with(expected), "{url}: {said}");
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off_in_time() {
    let slow = Server::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("http://{}/", listener.local_addr().unwrap());
    for url in [slow.url("/"), mute] {
        let mut connection = Connection::to("get").hosts(&[&url]).private();
        connection.limits.http_timeout = Duration::from_millis(300);
        let said = connection.config("url", &url).check().await.unwrap();
        assert_eq!(said, "no answer: no whole answer within 0.3 s", "{url}");
    }
}

#[tokio::test]
async fn status_and_body_of_errors_reach_the_connector() {
    let server = Server::start(|_| with_status("404 Not Found", "", "gone")).await;
    let said = Connection::to("get")
        .hosts(&[&server.url("")])
        .private()
        .config("url", server.url("/"))
        .check()
        .await
        .unwrap();
    assert_eq!(said, "404 gone");
}

/// A certificate that nobody vouches for is found before anything is sent.
#[tokio::test]
async fn tls_is_checked_and_a_pem_file_can_vouch() {
    let (address, pem) = tls_server().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("roots.pem");
    std::fs::write(&path, pem).unwrap();
    let url = format!("https://{address}/");
    for (roots, expected) in [(vec![path], Ok(200)), (vec![], Err("unreachable"))] {
        let policy = EgressPolicy {
            hosts: vec![url.parse().unwrap()],
            allow_private: true,
        };
        let http = ConnectionHttp::new(&Tls::new(&roots).unwrap(), policy, None).unwrap();
        let answer = http.send(request(&url)).await;
        match expected {
            Ok(status) => assert_eq!(answer.unwrap().status, status),
            Err(_) => assert!(
                matches!(&answer, Err(HttpError::Unreachable(why)) if why.contains("certificate")),
                "{answer:?}"
            ),
        }
    }
}

fn request(url: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Some(b"hello".to_vec()),
        auth: None,
        timeout: Duration::from_secs(5),
        max_response_bytes: 1000,
    }
}

/// Where an https server listens, and its certificate.
async fn tls_server() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, Arc::new(|_: &str| ok("safe")), Arc::default()).await;
                }
            });
        }
    });
    (address, made.cert.pem())
}

/// With a proxy, the client connects to the proxy alone, and names and
/// addresses are still checked first.
#[tokio::test]
async fn a_proxy_is_no_way_around_the_policy() {
    let proxy = Server::start(|_| ok("through the proxy")).await;
    for (url, allow_private, through) in [
        ("http://192.168.77.77/", true, true),
        ("http://192.168.77.77/", false, false),
        ("http://localhost:1/", false, false),
        ("http://169.254.169.254/", true, false),
    ] {
        let policy = EgressPolicy {
            hosts: vec![url.parse().unwrap()],
            allow_private,
        };
        let tls = Tls::new(&[]).unwrap();
        let given = Proxy::new(&proxy.url(""), None).unwrap();
        let http = ConnectionHttp::new(&tls, policy, Some(&given)).unwrap();
        match http.send(request(url)).await {
            Ok(response) => assert!(through && response.body == b"through the proxy", "{url}"),
            Err(HttpError::Denied(_)) => assert!(!through, "{url}"),
            Err(error) => panic!("{url}: {error}"),
        }
    }
    assert_eq!(proxy.seen().len(), 1);
}

/// RFC 9110 §11.7: the proxy is told, and the system behind it is not the one who
/// asked.
#[tokio::test]
async fn a_proxy_that_asks_for_a_password_gets_it() {
    let proxy = Server::start(|_| ok("through the proxy")).await;
    let policy = EgressPolicy {
        hosts: vec!["http://192.168.77.77/".parse().unwrap()],
        allow_private: true,
    };
    // RFC 7617 §2 gives this pair and its encoding.
    let credentials = (Secret::new("Aladdin"), Secret::new("open sesame"));
    let given = Proxy::new(&proxy.url(""), Some(credentials)).unwrap();
    let http = ConnectionHttp::new(&Tls::new(&[]).unwrap(), policy, Some(&given)).unwrap();
    http.send(request("http://192.168.77.77/")).await.unwrap();
    let seen = proxy.seen().concat().to_ascii_lowercase();
    let header = "proxy-authorization: basic qwxhzgrpbjpvcgvuihnlc2ftzq==";
    assert!(seen.contains(header), "{seen}");
}
