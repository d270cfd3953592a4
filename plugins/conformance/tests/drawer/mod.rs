//! A system in memory, its connector and its bed.

mod connector;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use concord_conformance::{Bed, Trouble, Unable};
use concord_core::ports::Connector;
use concord_core::{Absence, Fields, Manifest, RemoteId, StreamName};
use serde_json::json;

use connector::DrawerConnector;
use state::State;

/// One way of breaking the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NeverComplete,
    SkipsBetweenPages,
    TakesAnyCursor,
    OtherVersionInFetch,
    SilentAboutUnknown,
    OverlooksEdits,
    HidesDeletes,
    ForgetsMerges,
    AsciiOnly,
    ForgetsIntents,
    ReplacesRecords,
    AnswersOldVersion,
    IgnoresVersions,
    ReversesOutcomes,
    HalfBatches,
    CallsLostTransient,
}

const MANIFEST: &str = r#"
    id = "drawer"
    name = "Drawer"
    version = "0.1.0"
    contract = "1.0.0"
    family = "contacts"
    auth = { kind = "none" }
    egress = { hosts = [] }

    [[streams]]
    name = "cards"
    read = true
    create = true
    update = true
    delete = true
    etags = true
    ordered-versions = true
    create-safe = "key"
    answer-is-record = true
    delete-feed = true
    404-means-gone = true
    merged-into = true
    batch-max = 10
    batch-atomic = true
    exact-modified = true
    fetch-max = 10
"#;

pub(crate) struct Drawer {
    manifest: Manifest,
    flaw: Option<Flaw>,
    state: Arc<Mutex<State>>,
}

impl Drawer {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        let mut state = State::default();
        for number in 1_000..1_010 {
            state.create(sample(number));
        }
        Self {
            manifest: Manifest::parse(MANIFEST).unwrap(),
            flaw,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn object(value: serde_json::Value) -> Fields {
    value.as_object().cloned().unwrap()
}

fn sample(number: u32) -> Fields {
    object(json!({"name": format!("Card {number}"), "note": "", "colour": "red"}))
}

#[async_trait]
impl Bed for Drawer {
    fn stream(&self) -> StreamName {
        "cards".into()
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(DrawerConnector {
            manifest: self.manifest.clone(),
            flaw: self.flaw,
            state: Arc::clone(&self.state),
        })
    }

    fn sample(&self, number: u32) -> Option<Fields> {
        Some(sample(number))
    }

    fn text(&self, value: &str) -> Option<Fields> {
        Some(object(json!({ "note": value })))
    }

    fn refused(&self) -> Option<Fields> {
        Some(object(json!({"name": ""})))
    }

    fn unknown_id(&self) -> Option<RemoteId> {
        Some("card-99999".into())
    }

    async fn create(&self, fields: &Fields) -> Result<RemoteId, Unable> {
        Ok(self.state().create(fields.clone()))
    }

    async fn edit(&self, id: &RemoteId, fields: &Fields) -> Result<(), Unable> {
        let seen = self.flaw != Some(Flaw::OverlooksEdits);
        self.state().edit(id, fields, seen);
        Ok(())
    }

    async fn delete(&self, id: &RemoteId) -> Result<(), Unable> {
        self.state().remove(id, Absence::Tombstone);
        Ok(())
    }

    async fn merge(&self, kept: &RemoteId, lost: &RemoteId) -> Result<RemoteId, Unable> {
        self.state().remove(lost, Absence::MergedInto(kept.clone()));
        Ok(kept.clone())
    }

    async fn read(&self, id: &RemoteId) -> Result<Option<Fields>, Unable> {
        Ok(self.state().live(id).map(|card| card.fields.clone()))
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Unable> {
        self.state().trouble = Some(trouble);
        Ok(())
    }
}

/// The same system for a bed that can do nothing but connect.
pub(crate) struct Bare(pub Drawer);

impl Bed for Bare {
    fn stream(&self) -> StreamName {
        self.0.stream()
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.0.connector()
    }
}
