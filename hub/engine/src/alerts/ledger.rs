//! Which troubles there are, since when, and who was told.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::alert::{Alert, AlertKind};
use serde::{Deserialize, Serialize};

use super::Found;

/// What passes by itself within this time is told to nobody.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What lasts is told again after this.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Something that a hub cannot get over without a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: AlertKind,
    pub connection: String,
    pub says: String,
    pub next: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    kind: AlertKind,
    connection: String,
    says: String,
    next: String,
    since: Timestamp,
    told_at: Option<Timestamp>,
    /// It is over, and nobody could be told yet.
    over: bool,
}

impl Known {
    fn alert(&self) -> Alert {
        Alert {
            kind: self.kind,
            connection: Some(self.connection.clone()),
            since: self.since,
            says: self.says.clone(),
            next: self.next.clone(),
            over: self.over,
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let patience = match self.kind {
            AlertKind::Failing | AlertKind::FailingWrites => PATIENCE,
            AlertKind::Held | AlertKind::WaitsForApproval | AlertKind::Test => Duration::ZERO,
        };
        match self.told_at {
            None => self.since.plus(patience) <= now,
            Some(told_at) => self.over || told_at.plus(AGAIN) <= now,
        }
    }
}

/// By kind and connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(BTreeMap<String, Known>);

fn key(kind: AlertKind, connection: &str) -> String {
    format!("{kind:?}/{connection}")
}

impl Ledger {
    /// Takes what a run found in the place of what was there, and gives what
    /// somebody is to be told of.
    pub fn settle(&mut self, found: Found, now: Timestamp) -> Vec<Alert> {
        for known in self.0.values_mut() {
            known.over |= !found.left.contains(&(known.kind, known.connection.clone()));
        }
        for trouble in found.troubles {
            let known = self
                .0
                .entry(key(trouble.kind, &trouble.connection))
                .or_insert_with(|| Known {
                    kind: trouble.kind,
                    connection: trouble.connection,
                    says: String::new(),
                    next: String::new(),
                    since: now,
                    told_at: None,
                    over: false,
                });
            known.over = false;
            known.says = trouble.says;
            known.next = trouble.next;
        }
        // What nobody heard of need not be said to be over.
        self.0
            .retain(|_, known| !known.over || known.told_at.is_some());
        let due = self.0.values().filter(|known| known.is_due(now));
        due.map(Known::alert).collect()
    }

    /// Somebody was told of these.
    pub fn told(&mut self, alerts: &[Alert], now: Timestamp) {
        for alert in alerts {
            let key = key(alert.kind, alert.connection.as_deref().unwrap_or_default());
            if alert.over {
                self.0.remove(&key);
            } else if let Some(known) = self.0.get_mut(&key) {
                known.told_at = Some(now);
            }
        }
    }

    /// What lasts.
    pub fn open(&self) -> impl Iterator<Item = (Alert, Option<Timestamp>)> {
        let open = self.0.values().filter(|known| !known.over);
        open.map(|known| (known.alert(), known.told_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn trouble(kind: AlertKind) -> Trouble {
        Trouble {
            kind,
            connection: "crm".into(),
            says: "needs a sign-in".into(),
            next: "sign in".into(),
        }
    }

    /// What a run of all connections found.
    fn everywhere(troubles: &[Trouble]) -> Found {
        Found {
            troubles: troubles.to_vec(),
            ..Found::default()
        }
    }

    /// What a run at this hour has to say, and everybody hears it.
    fn heard(ledger: &mut Ledger, hour: i64, found: &[Trouble]) -> Vec<(AlertKind, bool)> {
        let now = Timestamp(hour * HOUR);
        let due = ledger.settle(everywhere(found), now);
        ledger.told(&due, now);
        due.iter().map(|alert| (alert.kind, alert.over)).collect()
    }

    #[test]
    fn a_trouble_is_told_once_then_daily_and_when_it_is_over() {
        let mut ledger = Ledger::default();
        let held = [trouble(AlertKind::Held)];
        assert_eq!(heard(&mut ledger, 0, &held), [(AlertKind::Held, false)]);
        for hour in 1..24 {
            assert_eq!(heard(&mut ledger, hour, &held), []);
        }
        assert_eq!(heard(&mut ledger, 24, &held), [(AlertKind::Held, false)]);
        assert_eq!(heard(&mut ledger, 25, &[]), [(AlertKind::Held, true)]);
        assert_eq!(heard(&mut ledger, 26, &[]), []);
        assert_eq!(ledger, Ledger::default());
    }

    #[test]
    fn what_passes_within_an_hour_is_told_to_nobody() {
        let mut ledger = Ledger::default();
        let failing = [trouble(AlertKind::Failing)];
        assert_eq!(heard(&mut ledger, 0, &failing), []);
        assert_eq!(heard(&mut ledger, 0, &[]), []);
        assert_eq!(heard(&mut ledger, 1, &failing), []);
        assert_eq!(
            heard(&mut ledger, 2, &failing),
            [(AlertKind::Failing, false)]
        );
    }

    #[test]
    fn what_nobody_could_be_told_is_told_later() {
        let mut ledger = Ledger::default();
        let held = [trouble(AlertKind::Held)];
        for hour in 0..3 {
            let due = ledger.settle(everywhere(&held), Timestamp(hour * HOUR));
            assert_eq!(due.len(), 1);
        }
        assert_eq!(heard(&mut ledger, 3, &held), [(AlertKind::Held, false)]);
        // Nobody hears that it is over; then it is there again.
        let over = ledger.settle(everywhere(&[]), Timestamp(4 * HOUR));
        assert!(over[0].over && over[0].since == Timestamp(0));
        assert_eq!(heard(&mut ledger, 5, &held), []);
        assert_eq!(heard(&mut ledger, 6, &[]), [(AlertKind::Held, true)]);
    }

    #[test]
    fn a_run_that_does_not_look_does_not_say_that_it_is_over() {
        let mut ledger = Ledger::default();
        let failing = [trouble(AlertKind::Failing)];
        assert_eq!(heard(&mut ledger, 0, &failing), []);
        let elsewhere = || Found {
            left: [(AlertKind::Failing, "crm".to_owned())].into(),
            ..Found::default()
        };
        assert_eq!(ledger.settle(elsewhere(), Timestamp(HOUR / 2)), []);
        // It has lasted for an hour, whoever looks.
        let due = ledger.settle(elsewhere(), Timestamp(HOUR));
        assert!(due.len() == 1 && !due[0].over && due[0].since == Timestamp(0));
    }
}
