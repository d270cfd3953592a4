//! Records are found by their keys, their queues and every part of a filter.

use concord_core::ports::{IntentFilter, Store};
use concord_core::state::{EntityState, IntentAction, IntentState, LinkState};
use concord_core::{
    Changeset, ConnectionId, IntentId, Kind, RemoteId, RunId, StreamName, Timestamp,
};

use super::Base;
use crate::sample::*;

#[tokio::test]
async fn scans_go_page_by_page_over_the_right_records() {
    let base = Base::new().await;
    let store = base.open().await;
    let kind = Kind::new("person");
    let states = [
        EntityState::Unmatched,
        EntityState::Live,
        EntityState::MergedInto(2),
        EntityState::Live,
        EntityState::Deleted,
        EntityState::Unmatched,
    ];
    let entities = (1..).zip(states).map(|(n, s)| entity(n, s)).collect();
    store
        .commit(&only(|c| c.entities = entities))
        .await
        .unwrap();
    let numbers = |list: Vec<concord_core::Entity>| -> Vec<i64> {
        list.iter().map(|entity| entity.id.number).collect()
    };
    assert_eq!(
        numbers(store.scan_entities(&kind, 0, 2).await.unwrap()),
        [1, 2]
    );
    assert_eq!(
        numbers(store.scan_entities(&kind, 2, 9).await.unwrap()),
        [4, 6]
    );
    assert_eq!(
        numbers(store.dirty_entities(&kind, 0, 9).await.unwrap()),
        [2, 4]
    );
    // Settled, they are as they were otherwise.
    let settled = only(|c| c.entities_settled = vec![person(4)]);
    store.commit(&settled).await.unwrap();
    assert_eq!(
        numbers(store.dirty_entities(&kind, 0, 9).await.unwrap()),
        [2]
    );
    let mut clean = entity(4, EntityState::Live);
    clean.dirty = false;
    assert_eq!(store.entities(&[person(4)]).await.unwrap(), [clean]);
    store.mark_dirty(&kind).await.unwrap();
    assert_eq!(
        numbers(store.dirty_entities(&kind, 0, 9).await.unwrap()),
        [2, 4]
    );
    let deals = store.scan_entities(&"deal".into(), 0, 9).await.unwrap();
    assert_eq!(deals, []);
}

#[tokio::test]
async fn links_are_found_by_walk_and_by_the_time_of_their_next_read() {
    let base = Base::new().await;
    let store = base.open().await;
    let contacts = StreamName::new("contacts");
    let one = ConnectionId(1);
    let mut links = vec![
        link("a", 1, LinkState::Live),
        link("b", 2, LinkState::Hidden),
        link("c", 3, LinkState::Gone),
        link("d", 4, LinkState::Live),
    ];
    links[1].again_at = Some(Timestamp(50));
    links[2].again_at = None;
    links[3].walk = 4;
    store.commit(&only(|c| c.links = links)).await.unwrap();
    let ids = |list: Vec<concord_core::Link>| -> Vec<String> {
        list.iter()
            .map(|link| link.key.remote_id.to_string())
            .collect()
    };
    let unseen = store
        .links_unseen(one, &contacts, 4, None, 9)
        .await
        .unwrap();
    assert_eq!(ids(unseen), ["a", "b"]);
    let after = RemoteId::new("a");
    let unseen = store
        .links_unseen(one, &contacts, 4, Some(&after), 9)
        .await
        .unwrap();
    assert_eq!(ids(unseen), ["b"]);
    let all = store
        .scan_links(one, &contacts, Some(&after), 2)
        .await
        .unwrap();
    assert_eq!(ids(all), ["b", "c"]);
    let due = store
        .links_due(one, &contacts, Timestamp(99), 9)
        .await
        .unwrap();
    assert_eq!(ids(due), ["b"]);
    let due = store
        .links_due(one, &contacts, Timestamp(100), 9)
        .await
        .unwrap();
    assert_eq!(ids(due), ["b", "a", "d"]);
    assert_eq!(store.next_due(one).await.unwrap(), Some(Timestamp(50)));
    assert_eq!(store.next_due(ConnectionId(2)).await.unwrap(), None);
}

