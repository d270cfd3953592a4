//! Hubs take from one budget and never the same twice.

use std::time::Duration;

use concord_core::Timestamp;
use concord_core::ports::{Allowances as _, DayWish};

use super::Base;

const A_DAY: DayWish<'static> = DayWish {
    budget: "connection/1 ",
    day: 20_000,
    calls: 4,
    at_least: 0,
    limit: 10,
};

#[tokio::test]
async fn a_day_has_so_many_calls_whoever_takes_them() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    assert_eq!(one.take_of_day(&A_DAY).await.unwrap(), Some(4));
    assert_eq!(two.take_of_day(&A_DAY).await.unwrap(), Some(8));
    assert_eq!(one.take_of_day(&A_DAY).await.unwrap(), None);
    let last = DayWish { calls: 2, ..A_DAY };
    assert_eq!(one.take_of_day(&last).await.unwrap(), Some(10));
    let all = two.allowances().await.unwrap();
    assert_eq!((all.len(), all[0].used, all[0].limit), (1, 10, 10));
    // The next day begins anew, and the one before is over for everybody.
    let next = DayWish {
        day: 20_001,
        ..A_DAY
    };
    assert_eq!(two.take_of_day(&next).await.unwrap(), Some(4));
    assert_eq!(one.take_of_day(&A_DAY).await.unwrap(), None);
    let other = base.open_other().await;
    assert_eq!(other.allowances().await.unwrap(), []);
}

#[tokio::test]
async fn what_the_vendor_counted_goes_before_what_hubs_took() {
    let base = Base::new().await;
    let store = base.open().await;
    let seen = DayWish {
        at_least: 5,
        ..A_DAY
    };
    assert_eq!(store.take_of_day(&A_DAY).await.unwrap(), Some(4));
    assert_eq!(store.take_of_day(&seen).await.unwrap(), Some(9));
    let more = DayWish {
        at_least: 7,
        ..A_DAY
    };
    assert_eq!(store.take_of_day(&more).await.unwrap(), None);
}

#[tokio::test]
async fn places_on_a_line_lie_behind_each_other() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    let second = Duration::from_secs(1);
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    assert_eq!(
        one.take_of_line("app/a ", at(5), second).await.unwrap(),
        at(5)
    );
    assert_eq!(
        two.take_of_line("app/a ", at(5), second).await.unwrap(),
        at(6)
    );
    assert_eq!(
        one.take_of_line("app/b ", at(5), second).await.unwrap(),
        at(5)
    );
    // What nobody took is not kept for later.
    assert_eq!(
        two.take_of_line("app/a ", at(60), second).await.unwrap(),
        at(60)
    );
}

/// Many at once, each from a hub of its own: none is let in twice.
#[tokio::test]
async fn of_many_at_once_each_gets_its_own() {
    let base = Base::new().await;
    let hubs = [base.open().await, base.open().await, base.open().await];
    let mut given = Vec::new();
    for _ in 0..20 {
        let one = DayWish {
            calls: 1,
            limit: 50,
            ..A_DAY
        };
        let (a, b, c) = tokio::join!(
            hubs[0].take_of_day(&one),
            hubs[1].take_of_day(&one),
            hubs[2].take_of_day(&one),
        );
        given.extend([a.unwrap(), b.unwrap(), c.unwrap()].into_iter().flatten());
    }
    given.sort_unstable();
    assert_eq!(given, (1..=50).collect::<Vec<u64>>());
}
