//! Names: N, and FN that follows it.

use concord_sdk::Value;

use crate::card::{Card, NAME_PARTS, Version};
use crate::edit::{set_parts, set_text};
use crate::line::Line;

/// FN follows the names as long as it says no more than they do.  A person's
/// own wording ("Ann from the bakery") is left alone.
pub fn set_name(card: &mut Card, value: &Value) -> Result<(), String> {
    let shown = card.text_of("FN").map(|f| words(&f));
    let before = spellings(&card.name());
    if card.first("N").is_none() && card.text_of("FN").is_some() {
        // The hub read names out of FN: give them to N before changing some.
        let derived = card.name();
        set_parts(card, "N", &NAME_PARTS, &derived)?;
    }
    set_parts(card, "N", &NAME_PARTS, value)?;
    // RFC 2426 §3.1.2: a 3.0 card has an N, even an empty one.
    if card.first("N").is_none() && card.version == Version::V3 {
        card.lines.push(Line::new("N", ";;;;"));
    }
    let ours = match &shown {
        None => Some(0),
        Some(shown) => before.iter().position(|s| s == shown),
    };
    if let Some(spelling) = ours {
        let name = Card {
            version: card.version,
            lines: n_only(card),
        }
        .name();
        let after = &spellings(&name)[spelling];
        if shown.as_ref() != Some(after) {
            set_text(card, "FN", (!after.is_empty()).then_some(after));
        }
    }
    Ok(())
}

fn n_only(card: &Card) -> Vec<Line> {
    card.lines
        .iter()
        .filter(|l| l.name == "N")
        .cloned()
        .collect()
}

/// How names are put together for FN: in full, and given and family only.
fn spellings(name: &Value) -> [String; 2] {
    let join = |parts: &[&str]| {
        let texts = parts
            .iter()
            .filter_map(|p| name.get(p).and_then(Value::as_str));
        words(&texts.collect::<Vec<_>>().join(" "))
    };
    [
        join(&["prefix", "given", "additional", "family", "suffix"]),
        join(&["given", "family"]),
    ]
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a card without names is shown by.
pub fn fallback_name(card: &Card) -> Option<String> {
    let fields = card.fields();
    let texts = [
        fields["nickname"].as_str(),
        fields["org"]["name"].as_str(),
        fields["emails"][0]["value"].as_str(),
        fields["tels"][0]["value"].as_str(),
    ];
    texts.into_iter().flatten().next().map(str::to_owned)
}
