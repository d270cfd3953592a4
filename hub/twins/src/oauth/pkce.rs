//! Proof key for code exchange (RFC 7636), of which only `S256` is here: `plain`
//! protects from nothing that a twin should teach.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::form::Form;
use super::refusal::Refusal;

/// The challenge of an authorization request; none where it has none and needs
/// none.
pub(crate) fn challenge(form: &Form, required: bool) -> Result<Option<String>, Refusal> {
    match (
        form.get("code_challenge"),
        form.get("code_challenge_method"),
    ) {
        (Some(challenge), Some("S256")) => Ok(Some(challenge.to_owned())),
        // Without a method, the challenge would be a plain one (section 4.3).
        (Some(_), _) => Err(Refusal::ChallengeMethod),
        (None, _) if required => Err(Refusal::ChallengeMissing),
        (None, _) => Ok(None),
    }
}

/// Whether this verifier is the one that the challenge was made of (section 4.6).
/// A verifier without any challenge is refused too: somebody took the challenge
/// out of the authorization request (RFC 9700 section 4.8.2).
pub(crate) fn fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            is_verifier(verifier)
                && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
        }
        _ => false,
    }
}

/// 43 to 128 unreserved characters (section 4.1).
fn is_verifier(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_the_rfc_and_what_is_near_it() {
        // RFC 7636 appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let table = [
            (Some(challenge), Some(verifier), true),
            (Some(challenge), Some(challenge), false),
            (Some(challenge), None, false),
            (None, Some(verifier), false),
            (None, None, true),
            // Section 4.2: 43 characters at least, whatever their hash.
            (
                Some("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
                Some("abc"),
                false,
            ),
        ];
        for (challenge, verifier, expected) in table {
            assert_eq!(fits(challenge, verifier), expected, "{verifier:?}");
        }
    }
}
