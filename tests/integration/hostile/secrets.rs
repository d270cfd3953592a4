//! What becomes of a secret: it is in the Authorization header of the allowed
//! host, and nowhere else.
//!
//! The system of these tests echoes each request, so the guest really learns
//! the canary and really tries to carry it off.

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tracing_subscriber::fmt::MakeWriter;

use super::rig::{CANARY, Connection};
use super::server::{Server, ok};

/// A part of the canary that nothing else contains.
const PIECE: &str = "7d1e";

/// A system that answers with the request that it got, as it is and in base64.
async fn echo() -> Server {
    Server::start(|request| ok(&format!("{request}\n{}", STANDARD.encode(request)))).await
}

/// Nothing of the canary is left, plain, escaped or in base64 at any offset.
fn assert_clean(text: &str) {
    for form in [CANARY, "canary%2F7d1e%2B4f%3D%3D", PIECE] {
        assert!(!text.contains(form), "'{form}' in: {text}");
    }
    let outside = |c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '/');
    for run in text.split(outside) {
        for start in 0..run.len().min(4) {
            let whole_groups = (run.len() - start) / 4 * 4;
            let decoded = STANDARD_NO_PAD.decode(&run[start..start + whole_groups]);
            let decoded = String::from_utf8_lossy(&decoded.unwrap_or_default()).into_owned();
            assert!(!decoded.contains(PIECE), "'{decoded}' is in: {text}");
        }
    }
}

fn connection(misbehave: &str, server: &Server) -> Connection {
    Connection::to(misbehave)
        .config("url", server.url("/echo"))
        .hosts(&[&server.url("")])
        .private()
}

#[tokio::test]
async fn logs_carry_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let server = echo().await;
    let _guard = tracing::subscriber::set_default(subscriber);
    connection("leak-log", &server).check().await.unwrap();
    connection("leak-panic", &server).check().await.unwrap_err();
    let text = log.text();
    assert_clean(&text);
    // What was struck out is seen to be so, and every line says whose it is.
    assert!(text.contains("Bearer [secret]"), "{text}");
    for part in [
        "connection=\"under-test\"",
        "plugin=\"hostile\"",
        "version=\"6.6.6\"",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("two\\nlines"), "a line was forged: {text}");
    assert!(server.seen()[0].contains(CANARY), "nothing was echoed");
}

#[tokio::test]
async fn faults_carry_no_secret() {
    let server = echo().await;
    for misbehave in ["leak-fault", "leak-bug", "leak-panic"] {
        let fault = connection(misbehave, &server).check().await.unwrap_err();
        assert_clean(&format!("{fault} {fault:?}"));
    }
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn urls_and_bodies_carry_a_secret_nowhere() {
    let server = echo().await;
    let elsewhere = Server::start(|_| ok("thank you")).await;
    for misbehave in ["leak-url", "leak-body"] {
        let said = connection(misbehave, &server)
            .config("elsewhere", elsewhere.url("/"))
            .check()
            .await
            .unwrap();
        assert!(said.contains("is not among the hosts"), "{said}");
        assert_clean(&said);
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new());
    for request in server.seen() {
        let elsewhere_than_the_header =
            request.replace(&format!("authorization: Bearer {CANARY}"), "");
        assert_clean(&elsewhere_than_the_header);
    }
}

/// Each letter followed by a dot.
fn dotted(text: &str) -> String {
    text.chars().flat_map(|letter| [letter, '.']).collect()
}

/// The guest looks through all of its memory after a request that the host added
/// the canary to; the system answers with something else that is found there.
#[tokio::test]
async fn the_memory_of_a_guest_holds_no_secret() {
    let server = Server::start(|_| ok("a-word-of-the-system")).await;
    let found = async |needle: &str| {
        let search = connection("search-memory", &server).config("needle", dotted(needle));
        search.check().await.unwrap()
    };
    assert!(found("a-word-of-the-system").await.ends_with("true"));
    assert!(found("a-word-of-nobody").await.ends_with("false"));
    for needle in [CANARY, PIECE, "canary%2F7d1e"] {
        let said = found(needle).await;
        assert!(said.ends_with("false"), "{needle} is in memory");
    }
    for start in 0..3 {
        let text = [&b"..."[..start], CANARY.as_bytes()].concat();
        let coded = STANDARD.encode(text);
        let said = found(&coded[4..16]).await;
        assert!(said.ends_with("false"), "{coded} is in memory");
    }
    let seen = server.seen();
    assert!(seen.len() == 8 && seen.iter().all(|request| request.contains(CANARY)));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}
