//! A backup is restored whole or not at all, on either database from either.

use concord_core::Timestamp;
use concord_core::ports::{Allowances as _, DayWish, IntentFilter, Sequence, Store, StoreError};
use concord_core::secret::SecretStore as _;
use concord_core::state::{ConnectionRow, EntityState, IntentState, LinkState, StreamState};
use concord_core::webhook::DeliveryStore as _;
use concord_core::{Changeset, ConnectionId};
use concord_store::{ArchiveError, SqlStore};

use super::Base;
use crate::sample::*;

const NOW: Timestamp = Timestamp(1_795_348_800_000_000);

/// Some of everything, in more rows than travel together.
async fn fill(store: &SqlStore) {
    let mut changes = Changeset::durable();
    changes.entities = (1..=250)
        .map(|number| entity(number, EntityState::Live))
        .collect();
    changes.links = (1..=250)
        .map(|number| link(number, number, LinkState::Live))
        .collect();
    changes.links.push(bare_link("bare", 7));
    changes.intents = vec![
        intent(1, 1, IntentState::Done),
        intent(2, 2, IntentState::Sent),
        intent(3, 3, IntentState::InDoubt),
        intent(4, 4, IntentState::New),
    ];
    changes.conflicts = vec![conflict(1, "a"), conflict(2, HARD_TEXT)];
    changes.holds = vec![hold(1, None, "whole"), hold(2, Some("email"), HARD_TEXT)];
    changes.reviews = vec![review(1, HARD_TEXT)];
    changes.events = (1..=3).map(|number| event(number, 1)).collect();
    changes.connections = vec![ConnectionRow {
        id: ConnectionId(1),
        name: HARD_TEXT.to_owned(),
        connector: "toy".to_owned(),
        config: serde_json::json!({"a": HARD_TEXT}),
        approved_at: Some(Timestamp(5)),
        held: None,
        removed: false,
    }];
    let mut stream = StreamState::new(ConnectionId(1), "contacts".into());
    stream.cursor = Some("yesterday".to_owned());
    stream.walk = 4;
    stream.first_complete_at = Some(Timestamp(6));
    stream.last_full_at = Some(Timestamp(7));
    changes.streams = vec![stream];
    store.commit(&changes).await.unwrap();
    store.set_document("config", HARD_TEXT).await.unwrap();
    assert!(store.keep_secret(&secret(1, HARD_TEXT, 1)).await.unwrap());
    let waiting = [delivery(1, HARD_TEXT)];
    store.keep_deliveries(&waiting).await.unwrap();
    let calls = DayWish {
        budget: HARD_TEXT,
        day: 20_000,
        calls: 4,
        at_least: 0,
        limit: 10,
    };
    assert_eq!(store.take_of_day(&calls).await.unwrap(), Some(4));
    let people = Sequence::Entity("person".into());
    store.reserve(&people, 251).await.unwrap();
    store.reserve(&Sequence::Intent, 5).await.unwrap();
    store.reserve(&Sequence::Event, 5).await.unwrap();
}

async fn backup(store: &SqlStore) -> Vec<u8> {
    let mut out = Vec::new();
    let contents = store.back_up(&mut out, "0.1.0", NOW).await.unwrap();
    assert_eq!(contents.tables.len(), 18);
    out
}

async fn restore(store: &SqlStore, backup: &[u8]) -> Result<(), ArchiveError> {
    store.restore(&mut &backup[..], NOW).await.map(drop)
}

/// A backup of one tenant is a backup of the other.
async fn is_empty(store: &SqlStore) -> bool {
    let mut out = Vec::new();
    store.back_up(&mut out, "0.1.0", NOW).await.unwrap().rows() == 0
}

#[tokio::test]
async fn what_is_moved_is_the_same_to_the_last_byte_and_the_source_is_closed() {
    let base = Base::new().await;
    let store = base.open().await;
    fill(&store).await;
    store.lease("me", NOW, Timestamp(NOW.0 + 9)).await.unwrap();
    let before = backup(&store).await;
    let there = Base::new().await;
    let elsewhere = there.open().await;
    let moved = store.move_to(&elsewhere, "elsewhere", "0.1.0", NOW).await;
    assert!(moved.unwrap().rows() > 500);
    assert!(before == backup(&elsewhere).await, "the copy differs");
    let people = Sequence::Entity("person".into());
    assert_eq!(elsewhere.reserve(&people, 1).await.unwrap(), 252);
    elsewhere.lease("me", NOW, NOW).await.unwrap();

    // Neither who held the right nor anybody after writes here any more.
    let change = only(|c| c.entities = vec![entity(1, EntityState::Live)]);
    let late = Timestamp(NOW.0 * 2);
    for error in [
        store.commit(&change).await.unwrap_err(),
        store.lease("me", late, late).await.unwrap_err(),
        base.open()
            .await
            .lease("you", late, late)
            .await
            .unwrap_err(),
    ] {
        let told = matches!(&error, StoreError::Moved { to } if to == "elsewhere");
        assert!(told, "{error}");
    }
    store.take_back("somewhere else").await.unwrap();
    assert!(store.lease("me", late, late).await.is_err());
    // What it holds can still be read.
    assert!(before == backup(&store).await, "the source was changed");
}

