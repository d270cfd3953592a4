//! A hub that keeps running tells people when it needs one of them: by mail, read
//! here by a parser that is not ours, and by a signed webhook.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use mail_parser::MessageParser;
use serde_json::{Value, json};
use sha2::Sha256;

use super::office::Office;
use super::program::Program;

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "the-key-to-our-chat";

/// Takes connections until nobody wants to know any more.
fn listen<T: Send + 'static>(serve: fn(TcpStream) -> Option<T>) -> (u16, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver): (Sender<T>, _) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if let Some(got) = serve(stream.unwrap())
                && sender.send(got).is_err()
            {
                return;
            }
        }
    });
    (port, receiver)
}

/// A mail server as small as RFC 5321 lets one be: takes a message and gives it
/// with the addresses that it goes to.
fn mail(stream: TcpStream) -> Option<(Vec<String>, Vec<u8>)> {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let say = |text: &str| (&stream).write_all(format!("{text}\r\n").as_bytes());
    say("220 here").ok()?;
    let (mut to, mut body) = (Vec::new(), Vec::new());
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.get(..4).unwrap_or_default() {
            "RCPT" => to.push(
                line.trim()["RCPT TO:<".len()..]
                    .trim_end_matches('>')
                    .into(),
            ),
            "DATA" => {
                say("354 go on").ok()?;
                while !body.ends_with(b"\r\n.\r\n") {
                    lines.read_until(b'\n', &mut body).ok()?;
                }
                say("250 taken").ok()?;
                return Some((to, body));
            }
            _ => {}
        }
        say("250 fine").ok()?;
    }
}

