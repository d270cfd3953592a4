//! `cargo xtask bench`: the real program, its HubSpot connector and the twin in
//! another process, beside a floor that does the least that anybody could; on
//! SQLite, and on a PostgreSQL of the bench's own.
//!
//! Everything is counted in processor time, which other work on the machine
//! disturbs little, and shown as a ratio to the floor of the same run.  That of
//! the database server is counted in; what the server puts off until after the
//! run (checkpoints, vacuum) is not.

mod figures;
mod floor;
mod ground;
mod growth;
mod hub;
mod linkage;
mod people;
mod server;
mod webhooks;

use anyhow::Result;
use serde_json::json;

use crate::prerequisites::{self, BUILD, POSTGRES};
use crate::stage::Stage;
use crate::stage::children::{Children, EndWithScope};
use crate::stage::twin::Twin;
use crate::workspace::Workspace;
use crate::{plugins, run};
use figures::{Line, Measured, median};
use floor::Floor;
use ground::Ground;
use hub::Hub;
use server::Server;

#[derive(clap::Subcommand)]
enum What {
    /// The matcher on data with known answers
    Match(linkage::Arguments),
    /// What a record costs in small and in large databases
    Growth(growth::Arguments),
    /// How many webhooks are kept a second, and how long one waits
    Webhooks(webhooks::Arguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Print one JSON object a line, and nothing else on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Only on this database
    #[arg(long, global = true)]
    store: Option<Store>,
    /// How many contacts the full load reads
    #[arg(long, default_value_t = 100_000)]
    load: usize,
    /// How many of them are changed for the incremental run
    #[arg(long, default_value_t = 1_000)]
    changed: usize,
    /// How many contacts are written
    #[arg(long, default_value_t = 10_000)]
    push: usize,
    /// How many contacts the smaller and the larger of the two memory runs read
    #[arg(long, num_args = 2, default_values_t = [10_000, 200_000])]
    memory: Vec<usize>,
    /// How often each figure is taken; the median is told
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(What::Match(wanted)) = &arguments.what {
        return linkage::run(wanted, arguments.json);
    }
    let on = |store| arguments.store.is_none_or(|only| only == store);
    let server = on(Store::Postgres).then_some(POSTGRES);
    let wanted = BUILD.iter().chain(server.into_iter().flatten());
    prerequisites::check(&wanted.collect::<Vec<_>>())?;
    let workspace = Workspace::read()?;
    let children = Children::default();
    children.watch_signals()?;
    let _scope = EndWithScope(children.clone());
    let stage = build(&workspace, arguments.json, children)?;
    let mut grounds = Vec::new();
    if on(Store::Sqlite) {
        grounds.push(Ground::Files);
    }
    if on(Store::Postgres) {
        grounds.push(Ground::Server(Server::start()?));
    }
    for ground in &grounds {
        let bench = Bench {
            floor: Floor::beside(&stage, ground),
            stage: &stage,
            ground,
        };
        if let Some(What::Growth(wanted)) = &arguments.what {
            bench.growth(wanted)?;
            continue;
        }
        if let Some(What::Webhooks(wanted)) = &arguments.what {
            bench.webhooks(wanted)?;
            continue;
        }
        bench.warm_start(arguments.rounds)?;
        bench.load_and_change(arguments.load, arguments.changed, arguments.rounds)?;
        bench.push(arguments.push, arguments.rounds)?;
        bench.memory(&arguments.memory)?;
    }
    Ok(())
}

/// Builds everything as it is shipped, and makes an empty folder.
fn build(workspace: &Workspace, json: bool, children: Children) -> Result<Stage> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release"]);
    cargo.args(["--package", "concord", "--package", "concord-floor"]);
    run::loud("building (the first time takes minutes)", &mut cargo)?;
    plugins::build_for(workspace, &["hubspot"])?;
    Stage::make(workspace, "bench", "release", json, children)
}

struct Bench<'a> {
    stage: &'a Stage,
    ground: &'a Ground,
    floor: Floor<'a>,
}

