//! The processes that a demo or a bench started.  Every one of them is ended by
//! its own id: when that ends, when it fails, and on Ctrl-C.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use wait4::Wait4 as _;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// A process that came to its end, and what that took.
pub(crate) struct Ended {
    pub status: ExitStatus,
    /// What it printed on standard output.
    pub output: String,
    pub wall: Duration,
    /// In user and system mode, of all threads.
    pub cpu: Duration,
    /// The most memory that was resident.
    pub peak_bytes: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Children {
    running: Arc<Mutex<Vec<Child>>>,
    /// Ctrl-C was pressed: this process is about to end.
    ended: Arc<AtomicBool>,
    /// All is done, so Ctrl-C is how it is meant to end.
    through: Arc<AtomicBool>,
}

impl Children {
    /// From now on Ctrl-C, and a request to terminate, end the children and then
    /// this process.
    pub(crate) fn watch_signals(&self) -> Result<()> {
        let children = self.clone();
        ctrlc::set_handler(move || {
            children.ended.store(true, Ordering::SeqCst);
            children.end_all();
            let through = children.through.load(Ordering::SeqCst);
            std::process::exit(if through { 0 } else { INTERRUPTED });
        })
        .context("Ctrl-C cannot be watched for")
    }

    /// Waits for Ctrl-C, which from now on is no failure.
    pub(crate) fn wait_for_end(&self) -> ! {
        self.through.store(true, Ordering::SeqCst);
        wait_forever()
    }

    /// Starts a process that goes on by itself, and gives what it prints.
    pub(crate) fn start(&self, command: &mut Command) -> Result<ChildStdout> {
        self.spawn(command).map(|(_, output, _)| output)
    }

    /// Starts a process that prints next to nothing, and gives its number.
    pub(crate) fn start_alone(&self, command: &mut Command) -> Result<u32> {
        self.spawn(command).map(|(id, ..)| id)
    }

    /// Ends a process that goes on by itself.
    pub(crate) fn end(&self, id: u32) {
        let mut running = self.lock();
        if let Some(at) = running.iter().position(|child| child.id() == id) {
            let mut child = running.swap_remove(at);
            // One that has ended already cannot be ended, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Runs a process to its end.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Ended> {
        self.run_to_end(command, |_, _| Ok(()))
    }

    /// Runs a process to its end, and looks at it whenever it says a line on
    /// standard error.  What it prints on standard output has to be short.
    pub(crate) fn run_watched(
        &self,
        command: &mut Command,
        mut look: impl FnMut(u32, &str) -> Result<()>,
    ) -> Result<Ended> {
        command.stderr(Stdio::piped());
        self.run_to_end(command, |process, said| {
            for line in said.into_iter().flat_map(BufReader::lines) {
                look(process, &line?)?;
            }
            Ok(())
        })
    }

    fn run_to_end(
        &self,
        command: &mut Command,
        watch: impl FnOnce(u32, Option<BufReader<ChildStderr>>) -> Result<()>,
    ) -> Result<Ended> {
        let clock = ProgressBar::hidden();
        let (id, mut output, said) = self.spawn(command)?;
        let watched = watch(id, said.map(BufReader::new));
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        // Ended from outside, it is no failure to be reported: the thread that
        // was told to end is ending everything.
        if self.ended.load(Ordering::SeqCst) {
            wait_forever();
        }
        watched?;
        read.context("a command's output cannot be read")?;
        let mut running = self.lock();
        let at = running.iter().position(|child| child.id() == id);
        let child = running.swap_remove(at.context("a command was lost")?);
        drop(running);
        let used = child.wait4().context("a command was lost")?;
        Ok(Ended {
            status: used.status,
            output: text,
            wall: clock.elapsed(),
            cpu: used.rusage.utime + used.rusage.stime,
            peak_bytes: used.rusage.maxrss,
        })
    }

    fn spawn(&self, command: &mut Command) -> Result<(u32, ChildStdout, Option<ChildStderr>)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // Held across the start, so that no child is born behind Ctrl-C's back.
        let mut running = self.lock();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("a command has no output")?;
        let said = child.stderr.take();
        let id = child.id();
        running.push(child);
        Ok((id, output, said))
    }

    fn end_all(&self) {
        for mut child in self.lock().drain(..) {
            // One that has ended already cannot be ended, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until another thread ends the process.
fn wait_forever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Ends the children however its scope is left.
pub(crate) struct EndWithScope(pub(crate) Children);

impl Drop for EndWithScope {
    fn drop(&mut self) {
        self.0.end_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_command_gives_its_output_and_how_it_ended() {
        let children = Children::default();
        let mut command = Command::new("sh");
        let ended = children
            .run(command.args(["-c", "echo hello; exit 3"]))
            .unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.output, "hello\n");
        assert!(ended.peak_bytes > 0);
        assert!(children.lock().is_empty());
    }

    #[test]
    fn a_command_is_looked_at_line_by_line() {
        let children = Children::default();
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; echo two >&2; echo done"]);
        let ended = children.run_watched(&mut command, |process, line| {
            assert!(children.lock().iter().any(|child| child.id() == process));
            lines.push(line.to_owned());
            Ok(())
        });
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(ended.unwrap().output, "done\n");
    }

    #[test]
    fn what_still_runs_is_ended_with_the_scope() {
        let children = Children::default();
        let mut output = {
            let _scope = EndWithScope(children.clone());
            children.start(Command::new("sleep").arg("600")).unwrap()
        };
        assert!(children.lock().is_empty());
        // Its end of the pipe is closed, so it is there no more.
        let mut byte = [0];
        let read = output.read(&mut byte);
        assert!(matches!(read, Ok(0)) || read.is_err_and(|e| e.kind() == ErrorKind::BrokenPipe));
    }
}
