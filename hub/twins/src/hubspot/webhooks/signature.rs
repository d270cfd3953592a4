//! The headers by which a receiver knows that a request is HubSpot's.
//!
//! | header | value |
//! |---|---|
//! | `X-HubSpot-Signature-v3` | base64 of HMAC-SHA256, keyed with the client secret, of method, URI, body and timestamp |
//! | `X-HubSpot-Request-Timestamp` | milliseconds |
//! | `X-HubSpot-Signature` | hexadecimal SHA-256 of client secret and body |
//! | `X-HubSpot-Signature-Version` | `v1` |
//!
//! All from `developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation`
//! and `…/docs/api/webhooks/validating-requests`, the latter two with the words
//! that requests of CRM object subscriptions have version `v1`; version `v2` belongs
//! to other requests.  HubSpot's own client does the same sums
//! (HubSpot/hubspot-api-nodejs, `src/utils/signature.ts`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{hex, hmac_sha256, sha256};

/// As recorded (prismatic.io/docs/example-payloads/hubspot).
const USER_AGENT: &str = "HubSpot Connect 2.0 (http://dev.hubspot.com/) \
                          (namespace: webhooks-nio-http-client) - WebhooksExecutorDaemon-executor";

/// What stands decoded in the URI that is signed (request validation, table).
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

pub(super) fn headers(secret: &str, url: &str, body: &[u8], millis: i64) -> Vec<(String, String)> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        header("content-type", "application/json"),
        header("user-agent", USER_AGENT),
        header("x-hubspot-signature-v3", &v3(secret, url, body, millis)),
        header("x-hubspot-request-timestamp", &millis.to_string()),
        header("x-hubspot-signature", &v1(secret, body)),
        header("x-hubspot-signature-version", "v1"),
    ]
}

fn v1(secret: &str, body: &[u8]) -> String {
    hex(&sha256(&[secret.as_bytes(), body]))
}

fn v3(secret: &str, url: &str, body: &[u8], millis: i64) -> String {
    let mut uri = url.to_owned();
    for (encoded, plain) in DECODED {
        uri = uri.replace(encoded, plain);
    }
    let moment = millis.to_string();
    let parts: [&[u8]; 4] = [b"POST", uri.as_bytes(), body, moment.as_bytes()];
    STANDARD.encode(hmac_sha256(secret, &parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";

    #[test]
    fn version_3_is_what_the_sdks_compute() {
        for (secret, url, body, millis, expect) in [
            // HubSpot/hubspot-api-python, tests/spec/utils/test_signature.py.
            (
                SECRET,
                "https://www.example.com/webhook_uri",
                "{'example_field':'example_value'}",
                15_000_000,
                "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
            ),
            // The tests of a Java client, fr.slickteam.hubspot.api.webhook.
            (
                "3da21a3d-5964-494c-a638-c56abb76d825",
                "https://api.beta/webhooks",
                "[{\"eventId\":100,\"subscriptionId\":2439752,\"portalId\":8136442,\
                 \"occurredAt\":1704970386905,\"subscriptionType\":\"deal.propertyChange\",\
                 \"attemptNumber\":0,\"objectId\":123,\"changeSource\":\"CRM\",\
                 \"propertyName\":\"dealstage\",\"propertyValue\":\"sample-value\"}]",
                1_704_975_585_199,
                "IirHW2rKOnmjwy3EF7Czp86mGntxQZVDVhKTlGj5jx8=",
            ),
        ] {
            assert_eq!(v3(secret, url, body.as_bytes(), millis), expect, "{url}");
        }
    }

    #[test]
    fn version_1_is_that_of_the_documentation() {
        // developers.hubspot.com/docs/faq/v1-request-validation
        let body = "[{\"eventId\":1,\"subscriptionId\":12345,\"portalId\":62515,\
                    \"occurredAt\":1564113600000,\"subscriptionType\":\"contact.creation\",\
                    \"attemptNumber\":0,\"objectId\":123,\"changeSource\":\"CRM\",\
                    \"changeFlag\":\"NEW\",\"appId\":54321}]";
        assert_eq!(
            v1(SECRET, body.as_bytes()),
            "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
        );
    }

    #[test]
    fn listed_characters_are_signed_decoded_and_no_others() {
        let plain = v3(SECRET, "http://127.0.0.1:1/x?a=b:/c%20d", b"", 1);
        assert_eq!(
            v3(SECRET, "http://127.0.0.1:1/x?a=b%3A%2Fc%20d", b"", 1),
            plain
        );
        assert_ne!(v3(SECRET, "http://127.0.0.1:1/x?a=b:/c d", b"", 1), plain);
    }
}
