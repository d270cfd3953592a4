//! The right to write, between two stores on one file.

use concord_core::Changeset;
use concord_core::Timestamp;
use concord_core::ports::{LeaseHolder, Store, StoreError};
use concord_core::state::EntityState;

use super::Base;
use crate::sample::*;

fn refused_by(result: Result<(), StoreError>, owner: &str) {
    match result {
        Err(StoreError::Busy { owner: holder }) => assert_eq!(holder, owner),
        other => panic!("expected to be refused by {owner}: {other:?}"),
    }
}

#[tokio::test]
async fn one_holds_the_lease_until_it_ends_or_is_released() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    assert_eq!(two.lease_holder().await.unwrap(), None);
    one.lease("one", Timestamp(0), Timestamp(10)).await.unwrap();
    refused_by(two.lease("two", Timestamp(5), Timestamp(15)).await, "one");
    one.lease("one", Timestamp(6), Timestamp(20)).await.unwrap();
    refused_by(two.lease("two", Timestamp(20), Timestamp(30)).await, "one");
    let holder = LeaseHolder {
        owner: "one".to_owned(),
        until: Timestamp(20),
    };
    assert_eq!(two.lease_holder().await.unwrap(), Some(holder));

    // A release by somebody else changes nothing.
    two.release("two").await.unwrap();
    refused_by(two.lease("two", Timestamp(7), Timestamp(30)).await, "one");
    one.release("one").await.unwrap();
    assert_eq!(two.lease_holder().await.unwrap(), None);
    two.lease("two", Timestamp(7), Timestamp(30)).await.unwrap();
    refused_by(one.lease("one", Timestamp(8), Timestamp(9)).await, "two");
}

#[tokio::test]
async fn a_hub_that_lost_its_lease_writes_nothing() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    let mut changes = Changeset::default();
    changes.entities = vec![entity(1, EntityState::Live)];

    one.lease("one", Timestamp(0), Timestamp(10)).await.unwrap();
    two.lease("two", Timestamp(11), Timestamp(20))
        .await
        .unwrap();
    refused_by(one.commit(&changes).await, "two");
    refused_by(one.set_document("config", "late").await, "two");
    assert_eq!(two.entities(&[person(1)]).await.unwrap(), []);
    two.commit(&changes).await.unwrap();

    // The lease is free again, but what it knows is from before: it is told, and
    // writes again once it has begun anew.
    let extended = one.lease("one", Timestamp(21), Timestamp(30)).await;
    assert!(extended.is_err());
    assert!(one.commit(&changes).await.is_err());
    one.lease("one", Timestamp(22), Timestamp(30))
        .await
        .unwrap();
    one.commit(&changes).await.unwrap();
    refused_by(two.commit(&changes).await, "one");
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_it() {
    let base = Base::new().await;
    base.open().await.close().await.unwrap();
    let asking: Vec<_> = (0..4)
        .map(|number| {
            let base = base.clone();
            tokio::spawn(async move {
                let store = base.open().await;
                let owner = format!("hub {number}");
                store.lease(&owner, Timestamp(0), Timestamp(10)).await
            })
        })
        .collect();
    let mut won = 0;
    for task in asking {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(StoreError::Busy { owner }) => assert!(owner.starts_with("hub "), "{owner}"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_hub_that_passed_the_lease_writes_nothing_until_it_has_it_again() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    let changes = only(|c| c.entities = vec![entity(1, EntityState::Live)]);
    one.lease("one", Timestamp(0), Timestamp(10)).await.unwrap();
    one.pass("one").await.unwrap();
    assert!(one.commit(&changes).await.is_err(), "nobody has it");
    two.lease("two", Timestamp(1), Timestamp(11)).await.unwrap();
    refused_by(one.commit(&changes).await, "two");
    refused_by(one.set_document("config", "late").await, "two");
    assert!(
        one.claim(ONE, "one", Timestamp(1), Timestamp(9))
            .await
            .is_err()
    );
    two.pass("two").await.unwrap();
    one.lease("one", Timestamp(2), Timestamp(12)).await.unwrap();
    one.commit(&changes).await.unwrap();
}

const ONE: concord_core::ConnectionId = concord_core::ConnectionId(1);

#[tokio::test]
async fn a_connection_is_claimed_by_one_and_a_late_owner_is_told() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    let first = one.claim(ONE, "one", Timestamp(0), Timestamp(10)).await;
    let first = first.unwrap().unwrap();
    let other = two.claim(ONE, "two", Timestamp(10), Timestamp(20));
    assert_eq!(other.await.unwrap(), None, "until its very end");
    assert!(one.keep(ONE, first, Timestamp(30)).await.unwrap());
    let other = two.claim(ONE, "two", Timestamp(30), Timestamp(40));
    assert_eq!(other.await.unwrap(), None, "it was extended");
    // Another connection is free.
    let second = concord_core::ConnectionId(2);
    let free = two.claim(second, "two", Timestamp(30), Timestamp(40));
    assert_eq!(free.await.unwrap(), Some(1));

    let taken = two.claim(ONE, "two", Timestamp(31), Timestamp(40)).await;
    let taken = taken.unwrap().unwrap();
    assert!(taken > first);
    assert!(!one.keep(ONE, first, Timestamp(99)).await.unwrap());
    one.unclaim(ONE, first).await.unwrap();
    let late = one.claim(ONE, "one", Timestamp(39), Timestamp(50)).await;
    assert_eq!(late.unwrap(), None, "a late owner gave nothing up");
    two.unclaim(ONE, taken).await.unwrap();
    let again = one.claim(ONE, "one", Timestamp(39), Timestamp(50)).await;
    assert!(again.unwrap().unwrap() > taken);
}
