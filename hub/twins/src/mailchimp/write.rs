//! Writes to one member: create, upsert, update, archive, permanent delete and
//! tags, with the vendor's rules about who may be subscribed.

use std::sync::Arc;
use std::time::Duration;

use concord_core::Timestamp;
use serde_json::{Map, Value};

use super::audience::Audience;
use super::input::MemberInput;
use super::member::{Member, Status, seconds, subscriber_hash};
use super::merge;
use super::problem::{FieldError, Problem};

/// An audience, and when and how it is written to.
pub struct Writer<'a> {
    pub list: &'a mut Audience,
    pub now: Timestamp,
    /// How long the list endpoints go on showing the former state.
    pub lag: Duration,
    pub skip_merge_validation: bool,
    /// What a member made by this write says about its origin.
    pub source: &'static str,
}

impl Writer<'_> {
    /// POST lists/{id}/members.  A member that was archived counts as new.
    pub fn create(&mut self, body: &Map<String, Value>) -> Result<Arc<Member>, Problem> {
        let input = MemberInput::read(body)?;
        let (Some(email), Some(status)) = (&input.email, input.status) else {
            return Err(required(&[
                ("email_address", input.email.is_none()),
                ("status", true),
            ]));
        };
        match self.list.find(&subscriber_hash(email)).cloned() {
            Some(member) if member.status != Status::Archived => Err(Problem::member_exists(email)),
            Some(archived) => {
                let mut back = Member::clone(&archived);
                back.tags.extend(added_tags(&input));
                self.amend(&back, &input)
            }
            None => self.insert(email, status, &input),
        }
    }

    /// PUT lists/{id}/members/{hash}: updates who is there, otherwise creates
    /// with `status_if_new`.
    pub fn upsert(&mut self, key: &str, body: &Map<String, Value>) -> Result<Arc<Member>, Problem> {
        let input = MemberInput::read(body)?;
        if let Some(member) = self.list.find(key).cloned() {
            return self.amend(&member, &input);
        }
        let status = input.status_if_new.or(input.status);
        let (Some(email), Some(status)) = (&input.email, status) else {
            let missing = [
                ("email_address", input.email.is_none()),
                ("status_if_new", status.is_none()),
            ];
            return Err(required(&missing));
        };
        // The path named nobody, but the body's address belongs to somebody.
        if self.list.find(&subscriber_hash(email)).is_some() {
            return Err(Problem::member_exists(email));
        }
        self.insert(email, status, &input)
    }

    /// PATCH lists/{id}/members/{hash}.
    pub fn update(&mut self, key: &str, body: &Map<String, Value>) -> Result<Arc<Member>, Problem> {
        let member = self
            .list
            .find(key)
            .cloned()
            .ok_or_else(Problem::not_found)?;
        let input = MemberInput::read(body)?;
        self.amend(&member, &input)
    }

    /// DELETE lists/{id}/members/{hash} archives; a second one is refused
    /// (recorded: 405 "This list member cannot be removed").
    pub fn archive(&mut self, key: &str) -> Result<String, Problem> {
        let member = self
            .list
            .find(key)
            .cloned()
            .ok_or_else(Problem::not_found)?;
        if member.status == Status::Archived {
            return Err(Problem::cannot_be_removed());
        }
        let mut next = Member::clone(&member);
        next.status = Status::Archived;
        Ok(self.store(&member, next).hash.clone())
    }

    /// POST …/actions/delete-permanent: "This will make it impossible to
    /// re-import the list member."
    pub fn delete_permanent(&mut self, key: &str) -> Result<String, Problem> {
        let hash = self
            .list
            .find(key)
            .map(|m| m.hash.clone())
            .ok_or_else(Problem::not_found)?;
        self.list.forget(&hash, self.now, self.lag);
        Ok(hash)
    }

    /// POST lists/{id}/members/{hash}/tags.
    pub fn tag(&mut self, key: &str, body: &Map<String, Value>) -> Result<String, Problem> {
        let member = self
            .list
            .find(key)
            .cloned()
            .ok_or_else(Problem::not_found)?;
        let input = MemberInput::read(body)?;
        let changes = input.tags.ok_or_else(|| required(&[("tags", true)]))?;
        let mut next = Member::clone(&member);
        for change in changes {
            if change.active {
                next.tags.insert(change.name);
            } else {
                next.tags.remove(&change.name);
            }
        }
        Ok(self.store(&member, next).hash.clone())
    }

    fn insert(
        &mut self,
        email: &str,
        status: Status,
        input: &MemberInput,
    ) -> Result<Arc<Member>, Problem> {
        if self.list.is_forgotten(&subscriber_hash(email)) {
            return Err(Problem::forgotten(email));
        }
        let mut member = Member::new(0, email, status, self.source, seconds(self.now));
        self.fill(&mut member, input)?;
        member.tags.extend(added_tags(input));
        member.web_id = self.list.next_web_id();
        Ok(self.save(member))
    }

    /// Changes what is given and leaves the rest.
    fn amend(&mut self, member: &Member, input: &MemberInput) -> Result<Arc<Member>, Problem> {
        let mut next = member.clone();
        if let Some(email) = &input.email {
            let hash = subscriber_hash(email);
            let moves = hash != member.hash;
            if moves && self.list.find(&hash).is_some() {
                return Err(Problem::member_exists(email));
            }
            if moves && self.list.is_forgotten(&hash) {
                return Err(Problem::forgotten(email));
            }
            next.email = email.clone();
            next.hash = hash;
        }
        if let Some(status) = input.status {
            if status == Status::Subscribed && member.compliance {
                return Err(Problem::compliance(&member.email));
            }
            if status != member.status {
                next.status = status;
                next.stamp_consent(seconds(self.now));
            }
            if status == Status::Cleaned {
                next.compliance = true;
            }
        }
        self.fill(&mut next, input)?;
        Ok(self.store(member, next))
    }

    fn fill(&self, member: &mut Member, input: &MemberInput) -> Result<(), Problem> {
        let skip = self.skip_merge_validation;
        merge::amend(
            &self.list.fields,
            &mut member.merge,
            &input.merge_fields,
            skip,
        )
        .map_err(Problem::invalid_merge_fields)?;
        let texts = [
            (&mut member.email_type, &input.email_type),
            (&mut member.language, &input.language),
            (&mut member.ip_signup, &input.ip_signup),
            (&mut member.ip_opt, &input.ip_opt),
        ];
        for (held, given) in texts {
            if let Some(text) = given {
                held.clone_from(text);
            }
        }
        member.vip = input.vip.unwrap_or(member.vip);
        member.timestamp_signup = input.timestamp_signup.or(member.timestamp_signup);
        member.timestamp_opt = input.timestamp_opt.or(member.timestamp_opt);
        Ok(())
    }

    /// A write that changes nothing leaves `last_changed` alone.
    fn store(&mut self, before: &Member, mut next: Member) -> Arc<Member> {
        if next == *before {
            return Arc::new(next);
        }
        next.last_changed = seconds(self.now);
        self.save(next)
    }

    pub fn save(&mut self, member: Member) -> Arc<Member> {
        self.list.put(member, self.now, self.lag)
    }
}

/// Only a create takes tags in the member's own body.
fn added_tags(input: &MemberInput) -> impl Iterator<Item = String> {
    let tags = input.tags.iter().flatten().filter(|tag| tag.active);
    tags.map(|tag| tag.name.clone())
}

fn required(fields: &[(&str, bool)]) -> Problem {
    let missing = fields.iter().filter(|(_, missing)| *missing);
    let errors =
        missing.map(|(field, _)| FieldError::new(*field, "This value should not be blank."));
    Problem::invalid(errors.collect())
}