#[tokio::test]
async fn nothing_is_moved_while_a_hub_has_a_connection() {
    let base = Base::new().await;
    let store = base.open().await;
    fill(&store).await;
    let later = Timestamp(NOW.0 + 9);
    store.lease("hub", NOW, later).await.unwrap();
    let claim = store.claim(ConnectionId(1), "hub 7", NOW, later).await;
    let fence = claim.unwrap().unwrap();
    let there = Base::new().await;
    let elsewhere = there.open().await;
    let moved = store.move_to(&elsewhere, "elsewhere", "0.1.0", NOW).await;
    let error = moved.unwrap_err().to_string();
    assert!(error.contains("in use by hub 7"), "{error}");
    assert!(elsewhere.is_empty().await.unwrap());
    store.unclaim(ConnectionId(1), fence).await.unwrap();
    // And one that lost the right while it copied has copied too little.
    let other = base.open().await;
    other
        .lease("thief", Timestamp(NOW.0 * 2), Timestamp(NOW.0 * 3))
        .await
        .unwrap();
    let moved = store.move_to(&elsewhere, "elsewhere", "0.1.0", NOW).await;
    let error = moved.unwrap_err().to_string();
    assert!(error.contains("in use by thief"), "{error}");
    assert!(elsewhere.is_empty().await.unwrap());
    let moved = other.move_to(&elsewhere, "elsewhere", "0.1.0", NOW).await;
    moved.unwrap();
    other.take_back("elsewhere").await.unwrap();
    let again = base.open().await;
    again.lease("me", NOW, later).await.unwrap();
}

#[tokio::test]
async fn nothing_is_moved_over_what_is_there() {
    let base = Base::new().await;
    let store = base.open().await;
    fill(&store).await;
    let there = Base::new().await;
    let elsewhere = there.open().await;
    elsewhere.set_document("config", "{}").await.unwrap();
    let moved = store.move_to(&elsewhere, "elsewhere", "0.1.0", NOW).await;
    let error = moved.unwrap_err().to_string();
    assert!(error.contains("overwrites"), "{error}");
    store.lease("me", NOW, NOW).await.unwrap();
}

#[tokio::test]
async fn a_restored_database_is_read_before_it_writes() {
    let base = Base::new().await;
    let store = base.open().await;
    fill(&store).await;
    let taken = backup(&store).await;
    let other = base.open_other().await;
    restore(&other, &taken).await.unwrap();

    let ids: Vec<_> = (1..=250).map(person).collect();
    let mut people = (
        store.entities(&ids).await.unwrap(),
        other.entities(&ids).await.unwrap(),
    );
    people.0.sort_by_key(|entity| entity.id.number);
    people.1.sort_by_key(|entity| entity.id.number);
    assert!(people.0 == people.1, "the entities differ");
    let mut links = (
        store.links_of(&ids).await.unwrap(),
        other.links_of(&ids).await.unwrap(),
    );
    links.0.sort_by(|a, b| a.key.cmp(&b.key));
    links.1.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(links.0 == links.1, "the links differ");
    let connections = other.connections().await.unwrap();
    assert_eq!(connections[0].name, HARD_TEXT);
    assert_eq!(connections[0].approved_at, None);
    let stream = other.streams(ConnectionId(1)).await.unwrap().remove(0);
    assert_eq!(
        (stream.cursor, stream.walk, stream.walking),
        (None, 5, true)
    );
    assert_eq!(stream.first_complete_at, None);
    let intents = other.intents(&IntentFilter::default()).await.unwrap();
    let states: Vec<_> = intents.iter().map(|intent| intent.state).collect();
    let dropped = IntentState::Dropped;
    assert_eq!(states, [IntentState::Done, dropped, dropped, dropped]);
    assert!(intents[1].reason.contains("backup"));

    // No number that another may have heard of is given twice, of a sequence
    // that was never used either.
    let people = Sequence::Entity("person".into());
    let first = other.reserve(&people, 1).await.unwrap();
    assert!(first > 1_000_000_000, "{first}");
    assert!(other.reserve(&Sequence::Intent, 1).await.unwrap() > 1_000_000_000);
    assert_eq!(other.reserve(&Sequence::Event, 1).await.unwrap(), 6);
    let error = restore(&other, &taken).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotEmpty { .. }), "{error}");
}

