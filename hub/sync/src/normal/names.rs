//! Do two names speak of the same person?

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fold_space;

/// True where the given or the family name agrees.  An empty name never does.
pub fn names_agree(a_given: &str, a_family: &str, b_given: &str, b_family: &str) -> bool {
    name_agrees(a_family, b_family) || name_agrees(a_given, b_given)
}

/// True where two names are equal, or one edit apart, without regard to case,
/// accents and white space.
pub fn name_agrees(a: &str, b: &str) -> bool {
    let (a, b) = (folded(a), folded(b));
    if a.is_empty() || b.is_empty() {
        return false;
    }
    if a == b {
        return true;
    }
    let (short, long) = {
        let (a, b) = (a.chars().count(), b.chars().count());
        (a.min(b), a.max(b))
    };
    // One edit is a slip in a name of three letters, and another name in one of
    // two; where each sign is a syllable or a word it always is.
    short >= 2
        && long >= 3
        && long - short <= 1
        && !a.chars().chain(b.chars()).any(is_syllable_or_word)
        && strsim::osa_distance(&a, &b) <= 1
}

/// Lower case, without the marks of Latin, Greek and Cyrillic letters.  The
/// marks of other scripts are vowels and stay.
pub(crate) fn folded(name: &str) -> String {
    let lower = name.to_lowercase().replace('ς', "σ");
    let bare: String = lower
        .nfkd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .filter(|c| c.is_alphanumeric() || c.is_whitespace() || is_combining_mark(*c))
        .nfc()
        .collect();
    let mut plain = String::with_capacity(bare.len());
    for letter in bare.chars() {
        match letter {
            // Letters of their own that are written so where they are missing.
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'þ' => plain.push_str("th"),
            'ı' => plain.push('i'),
            other => plain.push(other),
        }
    }
    fold_space(&plain).into_owned()
}

fn is_syllable_or_word(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}'      // kana
        | '\u{3400}'..='\u{9fff}'    // ideographs
        | '\u{ac00}'..='\u{d7af}'    // Hangul syllables
        | '\u{f900}'..='\u{faff}'    // compatibility ideographs
        | '\u{20000}'..='\u{3ffff}') // further ideographs
}
