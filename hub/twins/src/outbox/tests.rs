use serde_json::{Value, json};

use super::*;
use crate::Request;

const MINUTE: Duration = Duration::from_secs(60);

/// Two to a request, two requests at once, two further attempts.
const RULES: Rules = Rules {
    batch: 2,
    at_once: 2,
    waits: &[MINUTE, Duration::from_secs(120)],
    spread: false,
};

/// A post office and a clock.
struct Office {
    outbox: Outbox<char>,
    now: Timestamp,
}

impl Office {
    fn new(rules: Rules) -> Self {
        Self {
            outbox: Outbox::new(rules),
            now: Timestamp::ZERO,
        }
    }

    /// One notification a request, as many at once as there are.
    fn singles() -> Self {
        Self::new(Rules {
            batch: 1,
            at_once: 100,
            ..RULES
        })
    }

    fn put(&mut self, events: &str) {
        for event in events.chars() {
            self.outbox.put(self.now, event);
        }
    }

    /// What leaves now: ids, and the events of each request with their attempts.
    fn take(&mut self) -> Vec<(u64, String)> {
        let leaving = self.outbox.take(self.now);
        let told = |d: Delivery<char>| {
            let events = d
                .notices
                .iter()
                .map(|n| format!("{}{}", n.event, n.attempt));
            let forged = if d.forged { "!" } else { "" };
            (d.id, events.collect::<String>() + forged)
        };
        leaving.into_iter().map(told).collect()
    }

    /// Takes what leaves now, answers all of it alike, and tells what it was.
    fn answer(&mut self, outcome: Outcome) -> Vec<String> {
        let taken = self.take();
        let told = |(id, text)| {
            self.outbox.settle(self.now, id, outcome);
            text
        };
        taken.into_iter().map(told).collect()
    }

    fn ask(&mut self, wish: Value) -> Value {
        let request = Request::json("POST", "/_twin/webhooks", &wish);
        let answer = self.outbox.screen(self.now, &request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.value());
        answer.value()
    }

    fn books(&mut self) -> Value {
        self.ask(json!({}))
    }
}

#[test]
fn notifications_leave_in_batches_and_not_all_at_once() {
    let mut office = Office::new(RULES);
    office.put("abcde");
    let taken = office.take();
    assert_eq!(taken[0].1, "a0b0");
    assert_eq!(taken[1].1, "c0d0");
    // The third request waits for one of the two.
    assert_eq!((taken.len(), office.take().len()), (2, 0));
    assert_eq!(office.outbox.next_due(), None);
    office.outbox.settle(office.now, taken[1].0, Ok(204));
    assert_eq!(office.outbox.next_due(), Some(Timestamp::ZERO));
    assert_eq!(office.take()[0].1, "e0");
    assert_eq!(office.books()["queued"], 3);
    assert_eq!(office.books()["delivered"], 2);
}

#[test]
fn what_is_refused_is_tried_again_until_it_is_given_up() {
    for outcome in [Err(Unanswered), Ok(500), Ok(404), Ok(302)] {
        let mut office = Office::new(RULES);
        office.put("ab");
        assert_eq!(office.answer(outcome), ["a0b0"]);
        assert!(office.take().is_empty());
        assert_eq!(office.outbox.next_due(), Some(Timestamp::ZERO.plus(MINUTE)));
        office.now = office.now.plus(MINUTE);
        assert_eq!(office.answer(outcome), ["a1b1"]);
        office.now = office.now.plus(2 * MINUTE);
        assert_eq!(office.answer(outcome), ["a2b2"]);
        assert_eq!(office.outbox.next_due(), None);
        let books = office.books();
        assert_eq!(
            (&books["refused"], &books["retried"], &books["lost"]),
            (&json!(6), &json!(4), &json!(2)),
            "{outcome:?}"
        );
        assert_eq!(
            (&books["queued"], &books["requests"]),
            (&json!(0), &json!(3))
        );
    }
}

#[test]
fn a_spread_wait_is_at_most_a_tenth_longer() {
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..1000 {
        let wait = lengthened(100 * MINUTE, number);
        assert!((100 * MINUTE..110 * MINUTE).contains(&wait));
        seen.insert(wait);
    }
    assert!(seen.len() > 100);
}

#[test]
fn each_fault_spoils_as_many_requests_as_were_asked_for() {
    for (wish, expect) in [
        (json!({"drop": 2}), &["c0"][..]),
        (json!({"duplicate": 2}), &["a0", "a0", "b0", "b0", "c0"]),
        (json!({"forge": 1}), &["a0!", "b0", "c0"]),
        (
            json!({"drop": 1, "forge": 1, "duplicate": 1}),
            &["b0!", "b0!", "c0"],
        ),
        // They wait for a fourth one.
        (json!({"reorder": 4}), &[]),
    ] {
        let mut office = Office::singles();
        office.ask(wish.clone());
        office.put("abc");
        assert_eq!(office.answer(Ok(200)), expect, "{wish}");
    }
}

#[test]
fn reordered_requests_leave_one_after_the_other_from_the_last_to_the_first() {
    let mut office = Office::singles();
    office.ask(json!({"reorder": 3}));
    office.put("ab");
    assert!(office.take().is_empty());
    assert_eq!(office.books()["queued"], 2);
    office.put("c");
    let mut left = Vec::new();
    while let Some(due) = office.outbox.next_due() {
        office.now = office.now.max(due);
        left.extend(office.answer(Ok(200)));
    }
    assert_eq!(left, ["c0", "b0", "a0"]);
    // What waits for more can be let go.
    office.ask(json!({"reorder": 3}));
    office.put("d");
    assert!(office.take().is_empty());
    office.ask(json!({"reorder": 0}));
    assert_eq!(office.answer(Ok(200)), ["d0"]);
}

#[test]
fn a_dropped_request_is_counted_and_never_tried_again() {
    let mut office = Office::singles();
    office.ask(json!({"drop": 1}));
    office.put("a");
    assert!(office.take().is_empty());
    let books = office.books();
    assert_eq!((&books["lost"], &books["queued"]), (&json!(1), &json!(0)));
    assert_eq!(office.outbox.next_due(), None);
}

#[test]
fn a_delay_holds_until_it_is_taken_back() {
    let mut office = Office::singles();
    let books = office.ask(json!({"delay_ms": 1500}));
    assert_eq!(books["faults"]["delay_ms"], 1500);
    office.put("a");
    assert!(office.take().is_empty());
    office.now = office.now.plus(Duration::from_millis(1500));
    assert_eq!(office.answer(Ok(200)), ["a0"]);
    office.ask(json!({"delay_ms": 0}));
    office.put("b");
    assert_eq!(office.answer(Ok(200)), ["b0"]);
}

#[test]
fn unknown_faults_are_refused() {
    let mut office = Office::singles();
    let request = Request::json("POST", "/_twin/webhooks", &json!({"burn": 1}));
    assert_eq!(
        office.outbox.screen(office.now, &request).unwrap().status,
        400
    );
    let other = Request::plain("GET", "/_twin/writes");
    assert_eq!(office.outbox.screen(office.now, &other), None);
}
