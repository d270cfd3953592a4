//! What of a canonical record says who it is, read off its schema.

use concord_core::schema::{EntitySchema, FieldKind, FieldSpec, Identity, Shape};
use concord_core::{Entity, FieldName, Value};

use super::blocking::skeleton;
use super::corpus::Form;
use super::feature::{Feature, Kind, street_and_number};

/// The members of an address, and what each is; a street line holds the number
/// too.
const ADDRESS: [(&str, Kind); 5] = [
    ("street", Kind::Street),
    ("extra", Kind::Extra),
    ("city", Kind::Locality),
    ("postal_code", Kind::PostalCode),
    ("region", Kind::Region),
];

/// The features of a kind of entity, and where their values stand.
#[derive(Clone, Debug)]
pub struct Subject {
    form: Form,
    fields: Vec<(FieldName, Option<Kind>)>,
}

impl Subject {
    /// None for a kind of which no field is a name: orders and invoices are told
    /// apart by their numbers alone.
    pub fn of(schema: &EntitySchema) -> Option<Self> {
        let mut fields = Vec::new();
        let mut features: Vec<Feature> = Vec::new();
        let mut add = |name: &str, kind: Kind| match features.iter_mut().find(|f| f.kind == kind) {
            Some(known) => known.width += 1,
            None => features.push(Feature::new(name, kind)),
        };
        for spec in schema.fields.values().filter(|s| s.shape == Shape::One) {
            if spec.kind == FieldKind::Group && spec.members.contains_key("postal_code") {
                for (member, kind) in ADDRESS {
                    if spec.members.contains_key(member) {
                        add(member, kind);
                        if kind == Kind::Street {
                            add("house_number", Kind::HouseNumber);
                        }
                    }
                }
                fields.push((spec.name.clone(), None));
            } else if let Some(kind) = kind_of(spec) {
                add(spec.name.as_str(), kind);
                fields.push((spec.name.clone(), Some(kind)));
            }
        }
        let is_name = |feature: &Feature| matches!(feature.kind, Kind::FamilyName | Kind::Name);
        features.iter().any(is_name).then(|| Self {
            form: Form::new(features),
            fields,
        })
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The values of a record by feature, as they are written.
    pub fn values<'v>(&self, value: impl Fn(&str) -> &'v Value) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut add = |kind: Kind, text: &str| {
            if let (Some(at), false) = (self.form.position(kind), text.is_empty()) {
                found.push((at, text.to_owned()));
            }
        };
        for (field, kind) in &self.fields {
            let value = value(field.as_str());
            match kind {
                Some(kind) => add(*kind, value.as_str().unwrap_or_default()),
                None => {
                    for (member, kind) in ADDRESS {
                        let text = value
                            .get(member)
                            .and_then(Value::as_str)
                            .unwrap_or_default();
                        if kind == Kind::Street {
                            let (street, number) = street_and_number(text);
                            add(Kind::Street, &street);
                            add(Kind::HouseNumber, &number);
                        } else {
                            add(kind, text);
                        }
                    }
                }
            }
        }
        found
    }

    /// The blocks that a record is in: at most two, for each costs a row in the
    /// store.  The first is made of the whole name, by its skeleton and in
    /// either order; the second of the day of birth with an initial or, where
    /// that is not known, of the place with an initial.
    pub fn blocks(&self, entity: &Entity) -> Vec<String> {
        let values = self.values(|field| entity.value(field));
        let prepared = |kind: Kind| -> String {
            let at = self.form.position(kind);
            let value = values.iter().find(|(feature, _)| Some(*feature) == at);
            value.map_or_else(String::new, |(_, raw)| kind.prepare(raw).into_owned())
        };
        let initial = |kind: Kind| prepared(kind).chars().next();
        let mut blocks = Vec::new();
        let whole = prepared(Kind::Name);
        let (given, family) = (prepared(Kind::GivenName), prepared(Kind::FamilyName));
        if !whole.is_empty() {
            blocks.push(format!("name:{}", skeleton(&whole)));
        } else if !given.is_empty() && !family.is_empty() {
            let mut halves = [skeleton(&given), skeleton(&family)];
            halves.sort();
            blocks.push(format!("name:{}", halves.join(" ")));
        }
        let born = prepared(Kind::BirthDate);
        let (code, house) = (prepared(Kind::PostalCode), prepared(Kind::HouseNumber));
        if let Some(initial) = initial(Kind::FamilyName).or_else(|| initial(Kind::GivenName)) {
            if !born.is_empty() && !born.starts_with("0000") {
                blocks.push(format!("born:{born} {initial}"));
            } else if !code.is_empty() && !house.is_empty() {
                blocks.push(format!("at:{code} {house} {initial}"));
            }
        }
        blocks
    }
}

fn kind_of(spec: &FieldSpec) -> Option<Kind> {
    Some(match (spec.identity, &spec.kind) {
        (Some(Identity::GivenName), _) => Kind::GivenName,
        (Some(Identity::FamilyName), _) => Kind::FamilyName,
        (Some(Identity::Name), _) => Kind::Name,
        (Some(Identity::BirthDate), _) => Kind::BirthDate,
        (Some(Identity::Company), _) => Kind::Company,
        (_, FieldKind::Email) => Kind::Email,
        (_, FieldKind::Phone) => Kind::Phone,
        (Some(Identity::Key), _) => Kind::Identifier,
        _ => return None,
    })
}
