//! One world from its first day to its end: the real engine on the real store,
//! systems that misbehave, people who act at any moment, and hubs that die.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use concord_core::ports::{ConflictFilter, Store};
use concord_core::schema::MergeRule;
use concord_core::state::{ConnectionRow, EntityState, Verdict};
use concord_core::{Changeset, ConnectionId, EntityId, FieldName, Kind};
use concord_engine::config;
use concord_engine::hub::{Connection, Options, Stream};
use concord_engine::progress::Unwatched;
use concord_engine::review::Choice;
use concord_engine::run::{Chosen, Report, Request};
use concord_engine::sharing::{Sharing, Terms};
use concord_engine::{EngineError, Hub};
use concord_sync::mapping::Mapping;
use concord_sync::scene::Rules;
use concord_sync::schemas;
use concord_sync::scope::Filter;
use futures::FutureExt as _;
use serde_json::json;

use crate::behaviour::Direction;
use crate::check;
use crate::clock::lock;
use crate::ground::{Database, Ground};
use crate::ledger::{Broken, Counts};
use crate::lenses::Relens;
use crate::mortal::{Fate, Life, MortalStore, STILL};
use crate::operator::Operator;
use crate::story::{Rule, Step, Story, Sync};
use crate::system::{Line, System};
use crate::town::Town;
use crate::turns::Turns;
use crate::value::Unit;

/// How a world ended.
pub(crate) struct End {
    pub broken: Vec<Broken>,
    pub counts: Counts,
    pub trace: Vec<String>,
}

pub(crate) struct World {
    pub town: Arc<Town>,
    pub story: Story,
    database: Database,
    pub store: Arc<dyn Store>,
    /// As they are now.
    rules: Mutex<BTreeMap<Unit, Rule>>,
    pub operator: Operator,
}

/// A drain that has not come to rest after so many runs never will.
const DRAIN: u32 = 30;

impl World {
    /// Lives through a story.
    pub(crate) async fn live(story: &Story, ground: &Ground, tracing: bool) -> Result<End> {
        let world = Self::begin(story, ground.database(story.seed), tracing).await?;
        let lived = world.through().await;
        let mut ledger = std::mem::take(&mut *lock(&world.town.ledger));
        if let Err(error) = lived {
            ledger.breaks("error", format!("{error:#}"));
        }
        let trace = world.town.told();
        world.database.remove()?;
        Ok(End {
            broken: ledger.broken,
            counts: ledger.counts,
            trace,
        })
    }

    async fn begin(story: &Story, database: Database, tracing: bool) -> Result<Self> {
        let town = Arc::new(Town::new(tracing));
        let mut systems = Vec::new();
        for (number, behaviour) in story.systems.iter().enumerate() {
            let seed = story.seed ^ (number as u64) << 32;
            systems.push(Arc::new(System::new(
                number,
                behaviour.clone(),
                &town,
                seed,
            )?));
        }
        let store: Arc<dyn Store> = Arc::new(database.open().await?);
        town.settle(systems, Arc::clone(&store));
        Ok(Self {
            operator: Operator::default(),
            town,
            story: story.clone(),
            database,
            store,
            rules: Mutex::default(),
        })
    }

    async fn through(&self) -> Result<()> {
        for step in &self.story.steps {
            lock(&self.town.ledger).counts.steps += 1;
            self.step(step)
                .await
                .with_context(|| format!("while {step}"))?;
        }
        self.drain().await?;
        check::at_rest(self).await
    }

    async fn step(&self, step: &Step) -> Result<()> {
        match step {
            Step::Deed(deed) => deed.happen(&self.town),
            Step::Weather(system, weather) => weather.come(&self.town, *system),
            Step::Pass(span) => self.town.clock.advance(*span),
            Step::Sync(sync) => self.sync(sync).await?,
            Step::Decide(luck) => self.decide(*luck).await?,
            Step::Unite { human, into, fate } => self.unite(*human, *into, *fate).await?,
            Step::Part { luck, fate } => self.part(*luck, *fate).await?,
            Step::Lens(system, relens) => self.relens(*system, *relens).await?,
            Step::Rule(unit, rule) => {
                lock(&self.rules).insert(*unit, *rule);
            }
        }
        Ok(())
    }

