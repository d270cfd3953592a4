//! An audience (the API says list): its members as they are, and the view of
//! them that the list endpoints have, which may lag behind.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use concord_core::Timestamp;
use serde_json::{Value, json};

use super::member::{Member, Seconds, Status, moment, subscriber_hash};
use super::merge::{self, MergeField};
use super::view::{Change, View};

/// One change of a member, for those who are told of changes.
#[derive(Clone, Debug)]
pub struct Turn {
    /// None where the member is new.
    pub before: Option<Arc<Member>>,
    /// None where it is deleted for good.
    pub after: Option<Arc<Member>>,
}

#[derive(Debug)]
pub struct Audience {
    pub id: String,
    pub name: String,
    created: Seconds,
    pub fields: Vec<MergeField>,
    members: BTreeMap<String, Arc<Member>>,
    by_contact: BTreeMap<String, u64>,
    by_web_id: BTreeMap<u64, String>,
    /// Hashes of the permanently deleted, who may not be imported again.
    forgotten: BTreeSet<String>,
    tag_ids: BTreeMap<String, u64>,
    next_web_id: u64,
    view: View,
    /// What the list endpoints do not show yet, with the moment they will.
    waiting: VecDeque<(Timestamp, Change)>,
    /// What happened since it was last asked for.
    turns: Vec<Turn>,
}

impl Audience {
    pub fn new(id: &str, name: &str, created: Seconds) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            created,
            fields: merge::defaults(),
            members: BTreeMap::new(),
            by_contact: BTreeMap::new(),
            by_web_id: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            tag_ids: BTreeMap::new(),
            next_web_id: 100_001,
            view: View::default(),
            waiting: VecDeque::new(),
            turns: Vec::new(),
        }
    }

    /// By the hash, or (as reference/lists/members says) by the e-mail address
    /// or the contact id.
    pub fn find(&self, key: &str) -> Option<&Arc<Member>> {
        if let Some(member) = self.members.get(&key.to_lowercase()) {
            return Some(member);
        }
        if key.contains('@') {
            return self.members.get(&subscriber_hash(key));
        }
        let web_id = self.by_contact.get(key)?;
        self.members.get(self.by_web_id.get(web_id)?)
    }

    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.by_web_id
            .values()
            .filter_map(|hash| self.members.get(hash))
    }

    pub fn is_forgotten(&self, hash: &str) -> bool {
        self.forgotten.contains(hash)
    }

    /// The person signed up by a form of the vendor: that lifts the ban.
    pub fn remember(&mut self, hash: &str) {
        self.forgotten.remove(hash);
    }

    pub fn next_web_id(&mut self) -> u64 {
        let web_id = self.next_web_id;
        self.next_web_id += 1;
        web_id
    }

    /// Stores a member under its present hash; the former one is free again.
    pub fn put(&mut self, member: Member, now: Timestamp, lag: Duration) -> Arc<Member> {
        for tag in &member.tags {
            let next = self.tag_ids.len() as u64 + 1;
            self.tag_ids.entry(tag.clone()).or_insert(next);
        }
        let member = Arc::new(member);
        let former = self.by_web_id.insert(member.web_id, member.hash.clone());
        self.turns.push(Turn {
            before: former.as_ref().and_then(|h| self.members.get(h).cloned()),
            after: Some(Arc::clone(&member)),
        });
        match former {
            Some(hash) if hash != member.hash => {
                self.members.remove(&hash);
            }
            Some(_) => {}
            None => {
                self.by_contact.insert(member.contact_id(), member.web_id);
            }
        }
        self.members
            .insert(member.hash.clone(), Arc::clone(&member));
        self.publish(Change::Put(Arc::clone(&member)), now, lag);
        member
    }

    /// Deletes for good; the address is remembered only to refuse it.
    pub fn forget(&mut self, hash: &str, now: Timestamp, lag: Duration) -> bool {
        let Some(member) = self.members.remove(hash) else {
            return false;
        };
        self.by_web_id.remove(&member.web_id);
        self.by_contact.remove(&member.contact_id());
        self.forgotten.insert(hash.to_owned());
        self.publish(Change::Gone(member.web_id), now, lag);
        self.turns.push(Turn {
            before: Some(member),
            after: None,
        });
        true
    }

    /// What happened since the last time this was asked for.
    pub fn take_turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }

    fn publish(&mut self, change: Change, now: Timestamp, lag: Duration) {
        if lag.is_zero() && self.waiting.is_empty() {
            self.view.apply(change);
        } else {
            self.waiting.push_back((now.plus(lag), change));
        }
    }

    /// The list endpoints' view at a moment.
    pub fn view(&mut self, now: Timestamp) -> &View {
        while self.waiting.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, change)) = self.waiting.pop_front() {
                self.view.apply(change);
            }
        }
        &self.view
    }

    pub fn tag_id(&self, name: &str) -> u64 {
        self.tag_ids.get(name).copied().unwrap_or_default()
    }

    pub fn add_field(&mut self, mut field: MergeField) -> &MergeField {
        let at = self.fields.len();
        field.merge_id = at as u64 + 1;
        self.fields.push(field);
        &self.fields[at]
    }

    /// In the shape of GET lists/{id}.
    pub fn render(&mut self, now: Timestamp) -> Value {
        let created = self.created;
        let fields = self.fields.len();
        let view = self.view(now);
        let counts = Status::ALL.map(|status| view.count(status));
        let [subscribed, unsubscribed, cleaned, ..] = counts;
        json!({
            "id": self.id,
            "web_id": 1001,
            "name": self.name,
            "contact": {
                "company": "Twin Company", "address1": "1 Example Street", "address2": "",
                "city": "Atlanta", "state": "GA", "zip": "30308", "country": "US", "phone": "",
            },
            "permission_reminder": "You signed up on our website.",
            "use_archive_bar": true,
            "campaign_defaults": {
                "from_name": "Twin", "from_email": "twin@example.org", "subject": "",
                "language": "en",
            },
            "notify_on_subscribe": "",
            "notify_on_unsubscribe": "",
            "date_created": moment(Some(created)),
            "list_rating": 0,
            "email_type_option": false,
            "subscribe_url_short": "",
            "subscribe_url_long": "",
            "beamer_address": "",
            "visibility": "prv",
            "double_optin": false,
            "has_welcome": false,
            "marketing_permissions": false,
            "modules": [],
            "stats": {
                "member_count": subscribed,
                "unsubscribe_count": unsubscribed,
                "cleaned_count": cleaned,
                "total_contacts": counts.iter().sum::<usize>(),
                "merge_field_count": fields,
            },
        })
    }
}
