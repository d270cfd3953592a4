//! What goes wrong outside of the program: it ends with the code that
//! docs/cli.md gives, says what to do, and loses or changes nothing.

mod config;
mod database;
mod interrupted;
mod systems;

use std::time::Duration;

use super::office::Office;

/// Few people; nothing here depends on their number.
const PEOPLE: usize = 12;

/// Two systems in agreement.
fn agreed() -> Office {
    agreed_after(Duration::ZERO)
}

/// The same where every answer takes so long.
fn agreed_after(latency: Duration) -> Office {
    let office = Office::new(PEOPLE, latency);
    office.people_ask_for_the_newsletter();
    office.apply();
    office.program.run("sync --approve").fine();
    office
}

/// The next sync brings everything into agreement, and the one after it has
/// nothing to do.
fn recovers(office: &Office) {
    let report = office.program.run("sync").fine();
    assert_eq!(report["open"], 0, "{report}");
    let verified = office.program.run("verify").fine();
    assert_eq!(verified["diverged"], 0, "{verified}");
    assert_eq!(office.doubled(), Vec::<String>::new());
    office.take_writes();
    office.program.run("sync").fine();
    assert_eq!(office.take_writes(), 0, "one more sync writes");
}
