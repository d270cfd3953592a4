//! Phone numbers.

use rlibphonenumber::enums::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};

/// E.164 where the text is a number (with ` ext. 5` where it has an extension);
/// otherwise, without a region, its digits, and with one the text as it is.
///
/// A text that names its country needs a possible length only.  One that does
/// not has to be a valid number of the region: `0612 790521` is Dutch, has ten
/// digits like an American one, and would become a number of nobody's.
///
/// Parsing costs microseconds, so text that is E.164 already is only looked at.
pub fn phone(text: &str, region: Option<Region>) -> String {
    if is_e164(text) {
        return text.to_owned();
    }
    if let Ok(number) = PHONE_NUMBER_UTIL.parse(text, region)
        && is_number(text, &number)
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

fn is_number(text: &str, number: &PhoneNumber) -> bool {
    let names_its_country = text.trim_start().starts_with(['+', '＋']);
    number.is_valid() || names_its_country && number.is_possible_with_reason().is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those that regulators reserve for examples: 555-01xx in
    /// North America, (0)30 23125xxx in Germany.
    #[test]
    fn a_region_reads_its_own_numbers_and_leaves_others_alone() {
        let check = |text: &str, region: Region, expect: &str| {
            assert_eq!(phone(text, Some(region)), expect, "{text}");
        };
        check("(202) 555-0123", Region::US, "+12025550123");
        check("030 23125 123", Region::DE, "+493023125123");
        check("+49 30 23125 123", Region::US, "+493023125123");
        check("+1 202 555 0123 ext. 5", Region::DE, "+12025550123 ext. 5");
        // National numbers of the Netherlands and of Germany.
        check("0612 790521", Region::US, "0612 790521");
        check(" 030 23125 123 ", Region::US, "030 23125 123");
    }
}
