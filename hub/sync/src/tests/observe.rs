//! Which observations are believed.

use super::*;
use crate::observe::{Belief, believe};

/// A read of a record whose link was set by a read at second 900.
struct Case {
    world: World,
    link: Link,
    record: RemoteRecord,
    kind: ReadKind,
    started: i64,
    open: bool,
}

/// The record shows another title than was stored.
fn case() -> Case {
    let mut world = world();
    world.stream.settle_ms = SettleMs {
        pull: 10_000,
        fetch: 2_000,
        find: 30_000,
    };
    Case {
        link: world.link(json!({"title": "x"}), json!({"job_title": "x"})),
        world,
        record: record(json!({"title": "y"})),
        kind: ReadKind::Pull,
        started: 1000,
        open: false,
    }
}

impl Case {
    fn check(&self, expect: Belief) {
        let read = Read {
            kind: self.kind,
            started: secs(self.started),
        };
        let belief = believe(
            &self.record,
            read,
            &self.link,
            self.open,
            &self.world.scene(),
        );
        assert_eq!(belief, expect);
    }
}

fn again(at: i64) -> Belief {
    Belief::ReadAgain { at: secs(at) }
}

#[test]
fn a_hint_is_read_again_and_so_is_what_a_write_of_ours_may_have_made() {
    case().check(Belief::Believed);
    let mut hint = case();
    hint.record.partial = true;
    hint.check(again(1000));
    let mut open = case();
    open.open = true;
    open.check(again(1000));
}

#[test]
fn a_read_that_began_before_our_last_answer_says_nothing() {
    let mut before = case();
    before.link.written_at = Some(secs(1001));
    before.check(again(1011));
    // Whatever it shows, and whatever version.
    before.record.fields = before.link.raw.clone();
    before.world.stream.ordered_versions = true;
    before.check(again(1011));
}

#[test]
fn what_differs_within_settle_of_the_last_read_or_answer_is_read_again_then() {
    let check = |kind: ReadKind, written: Option<i64>, started: i64, expect: Belief| {
        let mut case = case();
        case.kind = kind;
        case.started = started;
        case.link.written_at = written.map(secs);
        case.check(expect);
    };
    // After the read at 900; each kind of read has its own lag.
    check(ReadKind::Pull, None, 909, again(910));
    check(ReadKind::Pull, None, 910, Belief::Believed);
    check(ReadKind::Fetch, None, 901, again(902));
    check(ReadKind::Fetch, None, 902, Belief::Believed);
    check(ReadKind::Find, None, 929, again(930));
    check(ReadKind::Find, None, 930, Belief::Believed);
    // After an answer at 995, or a read that came after the answer.
    check(ReadKind::Pull, Some(995), 1000, again(1005));
    check(ReadKind::Pull, Some(995), 1005, Belief::Believed);
    check(ReadKind::Pull, Some(800), 905, again(910));
}

#[test]
fn what_shows_the_stored_values_needs_no_second_look() {
    let mut echo = case();
    echo.started = 901;
    echo.record.fields = echo.link.raw.clone();
    echo.check(Belief::Believed);
    // A system that never lags is believed at once.
    let mut prompt = case();
    prompt.started = 900;
    prompt.world.stream.settle_ms = SettleMs::default();
    prompt.check(Belief::Believed);
}

#[test]
fn ordered_versions_tell_older_from_newer() {
    let check = |seen: Option<&str>, known: Option<&str>, expect: Belief| {
        let mut case = case();
        case.started = 901;
        case.world.stream.ordered_versions = true;
        case.record.version = seen.map(Into::into);
        case.link.version = known.map(Into::into);
        case.check(expect);
    };
    check(Some("1"), Some("2"), Belief::Outdated);
    check(Some("2"), Some("1"), Belief::Believed);
    // Numbers are compared as numbers, dates as text.
    check(Some("9"), Some("10"), Belief::Outdated);
    check(Some("10"), Some("9"), Belief::Believed);
    check(
        Some("2026-05-01T00:00:00Z"),
        Some("2026-05-01T00:00:01Z"),
        Belief::Outdated,
    );
    // Equal stamps of a coarse clock order nothing.
    check(Some("2"), Some("2"), again(910));
    check(None, Some("2"), again(910));
    check(Some("2"), None, again(910));
}

#[test]
fn unordered_versions_tell_nothing() {
    let mut case = case();
    case.record.version = Some("0".into());
    case.link.version = Some("1".into());
    case.check(Belief::Believed);
}

#[test]
fn an_exact_date_of_change_tells_older_records() {
    let check = |exact: bool, seen: Option<i64>, expect: Belief| {
        let mut case = case();
        case.world.stream.exact_modified = exact;
        case.link.modified_at = Some(secs(500));
        case.record.modified_at = seen.map(secs);
        case.check(expect);
    };
    check(true, Some(499), Belief::Outdated);
    check(true, Some(500), Belief::Believed);
    check(true, Some(501), Belief::Believed);
    check(true, None, Belief::Believed);
    check(false, Some(499), Belief::Believed);
}

#[test]
fn a_record_that_is_still_typed_in_rests_first() {
    // It is second 1000.
    let check = |modified: Option<i64>, title: &str, rest: u64, expect: Belief| {
        let mut world = world();
        let rest = std::time::Duration::from_secs(rest);
        world.rules.set_debounce(A, rest);
        let link = world.link(json!({"title": "x"}), json!({"job_title": "x"}));
        let mut record = record(json!({"title": title}));
        record.modified_at = modified.map(secs);
        let belief = believe(&record, world.read(), &link, false, &world.scene());
        assert_eq!(belief, expect, "{modified:?} {title} {rest:?}");
    };
    let again = |at| Belief::ReadAgain { at: secs(at) };
    check(Some(990), "y", 0, Belief::Believed);
    check(Some(990), "y", 30, again(1020));
    check(Some(970), "y", 30, Belief::Believed);
    check(Some(999), "x", 30, Belief::Believed);
    check(None, "y", 30, Belief::Believed);
    // A clock that is ahead must not keep a record waiting for ever.
    check(Some(2000), "y", 30, Belief::Believed);
}
