//! Lenses that would write over each other.

use concord_core::FieldName;

use crate::lens::{Element, Lens, Place, Rule};

/// One place in the remote record that a lens writes.
struct Target<'a> {
    lens: &'a Lens,
    place: TargetPlace<'a>,
}

enum TargetPlace<'a> {
    Steps(Vec<&'a str>),
    Element(&'a Element),
}

/// The first field that cannot stand beside another, with the reason.
pub(super) fn first(lenses: &[Lens]) -> Option<(&FieldName, String)> {
    for lens in lenses {
        if let Some(problem) = lonely_half(lens, lenses) {
            return Some((&lens.field, problem));
        }
    }
    let targets: Vec<Target<'_>> = lenses
        .iter()
        .filter(|lens| lens.writes())
        .flat_map(targets)
        .collect();
    for (index, one) in targets.iter().enumerate() {
        for other in &targets[index + 1..] {
            if overlap(&one.place, &other.place) && !are_halves(one.lens, other.lens) {
                return Some((
                    &other.lens.field,
                    format!(
                        "it writes the same remote field as '{}'; give one of them \
                         'direction: read'",
                        one.lens.field
                    ),
                ));
            }
        }
    }
    None
}

/// A half of a name without the other half.
fn lonely_half(lens: &Lens, lenses: &[Lens]) -> Option<String> {
    let Rule::Split(split) = &lens.rule else {
        return None;
    };
    let partner = lenses.iter().find(|other| other.field == split.with);
    if partner.is_some_and(|partner| are_halves(lens, partner)) {
        return None;
    }
    Some(format!(
        "it is one half of a name, and '{}' is not the other: give it the same path and direction, \
         'part' of the other half, and 'with: {}'",
        split.with, lens.field
    ))
}

fn are_halves(one: &Lens, other: &Lens) -> bool {
    match (&one.rule, &other.rule) {
        (Rule::Split(a), Rule::Split(b)) => {
            a.with == other.field
                && b.with == one.field
                && a.part != b.part
                && one.place == other.place
                && one.direction == other.direction
        }
        _ => false,
    }
}

fn targets(lens: &Lens) -> Vec<Target<'_>> {
    let place = |place| Target { lens, place };
    match (&lens.place, &lens.rule) {
        (Place::Element(element), _) => vec![place(TargetPlace::Element(element))],
        (Place::Path(base), Rule::Group(group)) => group
            .parts
            .iter()
            .map(|part| {
                place(TargetPlace::Steps(
                    base.steps().chain(part.path.steps()).collect(),
                ))
            })
            .collect(),
        (Place::Path(path), _) => vec![place(TargetPlace::Steps(path.steps().collect()))],
        (Place::Record, Rule::Group(group)) => group
            .parts
            .iter()
            .map(|part| place(TargetPlace::Steps(part.path.steps().collect())))
            .collect(),
        (Place::Record, _) => Vec::new(),
    }
}

fn overlap(one: &TargetPlace<'_>, other: &TargetPlace<'_>) -> bool {
    match (one, other) {
        (TargetPlace::Steps(a), TargetPlace::Steps(b)) => is_prefix(a, b),
        (TargetPlace::Element(a), TargetPlace::Element(b)) => {
            let (list_a, list_b): (Vec<_>, Vec<_>) =
                (a.path.steps().collect(), b.path.steps().collect());
            is_prefix(&list_a, &list_b) && (list_a != list_b || !a.is_apart_from(b))
        }
        (TargetPlace::Steps(path), TargetPlace::Element(element))
        | (TargetPlace::Element(element), TargetPlace::Steps(path)) => {
            let list: Vec<&str> = element.path.steps().collect();
            is_prefix(&list, path)
        }
    }
}

/// True where one of the two paths leads through the other.
fn is_prefix(a: &[&str], b: &[&str]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}
