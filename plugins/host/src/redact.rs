//! Strikes a connection's secrets out of text that people or files will see.
//!
//! A plugin is never given a secret, but a system may echo one (a debugging
//! endpoint, an error that quotes the request), and what a plugin logs or says
//! must not carry it on.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use concord_core::ports::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const STRUCK: &str = "[secret]";

/// Encoded pieces shorter than this say too little about a secret and occur too
/// often by chance.
const SHORTEST_PIECE: usize = 4;

pub struct Redactor {
    /// Longest first, so that a secret inside another leaves nothing behind.
    needles: Vec<String>,
}

impl Redactor {
    pub fn new(secrets: &[Secret]) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            let text = secret.expose();
            if !text.is_empty() {
                needles.push(text.to_owned());
                needles.extend(escaped_forms(text));
                needles.extend(base64_forms(text.as_bytes()));
            }
        }
        // `Authorization: Basic` joins two of them.  Which is the name and which
        // the password is not known here, and does not matter.
        for name in secrets {
            for password in secrets {
                let pair = format!("{}:{}", name.expose(), password.expose());
                if pair.len() > 1 {
                    needles.extend(base64_forms(pair.as_bytes()));
                }
            }
        }
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self { needles }
    }

    pub fn clean(&self, text: impl Into<String>) -> String {
        let mut text = text.into();
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = text.replace(needle.as_str(), STRUCK);
            }
        }
        text
    }
}

/// The secret as it looks inside JSON text, URLs and form bodies.
fn escaped_forms(text: &str) -> Vec<String> {
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    // Which of these characters a writer leaves as they are differs from one to
    // the next: RFC 3986 calls them unreserved, forms keep `*` instead of `~`.
    let lenient = percent
        .replace("%2D", "-")
        .replace("%2E", ".")
        .replace("%5F", "_");
    let uri = lenient.replace("%7E", "~");
    let form = lenient.replace("%2A", "*").replace("%20", "+");
    let mut forms = vec![
        lowercase_hex(&percent),
        lowercase_hex(&uri),
        lowercase_hex(&form),
        percent,
        uri,
        form,
    ];
    if let Ok(json) = serde_json::to_string(text) {
        forms.push(json[1..json.len() - 1].to_owned());
    }
    forms
}

/// `%2F` as `%2f`, everything else as it is.
fn lowercase_hex(percent: &str) -> String {
    let mut left = 0;
    percent
        .chars()
        .map(|c| {
            if c == '%' {
                left = 2;
                c
            } else if left > 0 {
                left -= 1;
                c.to_ascii_lowercase()
            } else {
                c
            }
        })
        .collect()
}

/// The secret in base64, on its own and inside a longer text.  Base64 groups
/// three bytes, so the same bytes look different at each of three offsets; the
/// characters that also depend on the neighbours are left out.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(bytes));
        for (offset, shared) in [(0, 0), (1, 2), (2, 3)] {
            let mut shifted = vec![0; offset];
            shifted.extend_from_slice(bytes);
            let own_end = shifted.len() * 8 / 6;
            let encoded = engine.encode(&shifted);
            if let Some(piece) = encoded.get(shared..own_end)
                && piece.len() >= SHORTEST_PIECE
            {
                forms.push(piece.to_owned());
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn check(secrets: &[&str], text: &str, expected: &str) {
        let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::new(*s)).collect();
        assert_eq!(Redactor::new(&secrets).clean(text), expected);
    }

    #[test]
    fn a_secret_is_struck_out_as_it_is_and_encoded() {
        // Encodings by RFC 4648 and RFC 3986, written out by hand.
        let cases = [
            ("tok-123", "sent tok-123!", "sent [secret]!"),
            ("a/b c?d", "at ?k=a%2Fb%20c%3Fd&x", "at ?k=[secret]&x"),
            ("a/b c?d", "at ?k=a%2fb%20c%3fd&x", "at ?k=[secret]&x"),
            ("a/b c?d", "body k=a%2Fb+c%3Fd", "body k=[secret]"),
            ("say \"hi\"", r#"{"k":"say \"hi\""}"#, r#"{"k":"[secret]"}"#),
            ("foobar", "is Zm9vYmFy", "is [secret]"),
            ("nothing", "nothing left", "[secret] left"),
            ("", "empty strikes nothing", "empty strikes nothing"),
        ];
        for (secret, text, expected) in cases {
            check(&[secret], text, expected);
        }
    }

    #[test]
    fn the_pair_of_basic_is_struck_out() {
        // RFC 7617 §2: Aladdin and "open sesame".
        check(
            &["Aladdin", "open sesame"],
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic [secret]==",
        );
    }

    #[test]
    fn a_secret_inside_longer_base64_leaves_nothing_of_itself() {
        let secret = "canary-4f1d";
        for prefix in ["", "x", "xy", "xyz", "user:"] {
            for suffix in ["", "s", "st", "\n"] {
                let text = STANDARD.encode(format!("{prefix}{secret}{suffix}"));
                let clean = Redactor::new(&[Secret::new(secret)]).clean(text.clone());
                assert!(clean.contains(STRUCK), "{prefix}{secret}{suffix}: {clean}");
                let kept = clean.replace(STRUCK, "").len();
                // At most the characters shared with a neighbour stay, of which
                // each side has at most a whole group.
                let outside = text.len() - secret.len() * 8 / 6;
                assert!(kept <= outside + 2, "{clean}");
            }
        }
    }

    #[test]
    fn the_longer_of_two_overlapping_secrets_goes_first() {
        check(&["abc", "abcdef"], "abcdef abc", "[secret] [secret]");
    }
}
