//! A PostgreSQL of the bench's own, and the processor time that it takes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use concord_cluster::Cluster;

/// As it is installed, but for memory and log: a server that is meant for more
/// than a trial is given more than the 128 MB it asks for by itself, and a log that
/// does not have every page of an index copied into it again with each GB.
const SETTINGS: &str = "shared_buffers = 1GB\nmax_wal_size = 8GB\ncheckpoint_timeout = 30min";

/// In what parts of a second Linux tells processor time, whatever the machine.
const TICK: Duration = Duration::from_millis(10);

pub(super) struct Server {
    cluster: Cluster,
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let server = Self {
            cluster: Cluster::start_with(SETTINGS)?,
        };
        // A system that does not tell shall not be taken for one that is idle.
        server.processor_time()?;
        Ok(server)
    }

    /// The address of a database, for the one who may do everything or for the
    /// hub.
    pub(super) fn address(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@{}/{database}", self.cluster.address())
    }

    /// Makes a database that is empty, or like another one.
    pub(super) fn make(&self, name: &str, like: Option<&str>) -> Result<()> {
        self.remove(name)?;
        let like = like.map_or_else(String::new, |like| {
            format!(" TEMPLATE {like} STRATEGY file_copy")
        });
        self.sql("postgres", &format!("CREATE DATABASE {name}{like}"))
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let text = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.sql("postgres", &text)
    }

    /// What the server does by itself within some minutes.
    pub(super) fn tidy(&self, name: &str) -> Result<()> {
        self.sql(name, "VACUUM (ANALYZE)")
    }

    /// Writes down what is still to be written of what was done so far, so that
    /// it does not fall into what is done next.
    pub(super) fn settle(&self) -> Result<()> {
        self.sql("postgres", "CHECKPOINT")
    }

    /// Of all its processes since it started, those that have ended included.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        let main = self.cluster.process();
        loop {
            let before = Times::of(main)?;
            let children: u64 = children(main)?
                .iter()
                .filter_map(|child| Times::of(*child).ok())
                .map(|times| times.own)
                .sum();
            // One that ended in between has moved from the one sum to the other.
            if Times::of(main)?.ended == before.ended {
                let ticks = before.own + before.ended + children;
                return Ok(TICK * u32::try_from(ticks)?);
            }
        }
    }

    fn sql(&self, database: &str, text: &str) -> Result<()> {
        Ok(self.cluster.sql(database, text)?)
    }
}

/// Of one process, in ticks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Times {
    own: u64,
    /// Of its children that have ended.
    ended: u64,
}

impl Times {
    fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/stat");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{path} cannot be read: processor time of a server is told by Linux only")
        })?;
        Self::read(&text).with_context(|| format!("{path} is not understood"))
    }

    /// Fields 14 to 17 of proc(5): user and system, own and children's.
    fn read(text: &str) -> Option<Self> {
        // The name of the program may hold anything, brackets and spaces too.
        let (_, rest) = text.rsplit_once(") ")?;
        let mut times = rest.split(' ').skip(11).map(str::parse::<u64>);
        let mut sum = || Some(times.next()?.ok()? + times.next()?.ok()?);
        Some(Self {
            own: sum()?,
            ended: sum()?,
        })
    }
}

/// The processor time of a process that runs, of all its threads.
pub(super) fn processor_time_of(process: u32) -> Result<Duration> {
    Ok(TICK * u32::try_from(Times::of(process)?.own)?)
}

fn children(process: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if parent(&Path::new("/proc").join(name).join("stat")) == Some(process) {
            found.push(child);
        }
    }
    Ok(found)
}

/// None where it has ended meanwhile.
fn parent(stat: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(stat).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let text = "4242 (pg) 1 2 (x) S 1 4242 4242 0 -1 4194560 5000 900 0 0 \
                    31 11 700 80 20 0 1 0 12345 99999 1000";
        assert_eq!(
            Times::read(text),
            Some(Times {
                own: 42,
                ended: 780
            })
        );
        assert_eq!(Times::read("4242 (pg) S 1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_is_found_and_its_time_is_kept_when_it_ends() {
        let me = std::process::id();
        let before = Times::of(me).unwrap();
        let script = "n=0; while [ $n -lt 200000 ]; do n=$((n + 1)); done; read line";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        assert!(children(me).unwrap().contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!children(me).unwrap().contains(&child.id()));
        assert!(Times::of(me).unwrap().ended > before.ended);
    }
}
