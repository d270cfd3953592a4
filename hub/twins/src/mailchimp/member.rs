//! One member of an audience.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::Timestamp;
use md5::{Digest, Md5};
use serde_json::Value;

/// The six states of reference/lists/members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Subscribed,
    Unsubscribed,
    Cleaned,
    Pending,
    Transactional,
    Archived,
}

impl Status {
    pub const ALL: [Status; 6] = [
        Status::Subscribed,
        Status::Unsubscribed,
        Status::Cleaned,
        Status::Pending,
        Status::Transactional,
        Status::Archived,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Status::Subscribed => "subscribed",
            Status::Unsubscribed => "unsubscribed",
            Status::Cleaned => "cleaned",
            Status::Pending => "pending",
            Status::Transactional => "transactional",
            Status::Archived => "archived",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A moment as the vendor keeps it: whole seconds.
pub type Seconds = i64;

pub fn seconds(now: Timestamp) -> Seconds {
    now.0.div_euclid(1_000_000)
}

/// The vendor writes `2021-03-02T19:04:19+00:00`, and an unset moment as "".
pub fn moment(at: Option<Seconds>) -> String {
    let moment = at.and_then(|s| jiff::Timestamp::from_second(s).ok());
    let text = moment.map(|moment| moment.to_string()).unwrap_or_default();
    match text.strip_suffix('Z') {
        Some(utc) => format!("{utc}+00:00"),
        None => text,
    }
}

/// The lower-case hexadecimal MD5 of a text.
pub fn md5_hex(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = Md5::digest(text.as_bytes())
        .into_iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// A member's address in the API: "the MD5 hash of the lowercase version of
/// the list member's email address".
pub fn subscriber_hash(email: &str) -> String {
    md5_hex(&email.to_lowercase())
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Stays when the e-mail address changes; also the order of joining.
    pub web_id: u64,
    /// As it was given; only the hash is made of the lower-case form.
    pub email: String,
    pub hash: String,
    pub status: Status,
    /// The person opted out or the address bounced: no API call may subscribe
    /// it again.
    pub compliance: bool,
    pub email_type: String,
    pub language: String,
    pub vip: bool,
    /// By tag; only what has a value.
    pub merge: BTreeMap<String, Value>,
    pub tags: BTreeSet<String>,
    pub ip_signup: String,
    pub ip_opt: String,
    pub timestamp_signup: Option<Seconds>,
    pub timestamp_opt: Option<Seconds>,
    pub last_changed: Seconds,
    pub source: String,
}

impl Member {
    pub fn new(web_id: u64, email: &str, status: Status, source: &str, at: Seconds) -> Self {
        let mut member = Self {
            web_id,
            email: email.to_owned(),
            hash: subscriber_hash(email),
            status,
            compliance: status == Status::Cleaned,
            email_type: "html".to_owned(),
            language: String::new(),
            vip: false,
            merge: BTreeMap::new(),
            tags: BTreeSet::new(),
            ip_signup: String::new(),
            ip_opt: String::new(),
            timestamp_signup: None,
            timestamp_opt: None,
            last_changed: at,
            source: source.to_owned(),
        };
        member.stamp_consent(at);
        member
    }

    /// Records when consent was given (or asked for, while pending).
    pub fn stamp_consent(&mut self, at: Seconds) {
        match self.status {
            Status::Subscribed => self.timestamp_opt = Some(at),
            Status::Pending => self.timestamp_signup = Some(at),
            _ => {}
        }
    }

    /// Outlives a change of the e-mail address, unlike the hash.
    pub fn contact_id(&self) -> String {
        md5_hex(&format!("contact {}", self.web_id))
    }

    pub fn full_name(&self) -> String {
        let part = |tag: &str| {
            self.merge
                .get(tag)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        format!("{} {}", part("FNAME"), part("LNAME"))
            .trim()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_the_lower_case_address() {
        // The worked example of the guide "Manage Subscribers with the
        // Mailchimp API".
        let hash = "62eeb292278cc15f5817cb78f7790b08";
        assert_eq!(subscriber_hash("Urist.McVankab@freddiesjokes.com"), hash);
        assert_eq!(subscriber_hash("urist.mcvankab@freddiesjokes.com"), hash);
    }

    #[test]
    fn moments_are_whole_seconds_with_an_offset() {
        let now = Timestamp::parse("2021-03-02T19:04:19.987Z").unwrap();
        assert_eq!(moment(Some(seconds(now))), "2021-03-02T19:04:19+00:00");
        assert_eq!(moment(None), "");
    }
}
