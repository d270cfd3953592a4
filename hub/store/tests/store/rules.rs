//! What a changeset promises beyond writing its rows.

use concord_core::changeset::MatchKey;
use concord_core::ports::{ConflictFilter, Store, StoreError};
use concord_core::state::{Decision, EntityState, LinkState, Verdict, Winner};
use concord_core::{Changeset, ConnectionId, Kind, StreamName, Timestamp};
use serde_json::json;

use super::Base;
use crate::sample::*;

#[tokio::test]
async fn the_same_conflict_is_recorded_once_and_can_be_decided() {
    let base = Base::new().await;
    let store = base.open().await;
    let mut same = conflict(2, "x");
    same.rule = "another rule".to_owned();
    let conflicts = vec![conflict(1, "x"), same, conflict(3, "y")];
    store
        .commit(&only(|c| c.conflicts = conflicts))
        .await
        .unwrap();
    store
        .commit(&only(|c| c.conflicts = vec![conflict(4, "x")]))
        .await
        .unwrap();
    let all = ConflictFilter::default();
    let ids =
        |list: &[concord_core::state::Conflict]| list.iter().map(|c| c.id).collect::<Vec<_>>();
    assert_eq!(ids(&store.conflicts(&all).await.unwrap()), [1, 3]);

    let mut decided = conflict(1, "x");
    decided.winner = Winner::Remote;
    decided.decision = Some(Decision {
        by: "ann".to_owned(),
        at: Timestamp(9),
        value: json!(HARD_TEXT),
    });
    let missing = conflict(99, "z");
    let decisions = vec![decided.clone(), missing];
    store
        .commit(&only(|c| c.conflicts_decided = decisions))
        .await
        .unwrap();
    let found = store.conflicts(&all).await.unwrap();
    assert_eq!(found, [decided, conflict(3, "y")]);
    let held = ConflictFilter {
        held_only: true,
        ..all
    };
    assert_eq!(ids(&store.conflicts(&held).await.unwrap()), [3]);
    let after = ConflictFilter {
        entity: Some(person(1)),
        after: Some(1),
        limit: 1,
        held_only: false,
    };
    assert_eq!(ids(&store.conflicts(&after).await.unwrap()), [3]);
}

#[tokio::test]
async fn a_hold_keeps_its_first_reason_until_it_is_cleared() {
    let base = Base::new().await;
    let store = base.open().await;
    let first = vec![hold(1, Some("email"), "first"), hold(1, None, "whole")];
    store
        .commit(&only(|c| c.holds = first.clone()))
        .await
        .unwrap();
    let second = vec![hold(1, Some("email"), "second")];
    store
        .commit(&only(|c| c.holds = second.clone()))
        .await
        .unwrap();
    let mut found = store.holds(&[person(1)]).await.unwrap();
    found.sort_by(|a, b| b.field.cmp(&a.field));
    assert_eq!(found, first);
    // Clearing comes before holding, so that a reason can be replaced.
    let mut changes = Changeset::default();
    changes.holds_cleared = vec![(person(1), Some("email".into())), (person(1), None)];
    changes.holds = second.clone();
    store.commit(&changes).await.unwrap();
    assert_eq!(store.holds(&[person(1)]).await.unwrap(), second);
}

#[tokio::test]
async fn an_open_review_keeps_its_number_and_a_decided_one_gives_way() {
    let base = Base::new().await;
    let store = base.open().await;
    store
        .commit(&only(|c| c.reviews = vec![review(1, "r1")]))
        .await
        .unwrap();
    let mut again = review(2, "r1");
    again.reason = "changed".to_owned();
    store
        .commit(&only(|c| c.reviews = vec![again.clone()]))
        .await
        .unwrap();
    again.id = 1;
    assert_eq!(store.reviews(true, 9).await.unwrap(), [again.clone()]);

    again.verdict = Some(Verdict::Link(person(5)));
    store
        .commit(&only(|c| c.reviews_decided = vec![again.clone()]))
        .await
        .unwrap();
    assert_eq!(store.reviews(true, 9).await.unwrap(), []);
    assert_eq!(store.reviews_of(&[key("r1")]).await.unwrap(), [again]);

    store
        .commit(&only(|c| c.reviews = vec![review(3, "r1")]))
        .await
        .unwrap();
    assert_eq!(store.reviews(true, 9).await.unwrap(), [review(3, "r1")]);
}

