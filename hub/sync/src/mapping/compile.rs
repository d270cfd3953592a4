//! From the written mapping to lenses.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::schema::{FieldKind, MergeRule, Normaliser, Pii, Shape};
use concord_core::{EntitySchema, FieldName, FieldSpec, Kind, StreamName};
use serde_saphyr::Spanned;

use super::document::{At, ConsentDocument, LensDocument, MappingDocument, StreamDocument};
use super::error::expected;
use super::{MappingError, RequiredField, StreamMapping, collide, scalars};
use crate::lens::{
    ConsentCodec, Element, GroupCodec, Lens, LensDirection, NameSplit, Part, Place, ReferenceCodec,
    Rule, SetCodec, Template,
};
use crate::normal;
use crate::schemas::Schemas;

/// The kind of each stream of the mapping.
pub(super) type Kinds = BTreeMap<String, Kind>;

pub(super) fn kinds(document: &MappingDocument, schemas: &Schemas) -> Result<Kinds, MappingError> {
    let mut kinds = Kinds::new();
    for (name, stream) in &document.streams {
        let Some(stream) = stream else { continue };
        let wrong = |problem: String| MappingError::Stream {
            at: At::of(stream),
            stream: name.clone(),
            problem,
        };
        let Some(entity) = &stream.value.entity else {
            let known = schemas.kinds();
            return Err(wrong(format!(
                "'entity' must name the kind: one of {known}"
            )));
        };
        let Some(schema) = schemas.get(entity) else {
            let names: Vec<&str> = schemas.iter().map(|s| s.kind.as_str()).collect();
            let expected = expected(entity, &names);
            return Err(wrong(format!(
                "there is no kind of entity '{entity}'; {expected}"
            )));
        };
        kinds.insert(name.clone(), schema.kind.clone());
    }
    Ok(kinds)
}

pub(super) fn stream(
    name: &str,
    document: &Spanned<StreamDocument>,
    kinds: &Kinds,
    schemas: &Schemas,
) -> Result<StreamMapping, MappingError> {
    let wrong = |problem: String| MappingError::Stream {
        at: At::of(document),
        stream: name.to_owned(),
        problem,
    };
    let schema = kinds
        .get(name)
        .and_then(|kind| schemas.get(kind.as_str()))
        .ok_or_else(|| wrong("its kind has no schema".into()))?;
    let mut lenses = Vec::new();
    for (field, lens) in &document.value.fields {
        let Some(lens) = lens else {
            return Err(wrong(format!(
                "field '{field}' has no lens; write {{ path: … }}"
            )));
        };
        let at_field = |problem: String| MappingError::Field {
            at: At::of(lens),
            stream: name.to_owned(),
            field: field.clone(),
            problem,
        };
        lenses.push(compile(field, &lens.value, schema, kinds).map_err(at_field)?);
    }
    if let Some((field, problem)) = collide::first(&lenses) {
        let lens = document.value.fields.get(field.as_str());
        return Err(MappingError::Field {
            at: lens
                .and_then(Option::as_ref)
                .map(At::of)
                .unwrap_or_default(),
            stream: name.to_owned(),
            field: field.to_string(),
            problem,
        });
    }
    Ok(StreamMapping {
        stream: StreamName::new(name),
        kind: schema.kind.clone(),
        hash: hash(lenses.iter().map(|lens| lens.hash.as_str())),
        remote_fields: StreamMapping::all_remote_fields(&lenses),
        lenses,
        create_requires: required_fields(&document.value, schema).map_err(wrong)?,
    })
}

fn required_fields(
    document: &StreamDocument,
    schema: &EntitySchema,
) -> Result<Vec<RequiredField>, String> {
    let mut required = Vec::new();
    for (field, status) in &document.create_requires {
        let Some(spec) = schema.field(field) else {
            return Err(format!(
                "create-requires: a {} has no field '{field}'",
                schema.kind
            ));
        };
        let known: &[&str] = match spec.kind {
            FieldKind::Consent => &["opted_in", "opted_out", "present"],
            _ => &["present"],
        };
        if !known.contains(&status.as_str()) {
            return Err(format!(
                "create-requires: '{field}' can be {}, not '{status}'",
                known.join(", ")
            ));
        }
        required.push(RequiredField {
            field: FieldName::new(field),
            status: status.clone(),
        });
    }
    Ok(required)
}

