//! Webhooks wait until their records were read, and the same waits once.

use concord_core::webhook::{Backlog, Delivery, DeliveryStore as _};
use concord_core::{ConnectionId, Timestamp};

use super::Base;
use crate::sample::*;

#[tokio::test]
async fn what_was_kept_is_there_byte_for_byte() {
    let base = Base::new().await;
    let store = base.open().await;
    let not_text = Delivery {
        body: vec![0, 159, 146, 150, 255],
        ..delivery(1, "b")
    };
    let empty = Delivery {
        body: Vec::new(),
        ..delivery(1, "c")
    };
    let all = vec![delivery(1, "a"), not_text, empty];
    store.keep_deliveries(&all).await.unwrap();
    store.keep_deliveries(&[]).await.unwrap();
    let found = base.open().await.deliveries(ConnectionId(1), 10).await;
    assert_eq!(found.unwrap(), all);
    let two = store.deliveries(ConnectionId(1), 2).await.unwrap();
    assert_eq!(two, all[..2]);
    let other = base.open_other().await;
    assert_eq!(other.deliveries(ConnectionId(1), 10).await.unwrap(), []);
    assert_eq!(other.backlog().await.unwrap(), []);
}

#[tokio::test]
async fn what_comes_again_is_counted_and_outlives_the_one_that_was_seen() {
    let base = Base::new().await;
    let store = base.open().await;
    let later = Delivery {
        arrived_at: Timestamp(9),
        times: 2,
        ..delivery(1, "a")
    };
    store.keep_deliveries(&[delivery(1, "a")]).await.unwrap();
    let seen = store.deliveries(ConnectionId(1), 10).await.unwrap();
    store.keep_deliveries(&[later]).await.unwrap();
    store.drop_deliveries(&seen).await.unwrap();
    let again = store.deliveries(ConnectionId(1), 10).await.unwrap();
    assert_eq!((again[0].times, again[0].arrived_at), (3, Timestamp(5)));
    store.drop_deliveries(&again).await.unwrap();
    assert_eq!(store.deliveries(ConnectionId(1), 10).await.unwrap(), []);
}

#[tokio::test]
async fn many_come_and_go_at_once() {
    let base = Base::new().await;
    let store = base.open().await;
    let many: Vec<Delivery> = (0..1234)
        .map(|n| delivery(1 + n % 2, &format!("{n:04}")))
        .collect();
    store.keep_deliveries(&many).await.unwrap();
    let of = |connection: i64| Backlog {
        connection: ConnectionId(connection),
        waiting: 617,
        since: Timestamp(5),
    };
    assert_eq!(store.backlog().await.unwrap(), [of(1), of(2)]);
    store.drop_deliveries(&many[..1233]).await.unwrap();
    let left = store.deliveries(ConnectionId(2), 10).await.unwrap();
    assert_eq!(left, many[1233..]);
}
