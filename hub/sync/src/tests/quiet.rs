//! P1 and P8: once a system was read and got what it was owed, nothing more is
//! owed and nothing changes, whatever the system makes of what it is given.
//! P11: it is given nothing that nobody put there.

use concord_core::record::Applied;
use proptest::prelude::*;

use super::*;
use crate::confirm::{Next, applied, resolve};
use crate::emit::{Target, compose, debt};
use crate::scope::Filter;

/// How the system treats what it stores.
#[derive(Clone, Copy, Debug)]
enum Rewriting {
    Honest,
    /// As the lenses of `firm` and `mail2` declare.
    Declared,
    /// Every text in capitals, which nobody declared.
    Capitals,
}

/// How the hub learns what was stored.
#[derive(Clone, Copy, Debug)]
enum Telling {
    Answer,
    PartialAnswer,
    Declared,
    ReadBack,
    /// The answer is lost, and the system has no versions.
    Lost,
}

struct System {
    rewriting: Rewriting,
    telling: Telling,
    record: RemoteRecord,
    written: Vec<Fields>,
}

impl System {
    fn store(&mut self, payload: Fields) {
        for (name, value) in &payload {
            let stored = self.rewritten(name, value);
            self.record.fields.insert(name.clone(), stored);
        }
        let version = self.written.len() + 10;
        self.record.version = Some(version.to_string());
        self.written.push(payload);
    }

    fn rewritten(&self, name: &str, value: &Value) -> Value {
        let Some(text) = value.as_str() else {
            return value.clone();
        };
        match (self.rewriting, name) {
            (Rewriting::Declared, "firm") => json!(text.chars().take(5).collect::<String>()),
            (Rewriting::Declared, "mail2") => json!(text.to_lowercase()),
            (Rewriting::Capitals, "title" | "dept" | "name") => json!(text.to_uppercase()),
            _ => value.clone(),
        }
    }
}

struct Hub {
    world: World,
    entity: Entity,
    link: Link,
}

impl Hub {
    fn look(&mut self, system: &System) -> Absorbed {
        self.world.now = self.world.now.plus(std::time::Duration::from_secs(100));
        let record = &system.record;
        self.world
            .absorb_record(&mut self.link, &mut self.entity, record, &[])
    }

    /// Plans what is owed; writes nothing.
    fn owed(&self) -> Option<Fields> {
        let target = Target {
            scene: self.world.scene(),
            write: &Filter::default(),
            link: Some(&self.link),
            open: false,
            create_blocked: None,
        };
        debt(&self.entity, &target, &Held::default(), &|_| true).map(|debt| debt.values)
    }

    /// Writes what is owed; gives false where there was nothing.
    fn settle(&mut self, system: &mut System) -> bool {
        let Some(values) = self.owed() else {
            return false;
        };
        let mut planned = intent(Value::Object(values), Value::Object(self.link.sent.clone()));
        let mut next = Next::Replay;
        while next == Next::Replay {
            self.world.now = self.world.now.plus(std::time::Duration::from_secs(100));
            planned.sent_at = Some(self.world.now);
            planned.deadline = Some(self.world.now);
            let composed = compose(
                &planned.values,
                &self.link.raw,
                &self.entity,
                &self.world.scene(),
            );
            assert!(composed.unfit.is_empty(), "{:?}", composed.unfit);
            if !composed.fields.is_empty() {
                system.store(composed.fields);
            }
            next = self.hear(&mut planned, system);
        }
        assert_eq!((next, planned.state), (Next::Closed, IntentState::Done));
        true
    }

    fn hear(&mut self, planned: &mut Intent, system: &System) -> Next {
        self.world.now = self.world.now.plus(std::time::Duration::from_secs(1));
        let held = Held::default();
        let scene = self.world.scene();
        let read = self.world.read();
        let mut stored = system.record.clone();
        stored.partial = matches!(system.telling, Telling::PartialAnswer);
        let answer = Applied {
            id: "r1".into(),
            version: stored.version.clone(),
            stored: Some(stored),
        };
        let (link, entity) = (&mut self.link, &mut self.entity);
        let mut next = Next::ReadBack;
        if matches!(system.telling, Telling::Lost) {
            // Only the first answer is lost, or nothing would ever be known.
            if planned.seen.is_empty() {
                planned.state = IntentState::InDoubt;
            } else {
                planned.deadline = None;
            }
        } else {
            next = applied(planned, link, entity, &answer, read, &held, &scene).1;
        }
        if next == Next::ReadBack {
            next = resolve(planned, link, entity, &system.record, read, &held, &scene).1;
        }
        next
    }
}

fn word() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!(null)),
        1 => Just(json!("")),
        6 => "[a-zA-Z]{1,7}( [a-zA-Z]{1,4})?".prop_map(Value::from),
    ]
}

fn tags() -> impl Strategy<Value = Value> {
    proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_map(|set| match set.len() {
        0 => Value::Null,
        _ => json!(set),
    })
}

fn consents() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![
        json!(null),
        json!({"status": "opted_in", "at": null}),
        json!({"status": "opted_out", "at": null}),
        json!({"status": "opted_in", "at": "2026-05-01T00:00:00Z"}),
        json!({"status": "opted_out", "at": "2026-06-01T00:00:00Z"}),
    ])
}

