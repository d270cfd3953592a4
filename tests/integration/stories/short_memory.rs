//! The same half year of some people, lived with all of the books and with those
//! of one day, ends the same.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::ports::{ConflictFilter, Store};
use concord_core::schema::MergeRule;
use concord_core::state::{Cell, Conflict};
use concord_core::{Entity, EntityId, FieldName, Timestamp};
use concord_engine::compact::Compacted;
use concord_engine::review::Choice;
use concord_engine::why::Step;
use serde_json::{Value, json};

use super::World;
use super::compacting::{ONE_DAY, compact, days, deletable, whose};
use crate::world::Behaviour;

/// What a life came to.
#[derive(Debug, PartialEq)]
struct End {
    /// The values of every entity, and what becomes of it.
    canonical: Vec<String>,
    /// What each system holds.
    held: Vec<String>,
    /// Of each field, who put it there and the last steps of its story.
    why: BTreeMap<String, String>,
    letters: Vec<String>,
    undecided: Vec<i64>,
    writes: usize,
}

/// Half a year of seven people, with everything that may be taken back, decided
/// or tried again much later.  Compacts the books after every step, or never.
struct Life {
    world: World,
    removed: Option<Compacted>,
    writes: usize,
}

const FIELDS: [&str; 5] = ["mail", "first", "last", "tel", "title"];

impl Life {
    async fn pass(&mut self) {
        for _ in 0..2 {
            let report = self.world.sync().await;
            assert!(!report.failed(), "{report:#?}");
        }
        self.writes += self.world.writes();
        let quiet = self.world.sync().await;
        assert_eq!((quiet.writes(), self.world.writes()), (0, 0), "{quiet:#?}");
        days(&self.world, 10);
        if let Some(removed) = &mut self.removed {
            let now = compact(&self.world).await;
            removed.runs += now.runs;
            removed.writes += now.writes;
            removed.conflicts += now.conflicts;
            removed.events += now.events;
        }
        let quiet = self.world.sync().await;
        assert_eq!((quiet.writes(), self.world.writes()), (0, 0), "{quiet:#?}");
    }

    async fn edit(&mut self, system: &str, id: &str, fields: Value) {
        self.world.system(system).edit(id, fields);
        self.pass().await;
    }

    async fn undecided(&self) -> Vec<Conflict> {
        let filter = ConflictFilter {
            held_only: true,
            ..ConflictFilter::default()
        };
        self.world.store().await.conflicts(&filter).await.unwrap()
    }

    async fn end(&self, people: &[EntityId]) -> End {
        let world = &self.world;
        let hub = world.hub().await;
        let entities = world.store().await.entities(people).await.unwrap();
        let mut why = BTreeMap::new();
        for entity in &entities {
            for field in ["email", "family_name", "phone", "job_title"] {
                let story = hub.why(&entity.id, field).await.unwrap();
                // What happened to the whole record has no values.
                let is_of_field = |s: &&Step| !s.from.is_null() || !s.to.is_null();
                let steps = story.steps.iter().filter(is_of_field);
                let ours = |what: &str| what.contains("written") || what.contains("created");
                let last = |is_ours: bool| {
                    let mut of = steps.clone().filter(|step| ours(&step.what) == is_ours);
                    of.next_back()
                        .map(|s| json!([s.event, s.by, s.what, s.from, s.to]))
                };
                let came = json!([story.value, story.put_by, last(false)]);
                // The last step of all may be a write of ours.
                let end = steps.clone().next_back().map(|step| step.event);
                let first = story.steps[0].event;
                why.insert(
                    format!("{} {field}", entity.id),
                    json!([came, end, first]).to_string(),
                );
            }
        }
        let held = world.systems.iter().flat_map(|system| {
            let row = |id: String| {
                let values: Vec<Value> = FIELDS.iter().map(|f| system.value(&id, f)).collect();
                json!([system.name, id, values]).to_string()
            };
            system.ids().into_iter().map(row)
        });
        let letters = hub.letters().await.unwrap().refused;
        let undecided = self.undecided().await;
        End {
            canonical: entities.iter().map(cells).collect(),
            held: held.collect(),
            why,
            letters: letters
                .iter()
                .map(|l| json!([l.intent, l.entity, l.values, l.fault]).to_string())
                .collect(),
            undecided: undecided.iter().map(|conflict| conflict.id).collect(),
            writes: self.writes,
        }
    }
}

/// The values of an entity, from whom they are and of which second.
fn cells(entity: &Entity) -> String {
    let cell = |(name, cell): (&FieldName, &Cell)| {
        let second = |moment: Timestamp| moment.millis() / 1_000;
        let (after, until) = (second(cell.after), second(cell.until));
        json!([name, cell.value, cell.origin, after, until])
    };
    let cells: Vec<Value> = entity.cells.iter().map(cell).collect();
    json!([entity.id, entity.state, cells]).to_string()
}

