//! What a system does besides keeping records.  Each behaviour is drawn by
//! itself, because vendors lie in combination.

use std::fmt::Write;
use std::time::Duration;

use concord_core::Value;
use serde_json::json;

use crate::value::{Unit, tokens};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    None,
    /// An etag: equal or not, and nothing more.
    Opaque,
    Ordered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Record,
    /// Only what was written.
    Written,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safe {
    Key,
    Unique,
    Lookup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewriting {
    Upper,
    Lower,
    Truncate(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Both,
    Read,
}

#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub direction: Direction,
    pub versions: Versions,
    pub answer: Answer,
    pub safe: Safe,
    /// Field and what is made of its values.
    pub rewrites: Vec<(&'static str, Rewriting)>,
    pub rewrites_declared: bool,
    /// At most so many tags are kept, the first ones.
    pub tag_cap: Option<usize>,
    pub ignores_null: bool,
    /// A unit of which every third value is refused.
    pub refuses: Option<Unit>,
    /// How far behind a read may be.
    pub pull_lag: Duration,
    pub fetch_lag: Duration,
    pub find_lag: Duration,
    pub delete_feed: bool,
    pub tombstones_kept: Duration,
    pub not_found_means_gone: bool,
    pub soft_delete: bool,
    /// A hub can delete a record.
    pub delete: bool,
    pub merged_into: bool,
    pub batch_max: u32,
    pub batch_atomic: bool,
    /// `modified-at` in whole seconds only.
    pub coarse: bool,
    /// How far its clock is ahead, in milliseconds.
    pub skew_ms: i64,
    pub exact_modified: bool,
    /// A list of changes longer than this is refused.
    pub window: Option<usize>,
    /// The remote id is made of the mail address.
    pub id_moves: bool,
    /// Shows an address now in one case and now in another.
    pub fickle: bool,
    /// Pages hold hints, repeated records and records out of order.
    pub untidy: bool,
}

impl Behaviour {
    pub(crate) fn draw(chance: &mut fastrand::Rng) -> Self {
        let mut drawn = Self::draw_any(chance);
        // The product refuses such a system two-way: nothing would tell its own
        // rewriting from a person's edit.
        let blind = drawn.versions == Versions::None && drawn.answer == Answer::Nothing;
        if blind && !drawn.rewrites_declared {
            drawn.rewrites_declared = true;
        }
        if drawn.id_moves {
            drawn.safe = Safe::Unique;
            // Its feed says where a record went, or nobody could tell.
            drawn.merged_into = true;
            drawn.delete_feed = true;
        }
        // To ignore that a field is emptied is a rewriting too.
        drawn.ignores_null &= !drawn.rewrites_declared;
        drawn.tag_cap = drawn.tag_cap.filter(|_| !drawn.rewrites_declared);
        drawn
    }

    fn draw_any(chance: &mut fastrand::Rng) -> Self {
        let one_in = |chance: &mut fastrand::Rng, n: u32| chance.u32(0..n) == 0;
        let lag = |chance: &mut fastrand::Rng, most: u64| {
            if one_in(chance, 2) {
                Duration::ZERO
            } else {
                Duration::from_millis(chance.u64(1..=most))
            }
        };
        let mut rewrites = Vec::new();
        if one_in(chance, 3) {
            rewrites.push(("title", Rewriting::Upper));
        }
        if one_in(chance, 3) {
            rewrites.push(("note", Rewriting::Truncate(10)));
        }
        if one_in(chance, 4) {
            rewrites.push(("mail", Rewriting::Lower));
        }
        let versions = *pick(
            chance,
            &[
                Versions::None,
                Versions::Opaque,
                Versions::Ordered,
                Versions::Ordered,
            ],
        );
        let coarse = one_in(chance, 3);
        Self {
            direction: if one_in(chance, 8) {
                Direction::Read
            } else {
                Direction::Both
            },
            versions,
            answer: *pick(chance, &[Answer::Record, Answer::Written, Answer::Nothing]),
            safe: *pick(
                chance,
                &[Safe::Key, Safe::Unique, Safe::Unique, Safe::Lookup],
            ),
            rewrites,
            rewrites_declared: one_in(chance, 2),
            tag_cap: one_in(chance, 4).then_some(2),
            ignores_null: one_in(chance, 8),
            refuses: one_in(chance, 4)
                .then(|| *pick(chance, &[Unit::Title, Unit::Org, Unit::Note, Unit::Address])),
            pull_lag: lag(chance, 20_000),
            fetch_lag: if one_in(chance, 2) {
                lag(chance, 3_000)
            } else {
                Duration::ZERO
            },
            find_lag: lag(chance, 5_000),
            delete_feed: one_in(chance, 2),
            tombstones_kept: Duration::from_secs(*pick(chance, &[600, 1_000_000])),
            not_found_means_gone: one_in(chance, 2),
            soft_delete: one_in(chance, 4),
            delete: false,
            merged_into: one_in(chance, 2),
            batch_max: *pick(chance, &[1, 2, 4, 10]),
            batch_atomic: one_in(chance, 3),
            coarse,
            skew_ms: chance.i64(-1_500..=1_500),
            exact_modified: !coarse && one_in(chance, 4),
            window: one_in(chance, 6).then_some(6),
            id_moves: one_in(chance, 10),
            fickle: one_in(chance, 4),
            untidy: one_in(chance, 3),
        }
    }

    /// The system's entry in a manifest, as its connector would declare it.
    pub(crate) fn manifest(&self) -> String {
        let mut text = String::from(
            "id = \"world\"\nname = \"World\"\nversion = \"1.0.0\"\ncontract = \"1.0.0\"\n\
             family = \"crm\"\nauth = { kind = \"none\" }\negress = {}\n\
             [[streams]]\nname = \"people\"\nread = true\ncreate = true\nupdate = true\n\
             fetch-max = 5\n",
        );
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        line(format!("etags = {}", self.versions != Versions::None));
        line(format!(
            "ordered-versions = {}",
            self.versions == Versions::Ordered
        ));
        line(format!(
            "answer-is-record = {}",
            self.answer != Answer::Nothing
        ));
        line(format!("rewrites-declared = {}", self.rewrites_declared));
        line(format!(
            "create-safe = {}",
            match self.safe {
                Safe::Key => "\"key\"",
                Safe::Unique => "{ unique-field = \"mail\" }",
                Safe::Lookup => "\"lookup\"",
            }
        ));
        line(format!("delete-feed = {}", self.delete_feed));
        line(format!("404-means-gone = {}", self.not_found_means_gone));
        line(format!("soft-delete = {}", self.soft_delete));
        line(format!("delete = {}", self.delete));
        line(format!("merged-into = {}", self.merged_into));
        line(format!("batch-max = {}", self.batch_max));
        line(format!("batch-atomic = {}", self.batch_atomic));
        line(format!("exact-modified = {}", self.exact_modified));
        let settle = |lag: Duration| lag.as_millis() + u128::from(!lag.is_zero());
        line(format!(
            "settle-ms = {{ pull = {}, fetch = {}, find = {} }}",
            settle(self.pull_lag),
            settle(self.fetch_lag),
            settle(self.find_lag)
        ));
        if self.id_moves {
            line("id-moves-with = \"mail\"".into());
        }
        text
    }

    /// Whether the system would not take such a value of anybody.
    pub(crate) fn refuses(&self, unit: Unit, value: &Value) -> bool {
        self.refuses == Some(unit) && tokens(value).iter().any(|number| number.is_multiple_of(3))
    }

    /// What the system stores of a value that it is given.
    pub(crate) fn store(&self, field: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let mut text = text.clone();
                for (_, rewriting) in self.rewrites.iter().filter(|(name, _)| *name == field) {
                    text = match rewriting {
                        Rewriting::Upper => text.to_uppercase(),
                        Rewriting::Lower => text.to_lowercase(),
                        Rewriting::Truncate(most) => text.chars().take(*most).collect(),
                    };
                }
                json!(text)
            }
            Value::Array(list) => {
                let most = self.tag_cap.unwrap_or(usize::MAX);
                json!(list.iter().take(most).collect::<Vec<_>>())
            }
            other => other.clone(),
        }
    }
}

pub(crate) fn pick<'a, T>(chance: &mut fastrand::Rng, from: &'a [T]) -> &'a T {
    &from[chance.usize(0..from.len())]
}
