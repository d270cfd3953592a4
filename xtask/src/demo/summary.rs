//! What the demo came to.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::story::{Story, Told};
use crate::stage::Stage;

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    systems: u64,
    /// Canonical records of people.
    people: u64,
    /// Records that were recognised as somebody who was known already.
    linked: u64,
    /// Records that Concord created and updated, counted by the systems.
    created: u64,
    updated: u64,
    /// Edits of the same field on both sides since they last agreed.
    conflicts: u64,
    /// Differences when two records were linked for the first time.
    first_contact: u64,
    /// Fields that wait for a person.
    held: u64,
    /// Records that may be one of several people: a person decides.
    reviews: u64,
    second_run_writes: u64,
    diverged: u64,
    seconds: f64,
}

impl Summary {
    pub(super) fn collect(stage: &Stage, story: &Story<'_>, told: &Told) -> Result<Self> {
        let status = stage.ask("status", &[0])?;
        let counts = &status["counts"];
        let conflicts = stage.ask("conflicts list --limit 0", &[0])?;
        let kinds = |kind: &str| {
            let all = conflicts.as_array().into_iter().flatten();
            all.filter(|conflict| conflict["kind"] == kind).count() as u64
        };
        // Ends with 3 where something diverged, and says how much.
        let verified = stage.ask("verify", &[0, 3])?;
        let written = [story.hubspot.written()?, story.mailchimp.written()?];
        Ok(Self {
            systems: written.len() as u64,
            people: people(counts)?,
            linked: told.linked,
            created: written.iter().map(|written| written.created).sum(),
            updated: written.iter().map(|written| written.updated).sum(),
            conflicts: kinds("edit"),
            first_contact: kinds("first-contact"),
            held: number(counts, "holds")?,
            reviews: number(counts, "reviews_open")?,
            second_run_writes: told.second_run_writes,
            diverged: number(&verified, "diverged")? + number(&verified, "missing")?,
            seconds: 0.0,
        })
    }

    pub(super) fn took(self, seconds: f64) -> Self {
        Self { seconds, ..self }
    }

    /// Why this is not what a hub must come to, if it is not.
    pub(super) fn failure(&self) -> Option<String> {
        if self.second_run_writes > 0 {
            return Some(format!(
                "a sync without changes wrote {} times",
                self.second_run_writes
            ));
        }
        if self.diverged > 0 {
            return Some(format!("{} values diverged", self.diverged));
        }
        (self.conflicts == 0).then(|| "the conflict was not seen".to_owned())
    }

    pub(super) fn words(&self) -> String {
        let rows = [
            (self.systems, "systems connected"),
            (self.people, "people, each one canonical record"),
            (
                self.linked,
                "records recognised as somebody the other system knows",
            ),
            (self.created, "records created where they were missing"),
            (self.updated, "records updated"),
            (
                self.first_contact,
                "differences settled when records met for the first time",
            ),
            (
                self.conflicts,
                "true conflict: both sides had changed; the rule decided",
            ),
            (self.held, "fields held for a person"),
            (
                self.reviews,
                "records whose owner a person has to name (concord matches list)",
            ),
            (
                self.diverged,
                "values that differ between the systems and should not",
            ),
            (
                self.second_run_writes,
                "writes by one more sync, counted by the systems",
            ),
        ];
        let lines: Vec<String> = rows
            .into_iter()
            .map(|(number, what)| format!("  {number:>4}  {what}"))
            .collect();
        format!("{}\n  {:>4.0}  seconds", lines.join("\n"), self.seconds)
    }
}

/// How many records the last run linked to people who were known.
pub(super) fn linked_by_last_run(stage: &Stage) -> Result<u64> {
    let status = stage.ask("status", &[0])?;
    Ok(linked(&status["last_run"]["summary"]))
}

fn linked(run: &Value) -> u64 {
    // A run that matched nobody does not mention it.
    run["matched"]["person"]["linked"].as_u64().unwrap_or(0)
}

fn people(counts: &Value) -> Result<u64> {
    let kinds = counts["entities"].as_array().into_iter().flatten();
    kinds
        .filter(|entry| entry[0] == "person")
        .find_map(|entry| entry[1].as_u64())
        .with_context(|| format!("`concord status` counts no people: {counts}"))
}

fn number(document: &Value, name: &str) -> Result<u64> {
    document[name]
        .as_u64()
        .with_context(|| format!("there is no number '{name}' in {document}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FINE: Summary = Summary {
        systems: 2,
        people: 80,
        linked: 30,
        created: 20,
        updated: 40,
        conflicts: 1,
        first_contact: 9,
        held: 0,
        reviews: 3,
        second_run_writes: 0,
        diverged: 0,
        seconds: 1.0,
    };

    #[test]
    fn what_must_not_be_is_a_failure() {
        assert_eq!(FINE.failure(), None);
        let check = |summary: Summary, expect: &str| {
            assert!(summary.failure().unwrap().contains(expect), "{summary:?}");
        };
        check(
            Summary {
                second_run_writes: 2,
                ..FINE
            },
            "wrote 2 times",
        );
        check(
            Summary {
                diverged: 1,
                ..FINE
            },
            "1 values diverged",
        );
        check(
            Summary {
                conflicts: 0,
                ..FINE
            },
            "not seen",
        );
    }

    #[test]
    fn counts_are_read_from_the_status() {
        let counts = json!({ "entities": [["organization", 7], ["person", 80]] });
        assert_eq!(people(&counts).unwrap(), 80);
        assert!(people(&json!({})).is_err());
        assert_eq!(
            linked(&json!({ "matched": { "person": { "linked": 3 } } })),
            3
        );
        assert_eq!(linked(&json!({})), 0);
    }
}
