//! A vCard as the fields that the hub reads.
//!
//! The field names are this connector's own, since vCard has properties rather
//! than a record; `discover` lists them and BEHAVIOR.md says which property
//! each one is.

use concord_sdk::{Fields, Value};
use serde_json::json;

use crate::contact::Contact;
use crate::line::{Line, logical_lines, split_escaped, unescape};

/// RFC 6350 §5.3: 1 is the most preferred; a line without a preference comes
/// after all that have one.
const NO_PREFERENCE: u32 = 101;

pub const NAME_PARTS: [&str; 5] = ["family", "given", "additional", "prefix", "suffix"];
pub const ORG_PARTS: [&str; 2] = ["name", "unit"];
pub const ADDRESS_PARTS: [&str; 7] = [
    "pobox",
    "extended",
    "street",
    "city",
    "region",
    "postal_code",
    "country",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V3,
    V4,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub version: Version,
    /// Everything between VERSION and END, in the order of the card.
    pub lines: Vec<Line>,
}

/// Why a resource cannot be taken as a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotACard(pub String);

impl Card {
    pub fn parse(text: &str) -> Result<Card, NotACard> {
        let raw = logical_lines(text);
        let is = |line: Option<&String>, what: &str| {
            line.is_some_and(|l| l.trim().eq_ignore_ascii_case(what))
        };
        if !is(raw.first(), "BEGIN:VCARD") || !is(raw.last(), "END:VCARD") || raw.len() < 3 {
            return Err(NotACard(
                "it is not enclosed in BEGIN:VCARD and END:VCARD".into(),
            ));
        }
        let mut version = None;
        let mut lines = Vec::with_capacity(raw.len());
        for text in &raw[1..raw.len() - 1] {
            let Some(line) = Line::parse(text) else {
                let start: String = text.chars().take(40).collect();
                return Err(NotACard(format!("'{start}' is not a property of a vCard")));
            };
            match line.name.as_str() {
                "VERSION" => version = Some(line.value.trim().to_owned()),
                // RFC 6352 §5.1: one card in each resource.
                "BEGIN" | "END" => return Err(NotACard("it holds more than one card".into())),
                _ => lines.push(line),
            }
        }
        let version = match version.as_deref() {
            Some("3.0") => Version::V3,
            Some("4.0") => Version::V4,
            Some(other) => {
                return Err(NotACard(format!(
                    "it is vCard {other}; CardDAV has 3.0 and 4.0"
                )));
            }
            None => return Err(NotACard("it has no VERSION".into())),
        };
        Ok(Card { version, lines })
    }

    pub fn text(&self) -> String {
        let version = match self.version {
            Version::V3 => "3.0",
            Version::V4 => "4.0",
        };
        let mut text = format!("BEGIN:VCARD\r\nVERSION:{version}\r\n");
        for line in &self.lines {
            text.push_str(line.raw());
            text.push_str("\r\n");
        }
        text.push_str("END:VCARD\r\n");
        text
    }

    /// False for groups, organisations and places (RFC 6350 §6.1.4, and the
    /// spellings that Apple uses in 3.0).
    pub fn is_individual(&self) -> bool {
        let kind = self
            .first("KIND")
            .or(self.first("X-ADDRESSBOOKSERVER-KIND"));
        let company = self
            .first("X-ABSHOWAS")
            .is_some_and(|l| l.value.eq_ignore_ascii_case("company"));
        !company && kind.is_none_or(|l| l.value.trim().eq_ignore_ascii_case("individual"))
    }

