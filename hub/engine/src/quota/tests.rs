//! Quotas in virtual time: what leaves when, and who goes first.

mod rig;
mod vendors;

use std::time::Duration;

use concord_core::Timestamp;
use concord_core::manifest::Quota;
use concord_core::ports::{HttpResponse, Quota as _, Urgency};

use rig::{Rig, answer};

const PLAIN: &str = "{}";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn no_window_of_ten_seconds_sees_more_than_a_hundred_and_all_but_four_are_used() {
    let rig = Rig::new(r#"[{"requests": 100, "per-ms": 10000}]"#);
    let sent = rig.run(async {
        let mut sent = Vec::new();
        for _ in 0..2_000 {
            rig.call("", Urgency::Incremental, 200, &[], PLAIN).await;
            sent.push(rig.elapsed());
        }
        sent
    });
    for (index, start) in sent.iter().enumerate() {
        let inside = sent[index..].iter().filter(|t| **t - *start < seconds(10));
        assert!(inside.count() <= 100, "from {start:?}");
    }
    let spent = sent[1_999] - sent[0];
    assert!(spent < seconds(209), "{spent:?}");
}

#[test]
fn a_wait_that_the_system_asks_for_is_kept_to_the_second() {
    let rig = Rig::new(r#"[{"requests": 100, "per-ms": 10000}]"#);
    rig.run(async {
        let date = "Thu, 01 Jan 1970 00:17:05 GMT";
        for (value, wait) in [("30", 30), (date, 0), ("7", 7)] {
            let before = rig.elapsed();
            let headers = [("Retry-After", value)];
            rig.call("", Urgency::Person, 429, &headers, PLAIN).await;
            rig.call("", Urgency::Person, 200, &[], PLAIN).await;
            let waited = rig.elapsed() - before;
            let least = seconds(wait);
            assert!(
                waited >= least && waited < least + seconds(1),
                "{value}: {waited:?}"
            );
        }
        // A longer one is not waited for within a call.
        rig.call("", Urgency::Person, 429, &[("Retry-After", "31")], PLAIN)
            .await;
        let busy = rig.quota.take("").await.err().unwrap();
        assert_eq!(busy.until, rig.now().plus(seconds(31)));
    });
}

#[test]
fn a_date_is_waited_for_to_the_second() {
    let rig = Rig::new(r#"[{"requests": 100, "per-ms": 10000}]"#);
    rig.run(async {
        // The rig's clock starts 1,000 seconds after 1970.
        let headers = [("Retry-After", "Thu, 01 Jan 1970 00:17:05 GMT")];
        rig.call("", Urgency::Person, 429, &headers, PLAIN).await;
        rig.call("", Urgency::Person, 200, &[], PLAIN).await;
        assert_eq!(rig.now(), Timestamp::from_millis(1_025_000));
    });
}

#[test]
fn the_vendors_own_limit_replaces_ours() {
    let text = r#"[{"requests": 100, "per-ms": 10000, "headers": {"limit": "X-Max"}}]"#;
    let rig = Rig::new(text);
    rig.run(async {
        rig.call("", Urgency::Person, 200, &[("x-max", "190")], PLAIN)
            .await;
        let rate = rig.quota.rate("").unwrap();
        assert!(rate > 19.0 * 0.95 && rate < 19.0, "{rate}");
        rig.call("", Urgency::Person, 200, &[("x-max", "50")], PLAIN)
            .await;
        assert!(rig.quota.rate("").unwrap() < 5.0);
    });
}

#[test]
fn an_empty_window_is_left_alone_until_it_is_over() {
    let text = r#"[{"requests": 100, "per-ms": 10000,
        "headers": {"remaining": "X-Left", "reset": "X-Reset"}}]"#;
    let rig = Rig::new(text);
    rig.run(async {
        let headers = [("x-left", "0"), ("x-reset", "12")];
        rig.call("", Urgency::Person, 200, &headers, PLAIN).await;
        let before = rig.elapsed();
        rig.call("", Urgency::Person, 200, &[("x-left", "3")], PLAIN)
            .await;
        assert_eq!(rig.elapsed() - before, seconds(12));
    });
}

#[test]
fn so_many_are_under_way_at_once_and_a_refusal_halves_them() {
    let rig = Rig::new(r#"[{"concurrency": 4}]"#);
    rig.run(async {
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(rig.quota.take("").await.unwrap());
        }
        let mut fifth = Box::pin(rig.quota.take(""));
        assert!(futures::poll!(&mut fifth).is_pending());
        // One that got no answer makes room as well.
        drop(held.pop());
        let fifth = fifth.await.unwrap();
        held.push(fifth);
        held.pop().unwrap().answered(&answer(429, &[], PLAIN));
        drop(held);
        // The pause that nobody named is a second, and then there are two.
        let before = rig.elapsed();
        let first = rig.quota.take("").await.unwrap();
        assert_eq!(rig.elapsed() - before, seconds(1));
        let _second = rig.quota.take("").await.unwrap();
        let mut third = Box::pin(rig.quota.take(""));
        assert!(futures::poll!(&mut third).is_pending());
        // A second without a refusal gives one more.
        rig.sleep(seconds(2)).await;
        first.answered(&answer(200, &[], PLAIN));
        let _third = third.await.unwrap();
        let _fourth = rig.quota.take("").await.unwrap();
        let mut fifth = Box::pin(rig.quota.take(""));
        assert!(futures::poll!(&mut fifth).is_pending());
    });
}

/// A vendor that says nothing allows five requests a second: what leaves comes
/// close to it, and few are refused.
#[test]
fn a_rate_that_nobody_states_is_found() {
    let rig = Rig::new(r#"[{"class": ""}]"#);
    rig.run(async {
        let mut window: Vec<Duration> = Vec::new();
        let (mut sent, mut refused) = (0_u32, 0_u32);
        let start = rig.elapsed();
        while rig.elapsed() - start < seconds(600) {
            let permit = rig.quota.take("").await.unwrap();
            rig.sleep(Duration::from_millis(20)).await;
            let now = rig.elapsed();
            window.retain(|t| now - *t < seconds(1));
            let is_fine = window.len() < 5;
            if is_fine {
                window.push(now);
            }
            sent += u32::from(is_fine);
            refused += u32::from(!is_fine);
            let status = if is_fine { 200 } else { 429 };
            permit.answered(&answer(status, &[], PLAIN));
        }
        println!("unstated 5/s: {sent} of 3000 in 600 s, {refused} refused");
        assert!(sent > 1_500, "{sent}");
        assert!(refused < 100, "{refused}");
    });
}

/// One after another, so it is not their number at once that is too much.
#[test]
fn a_rate_is_found_where_only_a_number_at_once_is_stated() {
    let rig = Rig::new(r#"[{"concurrency": 4}]"#);
    rig.run(async {
        for _ in 0..20 {
            rig.call("", Urgency::Person, 200, &[], PLAIN).await;
            rig.sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(rig.quota.rate(""), None);
        rig.call("", Urgency::Person, 429, &[], PLAIN).await;
        let rate = rig.quota.rate("").unwrap();
        assert!(rate > 4.0 && rate < 6.0, "half of ten a second: {rate}");
    });
}

#[test]
fn points_are_evened_out_after_the_fact() {
    let text = r#"[{"cost": {"size": 100, "restore": 10, "usual": 10, "spent-at": "/spent"}}]"#;
    let rig = Rig::new(text);
    rig.run(async {
        // 50 points instead of 10: the next waits for them.
        rig.call("", Urgency::Person, 200, &[], r#"{"spent": 50}"#)
            .await;
        let before = rig.elapsed();
        rig.call("", Urgency::Person, 200, &[], r#"{"spent": 50}"#)
            .await;
        let waited = rig.elapsed() - before;
        // 40 that are owed, 50 that the next is thought to cost; 10 each second.
        assert!(waited > seconds(8) && waited < seconds(10), "{waited:?}");
    });
}

#[test]
fn what_is_left_of_the_points_is_believed() {
    let text = r#"[{"cost": {"size": 100, "restore": 10, "usual": 10, "left-at": "/left"}}]"#;
    let rig = Rig::new(text);
    rig.run(async {
        rig.call("", Urgency::Person, 200, &[], r#"{"left": 95}"#)
            .await;
        let before = rig.elapsed();
        for _ in 0..9 {
            let _permit = rig.quota.take("").await.unwrap();
        }
        assert_eq!(rig.elapsed(), before, "90 of 95 go at once");
        rig.call("", Urgency::Person, 200, &[], r#"{"left": 0}"#)
            .await;
        let before = rig.elapsed();
        let _permit = rig.quota.take("").await.unwrap();
        assert!(rig.elapsed() - before >= seconds(1));
    });
}

#[test]
fn who_is_in_a_hurry_waits_less_and_nobody_for_ever() {
    let rig = Rig::new(r#"[{"requests": 10, "per-ms": 1000}]"#);
    let end = rig.elapsed() + seconds(60);
    let mut waited = rig.run(async {
        let rig = &rig;
        let people = Urgency::ALL
            .into_iter()
            .rev()
            .flat_map(|urgency| (0..3).map(move |_| urgency));
        let asking = people.map(|urgency| async move {
            let mut waits = Vec::new();
            while rig.elapsed() < end {
                let before = rig.elapsed();
                rig.call("", urgency, 200, &[], PLAIN).await;
                waits.push(rig.elapsed() - before);
            }
            (urgency, waits)
        });
        futures::future::join_all(asking).await
    });
    waited.sort_by_key(|(urgency, _)| *urgency);
    let mut means = Vec::new();
    for urgency in Urgency::ALL {
        let of = waited.iter().filter(|(u, _)| *u == urgency);
        let waits: Vec<Duration> = of.flat_map(|(_, waits)| waits.clone()).collect();
        let number = u32::try_from(waits.len()).unwrap();
        assert!(number > 0, "{urgency:?} was never let in");
        means.push((waits.iter().sum::<Duration>() / number, number));
    }
    println!("mean wait and requests by lane: {means:?}");
    assert!(
        means.is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1),
        "{means:?}"
    );
}

#[test]
fn a_day_is_not_overdrawn_and_the_next_begins_anew() {
    let rig = Rig::new(r#"[{"per-day": 1000}]"#);
    rig.run(async {
        let mut sent = 0;
        let busy = loop {
            match rig.quota.take("").await {
                Ok(_) => sent += 1,
                Err(busy) => break busy,
            }
        };
        assert_eq!(sent, 998, "all but a five-hundredth");
        assert_eq!(busy.until, Timestamp::from_millis(86_400_000));
        rig.sleep(busy.until.since(rig.now())).await;
        assert!(rig.quota.take("").await.is_ok());
    });
}

#[test]
fn what_others_used_of_the_day_counts() {
    let text = r#"[{"per-day": 1000, "headers": {"daily-remaining": "X-Left"}}]"#;
    let rig = Rig::new(text);
    rig.run(async {
        rig.call("", Urgency::Person, 200, &[("x-left", "12")], PLAIN)
            .await;
        let mut sent = 0;
        while rig.quota.take("").await.is_ok() {
            sent += 1;
        }
        assert!((8..=10).contains(&sent), "{sent}");
    });
}

/// Two hubs on one app's rate, and one of them has two connections of it.
#[test]
fn an_app_is_one_budget_for_all_its_connections_and_hubs() {
    let text = r#"[{"requests": 100, "per-ms": 10000, "scope": "app"}]"#;
    let rig = Rig::new(text);
    let quotas: Vec<Quota> = serde_json::from_str(text).unwrap();
    let others = [
        rig.connection(&quotas, true),
        rig.connection(&quotas, false),
    ];
    let end = rig.elapsed() + seconds(60);
    let mut sent = rig.run(async {
        let asking = [&rig.quota, &others[0], &others[1]].map(|quota| async {
            let mut sent = Vec::new();
            while rig.elapsed() < end {
                let permit = quota.take("").await.unwrap();
                sent.push(rig.elapsed());
                rig.sleep(Duration::from_millis(30)).await;
                permit.answered(&HttpResponse {
                    status: 200,
                    headers: vec![],
                    body: vec![],
                });
            }
            sent
        });
        futures::future::join_all(asking).await.concat()
    });
    sent.sort();
    for (index, start) in sent.iter().enumerate() {
        let inside = sent[index..].iter().filter(|t| **t - *start < seconds(10));
        assert!(inside.count() <= 100, "from {start:?}");
    }
    println!("two hubs, three connections: {} of 600 in 60 s", sent.len());
    assert!(sent.len() >= 570, "{}", sent.len());
}
