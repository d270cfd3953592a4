//! Any sequence of commits ends where a map of the last words ends.

use std::collections::BTreeMap;

use concord_core::changeset::MatchKey;
use concord_core::ports::Store;
use concord_core::state::{Entity, EntityState, Link, LinkState};
use concord_core::{Changeset, ConnectionId, Kind, RemoteId, StreamName};
use proptest::collection::vec;
use proptest::prelude::*;

use super::Base;
use crate::sample::*;

const IDS: i64 = 8;

#[derive(Clone, Debug)]
enum Step {
    Entity(i64, bool),
    Link(i64, i64, bool),
    RemoveLink(i64),
    AddKey(i64, i64),
    RemoveKey(i64, i64),
    EndOfPage { durable: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS;
    prop_oneof![
        (id.clone(), any::<bool>()).prop_map(|(n, live)| Step::Entity(n, live)),
        (id.clone(), id.clone(), any::<bool>()).prop_map(|(r, n, bare)| Step::Link(r, n, bare)),
        id.clone().prop_map(Step::RemoveLink),
        (id.clone(), id.clone()).prop_map(|(k, n)| Step::AddKey(k, n)),
        (id.clone(), id).prop_map(|(k, n)| Step::RemoveKey(k, n)),
        any::<bool>().prop_map(|durable| Step::EndOfPage { durable }),
    ]
}

#[derive(Default)]
struct Model {
    entities: BTreeMap<i64, Entity>,
    links: BTreeMap<RemoteId, Link>,
    keys: BTreeMap<(String, i64), MatchKey>,
}

impl Model {
    /// Removals of a page go before its additions.
    fn apply(&mut self, page: &Changeset) {
        for key in &page.links_removed {
            self.links.remove(&key.remote_id);
        }
        for key in &page.keys_removed {
            self.keys.remove(&(key.key.clone(), key.entity));
        }
        for entity in &page.entities {
            self.entities.insert(entity.id.number, entity.clone());
        }
        for link in &page.links {
            self.links.insert(link.key.remote_id.clone(), link.clone());
        }
        for key in &page.keys_added {
            self.keys.insert((key.key.clone(), key.entity), key.clone());
        }
    }
}

fn match_key(key: i64, entity: i64) -> MatchKey {
    MatchKey {
        kind: "person".into(),
        key: format!("email:{key}"),
        entity,
    }
}

fn pages(steps: &[Step]) -> Vec<Changeset> {
    let mut pages = Vec::new();
    let mut page = Changeset::default();
    for step in steps {
        match *step {
            Step::Entity(n, live) => page.entities.push(if live {
                entity(n, EntityState::Live)
            } else {
                entity(n, EntityState::MergedInto(1))
            }),
            Step::Link(record, n, true) => page.links.push(bare_link(record, n)),
            Step::Link(record, n, false) => page.links.push(link(record, n, LinkState::Hidden)),
            Step::RemoveLink(record) => page.links_removed.push(key(record)),
            Step::AddKey(k, n) => page.keys_added.push(match_key(k, n)),
            Step::RemoveKey(k, n) => page.keys_removed.push(match_key(k, n)),
            Step::EndOfPage { durable } => {
                page.durable = durable;
                pages.push(std::mem::take(&mut page));
            }
        }
    }
    pages.push(page);
    pages
}

async fn check(steps: &[Step]) {
    let base = Base::new().await;
    let store = base.open().await;
    let mut model = Model::default();
    let kind = Kind::new("person");
    let contacts = StreamName::new("contacts");
    for page in pages(steps) {
        store.commit(&page).await.unwrap();
        model.apply(&page);
    }
    let numbers: Vec<_> = (0..IDS).map(person).collect();
    let mut entities = store.entities(&numbers).await.unwrap();
    entities.sort_by_key(|entity| entity.id.number);
    assert_eq!(entities, model.entities.into_values().collect::<Vec<_>>());
    let links = store
        .scan_links(ConnectionId(1), &contacts, None, 99)
        .await
        .unwrap();
    assert_eq!(links, model.links.into_values().collect::<Vec<_>>());
    let keys: Vec<String> = (0..IDS).map(|k| format!("email:{k}")).collect();
    let mut found = store.entities_by_keys(&kind, &keys, 100).await.unwrap();
    found.sort();
    assert_eq!(found, model.keys.into_values().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn commits_add_up_to_the_model(steps in vec(step(), 0..60)) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(check(&steps));
    }
}
