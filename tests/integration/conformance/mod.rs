//! Every connector passes the shared suite: as a component in the real host,
//! against its system's twin, in virtual time and without a socket.

mod account;
mod hubspot;
mod mailchimp;

use concord_conformance::{Bed, Verdict, run};

/// Runs the suite; nothing may fail, and only these checks may be skipped.
async fn check(bed: &dyn Bed, skipped: &[&str]) {
    let report = run(bed).await;
    assert!(report.passed(), "{report}");
    let not_exercised: Vec<&str> = report
        .lines
        .iter()
        .filter(|line| line.verdict == Verdict::NotExercised)
        .map(|line| line.name)
        .collect();
    assert_eq!(not_exercised, skipped, "{report}");
}
