//! Which of the accounts that a sign-in reaches a connection is.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Result;
use concord_core::ports::{TokenError, Tokens as _};
use concord_engine::oauth::{Grant, Tenant, TenantsError, choose, tenants};
use concord_store::SqlStore;

use super::signed::Signed;
use crate::invocation::Invocation;
use crate::typed;

/// Whether no more than the choice is missing: then nobody has to sign in anew.
pub fn is_all_that_is_missing(signed: &Signed) -> bool {
    let grant = signed.grant().ok().flatten();
    grant.is_some_and(|grant| grant.is_undecided())
}

/// Whether a kept sign-in is of no use any more, so that only a new one helps.
pub fn is_over(error: &anyhow::Error) -> bool {
    let refused = |error: &TenantsError| matches!(error, TenantsError::Refused { .. });
    let over = |error: &TokenError| matches!(error, TokenError::Person(_));
    error.downcast_ref().is_some_and(refused) || error.downcast_ref().is_some_and(over)
}

/// Chooses for this key of the configuration, and keeps the choice.
pub async fn settle(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    signed: &Signed,
    key: &str,
    word: Option<&str>,
) -> Result<(Grant, Tenant)> {
    let keeper = signed.keeper(cli, store)?;
    let header = keeper.header().await?;
    let header = header.ok_or_else(|| signed.signed_out())?;
    let app = signed.app()?;
    let all = tenants(&app, &signed.transport()?, header).await?;
    let before = signed.chosen(cli, store, key).await?;
    let chosen = match choose(&app.connection, &all, word, before.as_deref()) {
        Err(TenantsError::Undecided { why, .. }) if is_asked(cli, word) => {
            asked(&app.connection, &all, &why).await?
        }
        chosen => chosen?,
    };
    let grant = signed.choose(cli, store, key, chosen).await?;
    Ok((grant, chosen.clone()))
}

fn is_asked(cli: &Invocation, word: Option<&str>) -> bool {
    word.is_none() && !cli.output.json && std::io::stdin().is_terminal()
}

/// Asks until one of them is named, or the input ends.
async fn asked<'a>(connection: &str, all: &'a [Tenant], why: &str) -> Result<&'a Tenant> {
    eprintln!("{why}:");
    for one in all {
        eprintln!("  {one}");
    }
    loop {
        eprintln!("type the id or the name of the one that '{connection}' is:");
        let word = typed::line().await?;
        // At the end of the input nobody is there any more.
        let is_end = word.is_empty();
        match choose(connection, all, Some(word.trim()), None) {
            Ok(one) => return Ok(one),
            Err(TenantsError::Undecided { why, .. }) if !is_end => eprintln!("{why}"),
            Err(error) => return Err(error.into()),
        }
    }
}
