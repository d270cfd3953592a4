//! Phone numbers.

use rlibphonenumber::enums::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

/// E.164 where the text is a possible number (with ` ext. 5` where it has an
/// extension); otherwise, without a region, its digits, and with one the text
/// as it is.
///
/// Parsing costs microseconds, so text that is E.164 already is only looked at.
pub fn phone(text: &str, region: Option<Region>) -> String {
    if is_e164(text) {
        return text.to_owned();
    }
    if let Ok(number) = PHONE_NUMBER_UTIL.parse(text, region)
        && number.is_possible_with_reason().is_ok()
    {
        let e164 = number.format_as(PhoneNumberFormat::E164);
        return match number.extension.as_deref() {
            Some(extension) if !extension.is_empty() => format!("{e164} ext. {extension}"),
            _ => e164.into_owned(),
        };
    }
    if region.is_some() {
        return text.trim().to_owned();
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    // A text without a digit is no number at all; it is compared as it is.
    if digits.is_empty() {
        text.trim().to_owned()
    } else {
        digits
    }
}

/// At most 15 digits after the plus sign, the first of them not 0 (ITU-T E.164).
fn is_e164(text: &str) -> bool {
    match text.as_bytes() {
        [b'+', b'1'..=b'9', rest @ ..] => {
            (6..=14).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}