    /// A fresh hub, as a process that has just been started.
    pub(crate) async fn hub(
        &self,
        store: Arc<dyn Store>,
        life: &Arc<Life>,
        owner: &str,
    ) -> Result<Hub, EngineError> {
        let schemas = schemas::builtin();
        let known = store.connections().await?;
        let mut rules = Rules::new(
            self.town
                .systems()
                .iter()
                .map(|system| (id_of(system), system.name.clone())),
        );
        for (unit, rule) in lock(&self.rules).iter() {
            let rule = match rule {
                Rule::Latest => MergeRule::Latest,
                Rule::Hold => MergeRule::Hold,
                Rule::Owner(first) => {
                    let count = self.town.systems().len();
                    let second = (first + 1) % count;
                    MergeRule::Owner(vec![format!("s{}", first % count), format!("s{second}")])
                }
            };
            rules.set(Kind::new("person"), FieldName::new(unit.canonical()), rule);
        }
        let mut connections = Vec::new();
        for (system, ways) in self.town.systems().iter().zip(&self.story.house.ways) {
            let id = id_of(system);
            let row = match known.iter().find(|row| row.id == id) {
                Some(row) => row.clone(),
                None => self.enrol(store.as_ref(), system).await?,
            };
            let text = system.state().lenses.mapping(&system.behaviour);
            let mut mapping = Mapping::parse(&text, &schemas)
                .map_err(|error| EngineError::Refused(error.to_string()))?;
            let Some((_, mapping)) = mapping.streams.pop_first() else {
                return Err(EngineError::Refused("a mapping without a stream".into()));
            };
            let direction = match system.behaviour.direction {
                Direction::Both => config::Direction::Both,
                Direction::Read => config::Direction::Read,
            };
            let stream = Stream::new(
                system.caps(),
                mapping,
                direction,
                true,
                Filter::default(),
                Filter::default(),
            );
            connections.push(Connection {
                row,
                connector: Arc::new(Line {
                    system: Arc::clone(system),
                    life: Arc::clone(life),
                }),
                streams: vec![stream],
                ways: ways.clone(),
            });
        }
        let clock = self.town.clock.clone();
        let sharing = self.story.shared.then(|| {
            let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
            Arc::new(Sharing::new(store, clock, owner.to_owned(), terms()))
        });
        let options = Options {
            page_size: 3,
            owner: owner.to_owned(),
            sharing,
            ..Options::default()
        };
        Hub::open(
            store,
            clock,
            Arc::new(Unwatched),
            schemas,
            rules,
            connections,
            options,
        )
        .await
    }

    async fn enrol(
        &self,
        store: &dyn Store,
        system: &System,
    ) -> Result<ConnectionRow, EngineError> {
        let row = ConnectionRow {
            id: id_of(system),
            name: system.name.clone(),
            connector: "world".into(),
            config: serde_json::Value::Null,
            approved_at: None,
            held: None,
            removed: false,
        };
        let mut out = Changeset::durable();
        out.connections.push(row.clone());
        store.commit(&out).await?;
        Ok(row)
    }

    async fn sync(&self, sync: &Sync) -> Result<()> {
        lock(&self.town.ledger).counts.syncs += 1;
        self.town.plan(sync.during.clone());
        let life = Arc::new(Life::new("one", sync.fate));
        let request = Request {
            approve: sync.approve,
            full: sync.full,
            chosen: sync.turns.as_ref().map(|turns| self.chosen(turns)),
            ..Request::default()
        };
        self.town.tell(|| format!("{}", Step::Sync(sync.clone())));
        if let Some((fate, luck)) = sync.rival {
            return self.race(&life, fate, luck, &request).await;
        }
        let run = self.run(&life, &request);
        let ended = {
            tokio::pin!(run);
            tokio::select! {
                biased;
                ended = &mut run => ended,
                () = life.stalled.notified() => {
                    if request.approve {
                        life.allowance.lift();
                    }
                    // Long enough for another hub to take over.
                    self.town.clock.advance(STILL);
                    lock(&self.town.ledger).counts.stalls += 1;
                    self.town.tell(|| "that hub stands still; another takes over".into());
                    let successor = Arc::new(Life::new("two", None));
                    let request = Request { approve: true, ..Request::default() };
                    self.run(&successor, &request).await.context("the hub that took over")?;
                    self.town.tell(|| "the first hub goes on".into());
                    life.go_on.notify_one();
                    run.await
                }
            }
        };
        self.end(&life, ended).await
    }

    fn chosen(&self, turns: &Turns) -> Chosen {
        let names = |numbers: &[usize]| {
            let systems = self.town.systems().iter();
            let chosen = systems.filter(|system| numbers.contains(&system.number));
            chosen.map(|system| system.name.clone()).collect()
        };
        Chosen {
            read: names(&turns.read),
            write: names(&turns.write),
        }
    }

    /// Two hubs at the same time, which share the database.
    async fn race(
        &self,
        life: &Arc<Life>,
        fate: Option<Fate>,
        luck: u64,
        request: &Request,
    ) -> Result<()> {
        lock(&self.town.ledger).counts.races += 1;
        let lives = [Arc::clone(life), Arc::new(Life::new("rival", fate))];
        let hubs = lives
            .iter()
            .map(|life| self.run(life, request).boxed_local());
        let chance = fastrand::Rng::with_seed(luck);
        let clock = &self.town.clock;
        let ended = clock.racers.run(clock, chance, hubs.collect()).await;
        for (life, ended) in lives.iter().zip(ended) {
            self.end(life, ended).await?;
        }
        Ok(())
    }