#[tokio::test]
async fn records_are_found_with_whose_they_are() {
    let base = Base::new().await;
    let store = base.open().await;
    let kind = Kind::new("person");
    let states = [
        EntityState::Unmatched,
        EntityState::Live,
        EntityState::Unmatched,
    ];
    let entities = (1..).zip(states).map(|(n, s)| entity(n, s)).collect();
    let links = vec![
        link("b", 1, LinkState::Live),
        link("c", 2, LinkState::Live),
        link("a", 3, LinkState::Hidden),
        link("B", 1, LinkState::Merged),
    ];
    let written = only(|c| {
        c.entities = entities;
        c.links = links;
    });
    store.commit(&written).await.unwrap();
    let mut unmatched = store.unmatched_records(&kind, 9).await.unwrap();
    unmatched.sort();
    let expect = [("B", 1), ("a", 3), ("b", 1)];
    assert_eq!(unmatched, expect.map(|(id, n)| (key(id), person(n))));
    let some = store.unmatched_records(&kind, 2).await.unwrap();
    assert_eq!(some.len(), 2);
    let deals = store.unmatched_records(&"deal".into(), 9).await.unwrap();
    assert_eq!(deals, []);
    // In the order of the bytes of their ids, on every database.
    let (one, contacts) = (ConnectionId(1), StreamName::new("contacts"));
    let all = store.scan_records(one, &contacts, None, 9).await.unwrap();
    let expect = [("B", 1), ("a", 3), ("b", 1), ("c", 2)];
    assert_eq!(all, expect.map(|(id, n)| (key(id), person(n))));
    let after = RemoteId::new("a");
    let some = store
        .scan_records(one, &contacts, Some(&after), 1)
        .await
        .unwrap();
    assert_eq!(some, [(key("b"), person(1))]);
}

#[tokio::test]
async fn intents_are_found_by_every_part_of_the_filter() {
    let base = Base::new().await;
    let store = base.open().await;
    let mut intents = vec![
        intent(1, 1, IntentState::Done),
        intent(2, 1, IntentState::InDoubt),
        intent(3, 2, IntentState::New),
        intent(4, 3, IntentState::Sent),
    ];
    intents[2].connection = ConnectionId(2);
    intents[2].run = RunId(3);
    intents[3].stream = "accounts".into();
    store.commit(&only(|c| c.intents = intents)).await.unwrap();
    let cases: [(IntentFilter, &[i64]); 9] = [
        (IntentFilter::default(), &[1, 2, 3, 4]),
        (
            IntentFilter {
                limit: 2,
                ..IntentFilter::default()
            },
            &[1, 2],
        ),
        (
            IntentFilter {
                open_only: true,
                ..IntentFilter::default()
            },
            &[2, 3, 4],
        ),
        (
            IntentFilter {
                open_only: true,
                state: Some(IntentState::Sent),
                ..IntentFilter::default()
            },
            &[4],
        ),
        (
            IntentFilter {
                after: Some(IntentId(2)),
                ..IntentFilter::default()
            },
            &[3, 4],
        ),
        (
            IntentFilter {
                connection: Some(ConnectionId(2)),
                ..IntentFilter::default()
            },
            &[3],
        ),
        (
            IntentFilter {
                stream: Some("accounts".into()),
                ..IntentFilter::default()
            },
            &[4],
        ),
        (
            IntentFilter {
                run: Some(RunId(3)),
                ..IntentFilter::default()
            },
            &[3],
        ),
        (
            IntentFilter {
                entity: Some(person(1)),
                open_only: true,
                ..IntentFilter::default()
            },
            &[2],
        ),
    ];
    for (filter, expect) in cases {
        let found = store.intents(&filter).await.unwrap();
        let ids: Vec<i64> = found.iter().map(|intent| intent.id.0).collect();
        assert_eq!(ids, expect, "{filter:?}");
    }
    let open = store
        .open_intents_of(&[person(1), person(3)])
        .await
        .unwrap();
    let mut ids: Vec<i64> = open.iter().map(|intent| intent.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [2, 4]);
}

#[tokio::test]
async fn creates_that_were_refused_are_found_by_entity() {
    let base = Base::new().await;
    let store = base.open().await;
    let of = |id, entity, action, state| {
        let mut intent = intent(id, entity, state);
        intent.action = action;
        intent
    };
    let (create, update) = (IntentAction::Create, IntentAction::Update);
    let mut changes = Changeset::default();
    changes.intents = vec![
        of(1, 1, create, IntentState::Failed),
        of(2, 1, update, IntentState::Failed),
        of(3, 1, create, IntentState::Dropped),
        of(4, 2, create, IntentState::Failed),
        of(5, 3, create, IntentState::Failed),
    ];
    store.commit(&changes).await.unwrap();
    let found = store.refused_creates_of(&[person(1), person(3)]).await;
    let ids: Vec<i64> = found.unwrap().iter().map(|intent| intent.id.0).collect();
    assert_eq!(ids, [1, 5]);
}