fn compile(
    field: &str,
    document: &LensDocument,
    schema: &EntitySchema,
    kinds: &Kinds,
) -> Result<Lens, String> {
    let makes_its_own = document.constant.is_some() || document.computed.is_some();
    let spec = match schema.field(field) {
        Some(spec) => spec.clone(),
        None if makes_its_own => made_up(field),
        None => {
            let names: Vec<&str> = schema.fields.keys().map(FieldName::as_str).collect();
            return Err(format!(
                "a {} has no such field; {}",
                schema.kind,
                expected(field, &names)
            ));
        }
    };
    let rule = rule(document, &spec, schema, kinds)?;
    let place = place(document, &rule)?;
    let direction = match (document.direction, makes_its_own) {
        (Some(LensDirection::Both | LensDirection::Read), true) => {
            return Err("a constant or computed value is only written: 'direction: write'".into());
        }
        (_, true) => LensDirection::Write,
        (given, false) => given.unwrap_or_default(),
    };
    Ok(Lens {
        field: FieldName::new(field),
        hash: lens_hash(document, &spec)?,
        remote_fields: remote_fields(&place, &rule),
        spec,
        direction,
        place,
        rule,
        rewrites: document.rewrites.clone(),
    })
}

/// A constant or computed value needs no canonical field behind it.
fn made_up(field: &str) -> FieldSpec {
    FieldSpec {
        name: FieldName::new(field),
        kind: FieldKind::Text,
        shape: Shape::One,
        normaliser: Normaliser::Text,
        identity: None,
        pii: Pii::None,
        merge: MergeRule::Latest,
        values: Vec::new(),
        members: BTreeMap::new(),
        description: String::new(),
    }
}

fn place(document: &LensDocument, rule: &Rule) -> Result<Place, String> {
    let path = match (&document.path, &document.consent) {
        (Some(_), Some(_)) => return Err("a consent has its 'path' inside 'consent'".into()),
        (None, Some(consent)) => Some(&consent.path),
        (path, None) => path.as_ref(),
    };
    let Some(path) = path else {
        return match rule {
            Rule::Group(_) if document.list.is_none() => Ok(Place::Record),
            _ => Err("'path' must name the remote field".into()),
        };
    };
    if !path.is_well_formed() {
        return Err(format!("the path '{path}' has an empty step"));
    }
    let Some(list) = &document.list else {
        return Ok(Place::Path(path.clone()));
    };
    if let Some(value) = &list.value
        && list.with.contains_key(value.first())
    {
        return Err(format!(
            "'{value}' cannot be both the tag that finds the element and its value"
        ));
    }
    Ok(Place::Element(Element {
        path: path.clone(),
        with: list.with.clone(),
        without: list.without.clone(),
        value: list.value.clone(),
    }))
}

fn rule(
    document: &LensDocument,
    spec: &FieldSpec,
    schema: &EntitySchema,
    kinds: &Kinds,
) -> Result<Rule, String> {
    scalars::only_one_form(document)?;
    if let Some(value) = &document.constant {
        return Ok(Rule::Constant(value.clone()));
    }
    if let Some(text) = &document.computed {
        let template = Template::parse(text).map_err(|e| e.to_string())?;
        let names: Vec<&str> = schema.fields.keys().map(FieldName::as_str).collect();
        if let Some(wrong) = template.fields().find(|name| !names.contains(name)) {
            return Err(format!(
                "computed: no field '{wrong}'; {}",
                expected(wrong, &names)
            ));
        }
        return Ok(Rule::Computed(template));
    }
    if spec.shape == Shape::Set {
        return set(document);
    }
    if document.set.is_some() {
        return Err("it is not a set: 'set' does not fit".into());
    }
    match (&spec.kind, document) {
        (
            FieldKind::Group,
            LensDocument {
                group: Some(parts), ..
            },
        ) => group(parts, spec),
        (FieldKind::Group, _) => Err("it is a group: say 'group: { member: { path: … } }'".into()),
        (_, LensDocument { group: Some(_), .. }) => Err("it is not a group".into()),
        (
            FieldKind::Consent,
            LensDocument {
                consent: Some(consent),
                ..
            },
        ) => consent_rule(consent),
        (FieldKind::Consent, _) => {
            Err("it is a consent: say 'consent: { path: …, opted-in: […], opted-out: […] }'".into())
        }
        (
            _,
            LensDocument {
                consent: Some(_), ..
            },
        ) => Err("it is not a consent".into()),
        (
            FieldKind::Reference(kind),
            LensDocument {
                reference: Some(reference),
                ..
            },
        ) => match kinds.get(&reference.stream) {
            Some(other) if other == kind => Ok(Rule::Reference(ReferenceCodec {
                stream: StreamName::new(&reference.stream),
                form: reference.form,
            })),
            Some(other) => Err(format!(
                "it refers to a {kind}, and the records of stream '{}' are of kind {other}",
                reference.stream
            )),
            None => {
                let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
                Err(format!(
                    "reference: the mapping has no stream '{}'; {}",
                    reference.stream,
                    expected(&reference.stream, &names)
                ))
            }
        },
        (FieldKind::Reference(kind), _) => Err(format!(
            "it refers to a {kind}: say 'reference: {{ stream: … }}'"
        )),
        (
            _,
            LensDocument {
                reference: Some(_), ..
            },
        ) => Err("it is not a reference".into()),
        (
            FieldKind::Text,
            LensDocument {
                split: Some(split), ..
            },
        ) => Ok(Rule::Split(NameSplit {
            part: split.part,
            with: FieldName::new(&split.with),
        })),
        (_, LensDocument { split: Some(_), .. }) => Err("only a text can be part of a name".into()),
        _ => scalars::scalar(document, spec).map(Rule::Scalar),
    }
}

