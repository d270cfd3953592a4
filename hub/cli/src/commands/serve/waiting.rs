//! What begins next, and when.

use std::time::Duration;

use anyhow::Result;
use concord_core::Timestamp;
use concord_core::ports::{Rng as _, Store as _};
use concord_core::webhook::DeliveryStore as _;
use concord_engine::clock::SystemRng;
use concord_engine::history::Began;
use concord_engine::run::{Chosen, Gap};
use concord_engine::timetable::Timetable;

use super::front::Renewal;
use super::{LOOK, Server};
use crate::wire::config;
use crate::wire::wishes::{Pause, Wishes};

/// The waits after runs that failed as a whole.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What is to be done now.
pub(super) enum Due {
    Sync(Cause, Chosen),
    Renewal(Renewal),
}

/// Why a sync begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Schedule,
    /// A person asked for it.
    Asked,
    /// Only what webhooks named.
    Webhooks,
}

/// What a look at the database shows.
enum Look {
    Paused(Pause),
    Due(Due),
    Later(Timetable),
}

impl Server<'_> {
    /// Waits until a sync is due.
    pub(super) async fn wait(&mut self) -> Due {
        let cli = self.cli;
        let clock = &cli.clock;
        let rest = match self.failures {
            0 => Duration::ZERO,
            n => FIRST_WAIT
                .saturating_mul(1 << (n - 1).min(10))
                .min(LONGEST_WAIT),
        };
        clock.sleep(rest).await;
        let mut unread = None;
        loop {
            let now = clock.now();
            match self.look(now).await {
                Ok(Look::Paused(pause)) => {
                    self.agenda.forget();
                    self.gap.get_or_insert_with(|| gap("", &pause));
                }
                Ok(Look::Due(due)) => return due,
                Ok(Look::Later(table)) => {
                    // One draw for all that is new: those that follow one schedule
                    // are late together.
                    let chance = SystemRng::default().next_u64();
                    self.agenda.follow(table, now, chance);
                    // What failed is tried again now that its wait is over.
                    let chosen = self.agenda.due(now, &self.again);
                    if !chosen.is_empty() {
                        return Due::Sync(Cause::Schedule, chosen);
                    }
                    unread = None;
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    // A database that is gone for an hour is told once.
                    if unread.as_ref() != Some(&error) {
                        tracing::warn!("the schedule cannot be read: {error}");
                        unread = Some(error);
                    }
                }
            }
            tokio::select! {
                () = clock.sleep(LOOK) => {}
                () = self.arrived.notified() => self.hints_from = Timestamp::ZERO,
            }
        }
    }

    async fn look(&mut self, now: Timestamp) -> Result<Look> {
        let store = self.store.as_ref();
        let config = config::stored(store).await?;
        if let Some(front) = &mut self.front {
            front.refresh(self.cli, store, &config).await?;
        }
        let wishes = Wishes::read(store).await?;
        if let Some(pause) = wishes.all.paused {
            return Ok(Look::Paused(pause));
        }
        let began = Began::load(store).await?;
        let paused = wishes.paused_ones();
        let table = Timetable::new(&config, &began, now)?.without(&paused);
        let asked = table.entries().iter();
        // A sync that began since then has fulfilled it.
        let asked =
            Chosen::of(asked.filter(|entry| wishes.hurries(&entry.connection, entry.began, now)));
        for (name, wish) in wishes.connections {
            if let Some(pause) = wish.paused {
                self.paused.insert(name, pause);
            }
        }
        if !asked.is_empty() {
            return Ok(Look::Due(Due::Sync(Cause::Asked, asked)));
        }
        if now >= self.hints_from {
            let hinted = self.hinted(&table, now).await?;
            // What cannot be read now waits for the end of its pause.
            if !hinted.read.is_empty() {
                return Ok(Look::Due(Due::Sync(Cause::Webhooks, hinted)));
            }
        }
        if let Some(front) = &self.front
            && let Some(renewal) = front.renewal(store, now).await?
            && !paused.contains(&renewal.name)
        {
            return Ok(Look::Due(Due::Renewal(renewal)));
        }
        Ok(Look::Later(table))
    }

    async fn hinted(&self, table: &Timetable, now: Timestamp) -> Result<Chosen> {
        let backlog = self.store.backlog().await?;
        if backlog.is_empty() {
            return Ok(Chosen::default());
        }
        let mut rows = self.store.connections().await?;
        rows.retain(|row| backlog.iter().any(|waits| waits.connection == row.id));
        let told = rows.into_iter().map(|row| row.name).collect();
        Ok(table.hinted(&told, now))
    }

    /// The run that follows a pause says so in the history.
    pub(super) fn note_resumed(&mut self, chosen: &Chosen) {
        for name in chosen.read.union(&chosen.write) {
            let Some(pause) = self.paused.remove(name) else {
                continue;
            };
            let own = gap(name, &pause);
            match &mut self.gap {
                None => self.gap = Some(own),
                Some(known) => {
                    known.since = known.since.min(own.since);
                    known.reason = format!("{}; {}", known.reason, own.reason);
                }
            }
        }
    }
}

fn gap(name: &str, pause: &Pause) -> Gap {
    let reason = format!("{name} paused {}", pause.reason);
    Gap {
        since: pause.since,
        tries: 0,
        reason: reason.trim().to_owned(),
    }
}
