//! What has grown old is found page by page, and what is named goes.

use concord_core::ports::{ConflictFilter, IntentFilter, Store};
use concord_core::state::{Event, IntentState, RunRow};
use concord_core::{Changeset, EntityId, IntentId, RunId, Timestamp};
use concord_store::SqlStore;
use serde_json::json;

use super::Base;
use crate::sample::*;

fn of(kind: &str, number: i64, id: i64) -> Event {
    Event {
        entity: EntityId::new(kind, number),
        ..event(id, number)
    }
}

fn run(id: i64) -> RunRow {
    RunRow {
        id: RunId(id),
        started_at: Timestamp(id),
        ended_at: (id % 2 == 0).then_some(Timestamp(id + 1)),
        summary: json!({"text": HARD_TEXT}),
    }
}

/// All events, so many a page.
async fn scanned(store: &SqlStore, limit: u32) -> Vec<(String, i64)> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let last = all.last().map(|event| (&event.entity, event.id));
        let page = store.scan_events(last, limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let place = |event: Event| (event.entity.to_string(), event.id);
    all.into_iter().map(place).collect()
}

#[tokio::test]
async fn events_are_scanned_entity_by_entity_and_removed_by_name() {
    let base = Base::new().await;
    let store = base.open().await;
    let events = vec![
        of("person", 10, 1),
        of("person", 9, 5),
        of("order", 9, 7),
        of("person", 9, 2),
        of("person", 10, 9),
        of("deal", 11, 4),
    ];
    let whole = events.clone();
    store.commit(&only(|c| c.events = whole)).await.unwrap();
    let named = |names: &[(&str, i64)]| -> Vec<(String, i64)> {
        names.iter().map(|(n, id)| ((*n).to_owned(), *id)).collect()
    };
    let all = named(&[
        ("deal/11", 4),
        ("order/9", 7),
        ("person/9", 2),
        ("person/9", 5),
        ("person/10", 1),
        ("person/10", 9),
    ]);
    for limit in [1, 2, 4, 100] {
        assert_eq!(scanned(&store, limit).await, all, "{limit}");
    }
    let page = store.scan_events(None, 1).await.unwrap();
    assert_eq!(page, [of("deal", 11, 4)], "whole, with every part");
    // One that is not there, or is another entity's, is no mistake.
    let gone = vec![
        (EntityId::new("person", 9), 2),
        (EntityId::new("person", 10), 9),
        (EntityId::new("order", 9), 5),
        (EntityId::new("person", 77), 1),
    ];
    store
        .commit(&only(|c| c.events_removed = gone))
        .await
        .unwrap();
    let left = named(&[
        ("deal/11", 4),
        ("order/9", 7),
        ("person/9", 5),
        ("person/10", 1),
    ]);
    assert_eq!(scanned(&store, 3).await, left);
}

#[tokio::test]
async fn writes_go_by_their_numbers() {
    let base = Base::new().await;
    let store = base.open().await;
    let intents = (1..=5)
        .map(|id| intent(id, id, IntentState::Done))
        .collect();
    store.commit(&only(|c| c.intents = intents)).await.unwrap();
    let gone = [2, 4, 99].map(IntentId).to_vec();
    store
        .commit(&only(|c| c.intents_removed = gone))
        .await
        .unwrap();
    let found = store.intents(&IntentFilter::default()).await.unwrap();
    let done = |id| intent(id, id, IntentState::Done);
    assert_eq!(found, [done(1), done(3), done(5)]);
}

#[tokio::test]
async fn runs_are_scanned_in_order_and_go_by_their_numbers() {
    let base = Base::new().await;
    let store = base.open().await;
    let runs = [12, 3, 101, 7].map(run).to_vec();
    store.commit(&only(|c| c.runs = runs)).await.unwrap();
    let numbers = async |after, limit| -> Vec<i64> {
        let runs = store.scan_runs(RunId(after), limit).await.unwrap();
        runs.iter().map(|run| run.id.0).collect()
    };
    assert_eq!(numbers(0, 9).await, [3, 7, 12, 101]);
    assert_eq!(numbers(3, 2).await, [7, 12]);
    assert_eq!(numbers(101, 2).await, [0; 0]);
    assert_eq!(store.scan_runs(RunId(7), 1).await.unwrap(), [run(12)]);
    let gone = [3, 12].map(RunId).to_vec();
    store
        .commit(&only(|c| c.runs_removed = gone))
        .await
        .unwrap();
    assert_eq!(numbers(0, 9).await, [7, 101]);
}

#[tokio::test]
async fn a_conflict_that_went_can_be_recorded_anew() {
    let base = Base::new().await;
    let store = base.open().await;
    let both = vec![conflict(1, "x"), conflict(2, "y")];
    store.commit(&only(|c| c.conflicts = both)).await.unwrap();
    store
        .commit(&only(|c| c.conflicts_removed = vec![1, 99]))
        .await
        .unwrap();
    let all = ConflictFilter::default();
    assert_eq!(store.conflicts(&all).await.unwrap(), [conflict(2, "y")]);
    let again = vec![conflict(3, "x"), conflict(4, "y")];
    store.commit(&only(|c| c.conflicts = again)).await.unwrap();
    let found = store.conflicts(&all).await.unwrap();
    assert_eq!(found, [conflict(2, "y"), conflict(3, "x")]);
}

#[tokio::test]
async fn more_go_at_once_than_fit_into_one_statement() {
    let base = Base::new().await;
    let store = base.open().await;
    let events = (1..=1_200).map(|id| event(id, id % 7)).collect();
    store.commit(&only(|c| c.events = events)).await.unwrap();
    let mut out = Changeset::default();
    out.events_removed = (1..=1_200)
        .filter(|id| id % 100 != 0)
        .map(|id| (person(id % 7), id))
        .collect();
    store.commit(&out).await.unwrap();
    let mut left: Vec<i64> = scanned(&store, 5).await.into_iter().map(|e| e.1).collect();
    left.sort_unstable();
    assert_eq!(left, (1..=12).map(|n| n * 100).collect::<Vec<i64>>());
}
