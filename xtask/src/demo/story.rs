//! What happens in the demo, act by act.
//!
//! Each claim that is printed is looked up at the twins themselves, so a demo
//! that ends well has shown what it says.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::people::{Cast, Known, Pair, contacts, digits, members};
use super::summary::linked_by_last_run;
use crate::stage::Stage;
use crate::stage::twin::Twin;

/// The commands that the demo runs, in this order; the README's tour has the
/// same ones.  `ENTITY` is the person with the conflict.
pub(super) const COMMANDS: [&str; 14] = [
    "init",
    "apply -f concord.yaml",
    "connection check hubspot",
    "connection check mailchimp",
    "sync",
    "plan",
    "matches list",
    "sync --approve",
    "sync",
    "conflicts list --entity ENTITY",
    "why ENTITY phone",
    "status",
    "verify",
    "sync",
];

const HUBSPOTS_NUMBER: &str = "+1 415 555 0132";
const MAILCHIMPS_NUMBER: &str = "+1 415 555 0178";
const NEW_FAMILY_NAME: &str = "Okonkwo-Lindqvist";
const CORRECTED_NAME: &str = "Maximiliane";

/// Given and family name of somebody who uses another person's mailbox.
const SHARING: (&str, &str) = ("Petra", "Nowak");

/// A property that the account adds for consent.
const NEWSLETTER: &str = include_str!("../../../docs/demo/newsletter.json");

pub(super) struct Story<'a> {
    pub stage: &'a Stage,
    pub hubspot: Twin,
    pub mailchimp: Twin,
}

/// What only the story knows, for the summary.
pub(super) struct Told {
    /// Records that were recognised as somebody who was known already.
    pub linked: u64,
    pub second_run_writes: u64,
}