impl Bench<'_> {
    /// From the start of the program to its end, with one page to absorb; the
    /// compiled connector is at hand.
    fn warm_start(&self, rounds: usize) -> Result<()> {
        const PAGE: usize = 100;
        let twin = self.twin("start", PAGE)?;
        let hub = Hub::new(self.stage, self.ground, "start", &[&twin])?;
        hub.sync(&[])?;
        let store = self.ground.name();
        let mut walls = Vec::new();
        for _ in 0..rounds.max(5) {
            hub.forget()?;
            walls.push(hub.sync(&[])?.wall.as_secs_f64() * 1_000.0);
        }
        walls.sort_by(f64::total_cmp);
        let median = walls[walls.len() / 2];
        self.tell(
            &json!({ "name": "warm-start", "store": store, "records": PAGE, "ms": median.round() }),
            &format!("warm start on {store}: {median:.0} ms from the start to the end of a sync of one page"),
        );
        hub.remove()
    }

    fn load_and_change(&self, records: usize, changed: usize, rounds: usize) -> Result<()> {
        let twin = self.twin("load", records)?;
        let hub = Hub::new(self.stage, self.ground, "load", &[&twin])?;
        let load = || {
            hub.forget()?;
            hub.sync(&[])
        };
        let bare = || self.floor.load(&twin, false, None);
        let shaped = || self.floor.load(&twin, true, None);
        self.compare("load", records, rounds, [&load, &bare, &shaped])?;

        // Every round starts from what the load left.
        hub.keep()?;
        let since = people::edit(&twin, &people::first(&twin, changed)?, people::TITLE)?;
        let incremental = || {
            hub.go_back()?;
            hub.sync(&[])
        };
        let bare = || self.floor.load(&twin, false, Some(since));
        let shaped = || self.floor.load(&twin, true, Some(since));
        self.compare(
            "incremental",
            changed,
            rounds,
            [&incremental, &bare, &shaped],
        )?;
        hub.remove()
    }

    /// What one account knows is written to another that knows nobody.
    fn push(&self, records: usize, rounds: usize) -> Result<()> {
        let source = self.twin("source", records)?;
        // What the hub writes is what the floor writes.
        let (list, written) = {
            let target = self.twin("target", 0)?;
            self.push_once(&source, &target)?;
            let written = usize::try_from(target.written()?.created)?;
            (self.floor.take(&target)?, written)
        };
        let hub = || self.push_once(&source, &self.twin("target", 0)?);
        let bare = || self.floor.push(&self.twin("bare", 0)?, &list, false);
        let shaped = || self.floor.push(&self.twin("shaped", 0)?, &list, true);
        self.compare("push", written, rounds, [&hub, &bare, &shaped])
    }

    fn push_once(&self, source: &Twin, target: &Twin) -> Result<Measured> {
        let hub = Hub::new(self.stage, self.ground, "push", &[source, target])?;
        hub.sync(&[])?;
        let pushed = hub.sync(&["--approve"])?;
        hub.remove()?;
        Ok(pushed)
    }

    fn memory(&self, sizes: &[usize]) -> Result<()> {
        let store = self.ground.name();
        let mut peaks = Vec::new();
        for records in sizes {
            let twin = self.twin("memory", *records)?;
            let hub = Hub::new(self.stage, self.ground, "memory", &[&twin])?;
            let peak = figures::megabytes(hub.sync(&[])?.peak_bytes);
            self.tell(
                &json!({ "name": "memory", "store": store, "records": records, "peak_mb": peak }),
                &format!("memory on {store}: {peak} MB at most while {records} records are loaded"),
            );
            peaks.push(peak);
            hub.remove()?;
        }
        if let [small, large] = peaks[..] {
            let most = small * 1.1 + 10.0;
            let word = if large <= most { "within" } else { "beyond" };
            run::say(&format!(
                "{large} MB is {word} 10 % + 10 MB above {small} MB"
            ));
        }
        Ok(())
    }

    fn twin(&self, name: &'static str, people: usize) -> Result<Twin> {
        run::say(&format!("a twin with {people} contacts"));
        let line = format!("--json twin hubspot --no-limits --people {people} --seed 11");
        Twin::start_with(self.stage, name, &line)
    }

    /// The hub and both floors in turn, so that a machine that grows slower
    /// does so for all of them.
    fn compare(
        &self,
        name: &'static str,
        records: usize,
        rounds: usize,
        three: [&dyn Fn() -> Result<Measured>; 3],
    ) -> Result<()> {
        let mut taken = [const { Vec::new() }; 3];
        for _ in 0..rounds.max(1) {
            for (taken, run) in taken.iter_mut().zip(three) {
                taken.push(run()?);
            }
        }
        let [hub, bare, shaped] = taken.map(median);
        let store = self.ground.name();
        let line = Line::new(name, store, records, &hub?, &bare?, &shaped?);
        self.tell(&json!(line), &line.words());
        Ok(())
    }

    fn tell(&self, document: &serde_json::Value, words: &str) {
        if self.stage.json {
            println!("{document}");
        } else {
            println!("{words}");
        }
    }
}
