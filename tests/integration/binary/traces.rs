//! What a collector of traces gets of the program: which runs there were and whom
//! they asked, and nothing of anybody's.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use concord_core::ports::Clock as _;
use concord_engine::clock::SystemClock;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use rustix::process::Signal;

use super::office::{Office, email};
use super::program::Program;

const PEOPLE: usize = 20;
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Keeps what it is sent.
struct Collector {
    url: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        // It ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                kept.lock().unwrap().push(answer(stream.unwrap()));
            }
        });
        Self { url, bodies }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bodies.lock().unwrap().concat()
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let mut spans = Vec::new();
        for body in bodies.iter() {
            let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            for of in request.resource_spans {
                let resource = of.resource.unwrap();
                assert_eq!(text(&resource.attributes, "service.name"), "concord");
                spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        spans
    }
}

/// Takes one request of HTTP/1.1 and gives its body.
fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if let Some(kind) = line.strip_prefix("content-type: ") {
            assert_eq!(kind, "application/x-protobuf");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    body
}

/// An attribute as text; numbers as they are written.
fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.clone()?.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    }
}

fn is_client(span: &&Span) -> bool {
    span.kind() == SpanKind::Client
}

fn is_clean(office: &Office, bytes: &[u8]) {
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(!has("the-key-to"));
    let people = office.contacts().into_iter().chain(office.members());
    for address in people.map(|one| email(&one)).filter(|one| !one.is_empty()) {
        assert!(!has(&address), "{address}");
        assert!(!has(&address.replace('@', "%40")), "{address}");
    }
}

#[test]
fn each_run_is_a_trace_and_each_call_a_span_of_it() {
    let collector = Collector::start();
    let mut office = Office::with(Program::new(), PEOPLE, Duration::ZERO);
    office.apply();
    office.program.set(ENDPOINT, &collector.url);
    let before = office.events.count();
    let runs: BTreeSet<String> = (0..2)
        .map(|_| office.program.run("sync --approve").fine()["run"].to_string())
        .collect();
    let requests = office.events.count() - before;

    let spans = collector.spans();
    assert_eq!(spans.iter().filter(is_client).count(), requests);
    let roots: Vec<&Span> = spans.iter().filter(|span| span.name == "run").collect();
    let traced = roots
        .iter()
        .map(|span| text(&span.attributes, "concord.run"));
    assert_eq!(traced.collect::<BTreeSet<_>>(), runs);
    for root in &roots {
        assert!(root.parent_span_id.is_empty(), "{root:?}");
    }
    for span in spans.iter().filter(is_client) {
        let parent = |root: &&&Span| root.trace_id == span.trace_id;
        let parent = roots.iter().find(parent).unwrap();
        assert_eq!(span.parent_span_id, parent.span_id, "{span:?}");
        let about = |key: &str| text(&span.attributes, key);
        assert_eq!(about("http.request.method"), span.name);
        assert_eq!(about("server.address"), "127.0.0.1");
        assert!(about("http.response.status_code").len() == 3);
        assert!(["hubspot", "mailchimp"].contains(&about("concord.connection").as_str()));
    }
    is_clean(&office, &collector.bytes());

    // One that serves sends what is left when it is told to end.
    let config = format!("schedule: {{ every: 1h }}\n{}", office.config());
    office.program.unset(ENDPOINT);
    office.program.apply(&config).fine();
    let mut hub = office.program.start_with("serve", ENDPOINT, &collector.url);
    hub.told("serving");
    office.program.run("schedule now").fine();
    let run = hub.says()["run"].to_string();
    hub.signal(Signal::TERM);
    assert_eq!(hub.end().code, Some(0));
    let spans = collector.spans();
    let last = spans.iter().rfind(|span| span.name == "run").unwrap();
    assert_eq!(text(&last.attributes, "concord.run"), run);
    is_clean(&office, &collector.bytes());
}

#[test]
fn a_collector_that_is_gone_stops_nothing_and_is_told_of_once() {
    let mut office = Office::with(Program::new(), PEOPLE, Duration::ZERO);
    office.apply();
    office.program.run("sync --approve").fine();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    office.program.set(ENDPOINT, &url);
    let clock = SystemClock::new();
    let ended = office.program.run("sync");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stderr.matches("traces are lost").count(),
        1,
        "{ended:?}"
    );
    assert!(clock.monotonic() < Duration::from_secs(20));
}
