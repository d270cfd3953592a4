//! Webhooks of an audience.
//!
//! `[guide]` is mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks
//! and the vendor's skill "Subscribe to webhooks" beside it; `[about]` the guide of
//! before, developer.mailchimp.com/documentation/mailchimp/guides/about-webhooks;
//! `[recorded]`, `(u)` as in the parent module.
//!
//! | behaviour | source |
//! |---|---|
//! | `lists/{id}/webhooks` takes GET and POST, one of them GET, PATCH and DELETE | reference/list-webhooks |
//! | the URL is asked by GET first, as `MailChimp.com WebHook Validator`, and has to answer 200 | [about]; mailchimp/mc-woocommerce#876 |
//! | else 400 Invalid Resource with `url`: "We couldn't verify the URL is working. Please double check and try again. HTTP Code: N" | PipedreamHQ/pipedream#1289, mailchimp/mc-magento#320 for where it stands |
//! | code 0 where nobody answers, within 10 seconds; a PATCH of the URL asks as well (u) | – |
//! | a second webhook for one URL on a list is refused; parameters make no other URL | mailchimp/mailchimp-client-lib-codegen#11; the words are recorded |
//! | events and sources that are not given are off (u) | [guide] calls it undocumented |
//! | a change fires where its event and its source are on: `user` the person, `admin` the account's screen, `api` any client | [guide] |
//! | a write that changes nothing fires nothing | [guide] |
//! | a POST with a form: `type`, `fired_at`, `data[…]` | [guide] |
//! | an answer within 10 seconds, else more attempts over 75 minutes | [guide]; any status but 2xx counts as none, and the waits between (u) |
//! | no order and no delivery id; the same event can come again | [guide] |
//! | `X-Mailchimp-Signature: t=…,v1=…`, HMAC-SHA256 in hexadecimal of `{t}.{body}` | [guide] |
//! | its secret comes with the answer to the POST and never again, `signing_enabled` always | [guide]; that all webhooks of the twin are signed (u) |
//! | a secret in the URL is advised beside it | [about] |
//! | what each event holds | see `notice.rs` |
//!
//! The event `campaign` can be asked for and never happens here.

mod api;
mod notice;

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;
use serde_json::{Value, json};

use super::Mailchimp;
use super::member::{md5_hex, seconds};
use crate::OutgoingRequest;
use crate::digest::{hex, hmac_sha256};
use crate::outbox::{Delivery, Outbox, Rules};

use api::Check;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Increasing intervals over 75 minutes.
const WAITS: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(4 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(40 * 60),
];

const RULES: Rules = Rules {
    batch: 1,
    at_once: 10,
    waits: &WAITS,
    spread: false,
};

const EVENTS: [&str; 6] = [
    "subscribe",
    "unsubscribe",
    "profile",
    "cleaned",
    "upemail",
    "campaign",
];

const SOURCES: [&str; 3] = ["user", "admin", "api"];

/// Which of several names are switched on.
type Switches = BTreeMap<&'static str, bool>;

#[derive(Clone, Debug)]
struct Hook {
    id: String,
    list_id: String,
    url: String,
    events: Switches,
    sources: Switches,
    secret: String,
}

impl Hook {
    fn new(number: u64, list_id: &str) -> Self {
        let off = |names: &[&'static str]| names.iter().map(|name| (*name, false)).collect();
        Self {
            id: md5_hex(&format!("webhook {number}"))[..10].to_owned(),
            list_id: list_id.to_owned(),
            url: String::new(),
            events: off(&EVENTS),
            sources: off(&SOURCES),
            secret: md5_hex(&format!("secret of webhook {number}")),
        }
    }

    fn render(&self) -> Value {
        json!({
            "id": self.id,
            "url": self.url,
            "events": self.events,
            "sources": self.sources,
            "signing_enabled": true,
            "list_id": self.list_id,
        })
    }
}

/// A form on its way to one webhook.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    url: String,
    secret: String,
    body: String,
}

#[derive(Debug)]
pub(super) struct Webhooks {
    hooks: Vec<Hook>,
    pub(super) outbox: Outbox<Letter>,
    /// URLs that are being asked, by the delivery that asks, and what is done then.
    checks: BTreeMap<u64, Check>,
    /// Questions that have not left yet.
    questions: Vec<OutgoingRequest>,
    made: u64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            hooks: Vec::new(),
            outbox: Outbox::new(RULES),
            checks: BTreeMap::new(),
            questions: Vec::new(),
            made: 0,
        }
    }
}

impl Webhooks {
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<OutgoingRequest> {
        let mut due = std::mem::take(&mut self.questions);
        let letters = self.outbox.take(now);
        due.extend(letters.iter().flat_map(|letter| request(now, letter)));
        due
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.questions.is_empty() {
            self.outbox.next_due()
        } else {
            Some(Timestamp::ZERO)
        }
    }
}

/// The request of a delivery; each holds one letter.
fn request(now: Timestamp, delivery: &Delivery<Letter>) -> Option<OutgoingRequest> {
    let letter = &delivery.notices.first()?.event;
    let moment = seconds(now);
    let key = match delivery.forged {
        true => format!("not {}", letter.secret),
        false => letter.secret.clone(),
    };
    let signed = format!("{moment}.{}", letter.body);
    let code = hex(&hmac_sha256(&key, &[signed.as_bytes()]));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "MailChimp.com"),
        ("x-mailchimp-signature", &format!("t={moment},v1={code}")),
    ];
    Some(OutgoingRequest {
        id: delivery.id,
        method: "POST".to_owned(),
        url: letter.url.clone(),
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        body: letter.body.clone().into_bytes(),
        timeout: TIMEOUT,
    })
}

impl Mailchimp {
    /// Tells the webhooks of all that has changed since the last time, as the
    /// doing of `source`.
    pub(super) fn announce(&mut self, now: Timestamp, source: &str) {
        for list in &mut self.lists {
            let turns = list.take_turns();
            let on = |hook: &&Hook| hook.list_id == list.id && hook.sources[source];
            let hooks: Vec<&Hook> = self.webhooks.hooks.iter().filter(on).collect();
            if hooks.is_empty() {
                continue;
            }
            for turn in turns {
                for (event, body) in notice::of(now, list, &turn) {
                    for hook in hooks.iter().filter(|hook| hook.events[event]) {
                        let letter = Letter {
                            url: hook.url.clone(),
                            secret: hook.secret.clone(),
                            body: body.clone(),
                        };
                        self.webhooks.outbox.put(now, letter);
                    }
                }
            }
        }
    }
}
