//! The floor under the hub: the least that a program has to do which fetches
//! the same bytes and keeps them, or sends the same records.
//!
//! It knows nothing of matching, lenses, bases or doubt, and it speaks to one
//! vendor's API only.  It runs as a process of its own, so that its CPU time is
//! taken as the hub's is.

mod store;
mod vendor;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use store::{Intent, Store};
use vendor::{Account, BATCH, Place};

#[derive(Parser)]
#[command(about = "The floor that `cargo xtask bench` measures the hub against")]
struct Arguments {
    /// Where the vendor's API answers
    #[arg(long)]
    url: String,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch contacts page by page and keep each page in one transaction
    Load {
        /// Where to keep them: a file, or postgres://…
        #[arg(long)]
        db: String,
        /// Keep what a hub has to keep: three documents and two keys a record
        #[arg(long)]
        shaped: bool,
        /// Only what changed since this moment, in milliseconds
        #[arg(long)]
        since: Option<i64>,
    },
    /// Write down the contacts that are there, one a line
    Take {
        #[arg(long)]
        into: PathBuf,
    },
    /// Create contacts in batches
    Push {
        /// The properties of one contact a line
        #[arg(long)]
        records: PathBuf,
        /// Keep every batch here as a hub has to: what is about to be sent
        /// before it leaves, and what it became
        #[arg(long)]
        db: Option<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        bail!("another TLS provider is installed already");
    }
    let account = Account::new(arguments.url)?;
    let records = match arguments.task {
        Task::Load { db, shaped, since } => load(&account, &db, shaped, since).await?,
        Task::Take { into } => take(&account, &into).await?,
        Task::Push { records, db } => push(&account, &records, db.as_deref()).await?,
    };
    println!("{{\"records\":{records}}}");
    Ok(())
}

async fn load(account: &Account, db: &str, shaped: bool, since: Option<i64>) -> Result<usize> {
    let mut store = Store::open(db, shaped).await?;
    let mut records = 0;
    let mut place = match since {
        None => Place::List(None),
        Some(since) => Place::Changed { since, above: 0 },
    };
    loop {
        let (page, next) = account.page(&place).await?;
        records += page.len();
        if !page.is_empty() {
            store.keep(&page).await?;
        }
        match next {
            Some(next) => place = next,
            None => return Ok(records),
        }
    }
}

/// The properties that have a value, as a client would set them.
async fn take(account: &Account, into: &Path) -> Result<usize> {
    let mut lines = String::new();
    let mut records = 0;
    let mut place = Place::List(None);
    loop {
        let (page, next) = account.page(&place).await?;
        records += page.len();
        for contact in page {
            lines += &contact.settable()?;
            lines.push('\n');
        }
        match next {
            Some(next) => place = next,
            None => break,
        }
    }
    std::fs::write(into, lines)?;
    Ok(records)
}

async fn push(account: &Account, records: &Path, db: Option<&str>) -> Result<usize> {
    let text = std::fs::read_to_string(records)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut store = match db {
        None => None,
        Some(db) => Some(Store::open(db, true).await?),
    };
    for (number, batch) in lines.chunks(BATCH).enumerate() {
        let intents: Vec<Intent<'_>> = batch
            .iter()
            .enumerate()
            .map(|(at, values)| Intent {
                id: (number * BATCH + at).to_string(),
                values,
            })
            .collect();
        if let Some(store) = &mut store {
            store.intend(&intents).await?;
        }
        let created = account.create(batch).await?;
        if let Some(store) = &mut store {
            store.settle(&intents, &created).await?;
        }
    }
    Ok(lines.len())
}
