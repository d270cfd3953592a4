//! What a missing record means: every kind of absence, however it was noticed
//! (doubts.md V10, V11, V19, V20).

use concord_core::record::Absence;

use super::*;
use crate::absence::{Conclusion, Noticed, judge};

use Noticed::{Fetched, Listed, Unlisted};

struct Case {
    world: World,
    link: Link,
}

/// A system where a 404 means gone, and a direct read lags up to two seconds.
fn case() -> Case {
    let mut world = world();
    world.stream.not_found_means_gone = true;
    world.stream.settle_ms.fetch = 2_000;
    Case {
        link: world.link(nothing(), nothing()),
        world,
    }
}

impl Case {
    fn at(
        &mut self,
        now: i64,
        absence: Absence,
        noticed: Noticed,
        expect: Conclusion,
    ) -> &mut Self {
        let conclusion = judge(
            &mut self.link,
            &absence,
            noticed,
            &self.world.stream,
            secs(now),
        );
        assert_eq!(conclusion, expect, "{absence:?} {noticed:?} at {now}");
        self
    }

    fn state(&self, expect: LinkState) {
        assert_eq!(self.link.state, expect);
    }
}

fn confirm(at: i64) -> Conclusion {
    Conclusion::Confirm { at: secs(at) }
}

#[test]
fn positive_evidence_is_enough_however_it_comes() {
    for noticed in [Listed, Fetched, Unlisted] {
        for absence in [Absence::Tombstone, Absence::Archived] {
            let mut case = case();
            case.link.again_at = Some(secs(5));
            case.at(1000, absence, noticed, Conclusion::Gone);
            case.state(LinkState::Gone);
            assert_eq!(case.link.again_at, None);
        }
        let mut case = case();
        let into = Absence::MergedInto("r2".into());
        case.at(1000, into, noticed, Conclusion::Merged("r2".into()));
        case.state(LinkState::Merged);
    }
}

#[test]
fn no_list_alone_deletes() {
    for noticed in [Listed, Unlisted] {
        let mut case = case();
        case.at(1000, Absence::Hidden, noticed, confirm(1000));
        case.at(9000, Absence::Hidden, noticed, confirm(9000));
        case.state(LinkState::Live);
        assert_eq!(case.link.again_at, Some(secs(9000)));
    }
}

#[test]
fn a_404_counts_when_it_is_seen_twice_a_settle_apart() {
    let mut case = case();
    case.at(1000, Absence::Hidden, Fetched, confirm(1002))
        .at(1001, Absence::Hidden, Fetched, confirm(1002))
        .state(LinkState::Live);
    case.at(1002, Absence::Hidden, Fetched, Conclusion::Gone)
        .state(LinkState::Gone);
}

#[test]
fn a_page_of_changes_is_not_one_of_the_two_looks() {
    let mut case = case();
    case.at(1000, Absence::Hidden, Listed, confirm(1000))
        .at(1005, Absence::Hidden, Fetched, confirm(1007))
        .at(1007, Absence::Hidden, Fetched, Conclusion::Gone);
}

#[test]
fn a_complete_list_and_a_direct_read_confirm_each_other() {
    let mut case = case();
    case.at(1000, Absence::Hidden, Unlisted, confirm(1000))
        .at(1001, Absence::Hidden, Fetched, confirm(1002))
        .at(1002, Absence::Hidden, Fetched, Conclusion::Gone);
}

#[test]
fn v11_a_record_that_we_have_just_written_is_not_gone_yet() {
    let mut case = case();
    case.link.missing_since = Some(secs(990));
    case.link.written_at = Some(secs(999));
    // The next look is one that can tell.
    case.at(1000, Absence::Hidden, Fetched, confirm(1001)).at(
        1001,
        Absence::Hidden,
        Fetched,
        Conclusion::Gone,
    );
}

#[test]
fn where_a_404_may_mean_no_right_to_see_it_the_link_is_hidden() {
    let mut case = case();
    case.world.stream.not_found_means_gone = false;
    case.link.again_at = Some(secs(1000));
    case.at(1000, Absence::Hidden, Fetched, Conclusion::Hidden)
        .at(5000, Absence::Hidden, Fetched, Conclusion::Hidden)
        .state(LinkState::Hidden);
    assert_eq!(case.link.again_at, None);
}

#[test]
fn v20_what_is_gone_stays_gone_until_it_is_seen() {
    let mut case = case();
    case.world.stream.not_found_means_gone = false;
    case.at(1000, Absence::Tombstone, Listed, Conclusion::Gone)
        .at(1001, Absence::Hidden, Fetched, Conclusion::Gone)
        .at(1002, Absence::Hidden, Unlisted, Conclusion::Gone)
        .state(LinkState::Gone);
    let mut entity = person(nothing());
    let Case { world, mut link } = case;
    world.absorb(&mut link, &mut entity, json!({"title": "x"}));
    assert_eq!(link.state, LinkState::Live);
}
