//! WebDAV (RFC 4918) as far as an address book needs it: the bodies of
//! requests, and what a multistatus answer says.

use concord_sdk::prelude::*;
use roxmltree::{Document, Node};

const DAV: &str = "DAV:";
const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";

/// What one response of a multistatus says about one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    pub href: String,
    /// The resource's own status; none where only its properties have one.
    pub status: Option<u16>,
    pub etag: Option<String>,
    pub address_data: Option<String>,
    pub modified_at: Option<i64>,
    pub display_name: Option<String>,
    pub is_address_book: bool,
    pub can_sync: bool,
    pub principal: Option<String>,
    pub homes: Vec<String>,
}

impl Resource {
    pub fn is_missing(&self) -> bool {
        matches!(self.status, Some(404 | 410))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multistatus {
    pub resources: Vec<Resource>,
    pub sync_token: Option<String>,
}

impl Multistatus {
    pub fn parse(body: &str) -> Result<Multistatus, String> {
        let document = Document::parse(body).map_err(|e| format!("not XML: {e}"))?;
        let root = document.root_element();
        if !root.has_tag_name((DAV, "multistatus")) {
            return Err(format!(
                "a multistatus was expected, not '{}'",
                root.tag_name().name()
            ));
        }
        Ok(Multistatus {
            resources: children(root, DAV, "response").map(resource).collect(),
            sync_token: text_of(root, DAV, "sync-token"),
        })
    }
}

fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    space: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |n| n.has_tag_name((space, name)))
}

fn child<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    space: &'static str,
    name: &'static str,
) -> Option<Node<'a, 'i>> {
    children(node, space, name).next()
}

fn text_of(node: Node<'_, '_>, space: &'static str, name: &'static str) -> Option<String> {
    let text = child(node, space, name)?.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The number in `HTTP/1.1 404 Not Found`.
fn status_of(node: Node<'_, '_>) -> Option<u16> {
    text_of(node, DAV, "status")?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn resource(response: Node<'_, '_>) -> Resource {
    let mut resource = Resource {
        href: text_of(response, DAV, "href").unwrap_or_default(),
        status: status_of(response),
        ..Resource::default()
    };
    let mut refused = None;
    let mut any_found = false;
    for propstat in children(response, DAV, "propstat") {
        match status_of(propstat) {
            Some(200) => {
                any_found = true;
                if let Some(props) = child(propstat, DAV, "prop") {
                    read_props(props, &mut resource);
                }
            }
            status => refused = refused.or(status),
        }
    }
    if resource.status.is_none() && !any_found {
        resource.status = refused;
    }
    resource
}

fn read_props(props: Node<'_, '_>, resource: &mut Resource) {
    resource.etag = text_of(props, DAV, "getetag").or(resource.etag.take());
    resource.display_name = text_of(props, DAV, "displayname").or(resource.display_name.take());
    if let Some(data) = child(props, CARDDAV, "address-data") {
        // A long card may come as several pieces of text (CDATA).
        resource.address_data = Some(data.children().filter_map(|n| n.text()).collect());
    }
    if let Some(date) = text_of(props, DAV, "getlastmodified") {
        resource.modified_at = time::parse_http_date(&date);
    }
    if let Some(kind) = child(props, DAV, "resourcetype") {
        resource.is_address_book |= child(kind, CARDDAV, "addressbook").is_some();
    }
    if let Some(reports) = child(props, DAV, "supported-report-set") {
        resource.can_sync |= reports
            .descendants()
            .any(|n| n.has_tag_name((DAV, "sync-collection")));
    }
    if let Some(principal) = child(props, DAV, "current-user-principal") {
        resource.principal = text_of(principal, DAV, "href");
    }
    if let Some(home) = child(props, CARDDAV, "addressbook-home-set") {
        resource.homes = children(home, DAV, "href")
            .filter_map(|n| n.text())
            .map(|href| href.trim().to_owned())
            .collect();
    }
}

/// The precondition that an error body names (RFC 4918 §16), if it does.
pub fn condition(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let document = Document::parse(text).ok()?;
    let root = document.root_element();
    if !root.has_tag_name((DAV, "error")) {
        return None;
    }
    root.first_element_child()
        .map(|n| n.tag_name().name().to_owned())
}

/// Text inside of an element.
pub fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

pub fn propfind_body() -> &'static str {
    r#"<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop><resourcetype/><displayname/><supported-report-set/><current-user-principal/><C:addressbook-home-set/></prop></propfind>"#
}

/// RFC 6578 §3.2; no token asks for everything.
pub fn sync_body(token: Option<&str>) -> String {
    let token = xml_text(token.unwrap_or_default());
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>"#
    )
}