impl Story<'_> {
    pub(super) fn tell(&self) -> Result<Told> {
        let [
            init,
            apply,
            check,
            check_too,
            first,
            plan,
            matches,
            approve,
            rest @ ..,
        ] = COMMANDS;
        let stage = self.stage;
        stage.headline("Two systems know many of the same people, spelt in their own ways");
        let cast = self.set_the_scene()?;

        stage.headline("Connect them");
        stage.concord(init)?;
        stage.concord(apply)?;
        stage.concord(check)?;
        stage.concord(check_too)?;

        stage.headline("The first sync reads and matches. It writes nothing");
        stage.concord(first)?;
        let mut linked = linked_by_last_run(stage)?;
        stage.headline("What Concord would write, to be read before it is allowed to");
        stage.concord_ending(plan, &[0, 2])?;
        self.nothing_is_written_yet()?;
        stage.headline("Who is who is only guessed where it is certain; the rest is for a person");
        stage.concord(matches)?;
        self.waits_for_a_person()?;

        stage.headline("Approve, and everybody agrees");
        stage.concord(approve)?;
        linked += linked_by_last_run(stage)?;
        stage
            .say("  Mailchimp refuses addresses without a state; all else of those people arrived");
        self.asked_are_subscribed(&cast)?;
        self.opted_out_stays_out(&cast)?;

        stage.headline("People go on working, in both systems");
        self.people_work(&cast)?;
        let second_run_writes = self.second_half(&cast, rest)?;
        Ok(Told {
            linked,
            second_run_writes,
        })
    }

    /// From the edits on; how often the systems were written to by one more
    /// sync.
    fn second_half(&self, cast: &Cast, commands: [&str; 6]) -> Result<u64> {
        let [sync, conflicts, why, status, verify, again] = commands;
        let stage = self.stage;
        stage.concord(sync)?;
        self.edits_arrived(cast)?;

        stage.headline("Who changed what, and why it is as it is now");
        let entity = self.entity_in_conflict()?;
        stage.concord(&conflicts.replace("ENTITY", &entity))?;
        stage.concord(&why.replace("ENTITY", &entity))?;
        stage.concord(status)?;

        stage.headline("Read every linked record back and compare it, field by field");
        stage.concord(verify)?;

        stage.headline("Once more: nothing has changed, so nothing may be written");
        self.hubspot.count_anew()?;
        self.mailchimp.count_anew()?;
        stage.concord(again)?;
        let writes = self.hubspot.write_requests()? + self.mailchimp.write_requests()?;
        stage.say(&format!(
            "\n  the systems themselves counted {writes} requests to write"
        ));
        Ok(writes)
    }

    fn set_the_scene(&self) -> Result<Cast> {
        let property: Value = serde_json::from_str(NEWSLETTER)?;
        self.hubspot.act("property/contacts", &property)?;
        let (contacts, members) = self.everybody()?;
        self.stage.say(&format!(
            "  HubSpot ({}) has {} contacts, Mailchimp ({}) has {} members",
            self.hubspot.address,
            contacts.len(),
            self.mailchimp.address,
            members.len()
        ));
        let cast = Cast::choose(&contacts, &members)?;
        for asks in cast.asked.iter().chain([&cast.opted_out.contact]) {
            self.edit_contact(asks, json!({ "newsletter": "yes" }))?;
        }
        self.stage.say(&format!(
            "  {} people of HubSpot alone asked there for the newsletter, which Mailchimp sends",
            cast.asked.len()
        ));
        self.stage.say(&format!(
            "  {} opted out in Mailchimp; somebody ticked \"newsletter\" for them in HubSpot",
            cast.opted_out.contact.name()
        ));
        let shares = &cast.shares;
        let member = json!({
            "email_address": shares.email,
            "status": "subscribed",
            "merge_fields": { "FNAME": SHARING.0, "LNAME": SHARING.1 },
        });
        self.mailchimp
            .act("create", &json!({ "properties": member }))?;
        self.stage.say(&format!(
            "  {} {} signed up in Mailchimp with the mailbox of {}",
            SHARING.0,
            SHARING.1,
            shares.name()
        ));
        Ok(cast)
    }

    fn people_work(&self, cast: &Cast) -> Result<()> {
        let stage = self.stage;
        let renamed = &cast.renamed.contact;
        stage.say(&format!(
            "  HubSpot:   {} is called {NEW_FAMILY_NAME} now",
            renamed.name()
        ));
        self.edit_contact(renamed, json!({ "lastname": NEW_FAMILY_NAME }))?;

        let corrected = &cast.corrected.member;
        stage.say(&format!(
            "  Mailchimp: the given name of {} is {CORRECTED_NAME}",
            corrected.name()
        ));
        self.edit_member(corrected, json!({ "FNAME": CORRECTED_NAME }))?;

        let Pair { contact, member } = &cast.conflict;
        stage.say(&format!(
            "  both:      {} gets the number {HUBSPOTS_NUMBER} in HubSpot and {MAILCHIMPS_NUMBER} \
             in Mailchimp: a conflict",
            contact.name()
        ));
        self.edit_contact(contact, json!({ "phone": HUBSPOTS_NUMBER }))?;
        self.edit_member(member, json!({ "PHONE": MAILCHIMPS_NUMBER }))?;

        let leaves = &cast.leaves.member;
        stage.say(&format!("  Mailchimp: {} unsubscribes", leaves.name()));
        self.mailchimp
            .act("unsubscribe", &json!({ "id": leaves.id }))?;

        let deleted = &cast.deleted.contact;
        stage.say(&format!("  HubSpot:   {} is deleted", deleted.name()));
        self.hubspot.act("delete", &json!({ "id": deleted.id }))?;
        Ok(())
    }

    fn edit_contact(&self, contact: &Known, properties: Value) -> Result<()> {
        let wish = json!({ "id": contact.id, "properties": properties });
        self.hubspot.act("edit", &wish).map(|_| ())
    }

    fn edit_member(&self, member: &Known, merge_fields: Value) -> Result<()> {
        let properties = json!({ "merge_fields": merge_fields });
        let wish = json!({ "id": member.id, "properties": properties });
        self.mailchimp.act("edit", &wish).map(|_| ())
    }

    fn nothing_is_written_yet(&self) -> Result<()> {
        let writes = self.hubspot.write_requests()? + self.mailchimp.write_requests()?;
        self.shown(
            "both systems counted 0 requests to write so far",
            writes == 0,
        )
    }

    fn waits_for_a_person(&self) -> Result<()> {
        let reviews = self.stage.ask("matches list", &[0])?;
        let waits = reviews.as_array().into_iter().flatten().any(|review| {
            let values = &review["values"];
            values["given_name"] == SHARING.0 && values["family_name"] == SHARING.1
        });
        let claim = format!(
            "one mailbox and two names: {} {} is not taken for somebody else",
            SHARING.0, SHARING.1
        );
        self.shown(&claim, waits)
    }

    fn asked_are_subscribed(&self, cast: &Cast) -> Result<()> {
        let (_, members) = self.everybody()?;
        let arrived = cast.asked.iter().filter(|asked| {
            let member = by_email(&members, &asked.email);
            member.is_some_and(|member| member.consent == "subscribed")
        });
        let claim = format!(
            "the {} people who asked in HubSpot are subscribed in Mailchimp",
            cast.asked.len()
        );
        self.shown(&claim, arrived.count() == cast.asked.len())
    }

    fn opted_out_stays_out(&self, cast: &Cast) -> Result<()> {
        let (contacts, members) = self.everybody()?;
        let Pair { contact, member } = &cast.opted_out;
        let claim = format!(
            "{} opted out, so they are not subscribed again, and HubSpot says no now",
            contact.name()
        );
        let out = is(&members, member, |now| now.consent == "unsubscribed")
            && is(&contacts, contact, |now| now.consent == "no");
        self.shown(&claim, out)
    }

    fn edits_arrived(&self, cast: &Cast) -> Result<()> {
        let (contacts, members) = self.everybody()?;
        let Cast {
            renamed,
            corrected,
            conflict,
            leaves,
            deleted,
            ..
        } = cast;
        self.shown(
            &format!("Mailchimp has the family name {NEW_FAMILY_NAME}"),
            is(&members, &renamed.member, |now| {
                now.family == NEW_FAMILY_NAME
            }),
        )?;
        self.shown(
            &format!("HubSpot has the given name {CORRECTED_NAME}"),
            is(&contacts, &corrected.contact, |now| {
                now.given == CORRECTED_NAME
            }),
        )?;
        let wanted = digits(HUBSPOTS_NUMBER);
        self.shown(
            &format!("both have {HUBSPOTS_NUMBER}: the rule says that HubSpot's number stands"),
            is(&members, &conflict.member, |now| {
                digits(&now.phone) == wanted
            }) && is(&contacts, &conflict.contact, |now| {
                digits(&now.phone) == wanted
            }),
        )?;
        self.shown(
            &format!("HubSpot knows that {} unsubscribed", leaves.contact.name()),
            is(&contacts, &leaves.contact, |now| now.consent == "no"),
        )?;
        self.shown(
            &format!(
                "{} is gone from HubSpot, was not created there again, and Mailchimp keeps them",
                deleted.contact.name()
            ),
            by_email(&contacts, &deleted.contact.email).is_none()
                && is(&members, &deleted.member, |now| now.consent == "subscribed"),
        )
    }

    /// The person whose phone number was changed on both sides since they agreed.
    fn entity_in_conflict(&self) -> Result<String> {
        let conflicts = self.stage.ask("conflicts list --limit 0", &[0])?;
        let found = conflicts
            .as_array()
            .into_iter()
            .flatten()
            .find(|conflict| conflict["kind"] == "edit" && conflict["field"] == "phone");
        match found.and_then(|conflict| conflict["entity"].as_str()) {
            Some(entity) => Ok(entity.to_owned()),
            None => bail!("the conflict was not recorded: {conflicts}"),
        }
    }

    fn everybody(&self) -> Result<(Vec<Known>, Vec<Known>)> {
        let contacts = contacts(&self.hubspot.dump("contacts")?);
        let members = members(&self.mailchimp.dump("members")?);
        Ok((contacts, members))
    }

    /// Says a claim where it is true, and fails where it is not.
    fn shown(&self, claim: &str, is_true: bool) -> Result<()> {
        if !is_true {
            bail!("this should hold at the systems and does not: {claim}");
        }
        self.stage.say(&format!("  ✓ {claim}"));
        Ok(())
    }
}

