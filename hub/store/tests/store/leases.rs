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

    // It writes again once the lease is its own again.
    one.lease("one", Timestamp(21), Timestamp(30))
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