#[tokio::test]
async fn a_second_restore_of_the_same_backup_gives_other_numbers() {
    let base = Base::new().await;
    let store = base.open().await;
    let taken = backup(&store).await;
    restore(&store, &taken).await.unwrap();
    let first = store.reserve(&Sequence::Intent, 1).await.unwrap();
    let other = base.open_other().await;
    let later = Timestamp(NOW.0 + 60_000_000);
    other.restore(&mut &taken[..], later).await.unwrap();
    let second = other.reserve(&Sequence::Intent, 1).await.unwrap();
    assert!(second >= first + 1_000_000, "{first} {second}");
}

/// Cut at any line, a backup restores nothing; nor with any byte turned over.
#[tokio::test]
async fn a_damaged_backup_leaves_nothing_behind() {
    let base = Base::new().await;
    let store = base.open().await;
    fill(&store).await;
    let taken = backup(&store).await;
    let other = base.open_other().await;
    let ends: Vec<usize> = (taken.iter().enumerate())
        .filter_map(|(at, byte)| (*byte == b'\n').then_some(at))
        .collect();
    let lines = ends.len();
    for end in [1, 2, 150, 251, 252, lines - 2, lines - 1].map(|line| ends[line - 1]) {
        for cut in [end + 1, end, end - 1] {
            let error = restore(&other, &taken[..cut]).await.unwrap_err();
            let told = matches!(error, ArchiveError::CutShort { .. } | ArchiveError::Foreign);
            assert!(told, "{cut}: {error}");
        }
    }
    let step = taken.len() / 97;
    for at in (0..taken.len()).step_by(step).chain([taken.len() - 10]) {
        let mut turned = taken.clone();
        turned[at] ^= 0x04;
        let error = restore(&other, &turned).await.unwrap_err();
        let told = matches!(
            error,
            ArchiveError::Damaged { .. } | ArchiveError::Foreign | ArchiveError::Newer { .. }
        );
        assert!(told, "{at}: {error}");
    }
    assert!(is_empty(&other).await);
    restore(&other, &taken).await.unwrap();
}

#[tokio::test]
async fn what_is_newer_or_no_backup_is_told() {
    let base = Base::new().await;
    let store = base.open().await;
    let taken = String::from_utf8(backup(&store).await).unwrap();
    let (header, _) = taken.split_once('\n').unwrap();
    for (is, newer, words) in [
        ("\"schema\":", "\"schema\":9", "schema 9"),
        ("\"format\":", "\"format\":8", "format 8"),
    ] {
        let changed = taken.replacen(header, &header.replacen(is, newer, 1), 1);
        let error = restore(&store, changed.as_bytes()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("newer one"), "{error}");
    }
    for foreign in ["", "\n", "{}\n", "a,b\n1,2\n"] {
        let error = restore(&store, foreign.as_bytes()).await.unwrap_err();
        assert!(matches!(error, ArchiveError::Foreign), "{error}");
    }
}

/// Columns that a later schema added stay empty.
#[tokio::test]
async fn a_backup_of_an_older_schema_is_taken() {
    let base = Base::new().await;
    let store = base.open().await;
    let rows = "[1,\"k\",\"person\",1,\"email\",1,\"contacts\",\"r1\",\"edit\",\"null\",\"1\",\
                \"2\",\"hold\",\"held\",5,null]";
    let table = "{\"table\":\"conflicts\",\"columns\":[\"id\",\"conflict_key\",\"kind\",\
                 \"entity\",\"field\",\"connection\",\"stream\",\"remote_id\",\"reason\",\"base\",\
                 \"canonical\",\"remote\",\"rule\",\"winner\",\"seen_at\",\"decision\"]}";
    let sum = blake3::hash(rows.as_bytes()).to_hex();
    let mut text = format!(
        "{{\"concord\":\"backup\",\"format\":1,\"schema\":1,\"version\":\"0.0.9\",\
         \"made\":\"2026-11-21T00:00:00Z\"}}\n{table}\n{rows}\n\
         {{\"end\":\"conflicts\",\"rows\":1,\"blake3\":\"{sum}\"}}\n"
    );
    let whole = blake3::hash(text.as_bytes()).to_hex();
    text += &format!("{{\"end\":\"backup\",\"rows\":1,\"blake3\":\"{whole}\"}}\n");
    restore(&store, text.as_bytes()).await.unwrap();
    let found = store.conflicts(&Default::default()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].provenance, None);
    assert_eq!(found[0].remote, serde_json::json!(2));
}
