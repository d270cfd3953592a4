//! What the system holds.

use std::collections::BTreeMap;

use concord_conformance::Trouble;
use concord_core::{Absence, Fields, RemoteId};

pub(crate) struct Card {
    pub fields: Fields,
    /// Moves with every write; also when it was written.
    pub version: i64,
    /// Its place in the list of changes.
    pub listed: i64,
    pub gone: Option<Absence>,
}

#[derive(Default)]
pub(crate) struct State {
    pub cards: BTreeMap<RemoteId, Card>,
    /// Creates that were done, by intent.
    pub intents: BTreeMap<String, RemoteId>,
    pub trouble: Option<Trouble>,
    pub clock: i64,
}

impl State {
    fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }

    pub(crate) fn create(&mut self, fields: Fields) -> RemoteId {
        let now = self.tick();
        let id = RemoteId::new(format!("card-{now:05}"));
        let card = Card {
            fields,
            version: now,
            listed: now,
            gone: None,
        };
        self.cards.insert(id.clone(), card);
        id
    }

    /// `seen`: the change is listed.
    pub(crate) fn edit(&mut self, id: &RemoteId, fields: &Fields, seen: bool) {
        let now = self.tick();
        let Some(card) = self.cards.get_mut(id) else {
            return;
        };
        card.fields.extend(fields.clone());
        card.version = now;
        if seen {
            card.listed = now;
        }
    }

    pub(crate) fn remove(&mut self, id: &RemoteId, absence: Absence) {
        let now = self.tick();
        if let Some(card) = self.cards.get_mut(id) {
            card.gone = Some(absence);
            card.listed = now;
        }
    }

    pub(crate) fn live(&self, id: &RemoteId) -> Option<&Card> {
        self.cards.get(id).filter(|card| card.gone.is_none())
    }
}
