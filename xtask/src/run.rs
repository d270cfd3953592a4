//! Runs a command and keeps whoever waits for it informed.
//!
//! All of it goes to standard error, so that standard output carries results
//! alone (`--json`).

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

/// How often a step that prints nothing itself says that it still runs.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How much of a quiet command's output is shown when it fails.
const LINES_SHOWN: usize = 40;

/// A line about what is being done.
pub(crate) fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// Seconds as a person reads them.
pub(crate) fn seconds(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 60 {
        format!("{:.1} s", span.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// Runs a command that shows its own progress (cargo does) and fails with it.
pub(crate) fn loud(title: &str, command: &mut Command) -> Result<()> {
    say(title);
    // Its standard output would mix with our results.
    command.stdout(std::io::stderr());
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", name(command)))?;
    check(title, command, status)
}

/// Runs a command whose output matters only when it fails; a line moves while
/// it runs.
pub(crate) fn quiet(title: &str, command: &mut Command) -> Result<()> {
    let (status, lines) = watched(title, command, None)?;
    if !status.success() {
        let start = lines.len().saturating_sub(LINES_SHOWN);
        for line in &lines[start..] {
            eprintln!("  {line}");
        }
    }
    check(title, command, status)
}

/// Runs a command that may fail or hang without harm: whether it succeeded
/// within the limit.
pub(crate) fn attempt(title: &str, command: &mut Command, limit: Duration) -> bool {
    matches!(watched(title, command, Some(limit)), Ok((status, _)) if status.success())
}

/// Runs a command whose output is its result, for a person to read.
pub(crate) fn plain(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", name(command)))?;
    check("the simulation", command, status)
}

/// The lines of a command that ends within a limit, however it ends.
pub(crate) fn within(
    title: &str,
    command: &mut Command,
    limit: Option<Duration>,
) -> Result<Option<Vec<String>>> {
    let (status, lines) = watched(title, command, limit)?;
    Ok(status.code().map(|_| lines))
}

/// A command's standard output, trimmed, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn name(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

fn check(title: &str, command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!(
            "{title}: failed with {status}; the command was: {}",
            name(command)
        );
    }
    Ok(())
}

fn watched(
    title: &str,
    command: &mut Command,
    limit: Option<Duration>,
) -> Result<(ExitStatus, Vec<String>)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    let lines = lines_of(&mut child);
    let bar = ProgressBar::new_spinner();
    bar.set_message(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    let talks = std::io::stderr().is_terminal();
    if !talks {
        say(title);
    }
    let mut kept = Vec::new();
    let mut killed = false;
    let mut said = Duration::ZERO;
    // The channel closes when the command has closed both of its outputs.
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => kept.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let elapsed = bar.elapsed();
        if !killed && limit.is_some_and(|limit| elapsed > limit) {
            child
                .kill()
                .context("cannot end a command that takes too long")?;
            killed = true;
        }
        if !talks && elapsed >= said + HEARTBEAT {
            said = elapsed;
            say(&format!("{title}: still at it after {}", seconds(elapsed)));
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("lost {}", name(command)))?;
    bar.finish_and_clear();
    Ok((status, kept))
}

/// Both outputs, line by line, read by threads so that no pipe fills up.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child
            .stdout
            .take()
            .map(|o| Box::new(o) as Box<dyn Read + Send>),
        child
            .stderr
            .take()
            .map(|o| Box::new(o) as Box<dyn Read + Send>),
    ];
    for output in outputs.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                // The receiver is gone only when nobody reads any more.
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
    }
    receiver
}
