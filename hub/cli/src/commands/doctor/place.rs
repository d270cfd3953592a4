//! The database and the key.

use std::path::Path;

use anyhow::Result;
use concord_core::ports::Store as _;
use concord_store::{Place, SqlStore};

use super::Finding;
use crate::commands::secrets::doctor;
use crate::invocation::Invocation;
use crate::output::count;

/// With less than this on the disk the next backup or a large first sync may not
/// fit.
const LITTLE_ROOM: u64 = 1 << 30;

pub async fn look(cli: &Invocation, store: &SqlStore) -> Result<Vec<Finding>> {
    let counts = store.counts().await?;
    let records: i64 = counts.links.iter().map(|(.., number)| number).sum();
    let entities: i64 = counts.entities.iter().map(|(_, number)| number).sum();
    let held = format!(
        "{} known, from {}",
        count(entities.unsigned_abs(), "customer"),
        count(records.unsigned_abs(), "record")
    );
    let mut findings = vec![Finding::fine("database", held)];
    if let Place::File(path) = &cli.global.db {
        findings.extend(room(path));
    }
    findings.push(secrets(cli, store).await?);
    Ok(findings)
}

/// How much more fits beside the file.
fn room(path: &Path) -> Option<Finding> {
    let found = rustix::fs::statvfs(path).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let says = format!("{} MiB are free beside the database", free >> 20);
    Some(match free < LITTLE_ROOM {
        true => Finding::warning(
            "room",
            says,
            "make room: a full disk ends a sync, which goes on once there is room again",
        ),
        false => Finding::fine("room", says),
    })
}

async fn secrets(cli: &Invocation, store: &SqlStore) -> Result<Finding> {
    let looked = doctor::look(cli, store).await?;
    let problems = looked.iter().filter_map(doctor::Looked::problem).count();
    Ok(match problems {
        0 => Finding::fine(
            "secrets",
            format!("{} can be read", count(looked.len() as u64, "secret")),
        ),
        _ => Finding::broken(
            "secrets",
            format!("{problems} of {} are not fine", looked.len()),
            "`concord secrets doctor` says which, and why",
        ),
    })
}
