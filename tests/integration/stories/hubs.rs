//! Several hubs share the connections of one database.  One may die or stop for
//! longer than its claims last; nothing is lost, nobody is created twice, and no
//! two of them ask a system at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use concord_core::ports::{Connector, IntentFilter, Store};
use concord_core::state::{Intent, IntentState};
use concord_engine::EngineError;
use concord_engine::hub::Options;
use concord_engine::run::{Report, Request};
use concord_engine::sharing::{Sharing, Terms};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use super::World;
use crate::world::{Behaviour, Death, Faulty, Passage, Stop, breathe};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A world of five systems, each of which knows somebody of its own and Ann.
struct Office {
    world: World,
    occupied: Vec<Arc<AtomicBool>>,
}

impl Office {
    async fn open() -> Arc<Self> {
        let world = World::with(NAMES.map(|name| (name, Behaviour::default())));
        for name in NAMES {
            let system = world.system(name);
            system.add(json!({"mail": "ann@example.com", "first": "Ann", "last": "Lee"}));
            let own = format!("{name}@example.com");
            system.add(json!({"mail": own, "first": "Own", "last": name}));
        }
        // The connections are there before the hubs are.
        world.hub().await;
        Arc::new(Self {
            world,
            occupied: NAMES.map(|_| Arc::default()).to_vec(),
        })
    }

    async fn sync(
        &self,
        owner: &str,
        store: Arc<dyn Store>,
        stop: Option<Stop>,
    ) -> Result<Report, EngineError> {
        let request = Request {
            approve: true,
            ..Request::default()
        };
        self.run(owner, store, stop, &request).await
    }

    /// A run by a hub of its own, which shares the database with others.
    async fn run(
        &self,
        owner: &str,
        store: Arc<dyn Store>,
        stop: Option<Stop>,
        request: &Request,
    ) -> Result<Report, EngineError> {
        let clock = Arc::clone(&self.world.clock);
        let terms = Terms {
            claim: Duration::from_secs(40),
            look: Duration::from_millis(100),
            ..Terms::default()
        };
        let sharing = Sharing::new(Arc::clone(&store), clock, owner.to_owned(), terms);
        let options = Options {
            page_size: 1,
            sharing: Some(Arc::new(sharing)),
            ..Options::default()
        };
        let passages = |system: &Arc<crate::world::System>| {
            let at = NAMES.iter().position(|name| *name == system.name).unwrap();
            Arc::new(Passage {
                system: Arc::clone(system),
                clock: Arc::clone(&self.world.clock),
                occupied: Arc::clone(&self.occupied[at]),
                stop: stop.clone(),
            }) as Arc<dyn Connector>
        };
        let mut hub = self.world.hub_with(store, options, passages).await?;
        self.world.clock.enter();
        let result = hub.sync(request).await;
        self.world.clock.leave();
        result
    }

    /// All of these hubs at once, to their ends.
    async fn together(self: &Arc<Self>, owners: &[&str]) {
        let here = LocalSet::new();
        let mut running = JoinSet::new();
        for owner in owners {
            let (office, owner) = (Arc::clone(self), (*owner).to_owned());
            let task = async move {
                let store = office.world.store().await;
                office.sync(&owner, store, None).await.unwrap()
            };
            running.spawn_local_on(task, &here);
        }
        for report in here.run_until(running.join_all()).await {
            assert!(!report.failed(), "{report:#?}");
        }
    }

    /// Every system holds the same people, each once.
    fn agrees(&self, people: usize, why: &str) {
        let of = |name: &str| {
            let system = self.world.system(name);
            let fields = ["mail", "first", "last", "title"];
            let row = |id: &String| {
                let values: Vec<Value> = fields.iter().map(|f| system.value(id, f)).collect();
                json!(values).to_string()
            };
            let rows: Vec<String> = system.ids().iter().map(row).collect();
            let different: BTreeSet<String> = rows.iter().cloned().collect();
            assert_eq!(
                rows.len(),
                different.len(),
                "{why}: somebody twice at {name}"
            );
            different
        };
        let first = of("a");
        assert_eq!(first.len(), people, "{why}: {first:#?}");
        for name in NAMES {
            assert_eq!(of(name), first, "{why}: {name}");
        }
    }

    fn edit_everywhere(&self) {
        for name in NAMES {
            let system = self.world.system(name);
            let id = system.find_by("mail", &format!("{name}@example.com"));
            system.edit(&id.unwrap(), json!({"title": format!("Head of {name}")}));
        }
        let b = self.world.system("b");
        b.add(json!({"mail": "new@example.com", "first": "New", "last": "Comer"}));
    }

    async fn is_quiet(&self) {
        self.world.writes();
        for _ in 0..2 {
            let report = self.world.sync().await;
            assert_eq!(
                (report.writes(), self.world.writes()),
                (0, 0),
                "{report:#?}"
            );
        }
    }
}

