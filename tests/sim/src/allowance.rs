//! How much a run may write down for each connection before an operator has
//! approved it, counted by what is really written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use concord_core::ports::{Store, StoreError};
use concord_core::state::{Intent, IntentAction};
use concord_core::{Changeset, ConnectionId, EntityId, IntentId, RemoteId, RunId};
use concord_sync::guard::{Guards, Tally};

use crate::clock::lock;
use crate::town::Town;
use crate::value::is_empty;

/// The sorts of writes that are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Create,
    Delete,
    Blank,
}

/// Whom a write is of, and which of their records it goes to.
type Record = (EntityId, Option<RemoteId>);

/// One run's.
#[derive(Default)]
pub(crate) struct Allowance(Mutex<State>);

#[derive(Default)]
struct State {
    most: BTreeMap<(ConnectionId, Sort), u64>,
    run: Option<RunId>,
    /// The records: one that is refused and sent with less counts once.
    planned: BTreeMap<(ConnectionId, Sort), BTreeSet<Record>>,
    /// A write counts once, though its record may move to another id meanwhile.
    counted: BTreeSet<(IntentId, Sort)>,
}

impl Allowance {
    /// Nothing but what the guards let through, or what an approval adds to it:
    /// what the last run was stopped for, as it was told.
    pub(crate) fn guard(&self, connection: ConnectionId, guards: Guards, shown: Option<Tally>) {
        let shown = shown.unwrap_or_default();
        let limits = [
            (Sort::Create, guards.creates.count, shown.creates),
            (Sort::Delete, guards.deletes.count, shown.deletes),
            (Sort::Blank, guards.blanks.count, shown.blanks),
        ];
        let mut state = lock(&self.0);
        for (sort, most, shown) in limits {
            if let Some(most) = most {
                state.most.insert((connection, sort), most.max(shown));
            }
        }
    }

    /// Nobody knows any more what this run was shown.
    pub(crate) fn lift(&self) {
        lock(&self.0).most.clear();
    }

    /// A commit of the run.
    pub(crate) fn count(&self, town: &Town, changes: &Changeset) {
        let mut state = lock(&self.0);
        if let Some(row) = changes.runs.first() {
            state.run.get_or_insert(row.id);
        }
        for intent in &changes.intents {
            let Some(sort) = sort(intent).filter(|_| state.run == Some(intent.run)) else {
                continue;
            };
            if !state.counted.insert((intent.id, sort)) {
                continue;
            }
            let place = (intent.connection, sort);
            let planned = state.planned.entry(place).or_default();
            let known = intent.remote_id.clone().filter(|_| sort != Sort::Create);
            planned.insert((intent.entity.clone(), known));
            let number = planned.len() as u64;
            let most = state.most.get(&place).copied();
            if let Some(most) = most.filter(|most| number > *most) {
                lock(&town.ledger).breaks(
                    "guard",
                    format!(
                        "connection {}: {number} times {sort:?}, where {most} may go unapproved",
                        intent.connection
                    ),
                );
            }
        }
    }
}

fn sort(intent: &Intent) -> Option<Sort> {
    match intent.action {
        IntentAction::Create => Some(Sort::Create),
        IntentAction::Delete => Some(Sort::Delete),
        IntentAction::Update => {
            let empties = intent.values.iter().any(|(field, value)| {
                let before = intent.before.get(field);
                is_empty(value) && before.is_some_and(|before| !is_empty(before))
            });
            empties.then_some(Sort::Blank)
        }
        IntentAction::Restore | IntentAction::Withdraw => None,
    }
}

/// What an approval would let through now, by connection.
pub(crate) async fn shown(store: &dyn Store) -> Result<BTreeMap<String, Tally>, StoreError> {
    let text = store.document("guards").await?;
    Ok(serde_json::from_str(text.as_deref().unwrap_or("{}")).unwrap_or_default())
}