/// The signature and the body of one request.
fn hook(stream: TcpStream) -> Option<(String, Vec<u8>)> {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let (mut signature, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some((name, text)) if name.eq_ignore_ascii_case("x-concord-signature") => {
                signature = text.to_owned();
            }
            Some((name, text)) if name.eq_ignore_ascii_case("content-length") => {
                length = text.parse().ok()?;
            }
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    (&stream).write_all(answer.as_bytes()).ok()?;
    Some((signature, body))
}

fn alerts(got: &(String, Vec<u8>)) -> Value {
    let (signature, body) = got;
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(*signature, format!("sha256={hex}"));
    serde_json::from_slice(body).unwrap()
}

fn subject(got: &(Vec<String>, Vec<u8>)) -> (String, String) {
    let message = MessageParser::default().parse(&got.1).unwrap();
    assert_eq!(got.0, ["ops@example.com", "boss@example.com"]);
    let to = message.to().unwrap().iter();
    let to: Vec<_> = to.filter_map(|to| to.address()).collect();
    assert_eq!(to, ["ops@example.com", "boss@example.com"]);
    assert_eq!(
        message.header_raw("Auto-Submitted").unwrap().trim(),
        "auto-generated"
    );
    let text = message.body_text(0).unwrap().into_owned();
    (message.subject().unwrap().to_owned(), text)
}

fn config(office: &Office, mail: u16, hook: u16) -> String {
    let token = "{ env: HUBSPOT_TOKEN }";
    let config = office.config().replace(token, "{ file: hubspot.token }");
    format!(
        "{config}
schedule: {{ every: 1s, jitter: 0s }}
alerts:
  mail:
    server: smtp://127.0.0.1:{mail}
    from: Concord <concord@example.com>
    to: [ops@example.com, Boss <boss@example.com>]
  webhook: {{ url: {{ env: CHAT_URL }}, secret: {{ env: CHAT_KEY }} }}
# http://127.0.0.1:{hook}/hooks/T0P-S3CR3T
"
    )
}

#[test]
fn people_are_told_when_a_connection_needs_one_of_them_and_when_it_does_not() {
    let (mail_port, mails) = listen(mail);
    let (hook_port, hooks) = listen(hook);
    let mut office = Office::new(40, Duration::ZERO);
    let address = format!("http://127.0.0.1:{hook_port}/hooks/T0P-S3CR3T");
    office.program.set("CHAT_URL", &address);
    office.program.set("CHAT_KEY", KEY);
    let program = &office.program;
    let token = program.path("hubspot.token");
    fs::write(&token, "the-key-to-hubspot").unwrap();
    program.apply(&config(&office, mail_port, hook_port)).fine();

    let arrived = program.run("alerts test").fine();
    assert_eq!(arrived.as_array().unwrap().len(), 2, "{arrived}");
    assert!(!arrived.to_string().contains("T0P-S3CR3T"));
    let (subject_line, _) = subject(&mails.recv_timeout(PATIENCE).unwrap());
    assert_eq!(subject_line, "Concord: alerts arrive");
    let told = alerts(&hooks.recv_timeout(PATIENCE).unwrap());
    assert_eq!(told["alerts"][0]["kind"], "test");

    fs::remove_file(&token).unwrap();
    let serving = program.start("serve -v");
    let (subject_line, text) = subject(&mails.recv_timeout(PATIENCE).unwrap());
    assert_eq!(subject_line, "Concord: hubspot does not run");
    assert!(
        text.contains("hubspot.token, which cannot be read"),
        "{text}"
    );
    let told = alerts(&hooks.recv_timeout(PATIENCE).unwrap());
    assert_eq!(told["alerts"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["alerts"][0]["connection"], "hubspot");
    assert_eq!(told["alerts"][0]["over"], json!(false));
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .starts_with("hubspot does not run")
    );
    // It is written down once it was told.
    while program.run("alerts list").fine()[0]["kind"] != "held" {
        std::thread::sleep(Duration::from_millis(50));
    }
    // Some more runs, and nobody hears of it again.
    let runs = |program: &Program| program.run("status").fine()["last_run"]["id"].clone();
    let before = runs(program).as_i64();
    while runs(program).as_i64() < before.map(|run| run + 3) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(mails.try_recv().is_err() && hooks.try_recv().is_err());

    fs::write(&token, "the-key-to-hubspot").unwrap();
    let (subject_line, _) = subject(&mails.recv_timeout(PATIENCE).unwrap());
    assert_eq!(subject_line, "Concord: hubspot runs again");
    let told = alerts(&hooks.recv_timeout(PATIENCE).unwrap());
    assert_eq!(told["alerts"][0]["over"], json!(true));
    while program.run("alerts list").fine() != json!([]) {
        std::thread::sleep(Duration::from_millis(50));
    }
    serving.interrupt();
    let ended = serving.end();
    for secret in [KEY, "T0P-S3CR3T", "the-key-to-hubspot"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}

#[test]
fn alerts_that_cannot_be_sent_are_refused_when_they_are_configured() {
    let office = Office::new(1, Duration::ZERO);
    let program = &office.program;
    let with = |alerts: &str| program.apply(&format!("{}\n{alerts}\n", office.config()));
    let refused = with("alerts: { mail: { server: mail.example.com, from: a@b.c, to: [d@e.f] } }");
    refused.refuses(1, &["alerts.mail", "smtps://host:465"]);
    let refused = with("alerts: { mail: { server: smtps://m.test, from: nobody, to: [d@e.f] } }");
    refused.refuses(1, &["alerts.mail", "'nobody' is no mail address"]);
    let refused = with("alerts: { mail: { server: smtps://m.test, from: a@b.c, to: [] } }");
    refused.refuses(1, &["alerts.mail", "nobody is to be told"]);
    with("alerts: { webhook: { url: chat } }").refuses(1, &["alerts.webhook.url", "https://"]);
    let sealed = with("alerts: { webhook: { url: sealed } }");
    sealed.refuses(1, &["alerts.webhook.url"]);
    program
        .run("alerts test")
        .refuses(1, &["nobody is told of anything", "`alerts`"]);
    // Nobody listens there.
    with("alerts: { webhook: { url: \"http://127.0.0.1:1/hooks/T0P-S3CR3T\" } }").fine();
    let unheard = program.run("alerts test");
    unheard.refuses(1, &["no alert by webhook to http://127.0.0.1:1"]);
    assert!(!unheard.stderr.contains("T0P-S3CR3T"), "{}", unheard.stderr);
}