#[tokio::test]
async fn three_hubs_at_once_come_to_agreement() {
    let office = Office::open().await;
    for _ in 0..2 {
        office.together(&["one", "two", "three"]).await;
    }
    office.agrees(6, "first");
    office.edit_everywhere();
    office.world.clock.advance(Duration::from_secs(60));
    for _ in 0..2 {
        office.together(&["one", "two", "three"]).await;
    }
    office.agrees(7, "after edits");
    office.is_quiet().await;
}

#[tokio::test]
async fn what_a_dead_hub_held_is_done_by_the_others() {
    let mut deaths = 0;
    // How much of the work is its own is for the machine to say: it may be little.
    for n in (1..200).step_by(3) {
        let office = Office::open().await;
        let dying = Arc::new(Faulty::new(office.world.store().await, Death::After(n)));
        let here = LocalSet::new();
        let (first, second) = (Arc::clone(&office), Arc::clone(&office));
        let store = Arc::clone(&dying);
        let dies = async move { first.sync("dying", store, None).await };
        let lives = async move { second.together(&["one", "two"]).await };
        let dies = here.run_until(async { tokio::join!(dies, lives).0 }).await;
        assert_eq!(dies.is_ok(), dying.survived(), "{n}: {dies:?}");
        office.world.clock.advance(Duration::from_secs(600));
        for _ in 0..2 {
            office.together(&["one", "two"]).await;
        }
        office.agrees(6, &format!("death after commit {n}"));
        if dying.survived() {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 3, "only {deaths} deaths");
}

/// What a webhook named may follow a hub that died with a write under way: nobody
/// reads the system that was written to, and the write is not left for the next
/// schedule.
#[tokio::test]
async fn a_run_that_follows_webhooks_ends_what_a_dead_hub_had_under_way() {
    let mut under_way = 0;
    for n in 1..60 {
        let office = Office::open().await;
        for _ in 0..2 {
            office.together(&["one"]).await;
        }
        let a = office.world.system("a");
        let ann = a.find_by("mail", "ann@example.com").unwrap();
        a.edit(&ann, json!({"title": "Head of all"}));
        let store: Arc<dyn Store> = office.world.store().await;
        let dying = Arc::new(Faulty::new(Arc::clone(&store), Death::After(n)));
        let died = office.sync("dying", Arc::clone(&dying) as _, None).await;
        assert_eq!(died.is_ok(), dying.survived(), "{n}: {died:?}");
        let open = IntentFilter {
            open_only: true,
            ..IntentFilter::default()
        };
        let left = store.intents(&open).await.unwrap();
        let not_new = |intent: &Intent| intent.state != IntentState::New;
        under_way += usize::from(left.iter().any(not_new));
        let hinted = Request {
            only_hinted: true,
            ..Request::default()
        };
        let report = office
            .run("living", Arc::clone(&store), None, &hinted)
            .await;
        assert!(!report.unwrap().failed(), "{n}");
        let left = store.intents(&open).await.unwrap();
        assert!(left.is_empty(), "death after commit {n}: {left:#?}");
        if dying.survived() {
            break;
        }
    }
    assert!(
        under_way >= 3,
        "only {under_way} died with a write under way"
    );
}

/// The hub stands still in the middle of a write for longer than its claim
/// lasts, and goes on when the others have taken over and are through.
async fn stands_still(write: i64, sent_first: bool) -> bool {
    let office = Office::open().await;
    let stop = Stop {
        writes: Arc::new(AtomicI64::new(write)),
        sent_first,
        span: Duration::from_secs(600),
        until: Arc::new(Semaphore::new(0)),
        stopped: Arc::default(),
    };
    let (one, its_stop) = (Arc::clone(&office), stop.clone());
    let slow = async move {
        let store = one.world.store().await;
        one.sync("slow", store, Some(its_stop)).await
    };
    let (two, other_stop) = (Arc::clone(&office), stop.clone());
    let others = async move {
        // The others come when it has stopped, or is through.
        for _ in 0..5_000 {
            if other_stop.stopped.load(Ordering::SeqCst) {
                break;
            }
            breathe(Duration::from_millis(1)).await;
        }
        for _ in 0..2 {
            two.together(&["one", "two"]).await;
        }
        other_stop.until.add_permits(1);
    };
    let here = LocalSet::new();
    let slow = here.run_until(async { tokio::join!(slow, others).0 }).await;
    let stopped = stop.stopped.load(Ordering::SeqCst);
    let why = format!("write {write}, sent first: {sent_first}");
    slow.unwrap_or_else(|error| panic!("{why}: it begins anew: {error}"));
    for _ in 0..2 {
        office.together(&["one"]).await;
    }
    office.agrees(6, &why);
    office.is_quiet().await;
    stopped
}

#[tokio::test]
async fn a_hub_that_stood_still_after_its_write_left_changes_nothing_late() {
    for write in [1, 3] {
        assert!(stands_still(write, true).await, "it never stopped");
    }
}
