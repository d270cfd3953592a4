//! Whether a webhook comes from the system that it says it comes from.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_core::Timestamp;
use concord_core::manifest::{Encoding, Proof, SentAt, Signed, Unit};
use concord_core::ports::Secret;
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A request as it came, with the address that the system was given.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub method: &'a str,
    pub url: &'a str,
    /// The last part of the address, where the connection's name is not.
    pub token: Option<&'a str>,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// Why it is not believed.  Whoever sent it learns no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error("the signature is missing")]
    Missing,
    #[error("the signature is wrong")]
    Wrong,
    #[error("it was sent too long ago, or this machine's clock is wrong")]
    Old,
}

/// Compares in constant time, whatever is wrong with it.
pub fn check(
    proof: &Proof,
    secret: &Secret,
    received: Received<'_>,
    now: Timestamp,
) -> Result<(), Unproven> {
    let Proof::HmacSha256 {
        header,
        encoding,
        prefix,
        part,
        signed,
        timestamp,
    } = proof
    else {
        // An HMAC of both compares them without telling how much is alike.
        let token = received.token.ok_or(Unproven::Missing)?;
        let of = |text: &str| keyed(secret).chain_update(text).finalize();
        let same = of(token) == of(secret.expose());
        return if same { Ok(()) } else { Err(Unproven::Wrong) };
    };
    let found = value(received.headers, header, part.as_deref()).ok_or(Unproven::Missing)?;
    let found = found.strip_prefix(prefix.as_str()).unwrap_or(found);
    let claimed = bytes(found, *encoding).ok_or(Unproven::Wrong)?;
    let sent = match timestamp {
        Some(sent) => {
            let text = value(received.headers, &sent.header, sent.part.as_deref());
            Some((sent, text.ok_or(Unproven::Missing)?))
        }
        None => None,
    };
    let mut mac = keyed(secret);
    for piece in signed {
        match piece {
            Signed::Method => mac.update(received.method.as_bytes()),
            Signed::Url => mac.update(received.url.as_bytes()),
            Signed::Body => mac.update(received.body),
            Signed::Timestamp => mac.update(sent.map_or("", |(_, text)| text).as_bytes()),
            Signed::Text(text) => mac.update(text.as_bytes()),
        }
    }
    mac.verify_slice(&claimed).map_err(|_| Unproven::Wrong)?;
    match sent {
        Some((sent, text)) if !is_recent(sent, text, now) => Err(Unproven::Old),
        _ => Ok(()),
    }
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of every length")
}

fn value<'a>(headers: &'a [(String, String)], name: &str, part: Option<&str>) -> Option<&'a str> {
    let mut headers = headers.iter();
    let (_, value) = headers.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    let Some(part) = part else {
        return Some(value.trim());
    };
    value.split(',').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == part).then_some(value)
    })
}

fn bytes(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => STANDARD.decode(text).ok(),
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
    }
}