fn by_email<'a>(known: &'a [Known], email: &str) -> Option<&'a Known> {
    known
        .iter()
        .find(|one| one.email.eq_ignore_ascii_case(email))
}

/// Whether somebody is there and is as they should be now.
fn is(known: &[Known], who: &Known, test: impl Fn(&Known) -> bool) -> bool {
    known.iter().any(|one| one.id == who.id && test(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tour_of_the_readme_runs_what_the_demo_runs() {
        let readme = include_str!("../../../README.md");
        let tour: Vec<&str> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("concord "))
            // The demo starts its twins on free ports.
            .filter(|line| !line.starts_with("twin "))
            .collect();
        assert_eq!(tour, COMMANDS);
    }

    #[test]
    fn somebody_is_found_by_id_and_by_address() {
        let ann = Known {
            id: "1".into(),
            email: "Ann@x.test".into(),
            given: "Ann".into(),
            family: "Lee".into(),
            phone: String::new(),
            consent: "yes".into(),
        };
        let known = [ann.clone()];
        assert_eq!(by_email(&known, "ann@X.test"), Some(&ann));
        assert_eq!(by_email(&known, "bob@x.test"), None);
        assert!(is(&known, &ann, |now| now.consent == "yes"));
        assert!(!is(&known, &ann, |now| now.consent == "no"));
    }
}