fn canonical() -> impl Strategy<Value = Value> {
    (word(), word(), word(), word(), tags(), consents(), word()).prop_map(
        |(title, dept, firm, mail, tags, consent, given)| {
            json!({
                "job_title": title, "department": dept, "company": firm, "other_email": mail,
                "tags": tags, "email_consent": consent, "given_name": given,
                "address": {"street": title, "city": dept},
            })
        },
    )
}

fn remote() -> impl Strategy<Value = Value> {
    let news = proptest::sample::select(vec!["yes", "no", "pending"]);
    (word(), word(), word(), word(), tags(), news, word()).prop_map(
        |(title, dept, firm, mail, tags, news, name)| {
            json!({
                "title": title, "dept": dept, "firm": firm, "mail2": mail, "tags": tags,
                "news": news, "news_at": null, "name": name,
                "addr": {"street": dept, "city": title, "land": null},
            })
        },
    )
}

fn system() -> impl Strategy<Value = (Rewriting, Telling)> {
    use Rewriting::{Capitals, Declared, Honest};
    proptest::sample::select(vec![
        (Honest, Telling::Answer),
        (Honest, Telling::PartialAnswer),
        (Honest, Telling::Declared),
        (Honest, Telling::ReadBack),
        (Honest, Telling::Lost),
        (Declared, Telling::Answer),
        (Declared, Telling::PartialAnswer),
        (Declared, Telling::Declared),
        (Declared, Telling::ReadBack),
        (Declared, Telling::Lost),
        // What nobody declared has to be told by a version or by the answer.
        (Capitals, Telling::Answer),
        (Capitals, Telling::PartialAnswer),
        (Capitals, Telling::ReadBack),
        (Capitals, Telling::Lost),
    ])
}

fn hub(canonical: Value, telling: Telling) -> Hub {
    let mut world = world();
    world.stream.answer_is_record = matches!(telling, Telling::Answer | Telling::PartialAnswer);
    world.stream.rewrites_declared = matches!(telling, Telling::Declared);
    Hub {
        link: world.link(nothing(), nothing()),
        entity: person(canonical),
        world,
    }
}

/// Texts that somebody put somewhere.
fn texts(of: &Value, into: &mut Vec<String>) {
    match of {
        Value::String(text) => into.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts(one, into)),
        Value::Object(all) => all.values().for_each(|one| texts(one, into)),
        _ => {}
    }
}

/// Reads, writes until nothing is owed, and then expects silence.
fn drain(hub: &mut Hub, system: &mut System) {
    hub.look(system);
    let rounds = (0..6).take_while(|_| {
        let wrote = hub.settle(system);
        hub.look(system);
        wrote
    });
    assert!(rounds.count() < 6, "it never ends");
    calls_nothing(hub, system);
}

/// A second run without an outside change: every write is a panic, and neither
/// link nor entity moves.
fn calls_nothing(hub: &mut Hub, system: &System) {
    let (entity, raw, sent) = (
        hub.entity.clone(),
        hub.link.raw.clone(),
        hub.link.sent.clone(),
    );
    let out = hub.look(system);
    if let Some(values) = hub.owed() {
        panic!("a second run would write {values:?}");
    }
    assert_eq!(out, Absorbed::default());
    assert_eq!(
        (&hub.entity, &hub.link.raw, &hub.link.sent),
        (&entity, &raw, &sent)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn after_a_drain_there_is_silence(
        canonical in canonical(),
        first in remote(),
        second in remote(),
        (rewriting, telling) in system(),
    ) {
        let mut put = Vec::new();
        for value in [&canonical, &first, &second] {
            texts(value, &mut put);
        }
        let mut hub = hub(canonical, telling);
        let mut system = System { rewriting, telling, record: record(first), written: Vec::new() };
        drain(&mut hub, &mut system);
        // People at the system edit, and it all comes to rest again.
        system.record.fields = fields(second);
        system.record.version = Some("3".into());
        drain(&mut hub, &mut system);
        // P11.
        let mut sent = Vec::new();
        system.written.iter().for_each(|payload| texts(&json!(payload), &mut sent));
        for text in sent {
            let is_put = put.contains(&text) || ["yes", "no", "DE"].contains(&text.as_str());
            let is_name = text.split(' ').all(|part| put.iter().any(|p| p.contains(part)));
            prop_assert!(is_put || is_name, "{text:?} was put by nobody");
        }
    }

    #[test]
    fn an_opt_out_survives_whatever_is_read_and_written(
        first in remote(),
        second in remote(),
        (rewriting, telling) in system(),
    ) {
        let opt_out = json!({"status": "opted_out", "at": null});
        let mut hub = hub(json!({"email_consent": opt_out}), telling);
        let mut system = System { rewriting, telling, record: record(first), written: Vec::new() };
        for seen in [None, Some(second)] {
            if let Some(seen) = seen {
                system.record.fields = fields(seen);
            }
            drain(&mut hub, &mut system);
            prop_assert_eq!(&hub.entity.value("email_consent")["status"], "opted_out");
            prop_assert_eq!(&system.record.fields["news"], "no");
        }
        prop_assert!(system.written.iter().all(|payload| payload.get("news") != Some(&json!("yes"))));
    }
}