fn is_recent(sent: &SentAt, text: &str, now: Timestamp) -> bool {
    let Ok(number) = text.parse::<i64>() else {
        return false;
    };
    let micros = match sent.unit {
        Unit::Seconds => 1_000_000,
        Unit::Milliseconds => 1_000,
    };
    let at = Timestamp(number.saturating_mul(micros));
    let within = Duration::from_secs(u64::from(sent.within_s));
    at.since(now) <= within && now.since(at) <= within
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn hmac(encoding: Encoding, signed: Vec<Signed>) -> Proof {
        Proof::HmacSha256 {
            header: "X-Signature".into(),
            encoding,
            prefix: String::new(),
            part: None,
            signed,
            timestamp: None,
        }
    }

    /// RFC 4231 §4.3: key "Jefe", data "what do ya want for nothing?".
    const RFC_4231: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    fn of_rfc_4231(signature: &str, body: &str, secret: &str) -> Result<(), Unproven> {
        let headers = headers(&[("x-signature", signature)]);
        let received = Received {
            method: "POST",
            url: "https://hub.example/webhooks/crm",
            token: None,
            headers: &headers,
            body: body.as_bytes(),
        };
        let proof = hmac(Encoding::Hex, vec![Signed::Body]);
        check(&proof, &Secret::new(secret), received, Timestamp(NOW))
    }

    #[test]
    fn a_signature_of_the_rfc_is_right_and_nothing_else_is() {
        let body = "what do ya want for nothing?";
        assert_eq!(of_rfc_4231(RFC_4231, body, "Jefe"), Ok(()));
        assert_eq!(of_rfc_4231(&RFC_4231.to_uppercase(), body, "Jefe"), Ok(()));
        let other = RFC_4231.replace("5b", "5c");
        for (signature, body, secret) in [
            (other.as_str(), body, "Jefe"),
            (RFC_4231, "what do ya want for nothing.", "Jefe"),
            (RFC_4231, body, "jefe"),
            (&RFC_4231[2..], body, "Jefe"),
            (&RFC_4231[1..], body, "Jefe"),
            ("", body, "Jefe"),
            ("+5dcc146b", body, "Jefe"),
            ("über", body, "Jefe"),
        ] {
            let found = of_rfc_4231(signature, body, secret);
            assert_eq!(found, Err(Unproven::Wrong), "{signature} {body} {secret}");
        }
    }

    #[test]
    fn what_is_signed_stands_one_after_the_other() {
        // What the RFC signs, taken apart.
        let pieces = vec![
            Signed::Text("what do".into()),
            Signed::Text(" ya want ".into()),
            Signed::Body,
        ];
        let headers = headers(&[("X-Signature", RFC_4231)]);
        let received = Received {
            method: "POST",
            url: "",
            token: None,
            headers: &headers,
            body: b"for nothing?",
        };
        let proof = hmac(Encoding::Hex, pieces);
        let found = check(&proof, &Secret::new("Jefe"), received, Timestamp(NOW));
        assert_eq!(found, Ok(()));
    }

    fn timed(text: &str, now: i64) -> Result<(), Unproven> {
        let proof = Proof::HmacSha256 {
            header: "X-Signature".into(),
            encoding: Encoding::Base64,
            prefix: "sha256=".into(),
            part: Some("v1".into()),
            signed: vec![Signed::Timestamp, Signed::Text(".".into()), Signed::Body],
            timestamp: Some(SentAt {
                header: "X-Signature".into(),
                part: Some("t".into()),
                unit: Unit::Seconds,
                within_s: 300,
            }),
        };
        let secret = Secret::new("key");
        let signature = keyed(&secret).chain_update(format!("{text}.body"));
        let signature = STANDARD.encode(signature.finalize().into_bytes());
        let headers = headers(&[("X-Signature", &format!("t={text},v1=sha256={signature}"))]);
        let received = Received {
            method: "POST",
            url: "",
            token: None,
            headers: &headers,
            body: b"body",
        };
        check(&proof, &secret, received, Timestamp(now * 1_000_000))
    }

    #[test]
    fn a_copy_that_comes_late_is_turned_away() {
        assert_eq!(timed("1000000", 1_000_000), Ok(()));
        assert_eq!(timed("1000000", 1_000_300), Ok(()));
        assert_eq!(timed("1000000", 999_700), Ok(()));
        assert_eq!(timed("1000000", 1_000_301), Err(Unproven::Old));
        assert_eq!(timed("1000000", 999_699), Err(Unproven::Old));
        assert_eq!(timed("soon", 1_000_000), Err(Unproven::Old));
        let far = i64::MAX.to_string();
        assert_eq!(timed(&far, 1_000_000), Err(Unproven::Old));
    }

    #[test]
    fn an_address_that_nobody_else_knows_proves_it() {
        let with = |token: Option<&str>| {
            let received = Received {
                method: "POST",
                url: "",
                token,
                headers: &[],
                body: b"",
            };
            check(
                &Proof::Address,
                &Secret::new("s3cret"),
                received,
                Timestamp(NOW),
            )
        };
        assert_eq!(with(Some("s3cret")), Ok(()));
        assert_eq!(with(Some("s3cre")), Err(Unproven::Wrong));
        assert_eq!(with(Some("")), Err(Unproven::Wrong));
        assert_eq!(with(None), Err(Unproven::Missing));
    }
}
