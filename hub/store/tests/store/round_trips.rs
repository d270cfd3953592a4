//! What is committed is read back, after a reopening too.

use concord_core::changeset::MatchKey;
use concord_core::ports::{ConflictFilter, IntentFilter, Sequence, Store};
use concord_core::state::{
    ConflictKind, ConnectionRow, Decision, EntityState, IntentAction, IntentState, LinkState,
    Quarantined, RunRow, StreamState, Verdict, Waiting, Winner,
};
use concord_core::{Changeset, ConnectionId, Kind, RemoteId, RunId, StreamName, Timestamp};
use serde_json::json;

use super::Base;
use crate::sample::*;

fn everything() -> Changeset {
    let states = [
        EntityState::Unmatched,
        EntityState::Live,
        EntityState::MergedInto(2),
        EntityState::Deleted,
    ];
    let link_states = [
        LinkState::Live,
        LinkState::Hidden,
        LinkState::Gone,
        LinkState::Merged,
        LinkState::OutOfScope,
    ];
    let intent_states = [
        IntentState::New,
        IntentState::Sent,
        IntentState::InDoubt,
        IntentState::Done,
        IntentState::Dropped,
        IntentState::Failed,
    ];
    let conflicts = [
        (ConflictKind::Edit, Winner::Canonical),
        (ConflictKind::FirstContact, Winner::Remote),
        (ConflictKind::Delete, Winner::Held),
        (ConflictKind::Lost, Winner::Held),
    ];
    let mut changes = Changeset::durable();
    changes.entities = (1..).zip(states).map(|(n, s)| entity(n, s)).collect();
    changes.links = (1..)
        .zip(link_states)
        .map(|(n, s)| link(format!("r{n}"), n, s))
        .collect();
    changes.links.push(bare_link("r6", 1));
    changes.intents = (1..)
        .zip(intent_states)
        .map(|(n, s)| intent(n, n, s))
        .collect();
    changes.intents[0].action = IntentAction::Create;
    changes.intents[0].remote_id = None;
    changes.intents[1].action = IntentAction::Delete;
    changes.conflicts = (1..)
        .zip(conflicts)
        .map(|(id, (kind, winner))| {
            let mut conflict = conflict(id, &format!("value {id}"));
            conflict.kind = kind;
            conflict.winner = winner;
            conflict
        })
        .collect();
    changes.conflicts[3].decision = Some(Decision {
        by: HARD_TEXT.to_owned(),
        at: Timestamp(9),
        value: json!(null),
    });
    changes.holds = vec![hold(1, None, "whole"), hold(1, Some("email"), HARD_TEXT)];
    changes.reviews = vec![review(1, "r1"), review(2, HARD_TEXT), review(3, "r3")];
    changes.reviews[1].verdict = Some(Verdict::Apart);
    changes.reviews[2].verdict = Some(Verdict::Link(person(1)));
    changes.events = vec![event(1, 1), event(2, 1), event(3, 2)];
    changes
}

#[tokio::test]
async fn every_state_of_everything_survives_a_reopening() {
    let base = Base::new().await;
    let changes = everything();
    let store = base.open().await;
    store.commit(&changes).await.unwrap();
    store.close().await.unwrap();

    let store = base.open().await;
    let ids: Vec<_> = changes.entities.iter().map(|e| e.id.clone()).collect();
    let mut entities = store.entities(&ids).await.unwrap();
    entities.sort_by_key(|entity| entity.id.number);
    assert_eq!(entities, changes.entities);

    let remote: Vec<RemoteId> = changes
        .links
        .iter()
        .map(|l| l.key.remote_id.clone())
        .collect();
    let contacts = StreamName::new("contacts");
    let mut links = store
        .links(ConnectionId(1), &contacts, &remote)
        .await
        .unwrap();
    links.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(links, changes.links);
    let of_first = store.links_of(&ids[..1]).await.unwrap();
    assert_eq!(of_first.len(), 2);

    let intents = store.intents(&IntentFilter::default()).await.unwrap();
    assert_eq!(intents, changes.intents);
    let conflicts = store.conflicts(&ConflictFilter::default()).await.unwrap();
    assert_eq!(conflicts, changes.conflicts);
    assert_eq!(store.holds(&ids).await.unwrap(), changes.holds);
    assert_eq!(store.all_holds(10).await.unwrap(), changes.holds);
    assert_eq!(store.reviews(false, 10).await.unwrap(), changes.reviews);
    assert_eq!(store.reviews(true, 10).await.unwrap(), changes.reviews[..1]);
    let of_record = store
        .reviews_of(&[key(HARD_TEXT), key("none")])
        .await
        .unwrap();
    assert_eq!(of_record, changes.reviews[1..2]);
    assert_eq!(store.events(&person(1)).await.unwrap(), changes.events[..2]);
}

