//! The properties that HubSpot defines for contacts and companies, as far as a
//! twin needs them.  Names, types and options are those of the default contact
//! and company properties in HubSpot's documentation.

use super::catalogue::{Catalogue, Kind, Property};

/// In the order of the funnel: an API write never moves a record back in it.
pub(crate) const LIFECYCLE_STAGES: &[&str] = &[
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
];

const LEAD_STATUSES: &[&str] = &[
    "NEW",
    "OPEN",
    "IN_PROGRESS",
    "OPEN_DEAL",
    "UNQUALIFIED",
    "ATTEMPTED_TO_CONTACT",
    "CONNECTED",
    "BAD_TIMING",
];

const LANGUAGES: &[&str] = &[
    "ar", "bg", "de", "el", "en", "es", "fr", "it", "ja", "nl", "pl", "pt",
];

const INDUSTRIES: &[&str] = &[
    "ACCOUNTING",
    "COMPUTER_SOFTWARE",
    "CONSTRUCTION",
    "DESIGN",
    "FOOD_PRODUCTION",
    "RETAIL",
    "PRINTING",
    "MARITIME",
];

const LEGAL_BASES: &[&str] = &[
    "Legitimate interest – prospect/lead",
    "Legitimate interest – existing customer",
    "Performance of a contract",
    "Freely given consent from contact",
    "Not applicable",
];

pub(crate) fn contacts() -> Catalogue {
    let group = "contactinformation";
    let mut list = counted(group, "lastmodifieddate");
    list.extend([
        text(group, "email").unique(),
        text(group, "firstname"),
        text(group, "lastname"),
        text(group, "salutation"),
        text(group, "phone").shown_as("phonenumber"),
        text(group, "mobilephone").shown_as("phonenumber"),
        text(group, "fax"),
        text(group, "company"),
        text(group, "jobtitle"),
        text(group, "website"),
        text(group, "address"),
        text(group, "city"),
        text(group, "state"),
        text(group, "zip"),
        text(group, "country"),
        text(group, "date_of_birth"),
        text(group, "message").shown_as("textarea"),
        choice(group, "hs_language", LANGUAGES),
        choice(group, "lifecyclestage", LIFECYCLE_STAGES),
        choice(group, "hs_lead_status", LEAD_STATUSES),
        several(group, "hs_legal_basis", LEGAL_BASES),
        plain(group, "associatedcompanyid", Kind::Number),
        plain(group, "hs_email_optout", Kind::Bool).read_only(),
        several(group, "hs_additional_emails", &[]).read_only(),
        several(group, "hs_merged_object_ids", &[]).read_only(),
    ]);
    Catalogue::new(list)
}

pub(crate) fn companies() -> Catalogue {
    let group = "companyinformation";
    let mut list = counted(group, "hs_lastmodifieddate");
    list.extend([
        text(group, "name"),
        text(group, "domain"),
        text(group, "phone").shown_as("phonenumber"),
        text(group, "website"),
        text(group, "address"),
        text(group, "address2"),
        text(group, "city"),
        text(group, "state"),
        text(group, "zip"),
        text(group, "country"),
        text(group, "description").shown_as("textarea"),
        choice(group, "industry", INDUSTRIES),
        choice(group, "lifecyclestage", LIFECYCLE_STAGES),
        plain(group, "numberofemployees", Kind::Number),
        plain(group, "annualrevenue", Kind::Number),
        several(group, "hs_merged_object_ids", &[]).read_only(),
    ]);
    Catalogue::new(list)
}

/// What HubSpot counts itself, in the order of the reserved slots.
fn counted(group: &str, modified: &str) -> Vec<Property> {
    vec![
        plain(group, "hs_object_id", Kind::Number).read_only(),
        plain(group, "createdate", Kind::DateTime).read_only(),
        plain(group, modified, Kind::DateTime).read_only(),
    ]
}

fn text(group: &str, name: &str) -> Property {
    plain(group, name, Kind::Text)
}

fn choice(group: &str, name: &str, options: &[&str]) -> Property {
    plain(group, name, Kind::Choice).with_options(options)
}

fn several(group: &str, name: &str, options: &[&str]) -> Property {
    plain(group, name, Kind::Choices).with_options(options)
}

fn plain(group: &str, name: &str, kind: Kind) -> Property {
    let field_type = match kind {
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Bool => "booleancheckbox",
        Kind::Date | Kind::DateTime => "date",
        Kind::Choice => "select",
        Kind::Choices => "checkbox",
    };
    Property {
        name: name.to_owned(),
        label: name.to_owned(),
        group: group.to_owned(),
        kind,
        field_type: field_type.to_owned(),
        options: Vec::new(),
        read_only: false,
        unique: false,
        custom: false,
    }
}

impl Property {
    fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    fn shown_as(mut self, field_type: &str) -> Self {
        self.field_type = field_type.to_owned();
        self
    }

    fn with_options(mut self, options: &[&str]) -> Self {
        self.options = options
            .iter()
            .map(|value| ((*value).to_owned(), (*value).to_owned()))
            .collect();
        self
    }
}