    pub fn first(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|l| l.name == name)
    }

    /// The index of the line of that name which its owner prefers.
    pub fn preferred(&self, name: &str, counts: impl Fn(&Line) -> bool) -> Option<usize> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, l)| l.name == name && counts(l))
            .min_by_key(|(i, l)| (preference(l), *i))
            .map(|(i, _)| i)
    }

    pub fn text_of(&self, name: &str) -> Option<String> {
        filled(unescape(&self.first(name)?.value))
    }

    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        let mut set = |name: &str, value: Value| {
            fields.insert(name.to_owned(), value);
        };
        set("uid", text(self.text_of("UID")));
        set("fn", text(self.text_of("FN")));
        set("n", self.name());
        set(
            "nickname",
            text(self.first("NICKNAME").and_then(|l| first_of_list(&l.value))),
        );
        set("org", parts(self.first("ORG"), &ORG_PARTS));
        set("title", text(self.text_of("TITLE")));
        set("bday", text(self.first("BDAY").and_then(birthday)));
        set("note", text(self.text_of("NOTE")));
        set("url", text(self.text_of("URL")));
        set("categories", Value::from(self.categories()));
        set("emails", self.contacts(Contact::Email));
        set("tels", self.contacts(Contact::Tel));
        let address = self.preferred("ADR", |_| true).map(|i| &self.lines[i]);
        set("address", parts(address, &ADDRESS_PARTS));
        fields
    }

    /// N, or where a card has only FN what FN says: the last word is taken as
    /// the family name, and a single word as the given name.
    pub fn name(&self) -> Value {
        let name = parts(self.first("N"), &NAME_PARTS);
        if !name.is_null() {
            return name;
        }
        let Some(full) = self.text_of("FN") else {
            return Value::Null;
        };
        let (given, family) = match full.trim().rsplit_once(char::is_whitespace) {
            Some((given, family)) => (given.trim(), Some(family)),
            None => (full.trim(), None),
        };
        json!({"family": family, "given": given, "additional": null, "prefix": null, "suffix": null})
    }

    fn categories(&self) -> Vec<String> {
        let lines = self.lines.iter().filter(|l| l.name == "CATEGORIES");
        lines.flat_map(|l| list(&l.value)).collect()
    }

    fn contacts(&self, contact: Contact) -> Value {
        let main = self.preferred(contact.property(), |l| contact.can_be_main(l));
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, l)| l.name == contact.property())
            .filter_map(|(i, l)| {
                let rank = if Some(i) == main { "main" } else { "other" };
                let value = filled(contact.value(l))?;
                Some(json!({"rank": rank, "type": contact.kind(l), "value": value}))
            })
            .collect()
    }
}

fn preference(line: &Line) -> u32 {
    let stated = line.param("PREF").and_then(|p| p.parse().ok());
    stated.unwrap_or(if line.types().any(|t| t == "pref") {
        1
    } else {
        NO_PREFERENCE
    })
}

