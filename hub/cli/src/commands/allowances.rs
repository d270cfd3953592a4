//! What is left of the vendors' allowances, and when what lies ahead will be done.

use std::collections::BTreeMap;

use anyhow::Result;
use concord_core::Timestamp;
use concord_core::manifest::Quota;
use concord_core::ports::{Allowances as _, Counts};
use concord_core::state::StreamState;
use concord_engine::Hub;
use concord_engine::forecast::{Forecast, Today};
use concord_engine::hub::Connection;
use concord_engine::quota::budget_of;
use concord_engine::saved::Price;
use concord_store::SqlStore;
use serde::Serialize;

use crate::output::{count, section};
use crate::wire::config;
use crate::wire::hub::{app_of, name_of};

/// One connection's allowance for requests of no class of their own.
struct Outlook {
    quota: Quota,
    today: Option<Today>,
}

/// By the connection's name; of those only whose limits are known.
async fn outlooks(
    hub: &Hub,
    store: &SqlStore,
    now: Timestamp,
) -> Result<BTreeMap<String, Outlook>> {
    let config = config::stored(store).await?;
    let taken = store.allowances().await?;
    let mut outlooks = BTreeMap::new();
    for connection in &hub.connections {
        let row = &connection.row;
        let quotas = &connection.connector.manifest().quotas;
        let usual = quotas.iter().find(|quota| quota.class.is_empty());
        let (Some(quota), Some(wish)) = (usual, config.connections.get(&row.name)) else {
            continue;
        };
        let budget = budget_of(quota, &name_of(row), &app_of(wish));
        let known = taken.iter().find(|taken| taken.budget == budget);
        let outlook = Outlook {
            today: Today::of(quota, known, now),
            quota: quota.clone(),
        };
        outlooks.insert(row.name.clone(), outlook);
    }
    Ok(outlooks)
}

/// When the writes of a plan would be done, by connection.
pub async fn of_plan(
    hub: &Hub,
    store: &SqlStore,
    prices: &BTreeMap<String, Price>,
    now: Timestamp,
) -> Result<BTreeMap<String, Forecast>> {
    let outlooks = outlooks(hub, store, now).await?;
    let forecasts = prices.iter().filter_map(|(name, price)| {
        let outlook = outlooks.get(name)?;
        let calls = price.writes + price.reads;
        let forecast = Forecast::new(calls, &outlook.quota, outlook.today, now);
        Some((name.clone(), forecast))
    });
    Ok(forecasts.collect())
}

/// How a connection stands with its vendor.
#[derive(Serialize)]
pub struct Standing {
    connection: String,
    today: Option<Today>,
    backfill: Option<Backfill>,
}

/// Everything is read.
#[derive(Serialize)]
struct Backfill {
    /// Records that are known of the streams that are being read.
    records: u64,
    /// None in a first read: systems do not tell how many records there are.
    forecast: Option<Forecast>,
}

/// What is used of today's calls, by the connection's name.
pub async fn of_today(
    hub: &Hub,
    store: &SqlStore,
    now: Timestamp,
) -> Result<BTreeMap<String, Today>> {
    let outlooks = outlooks(hub, store, now).await?;
    let today = outlooks.into_iter();
    let today = today.filter_map(|(name, outlook)| Some((name, outlook.today?)));
    Ok(today.collect())
}

pub async fn standings(
    hub: &Hub,
    store: &SqlStore,
    counts: &Counts,
    now: Timestamp,
) -> Result<Vec<Standing>> {
    let outlooks = outlooks(hub, store, now).await?;
    let mut standings = Vec::new();
    for connection in &hub.connections {
        let states = hub.store.streams(connection.id()).await?;
        let Some(outlook) = outlooks.get(&connection.row.name) else {
            continue;
        };
        let standing = Standing {
            connection: connection.row.name.clone(),
            today: outlook.today,
            backfill: backfill(hub, connection, &states, counts, outlook, now),
        };
        if standing.today.is_some() || standing.backfill.is_some() {
            standings.push(standing);
        }
    }
    Ok(standings)
}

fn backfill(
    hub: &Hub,
    connection: &Connection,
    states: &[StreamState],
    counts: &Counts,
    outlook: &Outlook,
    now: Timestamp,
) -> Option<Backfill> {
    let (mut records, mut calls, mut is_first) = (0, 0, false);
    let walking: Vec<&StreamState> = states.iter().filter(|state| state.walking).collect();
    for state in &walking {
        let known = |link: &&(i64, String, String, i64)| {
            link.0 == connection.id().0 && link.1 == state.stream.as_str()
        };
        let links = counts.links.iter().filter(known);
        let number: u64 = links.map(|link| link.3.unsigned_abs()).sum();
        let mut streams = connection.streams.iter();
        let stream = streams.find(|stream| stream.name == state.stream);
        let page = stream.and_then(|stream| stream.caps.page_size);
        let page = page.unwrap_or(hub.options.page_size).max(1);
        records += number;
        calls += number.div_ceil(u64::from(page)).max(1);
        is_first |= state.first_complete_at.is_none();
    }
    (!walking.is_empty()).then(|| Backfill {
        records,
        forecast: (!is_first).then(|| Forecast::new(calls, &outlook.quota, outlook.today, now)),
    })
}

pub fn words(standings: &[Standing], now: Timestamp) -> String {
    let mut lines = Vec::new();
    for standing in standings {
        let name = &standing.connection;
        if let Some(today) = &standing.today {
            let (used, limit) = (today.used, today.limit);
            lines.push(format!("{name}: {used} of today's {limit} calls are used"));
        }
        match &standing.backfill {
            Some(Backfill {
                forecast: Some(forecast),
                ..
            }) => lines.push(format!("{name}: backfill {}", forecast.words(now))),
            Some(Backfill { records, .. }) => {
                let records = count(*records, "record");
                lines.push(format!(
                    "{name}: backfill has {records} so far; the system does not tell how many \
                     there are"
                ));
            }
            None => {}
        }
    }
    section("Allowances:", &lines)
}
