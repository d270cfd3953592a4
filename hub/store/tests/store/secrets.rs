//! Sealed secrets change by compare-and-set, whoever holds the lease.

use concord_core::ports::{Store, StoreError};
use concord_core::secret::{SealedSecret, SecretStore as _};
use concord_core::{ConnectionId, Timestamp};

use super::Base;
use crate::sample::*;

fn named(connection: i64, name: &str) -> SealedSecret {
    SealedSecret {
        connection: ConnectionId(connection),
        name: name.to_owned(),
        ..secret(1, "sealed", 1)
    }
}

#[tokio::test]
async fn a_secret_is_kept_as_it_is_and_found_in_order() {
    let base = Base::new().await;
    let store = base.open().await;
    let all = [
        named(1, "password"),
        named(1, HARD_TEXT),
        named(2, "password"),
    ];
    for secret in all.iter().rev() {
        assert!(store.keep_secret(secret).await.unwrap());
    }
    let mut found = base.open().await.secrets().await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[2], all[2]);
    found.sort_by_key(|secret| secret.name != "password");
    assert_eq!(found[0], all[0]);
    assert_eq!(found.last(), Some(&all[1]));
    assert_eq!(base.open_other().await.secrets().await.unwrap(), []);
}

#[tokio::test]
async fn nobody_writes_over_a_revision_that_they_have_not_seen() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    // Another has the right to write to records, which is not asked for here.
    two.lease("two", Timestamp(0), Timestamp(10)).await.unwrap();
    assert!(one.keep_secret(&secret(1, "first", 1)).await.unwrap());
    assert!(!two.keep_secret(&secret(1, "also first", 1)).await.unwrap());
    assert!(two.keep_secret(&secret(1, "second", 2)).await.unwrap());
    assert!(!one.keep_secret(&secret(1, "also second", 2)).await.unwrap());
    assert!(!one.keep_secret(&secret(1, "too far", 4)).await.unwrap());
    assert_eq!(one.secrets().await.unwrap(), [secret(1, "second", 2)]);

    assert!(one.drop_secret(ConnectionId(1), "token").await.unwrap());
    assert!(!two.drop_secret(ConnectionId(1), "token").await.unwrap());
    // What was dropped does not come back by a change of what it was.
    assert!(!two.keep_secret(&secret(1, "third", 3)).await.unwrap());
    assert_eq!(two.secrets().await.unwrap(), []);
}

#[tokio::test]
async fn of_many_who_change_it_at_once_each_revision_is_one_s() {
    let base = Base::new().await;
    let store = base.open().await;
    assert!(store.keep_secret(&secret(1, "0", 1)).await.unwrap());
    let mut tasks = Vec::new();
    for number in 0..4 {
        let store = base.open().await;
        tasks.push(tokio::spawn(async move {
            let mut kept = 0;
            for _ in 0..25 {
                let last = store.secrets().await.unwrap().remove(0).revision;
                let next = secret(1, &number.to_string(), last + 1);
                kept += i64::from(store.keep_secret(&next).await.unwrap());
            }
            kept
        }));
    }
    let mut kept = 0;
    for task in tasks {
        kept += task.await.unwrap();
    }
    let last = store.secrets().await.unwrap().remove(0).revision;
    assert_eq!(last, 1 + kept);
    assert!(kept >= 25, "{kept}");
}

#[tokio::test]
async fn nothing_is_changed_where_the_records_were_moved() {
    let base = Base::new().await;
    let store = base.open().await;
    assert!(store.keep_secret(&secret(1, "first", 1)).await.unwrap());
    let there = Base::new().await;
    let elsewhere = there.open().await;
    let now = Timestamp(9);
    store.lease("me", now, Timestamp(20)).await.unwrap();
    let moved = store.move_to(&elsewhere, "elsewhere", "0.1.0", now).await;
    moved.unwrap();
    let late = store.keep_secret(&secret(1, "late", 2)).await.unwrap_err();
    assert!(matches!(late, StoreError::Moved { .. }), "{late}");
    assert!(
        elsewhere
            .keep_secret(&secret(1, "second", 2))
            .await
            .unwrap()
    );
}
