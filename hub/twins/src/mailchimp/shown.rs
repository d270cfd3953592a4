//! How a member looks in an answer.
//!
//! A page holds up to a thousand members, so they are written straight into
//! the answer, and only what `fields` and `exclude_fields` leave of them.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::audience::Audience;
use super::member::{Member, moment};
use super::merge::{self, MergeField};
use super::select::Selection;

/// In the order of reference/lists/members.
const FIELDS: [&str; 28] = [
    "id",
    "email_address",
    "unique_email_id",
    "contact_id",
    "full_name",
    "web_id",
    "email_type",
    "status",
    "consents_to_one_to_one_messaging",
    "merge_fields",
    "interests",
    "stats",
    "ip_signup",
    "timestamp_signup",
    "ip_opt",
    "timestamp_opt",
    "member_rating",
    "last_changed",
    "language",
    "vip",
    "email_client",
    "location",
    "source",
    "tags_count",
    "tags",
    "list_id",
    "marketing_permissions",
    "_links",
];

/// What all members of an answer have in common.
pub struct Frame<'a> {
    list: &'a Audience,
    selection: &'a Selection,
    /// Where members stand in the answer: `members`, or nowhere for one alone.
    path: &'a [&'a str],
    fields: Vec<&'static str>,
    merge_fields: Vec<&'a MergeField>,
}

impl<'a> Frame<'a> {
    pub fn new(list: &'a Audience, selection: &'a Selection, path: &'a [&'a str]) -> Self {
        let keeps = |name: &str| selection.keeps(&[path, &[name]].concat());
        let keeps_tag = |tag: &str| selection.keeps(&[path, &["merge_fields", tag]].concat());
        Self {
            list,
            selection,
            path,
            fields: FIELDS.into_iter().filter(|name| keeps(name)).collect(),
            merge_fields: list
                .fields
                .iter()
                .filter(|field| keeps_tag(&field.tag))
                .collect(),
        }
    }

    pub fn show(&'a self, member: &'a Member) -> Shown<'a> {
        Shown {
            member,
            frame: self,
        }
    }
}

/// The whole member by itself, without links.
pub fn whole(list: &Audience, member: &Member) -> Value {
    let selection = Selection::new(None, Some("_links"));
    let frame = Frame::new(list, &selection, &[]);
    // Text, numbers and maps with text keys always become JSON.
    serde_json::to_value(frame.show(member)).unwrap_or_default()
}

pub struct Shown<'a> {
    member: &'a Member,
    frame: &'a Frame<'a>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in &self.frame.fields {
            self.entry(&mut map, name)?;
        }
        map.end()
    }
}

impl Shown<'_> {
    fn entry<M: SerializeMap>(&self, map: &mut M, name: &str) -> Result<(), M::Error> {
        let member = self.member;
        match name {
            "id" => map.serialize_entry(name, &member.hash),
            "email_address" => map.serialize_entry(name, &member.email),
            "unique_email_id" => map.serialize_entry(name, &member.hash[..10]),
            "contact_id" => map.serialize_entry(name, &member.contact_id()),
            "full_name" => map.serialize_entry(name, &member.full_name()),
            "web_id" => map.serialize_entry(name, &member.web_id),
            "email_type" => map.serialize_entry(name, &member.email_type),
            "status" => map.serialize_entry(name, member.status.name()),
            "consents_to_one_to_one_messaging" => map.serialize_entry(name, &true),
            "merge_fields" => map.serialize_entry(name, &MergeFields(self)),
            "interests" => map.serialize_entry(name, &json!({})),
            "stats" => self.object(map, name, json!({"avg_open_rate": 0, "avg_click_rate": 0})),
            "ip_signup" => map.serialize_entry(name, &member.ip_signup),
            "timestamp_signup" => map.serialize_entry(name, &moment(member.timestamp_signup)),
            "ip_opt" => map.serialize_entry(name, &member.ip_opt),
            "timestamp_opt" => map.serialize_entry(name, &moment(member.timestamp_opt)),
            "member_rating" => map.serialize_entry(name, &2),
            "last_changed" => map.serialize_entry(name, &moment(Some(member.last_changed))),
            "language" => map.serialize_entry(name, &member.language),
            "vip" => map.serialize_entry(name, &member.vip),
            "email_client" => map.serialize_entry(name, ""),
            "location" => {
                let nowhere = json!({
                    "latitude": 0, "longitude": 0, "gmtoff": 0, "dstoff": 0,
                    "country_code": "", "timezone": "", "region": "",
                });
                self.object(map, name, nowhere)
            }
            "source" => map.serialize_entry(name, &member.source),
            "tags_count" => map.serialize_entry(name, &member.tags.len()),
            "tags" => self.object(map, name, self.tags()),
            "list_id" => map.serialize_entry(name, &self.frame.list.id),
            "marketing_permissions" => map.serialize_entry(name, &json!([])),
            "_links" => self.object(map, name, links(&self.frame.list.id, &member.hash)),
            _ => Ok(()),
        }
    }

    /// A part with parts of its own, of which some may not be asked for.
    fn object<M: SerializeMap>(
        &self,
        map: &mut M,
        name: &str,
        value: Value,
    ) -> Result<(), M::Error> {
        let path = [self.frame.path, &[name]].concat();
        map.serialize_entry(name, &self.frame.selection.apply_below(&path, value))
    }

    fn tags(&self) -> Value {
        let tags = self.member.tags.iter();
        tags.map(|name| json!({"id": self.frame.list.tag_id(name), "name": name}))
            .collect()
    }
}

struct MergeFields<'a>(&'a Shown<'a>);

impl Serialize for MergeFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = &self.0.member.merge;
        serializer.collect_map(
            self.0
                .frame
                .merge_fields
                .iter()
                .map(|f| (&f.tag, merge::shown(values.get(&f.tag)))),
        )
    }
}

fn links(list_id: &str, hash: &str) -> Value {
    let members = format!("https://us1.api.mailchimp.com/3.0/lists/{list_id}/members");
    let own = format!("{members}/{hash}");
    let forever = format!("{own}/actions/delete-permanent");
    let links = [
        ("self", "GET", &own),
        ("parent", "GET", &members),
        ("update", "PATCH", &own),
        ("upsert", "PUT", &own),
        ("delete", "DELETE", &own),
        ("delete_permanent", "POST", &forever),
    ];
    let link = |(rel, method, href)| json!({"rel": rel, "href": href, "method": method});
    links.into_iter().map(link).collect()
}
