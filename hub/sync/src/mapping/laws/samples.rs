//! Values to try a lens with: the same ones in every run.

use concord_core::schema::{FieldKind, Shape};
use concord_core::{FieldSpec, Fields, Value};
use serde_json::json;

use crate::lens::{Lens, NamePart, Rule, Scalar};
use crate::mapping::StreamMapping;

/// A whole canonical record.
pub(super) fn record(mapping: &StreamMapping) -> Fields {
    mapping
        .lenses
        .iter()
        .filter_map(|lens| {
            let value = match &lens.rule {
                // A lone word that is both names at once reads as either, so
                // these are no words of `one`.
                Rule::Split(split) if split.part == NamePart::Given => json!("Bea"),
                Rule::Split(_) => json!("Lee"),
                _ => of(lens).into_iter().nth(1)?,
            };
            Some((lens.field.to_string(), value))
        })
        .collect()
}

/// Values of a lens's field; empty comes first.
pub(super) fn of(lens: &Lens) -> Vec<Value> {
    let mut values = vec![Value::Null];
    match (&lens.rule, lens.spec.shape) {
        (Rule::Reference(reference), _) => {
            values.extend(
                [7, 4_000_000_000_i64].map(|id| json!(format!("{}/{id}", reference.stream))),
            );
        }
        (Rule::Group(group), _) => {
            for index in 0..4 {
                let members = group.parts.iter().enumerate().filter_map(|(place, part)| {
                    let mut choices = of_scalar(&part.scalar, &part.spec);
                    // Every second member is left out once.
                    let is_in = index != 2 || place % 2 == 0;
                    let value = choices.swap_remove(index % choices.len());
                    is_in.then(|| (part.member.to_string(), value))
                });
                values.push(Value::Object(members.collect()));
            }
        }
        (_, Shape::Set) => {
            let all = one(&lens.spec);
            values.push(json!([all[0]]));
            values.push(Value::Array(all.iter().take(3).cloned().collect()));
            values.push(json!(["VIP", "two words"]));
        }
        (Rule::Scalar(scalar), _) => values.extend(of_scalar(scalar, &lens.spec)),
        _ => values.extend(one(&lens.spec)),
    }
    values
}

/// An enum can stand for any text, and then only its words fit.
fn of_scalar(scalar: &Scalar, spec: &FieldSpec) -> Vec<Value> {
    match scalar {
        Scalar::Enum(codec) if spec.values.is_empty() => {
            codec.words.iter().map(|(word, _)| json!(word)).collect()
        }
        _ => one(spec),
    }
}

/// Values that are not empty.
fn one(spec: &FieldSpec) -> Vec<Value> {
    let texts = |all: &[&str]| all.iter().map(|text| json!(text)).collect();
    match &spec.kind {
        FieldKind::Text => {
            let mut all: Vec<Value> =
                texts(&["Ann", "van der Berg", "O'Brien-Śmith", "0", "山田 太郎"]);
            all.push(json!("long ".repeat(60).trim_end()));
            all.extend((1..4).map(random_text));
            all
        }
        FieldKind::Email => texts(&["ann@example.com", "Ann.Lee+news@Example.org"]),
        FieldKind::Phone => texts(&["+14155552671", "+4930901820", "+442071838750"]),
        FieldKind::Date => texts(&[
            "2026-11-21",
            "1931-02-28",
            "2000-02-29",
            "1999-12-31",
            "--02-29",
        ]),
        FieldKind::Timestamp => texts(&[
            "2026-11-21T10:00:00Z",
            "1999-12-31T23:59:59Z",
            // An hour that the clocks of much of Europe show twice.
            "2026-10-25T01:30:00Z",
            "2026-07-01T12:00:00.5Z",
        ]),
        FieldKind::Decimal => texts(&["12.50", "0", "-3.1", "1234567.89", "0.01", "100", "2.675"]),
        FieldKind::Integer => vec![
            json!(42),
            json!(0),
            json!(-1),
            json!(9_007_199_254_740_993_i64),
        ],
        FieldKind::Boolean => vec![json!(true), json!(false)],
        FieldKind::Country => texts(&["DE", "US", "GB", "KR"]),
        FieldKind::Language => texts(&["de", "en", "pt-BR"]),
        FieldKind::Currency => texts(&["EUR", "JPY", "USD"]),
        FieldKind::Enum => spec.values.iter().map(|word| json!(word)).collect(),
        FieldKind::Consent => vec![
            json!({"status": "opted_in", "at": null}),
            json!({"status": "opted_out", "at": null}),
        ],
        FieldKind::Reference(kind) => vec![json!(format!("{kind}/7"))],
        FieldKind::Group => vec![json!({})],
    }
}

/// Text of letters of several scripts, spaces and signs, by a fixed recurrence
/// (the mixing function of SplitMix64).
fn random_text(seed: u64) -> Value {
    const LETTERS: [char; 16] = [
        'a', 'Z', 'é', 'ß', 'Ж', 'ω', '字', '9', ' ', '-', '\'', '.', '&', 'ñ', 'k', 'İ',
    ];
    let mut state = seed;
    let letters = (0..12).map(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        LETTERS[(mixed >> 60) as usize]
    });
    let text: String = letters.collect();
    json!(text.trim())
}
