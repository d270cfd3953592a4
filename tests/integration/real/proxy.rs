//! Stands between the hub and a server, passes everything on, and counts the
//! requests that write.  It can also stop the talk at one of them, so that a
//! server dies at a moment that the test chooses.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::process::{Failed, step};

/// How a request says whether it writes.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    WebDav,
    JsonRpc,
    /// A sign-in server, where every refresh token that is used counts.
    OAuth,
}

/// At which side of a write the talk stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never gets the request.
    BeforeRequest,
    /// The server does what it was asked, and its answer never arrives.
    BeforeAnswer,
}

/// Longer than anything that the hub does in one step.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct State {
    requests: u64,
    /// The writes, each as its method with what it is about.
    writes: Vec<String>,
    /// How many answers said that a precondition did not hold.
    refused: usize,
    /// What could not be understood, so that no write hides in it.
    unclear: Option<String>,
    /// Stops at the write after so many more.
    trap: Option<(usize, Cut)>,
    stopped_at: String,
    answers_held: bool,
    /// The talk has stopped, until it is released.
    stopped: bool,
    closing: bool,
}

struct Shared {
    server: u16,
    protocol: Protocol,
    state: Mutex<State>,
    changed: Condvar,
}

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a port of its own for what goes to the server's port.
    pub fn to(server: u16, protocol: Protocol) -> Result<Self, Failed> {
        let failed = |e: io::Error| step("starting a proxy", e);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let shared = Arc::new(Shared {
            server,
            protocol,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.lock().closing {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A connection that breaks is closed; the hub sees it and goes on.
                std::thread::spawn(move || drop(shared.talk(client)));
            }
        });
        Ok(Self { port, shared })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// The writes since this was last asked.
    pub fn take_writes(&self) -> Vec<String> {
        let mut state = self.shared.lock();
        assert_eq!(state.unclear, None, "a request that cannot be judged");
        std::mem::take(&mut state.writes)
    }

    /// How many writes were refused by their precondition since this was last
    /// asked.
    pub fn take_refused(&self) -> usize {
        std::mem::take(&mut self.shared.lock().refused)
    }

    /// Stops the talk at the first write after so many more.
    pub fn stop_after(&self, writes: usize, cut: Cut) {
        self.shared.lock().trap = Some((writes, cut));
    }

    /// Waits until the talk has stopped, and gives the write that it stopped at.
    pub fn wait_until_stopped(&self) -> String {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(state.stopped, "no write came by");
        state.stopped_at.clone()
    }

    /// Closes the connections that were stopped, and lets new ones through.
    pub fn release(&self) {
        let mut state = self.shared.lock();
        state.stopped = false;
        state.answers_held = false;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.release();
        // Wakes the thread that accepts; where that fails it has ended already.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(self: Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server))?;
        let (from, to) = (server.try_clone()?, client.try_clone()?);
        let answering = Arc::clone(&self);
        std::thread::spawn(move || {
            // However the answers end, the other direction ends with them.
            let _ = answering.answers(&from, &to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
        let result = self.requests(&client, &server);
        server.shutdown(Shutdown::Both)?;
        result
    }

    fn requests(&self, client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        while let Some(request) = read_request(&mut reader)? {
            if self.note(&request) {
                return client.shutdown(Shutdown::Both);
            }
            server.write_all(&request.head)?;
            server.write_all(&request.body)?;
        }
        Ok(())
    }

    /// Counts a request; true where it must not go on.
    fn note(&self, request: &Request) -> bool {
        let judged = judge(self.protocol, request);
        let mut state = self.lock();
        state.requests += 1;
        match judged {
            Ok(None) => return false,
            Ok(Some(write)) => state.writes.push(write),
            Err(problem) => state.unclear = Some(problem),
        }
        match &mut state.trap {
            None => false,
            Some((0, cut)) => {
                let cut = *cut;
                state.trap = None;
                state.stopped_at = state.writes.last().cloned().unwrap_or_default();
                if cut == Cut::BeforeAnswer {
                    state.answers_held = true;
                    return false;
                }
                self.stop(state);
                true
            }
            Some((left, _)) => {
                *left -= 1;
                false
            }
        }
    }

    fn answers(&self, mut server: &TcpStream, mut client: &TcpStream) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = server.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            let mut state = self.lock();
            if is_refused(&buffer[..read]) {
                state.refused += 1;
            }
            if state.answers_held {
                self.stop(state);
                return Ok(());
            }
            drop(state);
            client.write_all(&buffer[..read])?;
        }
    }

    /// Tells the test that the talk has stopped, and waits for its word.
    fn stop(&self, mut state: MutexGuard<'_, State>) {
        state.stopped = true;
        self.changed.notify_all();
        let waiting = self.changed.wait_while(state, |state| state.stopped);
        drop(waiting.unwrap_or_else(PoisonError::into_inner));
    }
}

struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

/// One request with its body; none where the client has nothing more to say.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let start = head.len();
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&head[start..]).to_ascii_lowercase();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.starts_with("transfer-encoding:") {
            return Err(io::Error::other("a body of unknown length"));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { head, body }))
}

