//! Webhooks: HubSpot tells an app of every change of a record.
//!
//! "Guide" is `developers.hubspot.com/docs/api/webhooks` and its later form
//! `…/docs/api-reference/2026-03/webhooks/guide`; "generic" is
//! `…/docs/apps/legacy-apps/public-apps/create-generic-webhook-subscriptions`;
//! "platform" is `…/docs/apps/developer-platform/add-features/configure-webhooks`;
//! (u) marks what no source says and what was chosen here.
//!
//! | behaviour | source |
//! |---|---|
//! | subscriptions belong to an app and are made in its settings, there is one target URL | guide |
//! | a property has a subscription of its own; this app has one for every property (u) | guide |
//! | `object.creation`, `.deletion`, `.merge`, `.restore`, `.propertyChange` with an `objectTypeId` of `0-1` or `0-2` | generic; platform; changelog, "Public Beta: Generic Webhook Subscriptions" |
//! | the former names `contact.creation`, `company.merge` and so on, still there as `legacyCrmObjects` | guide; platform |
//! | `contact.privacyDeletion` in both forms, together with the deletion, in no order | guide; generic |
//! | an array of events, at most 100 in a request | guide |
//! | at most 10 requests at once | guide |
//! | an answer within 5 seconds, else it is tried again, as after any 4xx or 5xx; up to 10 times within 24 hours, each notification at another moment | guide; error handling |
//! | the waits between these attempts; a 3xx counts as a refusal (u) | – |
//! | order is not kept, an event can come twice, `eventId` need not be unique | guide |
//! | changes of the app itself come back as well, with `changeSource` `INTEGRATION`; a person's have `CRM_UI` | guide; recorded payloads at prismatic.io/docs/example-payloads/hubspot |
//! | `sourceId` is `userId:N` for a person (recorded, as above), the app's id for the app (u) | – |
//! | `changeFlag`: `CREATED` (recorded, as above), `DELETED`, `RESTORED`, `MERGED` (u) | – |
//! | a creation is followed by a property change for each value (u), an update by one for each value that changed; none for the moment of change (u); a cleared value is `""` (u) | – |
//! | a merge is an event of its own: `primaryObjectId`, `mergedObjectIds`, `newObjectId`, `numberOfPropertiesMoved` | guide; changelog, "New subscription types for webhooks" |
//! | its `objectId` is the new record's, and neither a deletion nor a creation comes with it (u) | – |
//! | contacts of a company that is merged or deleted change their `associatedcompanyid` as by the same hand (u) | – |
//! | signatures | see `signature` |

mod event;
mod signature;

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::HubSpot;
use super::store::ObjectType;
use crate::control::{Actor, done, read, refused};
use crate::outbox::{Delivery, Notice, Outbox, Rules};
use crate::{OutgoingRequest, Request, Response};

pub(super) use event::What;

/// The app of the webhooks, another one than those that come for tokens.
const APP_ID: u64 = 1_160_452;

/// The user whose screen the control API is.
const USER_ID: u64 = 45_678;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Ten further attempts within 24 hours, lengthened ones included.
const WAITS: [Duration; 10] = [
    Duration::from_secs(MINUTE),
    Duration::from_secs(2 * MINUTE),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(10 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(HOUR),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(4 * HOUR),
    Duration::from_secs(6 * HOUR),
    Duration::from_secs(8 * HOUR),
];

const RULES: Rules = Rules {
    batch: 100,
    at_once: 10,
    waits: &WAITS,
    spread: true,
};

/// What the events of an app's subscriptions are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// `object.creation`, as the developer platform has them.
    #[default]
    Generic,
    /// `contact.creation`.
    Legacy,
}

/// An app's settings, given by `POST /_twin/webhooks/target`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    url: String,
    /// The app's client secret, which signs.
    secret: String,
    #[serde(default)]
    form: Form,
}

#[derive(Debug)]
pub(super) struct Webhooks {
    app: Option<App>,
    pub(super) outbox: Outbox<Map<String, Value>>,
    /// The numbers of the subscriptions that had something to tell, by event and property.
    subscriptions: BTreeMap<String, u64>,
    events: u64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            app: None,
            outbox: Outbox::new(RULES),
            subscriptions: BTreeMap::new(),
            events: 0,
        }
    }
}

impl Webhooks {
    /// Whether there is anybody to tell.
    pub(super) fn are_wanted(&self) -> bool {
        self.app.is_some()
    }

    /// The app that is told of everything from now on; null tells nobody.
    fn set_target(&mut self, request: &Request) -> Result<Response, Response> {
        self.app = read::<Option<App>>(request)?;
        Ok(done())
    }

    /// The request that carries a delivery, signed at the moment it leaves.
    fn request(&self, now: Timestamp, delivery: &Delivery<Map<String, Value>>) -> OutgoingRequest {
        let app = self.app.as_ref();
        let (url, secret) = app.map_or(("", ""), |app| (&app.url, &app.secret));
        let events: Vec<Map<String, Value>> = delivery.notices.iter().map(shown).collect();
        let body = serde_json::to_vec(&events).unwrap_or_default();
        let secret = match delivery.forged {
            true => format!("not {secret}"),
            false => secret.to_owned(),
        };
        OutgoingRequest {
            id: delivery.id,
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: signature::headers(&secret, url, &body, now.millis()),
            body,
            timeout: TIMEOUT,
        }
    }
}

fn shown(notice: &Notice<Map<String, Value>>) -> Map<String, Value> {
    let mut event = notice.event.clone();
    event.insert("attemptNumber".to_owned(), notice.attempt.into());
    event
}

impl HubSpot {
    /// The control requests about webhooks.
    pub(super) fn webhook_screen(&mut self, now: Timestamp, request: &Request) -> Option<Response> {
        if request.path == "/_twin/webhooks/target" {
            return Some(match request.method.as_str() {
                "POST" => match self.webhooks.set_target(request) {
                    Ok(answer) | Err(answer) => answer,
                },
                _ => refused(405, "/_twin/webhooks/target takes POST"),
            });
        }
        self.webhooks.outbox.screen(now, request)
    }

    pub(super) fn due_webhooks(&mut self, now: Timestamp) -> Vec<OutgoingRequest> {
        let due = self.webhooks.outbox.take(now);
        due.iter().map(|d| self.webhooks.request(now, d)).collect()
    }

    /// Tells the app of one change of a record.
    pub(super) fn tell_of(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        id: u64,
        actor: Actor,
        what: What,
    ) {
        self.webhooks.tell(now, kind, id, actor, what);
    }
}
