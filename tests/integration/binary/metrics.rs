//! What a hub that serves tells Prometheus: the same as it tells a person, and
//! nothing of anybody's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use prometheus_parse::{Sample, Scrape, Value as Number};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::office::{email, results};
use super::program::{Program, Running};
use super::sign_in::Firm;

/// The key to Mailchimp, the app's secret, and how the tokens begin that HubSpot
/// gives.
const SECRETS: [&str; 5] = [
    "the-key-to",
    "concord-secret",
    "hubspot_at_",
    "hubspot_rt_",
    "hubspot_code_",
];

/// What was scraped at one moment.
struct Scraped {
    text: String,
    samples: Vec<Sample>,
}

impl Scraped {
    fn from(port: u16) -> Self {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let mut answer = ureq::get(&url).call().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        let text = answer.body_mut().read_to_string().unwrap();
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let samples = Scrape::parse(lines).unwrap().samples;
        Self { text, samples }
    }

    /// The sum of all series of a name that have these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            let said = |(key, value): &(&str, &str)| sample.labels.get(key) == Some(*value);
            sample.metric == name && labels.iter().all(said)
        };
        let mut found = self.samples.iter().filter(has).peekable();
        assert!(found.peek().is_some(), "{name} {labels:?}: {}", self.text);
        found.map(number).sum()
    }

    fn is(&self, name: &str, labels: &[(&str, &str)], expect: &Value) {
        let found = self.sum(name, labels);
        let expect = expect.as_f64();
        assert_eq!(Some(found), expect, "{name} {labels:?}: {}", self.text);
    }

    /// The names of the metrics, as they are announced.
    fn names(&self) -> BTreeSet<(String, String)> {
        let types = self.text.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((name.to_owned(), kind.to_owned()))
        });
        types.collect()
    }
}

/// A histogram counts for as many as it has seen.
fn number(sample: &Sample) -> f64 {
    match &sample.value {
        Number::Counter(number) | Number::Gauge(number) | Number::Untyped(number) => *number,
        Number::Histogram(buckets) => buckets
            .iter()
            .map(|bucket| bucket.count)
            .fold(0.0, f64::max),
        Number::Summary(_) => panic!("{} is a summary", sample.metric),
    }
}

/// The table of the documentation.
fn documented() -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md"))
        .unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `concord_")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`');
        Some((format!("concord_{name}"), cells.next()?.to_owned()))
    });
    rows.collect()
}

fn serve(program: &Program) -> (Running, u16) {
    let mut hub = program.start("serve --listen 127.0.0.1:0");
    let line = hub.told("listening at");
    let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    (hub, port)
}

/// The document of a run is printed before the numbers of the next one change.
fn runs(firm: &Firm, hub: &mut Running) -> Value {
    firm.program.run("schedule now").fine();
    hub.says()
}

/// Somebody whom both systems know gets another name in one of them.
fn rename(firm: &Firm) {
    let contacts = results(&firm.hubspot.look("dump/contacts"));
    let members = results(&firm.mailchimp.look("dump/members"));
    let known = |member: &&Value| {
        let same = |contact: &Value| email(contact) == email(member);
        member["status"] == "subscribed" && contacts.iter().any(same)
    };
    let member = members.iter().find(known).unwrap();
    let properties = json!({ "merge_fields": { "FNAME": "Wilhelmina" } });
    let wish = json!({ "id": member["id"], "properties": properties });
    firm.mailchimp.act("edit", &wish);
}

/// The sum of a count of a run over the streams of a connection.
fn total(run: &Value, connection: &str, part: &str, count: &str) -> Value {
    let streams = run["streams"].as_object().unwrap().iter();
    let of = streams.filter(|(place, _)| place.starts_with(&format!("{connection}/")));
    json!(
        of.map(|(_, stream)| stream[part][count].as_u64().unwrap())
            .sum::<u64>()
    )
}

