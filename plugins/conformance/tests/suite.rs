//! The suite is tried on a connector that does everything right, and on the
//! same connector with one flaw at a time: each flaw must be caught by the check
//! that is meant for it.

// All of this is a test; clippy only knows the functions that are marked so.
#![allow(clippy::unwrap_used)]

mod drawer;

use concord_conformance::{Report, Verdict, run};
use drawer::{Drawer, Flaw};

async fn report(flaw: Option<Flaw>) -> Report {
    run(&Drawer::new(flaw)).await
}

#[tokio::test]
async fn a_connector_that_keeps_the_contract_passes() {
    let report = report(None).await;
    let skipped: Vec<&str> = report
        .lines
        .iter()
        .filter(|line| line.verdict == Verdict::NotExercised)
        .map(|line| line.name)
        .collect();
    assert!(report.passed(), "{report}");
    // It creates by key, its ids stay, and it declares every kind of write.
    assert_eq!(
        skipped,
        [
            "a-create-can-be-found",
            "an-id-moves-as-declared",
            "undeclared-writes-are-refused"
        ]
    );
}

#[tokio::test]
async fn every_planted_flaw_is_caught() {
    for (flaw, check) in [
        (Flaw::NeverComplete, "full-walk-lists-everything"),
        (Flaw::SkipsBetweenPages, "small-pages-list-the-same"),
        (Flaw::TakesAnyCursor, "foreign-cursor-is-expired"),
        (Flaw::OtherVersionInFetch, "fetch-agrees-with-pull"),
        (Flaw::SilentAboutUnknown, "fetch-of-an-unknown-id-is-gone"),
        (Flaw::OverlooksEdits, "an-edit-is-a-change"),
        (Flaw::HidesDeletes, "a-delete-is-seen-as-declared"),
        (Flaw::ForgetsMerges, "a-merge-names-the-record-kept"),
        (Flaw::AsciiOnly, "unicode-is-written"),
        (Flaw::ForgetsIntents, "a-create-happens-once"),
        (Flaw::ReplacesRecords, "an-update-changes-its-fields-only"),
        (Flaw::AnswersOldVersion, "the-answer-is-the-record"),
        (Flaw::IgnoresVersions, "a-stale-version-is-a-conflict"),
        (Flaw::ReversesOutcomes, "outcomes-come-in-order"),
        (Flaw::HalfBatches, "a-bad-op-fails-as-declared"),
        (Flaw::CallsLostTransient, "a-lost-answer-is-unknown"),
    ] {
        let report = report(Some(flaw)).await;
        let verdict = report.line(check).map(|line| line.verdict);
        assert_eq!(verdict, Some(Verdict::Fail), "{flaw:?}\n{report}");
    }
}

#[tokio::test]
async fn what_the_bed_cannot_do_is_not_called_passed() {
    let report = run(&drawer::Bare(Drawer::new(None))).await;
    assert!(report.passed(), "{report}");
    for check in [
        "an-edit-is-a-change",
        "a-create-is-stored",
        "a-rate-limit-is-typed",
    ] {
        let line = report.line(check).unwrap();
        assert_eq!(line.verdict, Verdict::NotExercised, "{check}");
        assert!(line.detail.contains("the bed lacks"), "{}", line.detail);
    }
    assert!(report.to_string().ends_with("not exercised"), "{report}");
}