async fn life(compacts: bool) -> (Vec<End>, Option<Compacted>) {
    let picky = Behaviour {
        refuses: Some("Bad"),
        ..deletable()
    };
    let mut world = World::with([("a", deletable()), ("b", picky)]);
    world.rules.push(("family_name", MergeRule::Hold));
    let owner = MergeRule::Owner(vec!["a".into()]);
    world.rules.push(("job_title", owner));
    let a = world.system("a");
    let names = ["Ann", "Bob", "Cid", "Dan", "Dana", "Eve", "Evi"];
    let ids = names.map(|name| {
        a.add(json!({"mail": format!("{name}@example.com"), "first": name, "last": "Lee"}))
    });
    world.approve().await;
    let mut people = Vec::new();
    for id in &ids {
        people.push(whose(&world, id).await);
    }
    world.writes();
    world.retention = compacts.then_some(ONE_DAY);
    let mut life = Life {
        world,
        removed: compacts.then(Compacted::default),
        writes: 0,
    };
    let [ann, bob, cid, dan, dana, _, evi] = ids.each_ref();
    let at_b = |life: &Life, name: &str| {
        let b = life.world.system("b");
        b.find_by("first", name).unwrap()
    };
    let mut ends = Vec::new();
    // Ann moves about, on both sides.
    for n in 1..4 {
        let tel = json!({"tel": format!("+1202555010{n}"), "title": format!("Title {n}")});
        life.edit("a", ann, tel).await;
        let ann = at_b(&life, "Ann");
        let tel = json!({"tel": format!("+1202555011{n}")});
        life.edit("b", &ann, tel).await;
    }
    // Bob marries twice, and somebody has to say whom.
    life.world.system("a").edit(bob, json!({"last": "Orr"}));
    let there = at_b(&life, "Bob");
    life.edit("b", &there, json!({"last": "Ray"})).await;
    // Ann gets two titles at once: that is settled by the rule.
    life.world.system("a").edit(ann, json!({"title": "CEO"}));
    life.world.clock.advance(Duration::from_secs(60));
    let there = at_b(&life, "Ann");
    life.edit("b", &there, json!({"title": "CFO"})).await;
    // Cid's title is refused.
    life.edit("a", cid, json!({"title": "Bad", "tel": "+12025550177"}))
        .await;
    // Dan and Dana are one, and each is edited since.
    let hub = life.world.hub().await;
    hub.merge(&people[3], &people[4], "eve").await.unwrap();
    life.pass().await;
    life.edit("a", dana, json!({"title": "Head of Dana"})).await;
    life.edit("a", dan, json!({"tel": "+12025550188"})).await;
    life.edit("a", dan, json!({"tel": "+12025550189", "title": "Chief"}))
        .await;
    // So are Eve and Evi, whose title is refused.
    life.edit("a", evi, json!({"title": "Bad"})).await;
    hub.merge(&people[5], &people[6], "eve").await.unwrap();
    life.pass().await;
    ends.push(life.end(&people).await);
    // Half a year later all of it is gone through.
    days(&life.world, 100);
    life.pass().await;
    hub.unmerge(&people[4], "eve").await.unwrap();
    hub.unmerge(&people[6], "eve").await.unwrap();
    life.pass().await;
    let title = |id: &str| life.world.system("a").value(id, "title");
    assert_eq!([title(dan), title(dana)], ["Chief", "Head of Dana"]);
    ends.push(life.end(&people).await);
    let held = life.undecided().await;
    assert_eq!(held.len(), 1, "{held:#?}");
    let explained = hub.explain_conflict(held[0].id).await.unwrap();
    assert_eq!(explained.undecidable, None);
    hub.decide_conflict(held[0].id, &Choice::Remote, "eve")
        .await
        .unwrap();
    life.pass().await;
    life.world.system("b").relent();
    let letters = hub.letters().await.unwrap().refused;
    let whose: Vec<&EntityId> = letters.iter().map(|letter| &letter.entity).collect();
    for person in [&people[2], &people[6]] {
        assert!(whose.contains(&person), "{person}: {letters:#?}");
    }
    hub.replay(&[]).await.unwrap();
    life.pass().await;
    ends.push(life.end(&people).await);
    let verified = life.world.hub().await.verify(None).await.unwrap();
    assert!(verified.differences.is_empty(), "{verified:#?}");
    (ends, life.removed)
}

#[tokio::test]
async fn a_life_with_books_of_one_day_ends_like_one_with_all_of_them() {
    let (whole, _) = life(false).await;
    let (short, removed) = life(true).await;
    for (whole, short) in whole.iter().zip(&short) {
        assert_eq!(short, whole);
    }
    assert_ne!(whole[0], whole[1]);
    let removed = removed.unwrap();
    let least = Compacted {
        runs: 20,
        writes: 10,
        conflicts: 1,
        events: 5,
    };
    assert!(
        removed.runs > least.runs
            && removed.writes > least.writes
            && removed.conflicts >= least.conflicts
            && removed.events > least.events,
        "there was hardly anything to remove: {removed:?}"
    );
}