#[tokio::test]
async fn what_an_admin_set_up_is_read_back() {
    let base = Base::new().await;
    let store = base.open().await;
    let mut changes = Changeset::durable();
    changes.streams = vec![
        StreamState::new(ConnectionId(1), "accounts".into()),
        StreamState {
            cursor: Some(HARD_TEXT.to_owned()),
            walk: 4,
            walking: true,
            first_complete_at: Some(Timestamp(1)),
            last_full_at: Some(Timestamp(2)),
            ..StreamState::new(ConnectionId(1), "contacts".into())
        },
    ];
    let connection = |id, removed: bool| ConnectionRow {
        id: ConnectionId(id),
        name: HARD_TEXT.to_owned(),
        connector: "hubspot".to_owned(),
        config: json!({"secret": "env:HUBSPOT"}),
        approved_at: removed.then_some(Timestamp(3)),
        held: removed.then(|| HARD_TEXT.to_owned()),
        removed,
    };
    changes.connections = vec![connection(1, false), connection(2, true)];
    let run = |id, ended_at| RunRow {
        id: RunId(id),
        started_at: Timestamp(1),
        ended_at,
        summary: json!({"written": 0}),
    };
    changes.runs = vec![run(1, Some(Timestamp(2))), run(2, None)];
    store.commit(&changes).await.unwrap();

    assert_eq!(store.connections().await.unwrap(), changes.connections);
    assert_eq!(
        store.streams(ConnectionId(1)).await.unwrap(),
        changes.streams
    );
    assert_eq!(store.streams(ConnectionId(2)).await.unwrap(), []);
    assert_eq!(store.runs(1).await.unwrap(), changes.runs[1..]);

    assert_eq!(store.document("config").await.unwrap(), None);
    for text in ["", HARD_TEXT] {
        store.set_document("config", text).await.unwrap();
        assert_eq!(
            store.document("config").await.unwrap().as_deref(),
            Some(text)
        );
    }
}