fn filled(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

fn text(value: Option<String>) -> Value {
    value.map_or(Value::Null, Value::String)
}

pub fn list(value: &str) -> Vec<String> {
    split_escaped(value, ',')
        .into_iter()
        .filter_map(|v| filled(unescape(v).trim().to_owned()))
        .collect()
}

fn first_of_list(value: &str) -> Option<String> {
    list(value).into_iter().next()
}

/// A structured value as an object; null where every part is empty.
fn parts(line: Option<&Line>, names: &[&str]) -> Value {
    let Some(line) = line else {
        return Value::Null;
    };
    let values = split_escaped(&line.value, ';');
    let part = |i: usize| filled(unescape(values.get(i).unwrap_or(&"")).trim().to_owned());
    if (0..names.len()).all(|i| part(i).is_none()) {
        return Value::Null;
    }
    let members = names
        .iter()
        .enumerate()
        .map(|(i, name)| ((*name).to_owned(), text(part(i))));
    Value::Object(members.collect())
}

/// `YYYY-MM-DD`, or `--MM-DD` where the card leaves out the year; what is
/// neither stays as it is.
fn birthday(line: &Line) -> Option<String> {
    let value = filled(unescape(&line.value))?;
    let date = value.trim().split('T').next().unwrap_or_default();
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    let shape: String = date
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (year, month_day) = match shape.as_str() {
        "0000-00-00" | "00000000" => (&digits[..4], &digits[4..]),
        "--00-00" | "--0000" => ("-", &digits[..]),
        _ => return Some(value),
    };
    // Apple writes a birthday without a year as one in 1604, and says so.
    let year = if line.param("X-APPLE-OMIT-YEAR") == Some(year) {
        "-"
    } else {
        year
    };
    Some(format!("{year}-{}-{}", &month_day[..2], &month_day[2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(body: &str) -> Card {
        Card::parse(&format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\n{body}\r\nEND:VCARD\r\n"
        ))
        .unwrap()
    }

    fn field(body: &str, name: &str) -> Value {
        card(body).fields()[name].clone()
    }

    #[test]
    fn every_mapped_property_is_read() {
        let cases = [
            ("UID:u1", "uid", json!("u1")),
            (
                "N:van der Berg;Ann;Marie;Dr.;",
                "n",
                json!({"family":"van der Berg","given":"Ann","additional":"Marie","prefix":"Dr.","suffix":null}),
            ),
            (
                "FN:Ann Lee",
                "n",
                json!({"family":"Lee","given":"Ann","additional":null,"prefix":null,"suffix":null}),
            ),
            (
                "N:;;;;\r\nFN:Cher",
                "n",
                json!({"family":null,"given":"Cher","additional":null,"prefix":null,"suffix":null}),
            ),
            (
                "ORG:Lee\\, Sons;Sales;East",
                "org",
                json!({"name":"Lee, Sons","unit":"Sales"}),
            ),
            ("ORG:;", "org", Value::Null),
            ("NOTE:one\\ntwo", "note", json!("one\ntwo")),
            (
                "CATEGORIES:vip,a\\,b\r\nCATEGORIES:news",
                "categories",
                json!(["vip", "a,b", "news"]),
            ),
            ("NICKNAME:Annie,Nan", "nickname", json!("Annie")),
            (
                "ADR;TYPE=HOME:;;a;b;c;d;e\r\nADR;TYPE=WORK,pref:;2nd floor;Main St 1;Bern;;3000;Schweiz",
                "address",
                json!({"pobox":null,"extended":"2nd floor","street":"Main St 1","city":"Bern","region":null,"postal_code":"3000","country":"Schweiz"}),
            ),
            ("TITLE: ", "title", Value::Null),
        ];
        for (body, name, expect) in cases {
            assert_eq!(field(body, name), expect, "{body}");
        }
    }

    #[test]
    fn birthdays_come_in_the_forms_of_both_versions() {
        // RFC 6350 §6.2.5 and §4.3.1, RFC 2426 §3.1.5.
        let cases = [
            ("BDAY:1996-04-15", json!("1996-04-15")),
            ("BDAY:19960415", json!("1996-04-15")),
            ("BDAY:--0415", json!("--04-15")),
            ("BDAY:1953-10-15T23:10:00Z", json!("1953-10-15")),
            ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-15", json!("--04-15")),
            ("BDAY;VALUE=text:circa 1800", json!("circa 1800")),
        ];
        for (body, expect) in cases {
            assert_eq!(field(body, "bday"), expect, "{body}");
        }
    }

    #[test]
    fn the_preferred_address_is_the_main_one_and_a_fax_never_is() {
        assert_eq!(
            field(
                "EMAIL;TYPE=INTERNET,WORK:a@example.com\r\nitem1.EMAIL;type=HOME;type=pref:b@example.net",
                "emails"
            ),
            json!([{"rank":"other","type":"work","value":"a@example.com"},
                   {"rank":"main","type":"home","value":"b@example.net"}])
        );
        assert_eq!(
            field(
                "TEL;TYPE=FAX,WORK:1\r\nTEL;VALUE=uri;TYPE=\"voice,cell\";PREF=2:tel:+1-555\r\nTEL;PREF=1:3",
                "tels"
            ),
            json!([{"rank":"other","type":"fax","value":"1"},
                   {"rank":"other","type":"cell","value":"+1-555"},
                   {"rank":"main","type":"","value":"3"}])
        );
    }

    #[test]
    fn a_card_leaves_as_it_came() {
        let text = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:u\r\nFN:Ann\r\nPHOTO:data:image/png;base64,AA\r\n AA\r\nitem1.X-FOO;X-P=\"a;b\":c\\,d\r\nEND:VCARD\r\n";
        assert_eq!(Card::parse(text).unwrap().text(), text);
    }

    #[test]
    fn what_is_no_card_says_why() {
        let cases = [
            ("hello", "enclosed"),
            ("BEGIN:VCARD\nVERSION:2.1\nEND:VCARD", "vCard 2.1"),
            ("BEGIN:VCARD\nFN:x\nEND:VCARD", "no VERSION"),
            (
                "BEGIN:VCARD\nVERSION:3.0\nnonsense\nEND:VCARD",
                "'nonsense'",
            ),
            (
                "BEGIN:VCARD\nVERSION:3.0\nEND:VCARD\nBEGIN:VCARD\nEND:VCARD",
                "more than one",
            ),
        ];
        for (text, expect) in cases {
            let NotACard(reason) = Card::parse(text).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        }
    }

    #[test]
    fn groups_and_companies_are_no_individuals() {
        assert!(card("FN:x").is_individual());
        assert!(card("KIND:individual").is_individual());
        for other in [
            "KIND:group",
            "X-ADDRESSBOOKSERVER-KIND:group",
            "X-ABShowAs:COMPANY",
            "KIND:org",
        ] {
            assert!(!card(other).is_individual(), "{other}");
        }
    }
}
