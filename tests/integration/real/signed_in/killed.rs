//! A hub is killed at chosen points of a refresh: before its request has reached
//! the server, between the server's answer and the commit, and once the new token
//! is used.  Only the second can cost the sign-in.

use std::time::Duration;

use super::*;
use crate::real::oidc::Counts;
use crate::real::proxy::Cut;

/// Short, so that every sync has to renew its token first.
const ACCESS_SECONDS: u32 = 3;
const BETWEEN: Duration = Duration::from_secs(3);
/// A hub that is gone is waited for so long, and two seconds more.
const SYNC: &str = "sync --approve --lease 5";

/// All that is known of HubSpot's streams and what is owed to it.
fn books(firm: &Firm) -> Vec<String> {
    let texts = [
        "SELECT s::text FROM streams s ORDER BY 1",
        "SELECT connection, stream, remote_id, version FROM links ORDER BY 1, 2, 3",
        "SELECT id, state FROM intents ORDER BY 1",
    ];
    texts
        .iter()
        .flat_map(|text| firm.database.tell(text).unwrap())
        .collect()
}

fn refused(firm: &Firm) -> (u64, u64) {
    let Counts {
        refused, reused, ..
    } = firm.oidc.counts().unwrap();
    (refused, reused)
}

impl Firm {
    /// Kills a hub whose refresh stands still at this side of the server.
    fn kill_at(&self, cut: Cut) {
        self.proxy.stop_after(0, cut);
        let hub = self.start(SYNC);
        self.proxy.wait_until_stopped();
        hub.kill();
        self.proxy.release();
    }

    /// Kills a hub that has begun to use its new token.
    fn kill_when_it_is_used(&self) {
        let before = self.events.count();
        let mut hub = self.start(SYNC);
        assert!(self.events.reach(before + 1, || hub.has_ended()));
        hub.kill();
    }

    fn goes_on(&self) {
        let ended = self.start(SYNC).end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    /// The old token was tried once, and then a person is asked.
    fn needs_a_sign_in(&self, before: &[String]) {
        let (refused_before, reused_before) = refused(self);
        for _ in 0..2 {
            let ended = self.start(SYNC).end();
            ended.refuses(
                4,
                &[
                    "needs sign-in",
                    "a hub was stopped in the middle of a refresh",
                ],
            );
        }
        let expected = (refused_before + 1, reused_before + 1);
        assert_eq!(refused(self), expected);
        assert_eq!(books(self), before);
        self.signs_in("hubspot");
        self.goes_on();
    }
}

/// How long answers were not kept yet, in microseconds, as the log tells.
fn spans(firm: &mut Firm) -> Vec<u64> {
    firm.program.set("CONCORD_LOG", "concord_engine=debug");
    let mut spans = Vec::new();
    for _ in 0..20 {
        std::thread::sleep(BETWEEN);
        let ended = firm.start(SYNC).end();
        let told = ended.stderr.split("unsaved_us=").skip(1);
        let number = |text: &str| {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            text[..end].parse::<u64>().unwrap()
        };
        spans.extend(told.map(number));
    }
    spans.sort_unstable();
    spans
}

#[test]
#[ignore = "takes two minutes and installs oidc-provider: cargo xtask test --real"]
fn a_hub_that_dies_in_a_refresh_loses_no_sign_in_but_in_one_window() {
    check(6);
}

/// A hub is killed so many times.
pub fn check(rounds: usize) {
    let mut firm = Firm::open(ACCESS_SECONDS);
    let config = firm.config();
    // The other system's sign-in would stand in the way of the chosen point.
    let alone = config.split("\n  mailchimp:").next().unwrap();
    firm.program.apply(alone).fine();
    firm.signs_in("hubspot");
    for _ in 0..2 {
        firm.goes_on();
    }
    let mut killed = [0; 3];
    for round in 0..rounds {
        std::thread::sleep(BETWEEN);
        let before = books(&firm);
        let so_far = refused(&firm);
        let point = round % 3;
        match point {
            0 => firm.kill_at(Cut::BeforeRequest),
            1 => firm.kill_when_it_is_used(),
            _ => firm.kill_at(Cut::BeforeAnswer),
        }
        killed[point] += 1;
        if point == 2 {
            firm.needs_a_sign_in(&before);
        } else {
            firm.goes_on();
            assert_eq!(
                refused(&firm),
                so_far,
                "round {round}: an old token was sent"
            );
        }
    }
    let spans = spans(&mut firm);
    println!(
        "killed {} times before the request, {} times with the new token in use, {} times \
         between answer and commit; an answer is not kept yet for {} µs (median of {}, at most {})",
        killed[0],
        killed[1],
        killed[2],
        spans[spans.len() / 2],
        spans.len(),
        spans[spans.len() - 1],
    );
}
