//! A sign-in whose browser comes back to a hub that serves: this command leaves what
//! that hub needs, sealed, and waits for what comes of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use concord_core::secret::KeptSecret as _;
use concord_engine::oauth::{Begun, Grant, Pending, Stage};
use concord_store::SqlStore;

use super::signed::Signed;
use crate::interrupt::told;
use crate::invocation::Invocation;
use crate::wire::sign_in::SealedRow;

/// How soon the end is noticed.
const LOOK: Duration = Duration::from_millis(300);

/// Leaves it, for so long.
pub async fn leave(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    signed: &Signed,
    begun: &Begun,
    wait: Duration,
) -> Result<Pending> {
    let pending = Pending::new(begun, cli.clock.now().plus(wait));
    let kept = signed.pending(cli, store);
    signed.leave(store, &kept, &pending).await?;
    Ok(pending)
}

/// Waits for what comes of it.  None where somebody ended it.
pub async fn grant(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    signed: &Signed,
    pending: Pending,
    wait: Duration,
) -> Result<Option<Grant>> {
    let kept = signed.pending(cli, store);
    let is_interrupted = tokio::select! {
        () = ended(cli, &kept, &pending) => false,
        () = told() => true,
        () = cli.clock.sleep(wait) => false,
    };
    let Some((now, revision)) = read(&kept).await?.filter(|(now, _)| now.is_same(&pending)) else {
        bail!("another sign-in was begun, or this one was ended, by somebody else meanwhile")
    };
    match now.stage {
        Stage::Through => {
            signed.forget_pending(store).await?;
            let grant = signed.kept_grant(cli, store).await?;
            grant.map(Some).ok_or_else(|| signed.signed_out())
        }
        Stage::Failed { why } => {
            signed.forget_pending(store).await?;
            bail!(why)
        }
        Stage::Waiting { .. } => {
            // A browser that comes back from here on is turned away.
            let over = now.at(Stage::Failed {
                why: "nobody waits for it any more".into(),
            });
            if !kept.replace(revision, &over.text()).await? {
                bail!(
                    "the browser came back at the last moment: `concord status` shows what came of it"
                );
            }
            signed.forget_pending(store).await?;
            match is_interrupted {
                true => Ok(None),
                false => bail!("nobody signed in in time: begin again"),
            }
        }
        Stage::Taken => bail!(
            "the browser came back, and the hub that took it has not said what came of that: \
             `concord status` shows whether the sign-in is there, its log why it is not"
        ),
    }
}

/// Until it is through or has failed, or is another one's.
async fn ended(cli: &Invocation, kept: &SealedRow, pending: &Pending) {
    loop {
        cli.clock.sleep(LOOK).await;
        // A database that does not answer for a moment is asked again.
        let Ok(now) = read(kept).await else { continue };
        let goes_on = now.is_some_and(|(now, _)| {
            now.is_same(pending) && matches!(now.stage, Stage::Waiting { .. } | Stage::Taken)
        });
        if !goes_on {
            return;
        }
    }
}

async fn read(kept: &SealedRow) -> Result<Option<(Pending, i64)>> {
    let now = kept.read().await?;
    Ok(now.and_then(|now| Some((Pending::parse(&now.text)?, now.revision))))
}