fn is_clean(firm: &Firm, scraped: &Scraped) {
    let text = &scraped.text;
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(!text.contains('@'), "{text}");
    for contact in results(&firm.hubspot.look("dump/contacts")) {
        let name = contact["properties"]["lastname"].as_str().unwrap_or("@");
        let said = text.split('"').any(|part| part == name);
        assert!(!said, "{name} is in {text}");
    }
}

fn it_tells_what_is_so(program: Program) {
    let firm = Firm::new(program);
    // Short enough to end before the hub runs.
    firm.hubspot.act("oauth", &json!({ "access_life_s": 4 }));
    firm.signs_in();
    let config = format!("schedule: {{ every: 1h }}\n{}", firm.config(""));
    firm.program.apply(&config).fine();
    for _ in 0..2 {
        firm.program.run("sync --approve").fine();
    }
    let (mut hub, port) = serve(&firm.program);
    std::thread::sleep(Duration::from_secs(4));
    rename(&firm);
    let requests = firm.events.count();
    let refreshed = firm.grants()["refreshed"].as_u64().unwrap();
    let run = runs(&firm, &mut hub);
    let scraped = Scraped::from(port);

    assert!(run["writes"].as_u64() > Some(0), "{run}");
    scraped.is("concord_runs_total", &[("outcome", "fine")], &json!(1));
    scraped.is("concord_run_duration_seconds", &[], &json!(1));
    for name in ["hubspot", "mailchimp"] {
        let here = ("connection", name);
        let read = total(&run, name, "read", "records");
        scraped.is("concord_records_read_total", &[here], &read);
        for (action, count) in [
            ("create", "created"),
            ("update", "updated"),
            ("delete", "deleted"),
        ] {
            let sent = total(&run, name, "sent", count);
            scraped.is("concord_writes_total", &[here, ("action", action)], &sent);
        }
        let refused = total(&run, name, "sent", "refused");
        scraped.is("concord_writes_refused_total", &[here], &refused);
        scraped.is("concord_connection_up", &[here], &json!(1));
        scraped.is("concord_webhooks_waiting", &[here], &json!(0));
    }
    let requests = json!(firm.events.count() - requests);
    scraped.is("concord_http_requests_total", &[], &requests);
    scraped.is("concord_http_request_duration_seconds", &[], &requests);
    let refreshed = firm.grants()["refreshed"].as_u64().unwrap() - refreshed;
    assert!(refreshed > 0);
    let renewed = [("connection", "hubspot"), ("outcome", "renewed")];
    scraped.is("concord_token_refreshes_total", &renewed, &json!(refreshed));
    let counts = firm.program.run("status").fine()["counts"].take();
    scraped.is("concord_conflicts_open", &[], &counts["conflicts_held"]);
    scraped.is("concord_writes_open", &[], &counts["open_intents"]);
    scraped.is(
        "concord_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        &json!(1),
    );
    assert_eq!(scraped.names(), documented(), "{}", scraped.text);
    is_clean(&firm, &scraped);

    // One connection ends, and the other goes on.
    firm.hubspot.act("grants", &json!({ "revoke": "all" }));
    let run = runs(&firm, &mut hub);
    assert!(run["held"]["hubspot"].is_string(), "{run}");
    let scraped = Scraped::from(port);
    let down = [("connection", "hubspot")];
    scraped.is("concord_connection_up", &down, &json!(0));
    scraped.is(
        "concord_connection_up",
        &[("connection", "mailchimp")],
        &json!(1),
    );
    scraped.is(
        "concord_runs_total",
        &[("outcome", "partly_stopped")],
        &json!(1),
    );
    assert_eq!(scraped.names(), documented(), "{}", scraped.text);
    is_clean(&firm, &scraped);
    hub.signal(Signal::TERM);
    let ended = hub.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_serving_hub_tells_prometheus_what_is_so() {
    it_tells_what_is_so(Program::new());
}

#[test]
fn a_serving_hub_tells_prometheus_what_is_so_on_a_server() {
    let database = concord_cluster::database().unwrap();
    it_tells_what_is_so(Program::on_server(&database));
}
