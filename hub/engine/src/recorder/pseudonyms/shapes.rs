//! What a word or a number looks like.

use concord_core::Timestamp;

/// A number of so many digits may be somebody's: a telephone, an account, an id.
pub(super) const LONG: usize = 5;

const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;

pub(super) fn all_digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// A digest or a part of a UUID stays one, or its connector would not read it.
pub(super) fn is_hexadecimal(word: &str) -> bool {
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Capital where the word is.
pub(super) fn cased(word: &str, other: &str) -> String {
    if word.chars().count() != other.chars().count() {
        return other.to_owned();
    }
    let pairs = word.chars().zip(other.chars());
    let cased = pairs.flat_map(|(like, char)| match like.is_uppercase() {
        true => char.to_uppercase().collect::<Vec<_>>(),
        false => vec![char],
    });
    cased.collect()
}

/// The length of `%41` or `&amp;` at the beginning.
pub(super) fn escape(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.first()? {
        b'%' => {
            let two = bytes.get(1..3)?;
            two.iter().all(u8::is_ascii_hexdigit).then_some(3)
        }
        b'&' => {
            let end = text.find(';').filter(|end| (2..=8).contains(end))?;
            let inner = &bytes[1..end];
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
            inner.iter().all(plain).then_some(end + 1)
        }
        _ => None,
    }
}

/// The length of a moment at the beginning, as `2026-11-24T01:30:00Z` or
/// `20261124T013000Z`: when a record was changed says nothing of whom it is of.
pub(super) fn moment(text: &str) -> Option<usize> {
    let start = ["dddd-dd-ddTdd:dd", "dddd-dd-dd dd:dd", "ddddddddTdddddd"]
        .into_iter()
        .find(|shape| begins(text, shape))?
        .len();
    let tail = |byte: u8| byte.is_ascii_digit() || b":.Z+-".contains(&byte);
    let tail = text.bytes().skip(start).take_while(|byte| tail(*byte));
    Some(start + tail.count())
}

/// Without the moment that it is.
pub(super) fn without_moment(text: &str) -> &str {
    match moment(text) {
        Some(end) => &text[end..],
        None => text,
    }
}

/// The length of a day at the beginning, with dashes or without.
pub(super) fn day(text: &str) -> Option<usize> {
    let length = ["dddd-dd-dd", "dddddddd"]
        .into_iter()
        .find(|shape| begins(text, shape))?
        .len();
    let more = text.as_bytes().get(length);
    if more.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut digits = text[..length].bytes().filter(u8::is_ascii_digit);
    let mut number = |count| {
        let digits = digits.by_ref().take(count);
        digits.fold(0_u32, |all, digit| all * 10 + u32::from(digit - b'0'))
    };
    let (year, month, day) = (number(4), number(2), number(2));
    let is_day = (1850..=2150).contains(&year) && (1..=12).contains(&month);
    (is_day && (1..=31).contains(&day)).then_some(length)
}

/// Whether a text is nothing but a number of groups, `0664/123 45 67`.
pub(super) fn is_telephone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let others = |char: char| char.is_ascii_digit() || "+()-./ ".contains(char);
    digits >= LONG && text.chars().all(others) && day(text).is_none() && moment(text).is_none()
}

/// Milliseconds since 1970 that are near the moment of the recording; of a number
/// that is no text also seconds, which look like a telephone's otherwise.
pub(super) fn is_moment_number(digits: &str, now: Timestamp, seconds: bool) -> bool {
    let near = |ms: i64| (now.millis() - 10 * YEAR_MS..=now.millis() + YEAR_MS).contains(&ms);
    match (digits.len(), digits.parse::<i64>()) {
        (13, Ok(ms)) => near(ms),
        (10, Ok(at)) if seconds => near(at * 1_000),
        _ => false,
    }
}

/// `d` is a digit, everything else itself.
fn begins(text: &str, shape: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= shape.len()
        && shape.bytes().zip(bytes).all(|(like, byte)| match like {
            b'd' => byte.is_ascii_digit(),
            like => like == *byte,
        })
}
