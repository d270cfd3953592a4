//! Webhooks, as they come to a hub that serves: what is believed, what is turned
//! away, and what is lost when the hub is killed, which is nothing.

mod flood;
mod sender;

use std::time::Duration;

use concord_core::ports::Clock as _;
use concord_engine::clock::SystemClock;
use rustix::process::Signal;
use serde_json::{Value, json};

use self::sender::{Sender, form};
use super::office::{Office, email};
use super::program::{Program, Running};

const PEOPLE: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);
const APP_SECRET: &str = "the-secret-of-the-app-0123456789";
const ADDRESS: &str = "an-address-that-nobody-knows";

/// Two systems that agree, and a hub that would not look for an hour.
struct Desk {
    office: Office,
    hub: Running,
    port: u16,
}

impl Desk {
    fn open(mut program: Program) -> Self {
        program.set("HUBSPOT_APP", APP_SECRET);
        program.set("MAILCHIMP_HOOK", ADDRESS);
        let office = Office::with(program, PEOPLE, Duration::ZERO);
        apply(&office, "https://hub.example");
        for _ in 0..3 {
            office.program.run("sync --approve").fine();
        }
        let (hub, port) = serve(&office.program);
        Self { office, hub, port }
    }

    fn sender(&self) -> Sender {
        Sender::new(self.port, APP_SECRET)
    }

    /// Somebody whom both systems know: the contact and the member.
    fn somebody(&self) -> (Value, Value) {
        let members = self.office.members();
        let of = |contact: Value| {
            let same = |member: &&Value| email(member) == email(&contact);
            let member = members.iter().find(same)?.clone();
            (member["status"] == "subscribed").then_some((contact, member))
        };
        self.office.contacts().into_iter().find_map(of).unwrap()
    }

    fn rename_contact(&self, contact: &Value, name: &str) {
        let wish = json!({ "id": contact["id"], "properties": { "firstname": name } });
        self.office.hubspot.act("edit", &wish);
    }

    fn rename_member(&self, member: &Value, name: &str) {
        let properties = json!({ "merge_fields": { "FNAME": name } });
        let wish = json!({ "id": member["id"], "properties": properties });
        self.office.mailchimp.act("edit", &wish);
    }

    fn arrives_at_hubspot(&self, contact: &Value, name: &str) {
        until(name, || {
            let contacts = self.office.contacts();
            let same = |found: &&Value| found["id"] == contact["id"];
            contacts.iter().find(same).unwrap()["properties"]["firstname"] == name
        });
    }

    fn arrives_at_mailchimp(&self, member: &Value, name: &str) {
        until(name, || {
            let members = self.office.members();
            let same = |found: &&Value| found["id"] == member["id"];
            members.iter().find(same).unwrap()["merge_fields"]["FNAME"] == name
        });
    }

    /// No schedule began a sync: what arrived came by webhook.
    fn close(self) {
        self.hub.signal(Signal::TERM);
        let ended = self.hub.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for secret in [APP_SECRET, ADDRESS, "the-key-to"] {
            assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        }
    }
}

/// Says how the systems reach the hub, and what proves their webhooks.
fn apply(office: &Office, url: &str) {
    let config = office.config();
    let config = config.replace(
        "{ token: { env: HUBSPOT_TOKEN } }",
        "{ token: { env: HUBSPOT_TOKEN }, client_secret: { env: HUBSPOT_APP } }",
    );
    let config = config.replace(
        "{ token: { env: MAILCHIMP_TOKEN } }",
        "{ token: { env: MAILCHIMP_TOKEN }, webhook_secret: { env: MAILCHIMP_HOOK } }",
    );
    let more = format!("schedule: {{ every: 1h }}\nwebhooks: {{ url: '{url}' }}\n");
    office.program.apply(&format!("{more}{config}")).fine();
}

