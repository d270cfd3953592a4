//! `cargo xtask demo`: the real program against two twins, as a user would run
//! it, with people who go on working in both systems.

mod people;
mod story;
mod summary;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

use crate::prerequisites::{self, BUILD};
use crate::stage::Stage;
use crate::stage::children::{Children, EndWithScope};
use crate::stage::twin::Twin;
use crate::workspace::Workspace;
use crate::{plugins, run};
use story::Story;
use summary::Summary;

/// Few enough to be read, enough for every kind of trouble.
const PEOPLE: usize = 60;
const SEED: u64 = 7;

const CONFIG: &str = include_str!("../../../docs/demo/concord.yaml");
/// Where the configuration says that the twins are.
const HUBSPOT: &str = "http://127.0.0.1:7101";
const MAILCHIMP: &str = "http://127.0.0.1:7102";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// End when the story is told, instead of staying up for trying things out
    #[arg(long)]
    pub(crate) exit: bool,
    /// Print one JSON object as the last line, and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let clock = ProgressBar::hidden();
    prerequisites::check(&BUILD.iter().collect::<Vec<_>>())?;
    let workspace = Workspace::read()?;
    let children = Children::default();
    children.watch_signals()?;
    let _scope = EndWithScope(children.clone());
    let stage = build(&workspace, arguments.json, children)?;

    let story = Story {
        hubspot: Twin::start(&stage, "hubspot", PEOPLE, SEED)?,
        mailchimp: Twin::start(&stage, "mailchimp", PEOPLE, SEED)?,
        stage: &stage,
    };
    let config = CONFIG
        .replace(HUBSPOT, &story.hubspot.address)
        .replace(MAILCHIMP, &story.mailchimp.address);
    let path = stage.folder.join("concord.yaml");
    std::fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;

    let told = story.tell()?;
    let summary = Summary::collect(&stage, &story, &told)?.took(clock.elapsed().as_secs_f64());
    stage.headline("What this came to");
    stage.say(&summary.words());
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    }
    if let Some(failure) = summary.failure() {
        bail!(
            "{failure}; the database is left in {}",
            stage.folder.display()
        );
    }
    if arguments.exit {
        return Ok(());
    }
    invite(&stage, &story);
    stage.children.wait_for_end()
}

/// Builds the program and its plugins, and makes an empty folder to play in.
fn build(workspace: &Workspace, json: bool, children: Children) -> Result<Stage> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package", "concord", "--bin", "concord"]);
    run::loud(
        "building concord (the first time takes minutes)",
        &mut cargo,
    )?;
    plugins::build_for(workspace, &["hubspot", "mailchimp"])?;
    Stage::make(workspace, "demo", "debug", json, children)
}

/// What to try while the twins are up.
fn invite(stage: &Stage, story: &Story<'_>) {
    let Stage {
        program,
        plugins,
        folder,
        ..
    } = stage;
    stage.say(&format!(
        "
── The twins stay up until Ctrl-C. In another terminal:

  cd {}
  export CONCORD_PLUGINS={} HUBSPOT_TOKEN=token-of-the-twin MAILCHIMP_TOKEN=token-of-the-twin
  alias concord={}
  concord status
  concord matches list
  curl -d '{{\"properties\": {{\"email\": \"ann@example.test\", \"firstname\": \"Ann\"}}}}' \\
      {}/_twin/create
  concord sync && concord plan
  curl {}/_twin/dump/members",
        folder.display(),
        plugins.display(),
        program.display(),
        story.hubspot.address,
        story.mailchimp.address,
    ));
}
