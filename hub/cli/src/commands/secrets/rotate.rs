//! `concord secrets rotate`

use anyhow::{Result, bail};
use clap::Args;
use concord_core::secret::{SealedSecret, SecretStore as _};
use concord_store::SqlStore;
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::count;
use crate::wire::vault::Vault;

/// Secrets that others change meanwhile are sealed again as they are then; after
/// so many attempts something else is wrong.
const ATTEMPTS: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord --key concord.key secrets rotate

Puts a new key before all others in the key's file and seals every secret with it.
The keys before it stay in the file and open what was sealed with them: backups,
other databases, and the secrets of this one should it be cut short; run again,
it goes on with the key that it had made. Every hub that reads the file goes on as
before. `concord secrets doctor` says which keys nothing here is sealed with any
more.")]
pub struct Arguments {}

pub async fn run(cli: &Invocation) -> Result<Ending> {
    let store = cli.writing().await?;
    let mut vault = cli.vault(&store).await?;
    if vault.rows().is_empty() {
        bail!("no secret is sealed in this database: there is nothing to rotate");
    }
    // All of them are opened before a key is made: one that cannot be is to be
    // given anew first.
    for row in vault.rows() {
        vault.open_row(row)?;
    }
    let current = vault.ring(String::new)?.current().id();
    let goes_on = vault.rows().iter().any(|row| row.key != current);
    let key = if goes_on {
        current
    } else {
        vault.renew()?.current().id()
    };
    let mut resealed = 0;
    for _ in 0..ATTEMPTS {
        let is_old = |row: &&SealedSecret| row.key != key;
        let old: Vec<&SealedSecret> = vault.rows().iter().filter(is_old).collect();
        if old.is_empty() {
            break;
        }
        for row in old {
            resealed += usize::from(reseal(&store, &vault, row).await?);
        }
        vault = cli.vault(&store).await?;
    }
    if vault.rows().iter().any(|row| row.key != key) {
        bail!("secrets change all the time: run `concord secrets rotate` again");
    }
    let document = json!({ "key": key, "sealed": resealed, "went_on": goes_on });
    cli.output.show(&document, |_| {
        let begin = if goes_on {
            "a rotation that was cut short is through"
        } else {
            "a new key was made"
        };
        format!(
            "{begin}: {} sealed with the key {key}",
            count(resealed as u64, "secret")
        )
    })?;
    Ok(Ending::Fine)
}

/// False where somebody changed it meanwhile.
async fn reseal(store: &SqlStore, vault: &Vault, row: &SealedSecret) -> Result<bool> {
    let secret = vault.open_row(row)?;
    let sealed = vault.seal(row.connection, &row.name, &secret, row.changed_at)?;
    Ok(store.keep_secret(&sealed).await?)
}
