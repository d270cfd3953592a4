//! What a command says on standard error: lines for people, or one JSON document a
//! line for whoever collects them.

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::arguments::Arguments;
use crate::stages::Stages;
use crate::traces::{self, Traces};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of text
    #[default]
    Text,
    /// A JSON document: `timestamp`, `level`, `fields`, and the run under `span`
    Json,
}

/// There is one standard error for a process, as there is one log.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// What is said to whoever started the command, at whatever level it logs.
const SAYS: &str = "concord::says";

pub fn begin(arguments: &Arguments, stages: &Stages, traces: &Traces) {
    let format = *FORMAT.get_or_init(|| arguments.global.log_format);
    let level = match (arguments.global.quiet, arguments.global.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "concord=info,concord_engine=debug,concord_host=debug,info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("CONCORD_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let says = filter_fn(|metadata| metadata.target() == SAYS);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().with_span_list(false).boxed(),
    };
    let no_trace = filter_fn(|metadata| !traces::is_trace(metadata));
    let lines = lines.with_filter(
        filter
            .or(says.with_max_level_hint(LevelFilter::INFO))
            .and(no_trace),
    );
    // Counting costs a little, so it is done only where somebody asks for it.
    let counts = arguments.command.wants_timings().then(|| stages.layer());
    // A second call in one process, as tests make it, keeps the first log.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(counts)
        .with(traces.layer())
        .try_init();
}

fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// Tells whoever started the command something that is no trouble.
pub fn say(text: &str) {
    match is_json() {
        true => tracing::info!(target: SAYS, "{text}"),
        false => eprintln!("{text}"),
    }
}

/// Tells why a command failed as a whole.
pub fn fail(text: &str) {
    match is_json() {
        true => tracing::error!("{text}"),
        false => eprintln!("concord: {text}"),
    }
}
