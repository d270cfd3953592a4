//! From a person's edit in one twin to its arrival in the other, with webhooks on:
//! the twins send them, the hub reads what they name and writes it where it is owed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::Bench;
use super::super::figures::hundredths;
use super::super::hub::Hub;
use super::{CHECKED_WITH, free_address, load, percentile};
use crate::stage::APP;
use crate::stage::twin::Twin;

const PEOPLE: usize = 50;

/// An edit that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for the first edit of each person, by which those are found whom the hub
/// does not take for one person in both systems before somebody says so.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// How often the other twin is looked at.
const LOOK: Duration = Duration::from_millis(2);

impl Bench<'_> {
    pub(super) fn arrivals(&self, edits: usize) -> Result<()> {
        let address = free_address()?;
        let url = format!("http://{address}");
        let [left, right] = ["left", "right"].map(|name| self.telling_twin(name, &url));
        let (left, right) = (left?, right?);
        let hub = Hub::new(self.stage, self.ground, "arrival", &[&left, &right])?;
        hub.apply_with(
            &format!("webhooks: {{ url: \"{url}\" }}\nschedule: {{ every: 1h }}\n"),
            CHECKED_WITH,
        )?;
        for _ in 0..3 {
            hub.run_quietly(&["sync", "--approve"])?;
        }
        let serving = hub.serve(&address)?;
        let result = load::wait_until_ready(&address).and_then(|()| {
            let mut waits = Vec::with_capacity(edits);
            let all = emails(&left)?;
            let mut linked = Vec::new();
            for (id, email) in &all {
                let first = one(&left, &right, (id, email), "First title", SHORT_PATIENCE)?;
                linked.extend(first.map(|_| (id, email)));
            }
            if linked.len() * 2 < all.len() {
                bail!("only {} of {} people are linked", linked.len(), all.len());
            }
            for edit in 0..edits {
                let (id, email) = linked[edit % linked.len()];
                let title = format!("Title {edit}");
                let Some(wait) = one(&left, &right, (id, email), &title, PATIENCE)? else {
                    bail!("{email} did not get {title:?} within {PATIENCE:?}");
                };
                waits.push(wait);
            }
            Ok(waits)
        });
        self.stage.children.end(serving);
        let mut waits = result?;
        let [p50, p99] = [50, 99].map(|part| percentile(&mut waits, part));
        let store = self.ground.name();
        self.tell(
            &json!({ "name": "webhook-arrival", "store": store, "edits": edits,
                     "p50_ms": hundredths(p50), "p99_ms": hundredths(p99) }),
            &format!(
                "webhooks on {store}: an edit arrives in the other system within {p50:.0} ms \
                 (half of {edits}) and {p99:.0} ms (99 of 100)"
            ),
        );
        hub.remove()
    }

    /// One that tells the hub of every change.
    fn telling_twin(&self, name: &'static str, url: &str) -> Result<Twin> {
        let line = format!(
            "--json twin hubspot --no-limits --people {PEOPLE} --seed 11 \
             --webhooks-to {url}/webhooks/{name} --webhook-secret-env {}",
            APP.0
        );
        Twin::start_with(self.stage, name, &line)
    }
}

/// Numbers and addresses of those who have one.
fn emails(twin: &Twin) -> Result<Vec<(String, String)>> {
    let dump = twin.dump("contacts")?;
    let contacts = dump["results"]
        .as_array()
        .context("a dump has no results")?;
    let named = |contact: &Value| {
        let email = contact["properties"]["email"].as_str()?;
        Some((contact["id"].as_str()?.to_owned(), email.to_owned()))
    };
    let named: Vec<_> = contacts.iter().filter_map(named).collect();
    if named.is_empty() {
        bail!("nobody has an address");
    }
    Ok(named)
}

/// How long one edit takes, in milliseconds; none where it does not come.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn one(
    left: &Twin,
    right: &Twin,
    (id, email): (&str, &str),
    title: &str,
    patience: Duration,
) -> Result<Option<f64>> {
    let path =
        format!("/crm/objects/2026-03/contacts/{email}?idProperty=email&properties=jobtitle");
    let start = Instant::now();
    left.act(
        "edit",
        &json!({ "id": id, "properties": { "jobtitle": title } }),
    )?;
    while start.elapsed() < patience {
        if right.get(&path)?["properties"]["jobtitle"] == title {
            return Ok(Some(start.elapsed().as_secs_f64() * 1e3));
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}
