//! Each connection: its connector, its sign-in, its system and that one's clock,
//! and the webhooks that wait.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use concord_core::Timestamp;
use concord_core::webhook::DeliveryStore as _;
use concord_engine::forecast::Today;
use concord_engine::hub::Connection;
use concord_engine::oauth::Standing;
use concord_store::SqlStore;

use super::Finding;
use crate::commands::allowances;
use crate::invocation::Invocation;
use crate::wire::clocks::Clocks;
use crate::wire::flight::Flight;
use crate::wire::hub::Reach;
use crate::wire::sign_in;

/// Vendors refuse what is signed or dated farther off than a few minutes, and so
/// does the hub with webhooks.
const OFF_BY_SECONDS: i64 = 30;

/// So long before a person has to sign in again it is said.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// Webhooks are worked off within seconds where a hub runs.
const WAITED: Duration = Duration::from_secs(10 * 60);

pub async fn look(cli: &Invocation, store: &Arc<SqlStore>, offline: bool) -> Result<Vec<Finding>> {
    let clocks = Clocks::default();
    let flight = Flight::Watched(Arc::new(clocks.clone()));
    let hub = cli
        .hub_in_flight(
            Arc::clone(store),
            Reach::Systems,
            String::new(),
            None,
            flight,
        )
        .await?;
    let vault = cli.vault(store).await?;
    let backlog = store.backlog().await?;
    let now = cli.clock.now();
    let today = allowances::of_today(&hub, store, now).await?;
    let mut findings = Vec::new();
    for connection in &hub.connections {
        let name = &connection.row.name;
        let mut found = Vec::new();
        match &connection.row.held {
            Some(reason) => {
                let next = "do what it says; the connection goes on with the next sync";
                found.push(Finding::broken("connector", reason, next));
            }
            None if offline => found.push(Finding::fine("connector", "it is here and can run")),
            None => found.push(reach(connection).await),
        }
        found.extend(clocks.ahead(name).map(clock));
        if let Ok(Some(grant)) = sign_in::grant(&vault, connection.row.id) {
            found.extend(signed_in(&grant.standing(), name, now));
        }
        found.extend(today.get(name).map(quota));
        let waits = backlog
            .iter()
            .find(|one| one.connection == connection.row.id);
        if let Some(waits) = waits.filter(|waits| waits.since.plus(WAITED) < now) {
            found.push(Finding::warning(
                "webhooks",
                format!("{} wait since {}", waits.waiting, waits.since),
                "see whether `concord serve` runs; the next sync reads what they name",
            ));
        }
        findings.extend(found.into_iter().map(|finding| finding.at(name)));
    }
    Ok(findings)
}

/// Whether the system answers, and as whom.
async fn reach(connection: &Connection) -> Finding {
    const CHECK: &str = "system";
    let name = &connection.row.name;
    match connection.connector.check().await {
        Ok(account) if account.unavailable.is_empty() => {
            let who = format!(
                "answers as {} ({})",
                account.account_name, account.account_id
            );
            Finding::fine(CHECK, who)
        }
        Ok(account) => {
            let lacking = account.unavailable.iter();
            let lacking = lacking.map(|(stream, reason)| format!("'{stream}': {reason}"));
            Finding::warning(
                CHECK,
                format!("does not give {}", lacking.collect::<Vec<_>>().join("; ")),
                format!("`concord connection check {name}` says what that means for its lenses"),
            )
        }
        Err(fault) => Finding::broken(
            CHECK,
            fault.to_string(),
            format!("`concord connection check {name}` tries again; -v shows the requests"),
        ),
    }
}

/// With nine of ten calls gone the rest of the day may be slow.
fn quota(today: &Today) -> Finding {
    const CHECK: &str = "quota";
    let says = format!("{} of today's {} calls are used", today.used, today.limit);
    match today.used.saturating_mul(10) >= today.limit.saturating_mul(9) {
        true => Finding::warning(
            CHECK,
            says,
            "nothing is lost: what waits goes on with the vendor's next day; `schedule` can ask \
             less often",
        ),
        false => Finding::fine(CHECK, says),
    }
}

fn clock(ahead: i64) -> Finding {
    const CHECK: &str = "clock";
    let seconds = ahead.unsigned_abs();
    let says = match ahead {
        0 => return Finding::fine(CHECK, "as the system's"),
        1.. => format!("{seconds} s behind the system's"),
        _ => format!("{seconds} s ahead of the system's"),
    };
    match ahead.abs() > OFF_BY_SECONDS {
        true => Finding::warning(CHECK, says, "set this machine's clock, best by NTP"),
        false => Finding::fine(CHECK, says),
    }
}

fn signed_in(standing: &Standing, name: &str, now: Timestamp) -> Option<Finding> {
    const CHECK: &str = "sign-in";
    match standing {
        Standing::SignedIn {
            until: Some(until), ..
        } if *until <= now.plus(SOON) => Some(Finding::warning(
            CHECK,
            format!("ends at {until}, whatever happens"),
            format!("`concord connection login {name}` before that"),
        )),
        Standing::SignedIn { since, until } => Some(Finding::fine(
            CHECK,
            match until {
                Some(until) => format!("since {since}, until {until}"),
                None => format!("since {since}"),
            },
        )),
        // The connector's finding says so already.
        Standing::NeedsSignIn { .. } => None,
    }
}