/// Whether an answer begins here that says 412 (RFC 9110, 15.5.13).
fn is_refused(bytes: &[u8]) -> bool {
    let status = bytes
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(1..5));
    status == Some(b" 412".as_slice())
}

/// What a request writes, if anything.  Whatever is not known to read counts as
/// a write.
fn judge(protocol: Protocol, request: &Request) -> Result<Option<String>, String> {
    let head = String::from_utf8_lossy(&request.head);
    let line = head.lines().next().unwrap_or_default();
    match protocol {
        Protocol::WebDav => {
            let method = line.split(' ').next().unwrap_or_default();
            let reads = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"].contains(&method);
            Ok((!reads).then(|| line.to_owned()))
        }
        Protocol::JsonRpc => {
            let call: Value = serde_json::from_slice(&request.body)
                .map_err(|error| format!("{line} is no call ({error})"))?;
            let method = call["method"]
                .as_str()
                .ok_or_else(|| format!("{line} calls no method"))?;
            let verb = method.rsplit('.').next().unwrap_or_default();
            let reads = [
                "read",
                "search",
                "search_read",
                "search_count",
                "fields_get",
            ];
            let reads = reads.contains(&verb) || method == "model.res.user.get_preferences";
            Ok((!reads).then(|| method.to_owned()))
        }
        Protocol::OAuth => {
            let mut form = url::form_urlencoded::parse(&request.body);
            let token = form.find(|(name, _)| name == "refresh_token");
            Ok(token.map(|(_, token)| token.into_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: Protocol, line: &str, body: &str, expect: Result<Option<&str>, &str>) {
        let request = Request {
            head: format!("{line} HTTP/1.1\r\n\r\n").into_bytes(),
            body: body.as_bytes().to_vec(),
        };
        match (judge(protocol, &request), expect) {
            (Ok(found), Ok(write)) => assert_eq!(found.as_deref(), write, "{line} {body}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn a_refresh_token_that_is_used_counts() {
        let token = |body, expect| check(Protocol::OAuth, "POST /token", body, Ok(expect));
        token("grant_type=refresh_token&refresh_token=a%2Fb", Some("a/b"));
        token("grant_type=authorization_code&code=c", None);
    }

    #[test]
    fn what_is_not_known_to_read_counts_as_a_write() {
        let dav = |line: &str, expect| check(Protocol::WebDav, line, "", Ok(expect));
        dav("REPORT /ann/", None);
        dav("GET /ann/1.vcf", None);
        dav("PUT /ann/1.vcf", Some("PUT /ann/1.vcf HTTP/1.1"));
        dav("FROBNICATE /", Some("FROBNICATE / HTTP/1.1"));
        let rpc = |body: &str, expect| check(Protocol::JsonRpc, "POST /db/", body, expect);
        rpc(r#"{"method": "model.party.party.search_read"}"#, Ok(None));
        rpc(
            r#"{"method": "model.party.party.write"}"#,
            Ok(Some("model.party.party.write")),
        );
        rpc(r#"{"params": []}"#, Err("calls no method"));
        rpc("", Err("is no call"));
    }

    #[test]
    fn a_failed_precondition_is_told_from_other_answers() {
        assert!(is_refused(b"HTTP/1.1 412 Precondition Failed\r\n"));
        assert!(is_refused(b"HTTP/1.0 412 Precondition Failed\r\n"));
        assert!(!is_refused(b"HTTP/1.1 201 Created\r\nETag: 412"));
        assert!(!is_refused(b"HTTP/1.1"));
    }

    #[test]
    fn a_request_is_read_with_its_body_and_no_more() {
        let text = b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n";
        let mut reader = &text[..];
        let first = read_request(&mut reader).unwrap().unwrap();
        assert_eq!(first.body, b"abc");
        let second = read_request(&mut reader).unwrap().unwrap();
        assert_eq!(second.head, b"GET /b HTTP/1.1\r\n\r\n");
        assert!(read_request(&mut reader).unwrap().is_none());
    }
}