/// RFC 6352 §8.7.
pub fn multiget_body<'a>(hrefs: impl Iterator<Item = &'a str>) -> String {
    let mut body = String::from(
        r#"<?xml version="1.0" encoding="utf-8"?><C:addressbook-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop><getetag/><getlastmodified/><C:address-data/></prop>"#,
    );
    for href in hrefs {
        body.push_str("<href>");
        body.push_str(&xml_text(href));
        body.push_str("</href>");
    }
    body.push_str("</C:addressbook-multiget>");
    body
}

/// RFC 6352 §8.6: the cards whose property has exactly this value, but for case.
pub fn query_body(property: &str, value: &str) -> String {
    let value = xml_text(value);
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><C:addressbook-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop><getetag/></prop><C:filter><C:prop-filter name="{property}"><C:text-match collation="i;unicode-casemap" match-type="equals">{value}</C:text-match></C:prop-filter></C:filter></C:addressbook-query>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delta_of_a_real_server_is_read() {
        let delta = Multistatus::parse(include_str!("../fixtures/delta.xml")).unwrap();
        assert!(
            delta
                .sync_token
                .unwrap()
                .starts_with("http://radicale.org/ns/sync/")
        );
        let (gone, here): (Vec<_>, Vec<_>) = delta.resources.iter().partition(|r| r.is_missing());
        assert_eq!(
            gone.iter().map(|r| r.href.as_str()).collect::<Vec<_>>(),
            ["/ann/contacts/u3.vcf"]
        );
        assert_eq!(here.len(), 2);
        assert!(
            here.iter()
                .all(|r| r.etag.as_ref().is_some_and(|e| e.starts_with('"')))
        );
    }

    #[test]
    fn the_cards_of_a_real_server_are_read() {
        let cards = Multistatus::parse(include_str!("../fixtures/multiget.xml")).unwrap();
        let by_href = |href: &str| cards.resources.iter().find(|r| r.href == href).unwrap();
        assert!(by_href("/ann/contacts/none.vcf").is_missing());
        let card = by_href("/ann/contacts/u2.vcf");
        assert_eq!(card.status, None);
        assert!(
            card.address_data
                .as_ref()
                .unwrap()
                .contains("ORG:Lee & Sons;Sales")
        );
    }

    #[test]
    fn discovery_answers_are_read() {
        let home = Multistatus::parse(include_str!("../fixtures/home.xml")).unwrap();
        let book = home.resources.iter().find(|r| r.is_address_book).unwrap();
        assert_eq!(
            (
                book.href.as_str(),
                book.display_name.as_deref(),
                book.can_sync
            ),
            ("/ann/contacts/", Some("Contacts"), true)
        );
        let root = Multistatus::parse(include_str!("../fixtures/principal.xml")).unwrap();
        assert_eq!(root.resources[0].principal.as_deref(), Some("/ann/"));
    }

    #[test]
    fn errors_name_their_condition() {
        let body = include_bytes!("../fixtures/unknown-token.xml");
        assert_eq!(condition(body).as_deref(), Some("valid-sync-token"));
        assert_eq!(condition(b"Forbidden"), None);
    }

    #[test]
    fn a_removal_told_by_its_properties_counts_too() {
        // RFC 4918 §9.1: all properties of the resource refused.
        let body = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/a.vcf</d:href><d:propstat><d:prop><d:getetag/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response></d:multistatus>"#;
        assert!(Multistatus::parse(body).unwrap().resources[0].is_missing());
    }
}