fn serve(program: &Program) -> (Running, u16) {
    let mut hub = program.start("serve --lease 5 --listen 127.0.0.1:0");
    let line = hub.told("listening at");
    let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    (hub, port)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    while !holds() {
        assert!(clock.monotonic() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn event(contact: &Value) -> Value {
    let id: i64 = contact["id"].as_str().unwrap().parse().unwrap();
    json!([{ "subscriptionType": "contact.propertyChange", "objectId": id, "eventId": 1 }])
}

fn an_edit_arrives(program: Program) {
    let desk = Desk::open(program);
    let sender = desk.sender();
    let (contact, member) = desk.somebody();
    desk.rename_contact(&contact, "Wilhelmina");
    // What the webhook says is not believed: it only names the record.
    let mut lie = event(&contact);
    lie[0]["propertyName"] = json!("firstname");
    lie[0]["propertyValue"] = json!("Mallory");
    assert_eq!(sender.hubspot(&lie), 200);
    desk.arrives_at_mailchimp(&member, "Wilhelmina");

    // The other way, by an address that is the proof.
    desk.rename_member(&member, "Clementine");
    assert_eq!(sender.probe("mailchimp", ADDRESS), 200);
    let body = form(&[
        ("type", "profile"),
        ("data[list_id]", "a1b2c3d4e5"),
        ("data[email]", &email(&member)),
    ]);
    assert_eq!(sender.form("mailchimp", ADDRESS, &body), 200);
    desk.arrives_at_hubspot(&contact, "Clementine");

    // A new record.
    let address = "new.person@example.com";
    let wish =
        json!({ "properties": { "email": address, "firstname": "Nora", "newsletter": "yes" } });
    let made = desk.office.hubspot.act("create", &wish);
    assert_eq!(sender.hubspot(&event(&made)), 200);
    until(address, || {
        desk.office
            .members()
            .iter()
            .any(|member| email(member) == address)
    });
    desk.close();
}

#[test]
fn an_edit_arrives_by_its_webhook() {
    an_edit_arrives(Program::new());
}

#[test]
fn an_edit_arrives_by_its_webhook_on_a_server() {
    let database = concord_cluster::database().unwrap();
    an_edit_arrives(Program::on_server(&database));
}

#[test]
fn what_proves_nothing_is_turned_away() {
    let desk = Desk::open(Program::new());
    let sender = desk.sender();
    let (contact, _) = desk.somebody();
    let body = event(&contact).to_string();
    let now = sender.now();
    let path = "/webhooks/hubspot";
    assert_eq!(sender.signed(path, &body, now, "another-secret"), 401);
    assert_eq!(sender.signed(path, &body, now - 301_000, APP_SECRET), 401);
    assert_eq!(sender.signed(path, &body, now + 301_000, APP_SECRET), 401);
    let elsewhere = sender.signed_for("https://other.example", path, &body);
    assert_eq!(elsewhere, 401);
    assert_eq!(sender.unsigned(path, &body), 401);
    assert_eq!(
        sender.signed("/webhooks/nobody", &body, now, APP_SECRET),
        404
    );
    assert_eq!(sender.get(path), 405);
    assert_eq!(sender.probe("mailchimp", "a-guess"), 401);
    assert_eq!(sender.form("mailchimp", "a-guess", "type=profile"), 401);
    assert_eq!(sender.form("mailchimp", "", "type=profile"), 404);
    // Nothing of it is read: the length alone turns it away.
    assert_eq!(sender.declared(path, 50 << 20), 413);
    assert_eq!(sender.endless(path, 2 << 20), 413);
    assert_eq!(sender.get("/healthz"), 200);
    assert_eq!(sender.get("/readyz"), 200);
    // What is proven and makes no sense is kept, told and let go.
    assert_eq!(sender.signed(path, "not json", now, APP_SECRET), 200);
    let mut desk = desk;
    desk.hub.told("was not understood");
    desk.close();
}

fn nothing_is_lost(program: Program) {
    let mut desk = Desk::open(program);
    let (contact, member) = desk.somebody();
    for name in ["Anselma", "Brunhilde", "Cosima"] {
        desk.rename_contact(&contact, name);
        assert_eq!(desk.sender().hubspot(&event(&contact)), 200);
        // It is killed right after its word.
        let Desk { office, hub, .. } = desk;
        hub.kill();
        let (hub, port) = serve(&office.program);
        desk = Desk { office, hub, port };
        desk.arrives_at_mailchimp(&member, name);
    }
    desk.close();
}

#[test]
fn a_hub_that_dies_after_its_word_keeps_it() {
    nothing_is_lost(Program::new());
}

#[test]
fn a_hub_that_dies_after_its_word_keeps_it_on_a_server() {
    let database = concord_cluster::database().unwrap();
    nothing_is_lost(Program::on_server(&database));
}

#[test]
fn ten_thousand_at_once_are_all_answered() {
    let desk = Desk::open(Program::new());
    let (contact, member) = desk.somebody();
    desk.rename_contact(&contact, "Wilhelmina");
    let bodies = (0..10_000).map(|n| {
        let mut event = event(&contact);
        event[0]["eventId"] = json!(n);
        event.to_string()
    });
    let answers = flood::send(desk.port, APP_SECRET, bodies.collect());
    let kept = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(kept, answers.len());
    assert_eq!(kept, 10_000);
    desk.arrives_at_mailchimp(&member, "Wilhelmina");
    desk.close();
}

/// The twins send by themselves here, as their vendors' documentation says; nobody
/// signs for them.
#[test]
fn vendors_tell_by_themselves_and_what_they_do_not_tell_is_found() {
    let desk = Desk::open(Program::new());
    let url = format!("http://127.0.0.1:{}", desk.port);
    let office = &desk.office;
    apply(office, &url);
    let target = json!({ "url": format!("{url}/webhooks/hubspot"), "secret": APP_SECRET });
    office.hubspot.act("webhooks/target", &target);
    let refused = office.program.run("webhooks register hubspot");
    refused.refuses(1, &["vendor's own pages", "/webhooks/hubspot"]);
    // The hub looks every second at what was applied.
    until("the new address", || {
        desk.sender().signed_for(&url, "/webhooks/hubspot", "[]") == 200
    });
    office.program.run("webhooks register mailchimp").fine();
    let listed = office.program.run("webhooks list").fine();
    assert_eq!(listed[1]["subscribes"], "connector");
    assert_ne!(listed[1]["subscribed_since"], Value::Null, "{listed}");
    assert!(!listed.to_string().contains(ADDRESS), "{listed}");

    let (contact, member) = desk.somebody();
    desk.rename_contact(&contact, "Wilhelmina");
    desk.arrives_at_mailchimp(&member, "Wilhelmina");
    desk.rename_member(&member, "Clementine");
    desk.arrives_at_hubspot(&contact, "Clementine");

    // Told twice, nothing else comes of it.
    office.hubspot.act("webhooks", &json!({ "duplicate": 4 }));
    desk.rename_contact(&contact, "Anselma");
    desk.rename_contact(&contact, "Brunhilde");
    desk.arrives_at_mailchimp(&member, "Brunhilde");

    // One that is lost on its way is found by the next sync.
    office.hubspot.act("webhooks", &json!({ "drop": 1 }));
    desk.rename_contact(&contact, "Cosima");
    office.program.run("schedule now").fine();
    desk.arrives_at_mailchimp(&member, "Cosima");

    office.program.run("webhooks unregister mailchimp").fine();
    let listed = office.program.run("webhooks list").fine();
    assert_eq!(listed[1]["subscribed_since"], Value::Null);

    // Who goes takes it along.
    office.program.run("webhooks register mailchimp").fine();
    let mut left: Value = office.program.run("export").fine();
    left["rules"] = json!({});
    office.program.apply(&left.to_string()).fine();
    let removed = office.program.run("connection remove mailchimp").fine();
    assert_eq!(removed["webhooks"], "it sends no webhooks any more");
    apply(office, &url);
    let listed = office.program.run("webhooks list").fine();
    assert_eq!(listed[1]["connection"], "mailchimp");
    assert_eq!(listed[1]["subscribed_since"], Value::Null);
    desk.close();
}
