//! The whole story of one value.

use concord_core::ports::{ConflictFilter, IntentFilter};
use concord_core::state::{Conflict, Event, Hold, Intent, IntentState, Link, Origin};
use concord_core::{EntityId, Timestamp, Value};
use concord_sync::emit;
use serde::Serialize;

use crate::error::EngineError;
use crate::hub::Hub;

/// What one system holds of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Holding {
    pub connection: String,
    pub stream: String,
    pub remote_id: String,
    pub state: concord_core::state::LinkState,
    /// The canonical value last in agreement.
    pub sent: Value,
    /// The remote fields as the system gave them.
    pub stored: Value,
    pub refused: bool,
    /// What it holds there cannot be understood, and is not written over.
    pub unread: bool,
    /// When the read that shows this was started, and when it last answered a
    /// write of ours.
    pub read: String,
    pub written: Option<String>,
    /// It was read again since our write and showed nothing new: an echo.
    pub echoed: bool,
}

/// A write of the field that is on record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Write {
    pub intent: i64,
    pub connection: String,
    pub stream: String,
    pub state: IntentState,
    pub from: Value,
    pub to: Value,
    pub time: String,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its number, by which a merge can be taken apart.
    pub event: i64,
    pub at: Timestamp,
    pub time: String,
    pub by: String,
    pub what: String,
    pub from: Value,
    pub to: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Story {
    pub entity: EntityId,
    pub field: String,
    pub value: Value,
    pub put_by: Option<String>,
    pub edited_after: Option<String>,
    pub edited_until: Option<String>,
    pub holdings: Vec<Holding>,
    pub steps: Vec<Step>,
    pub conflicts: Vec<Conflict>,
    pub holds: Vec<Hold>,
    /// Every planned write of the field, the open ones last.
    pub writes: Vec<Write>,
}

impl Hub {
    pub async fn why(&self, id: &EntityId, field: &str) -> Result<Story, EngineError> {
        let ids = std::slice::from_ref(id);
        let Some(entity) = self.store.entities(ids).await?.pop() else {
            return Err(EngineError::Refused(format!(
                "there is no {id}: `concord status` counts what there is"
            )));
        };
        let schema = self.schemas.get(id.kind.as_str());
        if schema.is_some_and(|schema| schema.field(field).is_none()) {
            let known: Vec<&str> = schema
                .iter()
                .flat_map(|s| s.fields.keys().map(concord_core::FieldName::as_str))
                .collect();
            return Err(EngineError::Refused(format!(
                "a {} has no field '{field}'; it has {}",
                id.kind,
                known.join(", ")
            )));
        }
        let links = self.store.links_of(ids).await?;
        let events = self.store.events(id).await?;
        let mut conflicts = self
            .store
            .conflicts(&ConflictFilter {
                entity: Some(id.clone()),
                ..Default::default()
            })
            .await?;
        conflicts.retain(|conflict| conflict.field.as_str() == field);
        let mut holds = self.store.holds(ids).await?;
        holds.retain(|hold| {
            hold.field
                .as_ref()
                .is_none_or(|held| held.as_str() == field)
        });
        let filter = IntentFilter {
            entity: Some(id.clone()),
            ..Default::default()
        };
        let intents = self.store.intents(&filter).await?;
        let mut writes: Vec<Write> = intents
            .iter()
            .filter_map(|intent| self.write(intent, field))
            .collect();
        writes.sort_by_key(|write| write.state.is_open());
        let cell = entity.cells.get(field);
        Ok(Story {
            entity: id.clone(),
            field: field.to_owned(),
            value: entity.value(field).clone(),
            put_by: cell.map(|cell| self.name_of(&cell.origin)),
            edited_after: cell
                .map(|cell| cell.after)
                .filter(|t| *t > Timestamp::ZERO)
                .map(|t| t.to_string()),
            edited_until: cell.map(|cell| cell.until.to_string()),
            holdings: links
                .iter()
                .filter_map(|link| self.holding(link, field))
                .collect(),
            steps: events
                .iter()
                .filter_map(|event| self.step(event, field))
                .collect(),
            conflicts,
            holds,
            writes,
        })
    }

    fn holding(&self, link: &Link, field: &str) -> Option<Holding> {
        let (connection, stream) = self.place(&link.key.connection, &link.key.stream)?;
        let lens = stream.mapping.lens(field)?;
        let stored = lens
            .remote_fields()
            .iter()
            .filter_map(|name| Some((name.clone(), link.last_seen(name)?.clone())))
            .collect();
        Some(Holding {
            connection: connection.row.name.clone(),
            stream: stream.name.to_string(),
            remote_id: link.key.remote_id.to_string(),
            state: link.state,
            sent: link.sent.get(field).cloned().unwrap_or_default(),
            stored: Value::Object(stored),
            refused: link.refused.contains_key(field),
            unread: emit::is_unread(lens, link),
            read: link.read_at.to_string(),
            written: link.written_at.map(|moment| moment.to_string()),
            echoed: link.written_at.is_some_and(|moment| link.read_at > moment),
        })
    }

    fn write(&self, intent: &Intent, field: &str) -> Option<Write> {
        let to = intent.values.get(field)?.clone();
        Some(Write {
            intent: intent.id.0,
            connection: self.name_of(&Origin::Connection(intent.connection)),
            stream: intent.stream.to_string(),
            state: intent.state,
            from: intent.before.get(field).cloned().unwrap_or_default(),
            to,
            time: intent.sent_at.unwrap_or(intent.created_at).to_string(),
            reason: intent.reason.clone(),
        })
    }

    fn step(&self, event: &Event, field: &str) -> Option<Step> {
        let change = event
            .changes
            .iter()
            .find(|(name, _, _)| name.as_str() == field);
        // What happened to the whole record is part of the story of each value.
        if change.is_none() && !event.changes.is_empty() {
            return None;
        }
        let (from, to) = change.map_or((Value::Null, Value::Null), |(_, old, new)| {
            (old.clone(), new.clone())
        });
        Some(Step {
            event: event.id,
            at: event.at,
            time: event.at.to_string(),
            by: self.name_of(&event.origin),
            what: event.what.clone(),
            from,
            to,
        })
    }

    pub fn name_of(&self, origin: &Origin) -> String {
        match origin {
            Origin::Person(name) => name.clone(),
            Origin::Connection(id) => match self.connection(*id) {
                Some(connection) => connection.row.name.clone(),
                None => format!("connection {id} (removed)"),
            },
        }
    }
}
