//! Which records a webhook names.  BEHAVIOR.md says what HubSpot sends.

use std::collections::BTreeSet;

use concord_sdk::prelude::*;
use serde::Deserialize;

use crate::objects;

/// One of up to a hundred events of a delivery.  All of it may be missing: what is
/// said of other kinds of object has other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    subscription_type: String,
    /// Of the newer `object.*` events: `0-1`.
    #[serde(default)]
    object_type_id: String,
    object_id: Option<i64>,
    /// Of a merge: who goes on, who went into it, and a new id where there is one.
    primary_object_id: Option<i64>,
    #[serde(default)]
    merged_object_ids: Vec<i64>,
    new_object_id: Option<i64>,
    /// Of an association.
    from_object_id: Option<i64>,
}

pub fn parse(request: &RawRequest) -> Result<Vec<Hint>, Fault> {
    let events: Vec<Event> = serde_json::from_slice(&request.body)
        .map_err(|error| Fault::Bug(format!("the webhook is not a list of events: {error}")))?;
    let mut named = BTreeSet::new();
    for event in &events {
        // Other kinds of object are none of this connector's streams.
        let Some(stream) = stream(event) else {
            continue;
        };
        let one = [
            event.object_id,
            event.primary_object_id,
            event.new_object_id,
            event.from_object_id,
        ];
        let ids = one.into_iter().flatten();
        let ids = ids.chain(event.merged_object_ids.iter().copied());
        named.extend(ids.map(|id| (stream, id)));
    }
    let hints = named.into_iter().map(|(stream, id)| Hint {
        stream: stream.to_owned(),
        id: id.to_string(),
    });
    Ok(hints.collect())
}

fn stream(event: &Event) -> Option<&'static str> {
    let (object, _) = event.subscription_type.split_once('.')?;
    let mut all = objects::ALL.into_iter();
    let found = match object {
        "object" => all.find(|known| known.type_id == event.object_type_id),
        legacy => all.find(|known| known.event == legacy),
    };
    found.map(|object| object.name)
}