#[tokio::test]
async fn a_page_of_a_thousand_is_read_whole() {
    let base = Base::new().await;
    let store = base.open().await;
    let mut changes = Changeset::default();
    for number in 1..=1_003 {
        changes.entities.push(entity(number, EntityState::Live));
        changes.links.push(bare_link(number, number));
        changes.keys_added.push(MatchKey {
            kind: "person".into(),
            key: format!("email:{number}@example.com"),
            entity: number,
        });
    }
    store.commit(&changes).await.unwrap();

    // Asked twice for everybody and once for nobody: each answers once.
    let mut ids: Vec<_> = (1..=1_003).chain(1..=1_003).map(person).collect();
    ids.push(person(5_000));
    assert_eq!(store.entities(&ids).await.unwrap().len(), 1_003);
    assert_eq!(store.links_of(&ids).await.unwrap().len(), 1_003);
    let remote: Vec<RemoteId> = (0..=1_003).map(|n| n.to_string().into()).collect();
    let contacts = StreamName::new("contacts");
    let links = store
        .links(ConnectionId(1), &contacts, &remote)
        .await
        .unwrap();
    assert_eq!(links.len(), 1_003);
    let keys: Vec<String> = changes.keys_added.iter().map(|k| k.key.clone()).collect();
    let kind = Kind::new("person");
    let mut found = store.entities_by_keys(&kind, &keys, 100).await.unwrap();
    found.sort_by_key(|found| found.entity);
    assert_eq!(found, changes.keys_added);
    assert_eq!(store.entities(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn quarantine_and_waiting_come_and_go() {
    let base = Base::new().await;
    let store = base.open().await;
    let contacts = StreamName::new("contacts");
    let bad = |id: &str, raw: &str| Quarantined {
        connection: ConnectionId(1),
        stream: contacts.clone(),
        remote_id: id.into(),
        reason: HARD_TEXT.to_owned(),
        raw: raw.to_owned(),
        at: Timestamp(1),
    };
    let wait = |id: &str, field: &str, wants: &str| Waiting {
        link: key(id),
        field: field.into(),
        wants_stream: "companies".into(),
        wants_id: wants.into(),
    };
    let mut changes = Changeset::default();
    changes.quarantined = vec![
        bad("", "{"),
        bad("", "["),
        bad("r1", "old"),
        bad("r1", "new"),
    ];
    changes.waiting = vec![wait("r1", "employer", "c1"), wait("r2", "employer", "c2")];
    store.commit(&changes).await.unwrap();
    // Two without an id are two records; the same id twice is one.
    let mut raw: Vec<String> = store
        .quarantined(9)
        .await
        .unwrap()
        .into_iter()
        .map(|record| record.raw)
        .collect();
    raw.sort();
    assert_eq!(raw, ["[", "new", "{"]);
    let companies = StreamName::new("companies");
    let wanted = ["c1".into(), "c9".into()];
    let found = store
        .waiting_for(ConnectionId(1), &companies, &wanted)
        .await
        .unwrap();
    assert_eq!(found, changes.waiting[..1]);
    assert_eq!(store.waiting(9).await.unwrap(), changes.waiting);

    let mut changes = Changeset::default();
    changes.quarantine_cleared = vec![key("r1")];
    changes.waiting_cleared = vec![key("r1")];
    store.commit(&changes).await.unwrap();
    assert_eq!(store.quarantined(9).await.unwrap().len(), 2);
    assert_eq!(
        store.waiting(9).await.unwrap(),
        [wait("r2", "employer", "c2")]
    );
}

#[tokio::test]
async fn blocks_of_numbers_never_overlap() {
    let base = Base::new().await;
    let (one, two) = (base.open().await, base.open().await);
    let person = Sequence::Entity("person".into());
    assert_eq!(one.reserve(&person, 100).await.unwrap(), 1);
    assert_eq!(two.reserve(&person, 1).await.unwrap(), 101);
    assert_eq!(one.reserve(&person, 5).await.unwrap(), 102);
    assert_eq!(
        one.reserve(&Sequence::Entity("deal".into()), 5)
            .await
            .unwrap(),
        1
    );
    for other in [
        Sequence::Intent,
        Sequence::Conflict,
        Sequence::Review,
        Sequence::Event,
        Sequence::Run,
        Sequence::Connection,
    ] {
        assert_eq!(one.reserve(&other, 2).await.unwrap(), 1, "{other:?}");
    }
}

#[tokio::test]
async fn counts_say_how_much_there_is() {
    let base = Base::new().await;
    let store = base.open().await;
    store.commit(&everything()).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.entities, [("person".to_owned(), 1)]);
    let link = |state: &str, n| (1, "contacts".to_owned(), state.to_owned(), n);
    assert_eq!(
        counts.links,
        [
            link("gone", 1),
            link("hidden", 1),
            link("live", 2),
            link("merged", 1),
            link("out-of-scope", 1)
        ]
    );
    assert_eq!((counts.open_intents, counts.failed_intents), (3, 1));
    assert_eq!((counts.conflicts, counts.conflicts_held), (4, 1));
    assert_eq!((counts.holds, counts.reviews_open), (2, 1));
    assert_eq!((counts.quarantined, counts.waiting), (0, 0));
}