fn set(document: &LensDocument) -> Result<Rule, String> {
    let mut codec = SetCodec::default();
    if let Some(set) = &document.set {
        codec.of = set.of.clone();
        codec.separator = set.separator.clone();
    } else if scalars::has_form(document) {
        return Err("it is a set: take 'set: { of: … }' or nothing but a path".into());
    }
    match (&codec.of, codec.separator.as_deref()) {
        (Some(_), Some(_)) => Err("set: 'of' and 'separator' exclude each other".into()),
        (_, Some("")) => Err("set: the separator is empty".into()),
        _ => Ok(Rule::Set(codec)),
    }
}

fn group(parts: &BTreeMap<String, LensDocument>, spec: &FieldSpec) -> Result<Rule, String> {
    let mut compiled = Vec::new();
    for (name, document) in parts {
        let at = |problem: String| format!("member '{name}': {problem}");
        let Some(member) = spec.members.get(name.as_str()) else {
            let names: Vec<&str> = spec.members.keys().map(FieldName::as_str).collect();
            return Err(at(format!(
                "there is no such member; {}",
                expected(name, &names)
            )));
        };
        scalars::only_one_form(document).map_err(at)?;
        if scalars::is_structure(document) || document.list.is_some() {
            return Err(at("a member of a group is one value".into()));
        }
        if document.direction.is_some() {
            return Err(at(
                "a group moves as one: give the direction to the group".into()
            ));
        }
        let path = document.path.clone().filter(|path| path.is_well_formed());
        compiled.push(Part {
            member: FieldName::new(name),
            scalar: scalars::scalar(document, member).map_err(at)?,
            spec: member.clone(),
            path: path.ok_or_else(|| at("'path' must name the remote field".into()))?,
            rewrites: document.rewrites.clone(),
        });
    }
    if compiled.is_empty() {
        return Err("a group needs at least one member".into());
    }
    Ok(Rule::Group(GroupCodec { parts: compiled }))
}

fn consent_rule(document: &ConsentDocument) -> Result<Rule, String> {
    let all = document
        .opted_in
        .iter()
        .chain(&document.opted_out)
        .chain(&document.neither);
    let mut seen = BTreeSet::new();
    for word in all {
        if !seen.insert(word.to_string()) {
            return Err(format!("consent: {word} is listed twice"));
        }
    }
    if document.opted_out.is_empty() {
        return Err("consent: 'opted-out' must name the remote value of a refusal".into());
    }
    Ok(Rule::Consent(ConsentCodec {
        opted_in: document.opted_in.clone(),
        opted_out: document.opted_out.clone(),
        neither: document.neither.clone(),
        at: document.at.clone(),
    }))
}

fn remote_fields(place: &Place, rule: &Rule) -> Vec<String> {
    let mut names = BTreeSet::new();
    match place {
        Place::Record => {}
        Place::Path(path) => {
            names.insert(path.first().to_owned());
        }
        Place::Element(element) => {
            names.insert(element.path.first().to_owned());
        }
    }
    match rule {
        Rule::Group(group) if *place == Place::Record => {
            names.extend(group.parts.iter().map(|part| part.path.first().to_owned()));
        }
        Rule::Consent(ConsentCodec { at: Some(at), .. }) => {
            names.insert(at.first().to_owned());
        }
        Rule::Scalar(scalar) => {
            names.extend(scalar.currency().map(|path| path.first().to_owned()));
        }
        _ => {}
    }
    names.into_iter().collect()
}

/// What a lens and the normaliser of its field compute, as a short text.
fn lens_hash(document: &LensDocument, spec: &FieldSpec) -> Result<String, String> {
    // Description, merge rule and privacy class change no value.
    let spec = FieldSpec {
        description: String::new(),
        merge: MergeRule::Latest,
        pii: Pii::None,
        ..spec.clone()
    };
    let text =
        serde_json::to_string(&(normal::VERSION, document, &spec)).map_err(|e| e.to_string())?;
    Ok(hash([text.as_str()].into_iter()))
}

fn hash<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