#[tokio::test]
async fn removing_comes_before_adding_and_the_last_word_holds() {
    let base = Base::new().await;
    let store = base.open().await;
    let kind = Kind::new("person");
    let mail = |entity| MatchKey {
        kind: kind.clone(),
        key: "email:ann@example.com".to_owned(),
        entity,
    };
    let mut changes = Changeset::default();
    changes.keys_added = vec![mail(1), mail(1), mail(2)];
    changes.links = vec![bare_link("r1", 1), link("r1", 2, LinkState::Hidden)];
    changes.entities = vec![
        entity(1, EntityState::Deleted),
        entity(1, EntityState::Live),
    ];
    store.commit(&changes).await.unwrap();
    let keys = ["email:ann@example.com".to_owned()];
    assert_eq!(
        store.entities_by_keys(&kind, &keys, 100).await.unwrap(),
        [mail(1), mail(2)]
    );
    assert_eq!(
        store.links_of(&[person(2)]).await.unwrap(),
        changes.links[1..]
    );
    assert_eq!(
        store.entities(&[person(1)]).await.unwrap(),
        changes.entities[1..]
    );

    let mut changes = Changeset::default();
    changes.keys_removed = vec![mail(1), mail(2)];
    changes.keys_added = vec![mail(2)];
    changes.links_removed = vec![key("r1"), key("r2")];
    changes.links = vec![bare_link("r2", 2)];
    store.commit(&changes).await.unwrap();
    assert_eq!(
        store.entities_by_keys(&kind, &keys, 100).await.unwrap(),
        [mail(2)]
    );
    assert_eq!(store.links_of(&[person(2)]).await.unwrap(), changes.links);
}

#[tokio::test]
async fn of_each_key_the_first_holders_are_read_and_no_others() {
    let base = Base::new().await;
    let store = base.open().await;
    let kind = Kind::new("person");
    let key = |text: &str, entity| MatchKey {
        kind: kind.clone(),
        key: text.to_owned(),
        entity,
    };
    let held: Vec<_> = (1..=9).map(|n| key("phone:1", n)).collect();
    let mut changes = Changeset::default();
    changes.keys_added = held.clone();
    changes.keys_added.push(key("email:ann", 20));
    store.commit(&changes).await.unwrap();
    let wanted = ["phone:1", "nobody:1", "phone:1", "email:ann"].map(str::to_owned);
    for (most, first) in [(3, &held[..3]), (9, &held), (u32::MAX, &held)] {
        let mut expected = vec![key("email:ann", 20)];
        expected.extend_from_slice(first);
        let found = store.entities_by_keys(&kind, &wanted, most).await;
        assert_eq!(found.unwrap(), expected, "{most} at most");
    }
}

#[tokio::test]
async fn a_changeset_is_written_whole_or_not_at_all() {
    let base = Base::new().await;
    let store = base.open().await;
    store
        .commit(&only(|c| c.events = vec![event(1, 1)]))
        .await
        .unwrap();
    // The number of the event is taken: what came before it is undone.
    let mut changes = Changeset::durable();
    changes.entities = vec![entity(1, EntityState::Live)];
    changes.links = vec![bare_link("r1", 1)];
    changes.events = vec![event(1, 1)];
    let error = store.commit(&changes).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    assert_eq!(store.entities(&[person(1)]).await.unwrap(), []);
    assert_eq!(store.links_of(&[person(1)]).await.unwrap(), []);
    // The store goes on after a failure.
    changes.events.clear();
    store.commit(&changes).await.unwrap();
    assert_eq!(store.links_of(&[person(1)]).await.unwrap(), changes.links);
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let base = Base::new().await;
    let one = base.open().await;
    let other = base.open_other().await;
    let mut changes = Changeset::default();
    changes.entities = vec![entity(2, EntityState::Live)];
    changes.links = vec![link("r1", 2, LinkState::Live)];
    changes.conflicts = vec![conflict(1, "x")];
    one.commit(&changes).await.unwrap();
    one.set_document("config", "one").await.unwrap();
    let contacts = StreamName::new("contacts");
    let all = ConflictFilter::default();
    assert_eq!(other.entities(&[person(2)]).await.unwrap(), []);
    assert_eq!(
        other
            .links(ConnectionId(1), &contacts, &["r1".into()])
            .await
            .unwrap(),
        []
    );
    assert_eq!(other.conflicts(&all).await.unwrap(), []);
    assert_eq!(other.document("config").await.unwrap(), None);
    assert_eq!(other.counts().await.unwrap(), Default::default());
    // The same numbers and keys are free for the other tenant.
    other.commit(&changes).await.unwrap();
    changes.links_removed = vec![key("r1")];
    changes.links.clear();
    changes.conflicts.clear();
    other.commit(&changes).await.unwrap();
    assert_eq!(one.links_of(&[person(2)]).await.unwrap().len(), 1);
}