    /// How a hub's run ended, which only death and a long standstill may cut off.
    async fn end(&self, life: &Life, ended: Result<Report, EngineError>) -> Result<()> {
        match ended {
            Ok(report) => {
                self.count(&report);
                check::meanwhile(self).await?;
                let (hub, calls) = (life.hub, life.calls());
                self.town
                    .tell(|| format!("hub {hub} is through after {calls} calls"));
            }
            Err(error) if life.is_dead() => {
                lock(&self.town.ledger).counts.crashes += 1;
                self.town
                    .tell(|| format!("hub {} is dead: {error}", life.hub));
                // Its lease runs out.
                self.town.clock.advance(Duration::from_secs(130));
            }
            // A hub that stood still for too long has lost its lease, and says so.
            Err(error) if life.has_stalled.load(Ordering::Relaxed) => {
                self.town
                    .tell(|| format!("the hub that stood still ends: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn run(&self, life: &Arc<Life>, request: &Request) -> Result<Report, EngineError> {
        self.allow(life, request).await?;
        let inner: Arc<dyn Store> = Arc::new(self.database.open().await?);
        let store = Arc::new(MortalStore {
            inner,
            life: Arc::clone(life),
            town: Arc::clone(&self.town),
        });
        self.town.begin_run();
        let mut hub = self.hub(store, life, life.hub).await?;
        let result = hub.sync(request).await;
        if life.is_endless() {
            lock(&self.town.ledger).breaks("endless", "a run came to no end");
        }
        if result.is_err() {
            lock(&self.town.ledger).forget(life.hub);
        }
        result
    }

    fn count(&self, report: &Report) {
        let mut ledger = lock(&self.town.ledger);
        for stream in report.streams.values() {
            ledger.counts.doubts += stream.sent.in_doubt;
            ledger.counts.conflicts += stream.read.conflicts + stream.sent.conflicts;
        }
        ledger.counts.guarded += report.guarded.len() as u64;
        for matched in report.matched.values() {
            ledger.counts.matches += matched.linked;
        }
    }

    /// A person decides everything that waits for one.
    async fn decide(&self, luck: u64) -> Result<()> {
        let mut chance = fastrand::Rng::with_seed(luck);
        let life = Arc::new(Life::new("operator", None));
        let hub = self.hub(Arc::clone(&self.store), &life, "operator").await?;
        let filter = ConflictFilter {
            held_only: true,
            ..ConflictFilter::default()
        };
        for conflict in self.store.conflicts(&filter).await? {
            if conflict.decision.is_some() {
                continue;
            }
            let choice = match chance.u32(0..3) {
                0 => Choice::Canonical,
                1 => Choice::Remote,
                _ => match self
                    .of_own(&conflict.field, conflict.entity.clone())
                    .await?
                {
                    Some(value) => Choice::Value(value),
                    None => Choice::Remote,
                },
            };
            self.town.tell(|| {
                format!(
                    "a person decides conflict {} of {} {}: {choice:?}",
                    conflict.id, conflict.entity, conflict.field
                )
            });
            match hub.decide_conflict(conflict.id, &choice, "eve").await {
                Ok(_) => lock(&self.town.ledger).counts.decisions += 1,
                // Settled by the decision of another conflict of the same field.
                Err(EngineError::Refused(why)) => self.town.tell(|| why),
                Err(error) => return Err(error.into()),
            }
        }
        self.judge(&hub, &mut chance).await
    }

    /// A value of the person's own.
    async fn of_own(
        &self,
        field: &FieldName,
        entity: EntityId,
    ) -> Result<Option<concord_core::Value>> {
        let Some(unit) = Unit::of_canonical(field.as_str()) else {
            return Ok(None);
        };
        if matches!(unit, Unit::Tags | Unit::Mail) {
            return Ok(None);
        }
        let human = self.human_of(&entity).await?;
        let mut ledger = lock(&self.town.ledger);
        let number = ledger.mint(human.unwrap_or(u32::MAX), Vec::new());
        for name in unit.fields() {
            ledger.allow(name, &unit.text(name, number));
        }
        Ok(Some(match unit {
            Unit::Address => {
                json!({"street": unit.text("street", number), "city": unit.text("city", number)})
            }
            _ => unit.text(unit.fields()[0], number),
        }))
    }

    /// Who an entity is, by the address that it holds.
    pub(crate) async fn human_of(&self, entity: &EntityId) -> Result<Option<u32>> {
        let found = self.store.entities(std::slice::from_ref(entity)).await?;
        let ledger = lock(&self.town.ledger);
        Ok(found.first().and_then(|entity| {
            ["email", "family_name", "given_name"]
                .iter()
                .find_map(|field| ledger.human_of(entity.value(field)))
        }))
    }

    /// Says of every record in review who it is, which the person knows.
    async fn judge(&self, hub: &Hub, chance: &mut fastrand::Rng) -> Result<()> {
        for review in self.store.reviews(true, 1_000).await? {
            if review.verdict.is_some() {
                continue;
            }
            let human = {
                let ledger = lock(&self.town.ledger);
                ["email", "mail", "family_name", "last"]
                    .iter()
                    .filter_map(|field| review.values.get(*field))
                    .find_map(|value| ledger.human_of(value))
            };
            let mut verdict = Verdict::Apart;
            for candidate in &review.candidates {
                if human.is_some() && self.human_of(candidate).await? == human {
                    verdict = Verdict::Link(candidate.clone());
                }
            }
            // Whether two whom a system made one are one elsewhere, too, is a
            // matter of opinion.
            if let [lives, ended] = review.candidates.as_slice()
                && self.state_of(ended).await? == Some(EntityState::MergedInto(lives.number))
            {
                verdict = match chance.u32(0..3) {
                    0 => Verdict::Apart,
                    _ => Verdict::Link(lives.clone()),
                };
            }
            if let (Verdict::Apart, Some(human)) = (&verdict, human) {
                lock(&self.town.ledger).part(human);
            }
            self.town
                .tell(|| format!("a person says of {}: {verdict:?}", review.link.remote_id));
            if let Err(error) = hub.decide_match(review.id, verdict).await {
                match error {
                    // It waits until the two are made one at the system.
                    EngineError::Refused(why) => self.town.tell(|| format!("refused: {why}")),
                    other => return Err(other.into()),
                }
            }
        }
        Ok(())
    }

    /// All trouble ends, people stop, and the hub works until nothing is left.
    async fn drain(&self) -> Result<()> {
        self.town.tell(|| "from here on all is calm".into());
        self.town.plan(Vec::new());
        for system in self.town.systems() {
            system.calm();
        }
        if self.story.house.maps_as_at_first {
            for system in self.town.systems() {
                self.relens(system.number, Relens::First).await?;
            }
        }
        // Requests that were under way have all arrived.
        self.town.clock.advance(Duration::from_secs(200));
        let mut quiet = 0;
        for turn in 0..DRAIN {
            let before = self.writes();
            let life = Arc::new(Life::new("drain", None));
            let request = Request {
                approve: true,
                full: turn == 2 && self.story.reads_whole,
                ..Request::default()
            };
            let report = self.run(&life, &request).await?;
            self.count(&report);
            self.town.tell(|| format!("a calm run: {report:?}"));
            if turn < 6 {
                self.decide(0).await?;
            }
            // What is in doubt about a record that cannot be seen stays open.
            let moved = self.writes() != before;
            quiet = if moved { 0 } else { quiet + 1 };
            // What waits for a record that cannot be read is tried ever more rarely.
            let pause = if turn < 6 { 61 } else { 5_000 };
            self.town.clock.advance(Duration::from_secs(pause));
            if quiet >= 2 && turn >= 8 {
                return Ok(());
            }
        }
        lock(&self.town.ledger).breaks(
            "P1",
            format!("after {DRAIN} calm runs there is still something to do"),
        );
        Ok(())
    }

    pub(crate) fn system_of(&self, connection: ConnectionId) -> Result<&Arc<System>> {
        let mut systems = self.town.systems().iter();
        let found = systems.find(|system| id_of(system) == connection);
        found.context("a connection of no system")
    }

    pub(crate) fn writes(&self) -> u64 {
        self.town
            .systems()
            .iter()
            .map(|system| system.state().writes)
            .sum()
    }

    /// Writes that were asked for, also those that were refused.
    pub(crate) fn asked(&self) -> u64 {
        let systems = self.town.systems().iter();
        systems.map(|system| system.state().asked).sum()
    }

    pub(crate) async fn calm_run(&self, full: bool) -> Result<Report, EngineError> {
        let life = Arc::new(Life::new("calm", None));
        let request = Request {
            full,
            ..Request::default()
        };
        self.run(&life, &request).await
    }
}

pub(crate) fn id_of(system: &System) -> ConnectionId {
    ConnectionId(system.number as i64 + 1)
}

/// Looks for a claim are rare, since a world's time costs nothing and a look
/// does.
fn terms() -> Terms {
    Terms {
        claim: Duration::from_secs(60),
        look_for_claim: Duration::from_secs(2),
        ..Terms::default()
    }
}
