//! What of a record says who it is: its features, and how each is prepared.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::normal;

/// How the values of a feature are prepared and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    GivenName,
    FamilyName,
    /// A whole name: an organization's.
    Name,
    /// A number given by an authority.
    Identifier,
    Email,
    Phone,
    BirthDate,
    Company,
    Street,
    HouseNumber,
    /// A further line of the address.
    Extra,
    Locality,
    PostalCode,
    Region,
}

/// How two values compare.  What a level means for a kind is said by
/// [`Level::words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Level {
    /// One of both has no value: nothing is known.
    Absent,
    Exact,
    /// What stands here at one stands in the neighbouring field of the other.
    Crossed,
    /// One is the initial of the other.
    Initial,
    Close,
    Near,
    Loose,
    Differs,
}

/// How many levels there are, `Absent` included.
pub const LEVELS: usize = 8;

impl Level {
    pub const ALL: [Level; LEVELS] = [
        Level::Absent,
        Level::Exact,
        Level::Crossed,
        Level::Initial,
        Level::Close,
        Level::Near,
        Level::Loose,
        Level::Differs,
    ];

    /// What this level means for a kind, as an explanation says it.
    pub fn words(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Level::Absent, _) => "not known of both",
            (Level::Exact, _) => "equal",
            (Level::Crossed, Kind::BirthDate) => "day and month swapped",
            (Level::Crossed, _) => "swapped with the neighbouring field",
            (Level::Initial, _) => "an initial of the other",
            (Level::Close, kind) if kind.is_text() => "nearly equal",
            (Level::Close, Kind::Email) => "nearly equal",
            (Level::Close, _) => "one slip apart",
            (Level::Near, Kind::BirthDate) => "equal but for one of year, month and day",
            (Level::Near, Kind::Email) => "the same name at another host",
            (Level::Near, Kind::Phone) => "the same but for its beginning",
            (Level::Near, _) => "much alike",
            (Level::Loose, _) => "somewhat alike",
            (Level::Differs, _) => "different",
        }
    }
}

impl Kind {
    /// Compared by likeness of letters.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Kind::GivenName
                | Kind::FamilyName
                | Kind::Name
                | Kind::Company
                | Kind::Street
                | Kind::Extra
                | Kind::Locality
        )
    }

    /// What people under one roof, in one office or on one switchboard have in
    /// common without being the same person.
    pub fn is_shared(self) -> bool {
        !matches!(
            self,
            Kind::GivenName | Kind::Name | Kind::Identifier | Kind::BirthDate
        )
    }

    /// Where a value that stands in the wrong field stands.
    pub fn neighbour(self) -> Option<Kind> {
        Some(match self {
            Kind::GivenName => Kind::FamilyName,
            Kind::FamilyName => Kind::GivenName,
            Kind::Street => Kind::Extra,
            Kind::Extra => Kind::Street,
            _ => return None,
        })
    }

    /// The levels that a comparison of this kind can have.
    pub fn levels(self) -> &'static [Level] {
        use Level::{Close, Crossed, Differs, Exact, Initial, Loose, Near};
        match self {
            Kind::GivenName => &[Exact, Crossed, Initial, Close, Near, Loose, Differs],
            Kind::FamilyName | Kind::Street | Kind::Extra => {
                &[Exact, Crossed, Close, Near, Loose, Differs]
            }
            Kind::Name | Kind::Company | Kind::Locality => &[Exact, Close, Near, Loose, Differs],
            Kind::BirthDate => &[Exact, Crossed, Close, Near, Differs],
            Kind::Email | Kind::Phone => &[Exact, Close, Near, Differs],
            Kind::Identifier | Kind::HouseNumber | Kind::PostalCode | Kind::Region => {
                &[Exact, Close, Differs]
            }
        }
    }

    /// How often the values of this kind occur is a property of the population:
    /// that two people are called Smith says less than that two are called
    /// Featherstonehaugh.  The others are many and evenly spread, or handed out to
    /// one holder at a time.
    pub fn has_common_values(self) -> bool {
        !matches!(
            self,
            Kind::Identifier | Kind::Email | Kind::Phone | Kind::BirthDate
        )
    }

    /// The value in the form in which it is compared; empty where it says
    /// nothing about who somebody is.
    pub fn prepare(self, raw: &str) -> Cow<'_, str> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Cow::Borrowed("");
        }
        match self {
            Kind::GivenName | Kind::FamilyName | Kind::Street | Kind::Extra | Kind::Locality => {
                letters(raw)
            }
            Kind::Name | Kind::Company => company(raw),
            Kind::Identifier | Kind::HouseNumber | Kind::PostalCode | Kind::Region => code(raw),
            Kind::BirthDate => date(raw),
            Kind::Phone => Cow::Owned(normal::phone(raw, None)),
            Kind::Email => email(raw),
        }
    }
}

