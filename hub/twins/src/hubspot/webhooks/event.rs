//! One event, as it stands in the array that the app is sent.

use concord_core::Timestamp;
use serde_json::{Map, Value, json};

use super::{APP_ID, Form, USER_ID, Webhooks};
use crate::control::Actor;
use crate::hubspot::ACCOUNT_ID;
use crate::hubspot::store::ObjectType;

/// What happened to a record.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Creation,
    PropertyChange {
        name: String,
        value: String,
    },
    Deletion,
    /// Deleted for good; only contacts have this event.
    PrivacyDeletion,
    Restore,
    /// The record was made of two others.
    Merge {
        primary: u64,
        merged: u64,
        /// How many values came from the other one.
        moved: usize,
    },
}

impl What {
    /// The event's name behind the point, and the flag that goes with it.
    fn name(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Creation => ("creation", Some("CREATED")),
            Self::PropertyChange { .. } => ("propertyChange", None),
            Self::Deletion => ("deletion", Some("DELETED")),
            Self::PrivacyDeletion => ("privacyDeletion", None),
            Self::Restore => ("restore", Some("RESTORED")),
            Self::Merge { .. } => ("merge", Some("MERGED")),
        }
    }

    /// What only this event has.
    fn details(self, new: u64) -> Value {
        match self {
            Self::PropertyChange { name, value } => {
                json!({"propertyName": name, "propertyValue": value})
            }
            Self::Merge {
                primary,
                merged,
                moved,
            } => json!({
                "primaryObjectId": primary,
                "mergedObjectIds": [merged],
                "newObjectId": new,
                "numberOfPropertiesMoved": moved,
            }),
            _ => json!({}),
        }
    }
}

impl Webhooks {
    /// Queues the event, if there is an app to be told.
    pub(super) fn tell(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        id: u64,
        actor: Actor,
        what: What,
    ) {
        let Some(app) = &self.app else { return };
        let (name, flag) = what.name();
        // The generic form has no privacy deletions; apps subscribe to the former
        // event ("generic", supported object types).
        let is_generic = app.form == Form::Generic && !matches!(what, What::PrivacyDeletion);
        let prefix = if is_generic {
            "object"
        } else {
            kind.singular()
        };
        let subscription = match &what {
            What::PropertyChange { name: property, .. } => {
                format!("{}.{name}.{property}", kind.singular())
            }
            _ => format!("{}.{name}", kind.singular()),
        };
        let next = 900_001 + self.subscriptions.len() as u64;
        let subscription = *self.subscriptions.entry(subscription).or_insert(next);
        self.events += 1;
        let (source, source_id) = match actor {
            Actor::Person => ("CRM_UI", format!("userId:{USER_ID}")),
            Actor::Api => ("INTEGRATION", APP_ID.to_string()),
        };
        let mut event = json!({
            "eventId": self.events,
            "subscriptionId": subscription,
            "portalId": ACCOUNT_ID,
            "appId": APP_ID,
            "occurredAt": now.millis(),
            "subscriptionType": format!("{prefix}.{name}"),
            "objectId": id,
            "changeSource": source,
            "sourceId": source_id,
        });
        if is_generic {
            event["objectTypeId"] = kind.number().into();
        }
        if let Some(flag) = flag {
            event["changeFlag"] = flag.into();
        }
        let mut fields = object(event);
        fields.extend(object(what.details(id)));
        self.outbox.put(now, fields);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