/// One feature of a form: what an explanation calls it, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    pub name: String,
    pub kind: Kind,
    /// How many values a record may have of it (three phone numbers).
    pub width: usize,
}

impl Feature {
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            width: 1,
        }
    }
}

fn is_plain(text: &str) -> bool {
    let mut before = ' ';
    text.bytes().all(|byte| {
        let good =
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || (byte == b' ' && before != ' ');
        before = char::from(byte);
        good
    })
}

/// Lower-case words without accents; whatever is no letter or digit parts them.
fn letters(raw: &str) -> Cow<'_, str> {
    if is_plain(raw) {
        return Cow::Borrowed(raw);
    }
    let bare = normal::folded(
        &raw.replace(['\'', '’', '.'], "")
            .replace(['-', '/', ','], " "),
    );
    Cow::Owned(bare)
}

/// What says under which law a company stands, and not which one it is.
const LEGAL_FORMS: [&str; 24] = [
    "ab",
    "ag",
    "as",
    "bv",
    "co",
    "corp",
    "corporation",
    "gmbh",
    "inc",
    "incorporated",
    "kg",
    "limited",
    "llc",
    "llp",
    "ltd",
    "nv",
    "oy",
    "plc",
    "pty",
    "sa",
    "sarl",
    "sas",
    "spa",
    "srl",
];

fn company(raw: &str) -> Cow<'_, str> {
    let bare = letters(raw);
    let mut words: Vec<&str> = bare.split(' ').collect();
    while words.len() > 1 && words.last().is_some_and(|last| LEGAL_FORMS.contains(last)) {
        words.pop();
    }
    Cow::Owned(words.join(" "))
}

/// Letters and digits alone, in lower case.
fn code(raw: &str) -> Cow<'_, str> {
    if raw
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    {
        return Cow::Borrowed(raw);
    }
    let bare = raw.chars().filter(|c| c.is_alphanumeric());
    Cow::Owned(bare.flat_map(char::to_lowercase).collect())
}

/// Eight digits, `YYYYMMDD`; `0000MMDD` where the year is not known.
fn date(raw: &str) -> Cow<'_, str> {
    let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        8 => Cow::Owned(digits),
        4 if raw.starts_with('-') => Cow::Owned(format!("0000{digits}")),
        _ => Cow::Borrowed(""),
    }
}

/// Lower case; nothing where it is the address of a desk.
fn email(raw: &str) -> Cow<'_, str> {
    let lower = raw.to_lowercase();
    if normal::is_role_address(&lower) || !lower.contains('@') {
        return Cow::Borrowed("");
    }
    Cow::Owned(lower)
}

/// The house number and the rest of a line such as `12 Main St` or
/// `Hauptstraße 5a`: every word with a digit in it belongs to the number.
pub fn street_and_number(line: &str) -> (String, String) {
    let (numbers, words): (Vec<&str>, Vec<&str>) = line
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .partition(|word| word.chars().any(|c| c.is_ascii_digit()));
    (words.join(" "), numbers.join(" "))
}
