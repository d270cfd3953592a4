//! What differs between authorization servers, so that one implementation can
//! stand in for many vendors'.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The device grant's name (RFC 8628 section 3.4).
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What becomes of a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotation {
    /// It stays as it is: HubSpot, Google.
    Never,
    /// A new one takes its place at once, and who uses the old one again ends the
    /// whole grant, since one of the two users is a thief (RFC 9700 section
    /// 4.14.2).  Xero's are used once as well.
    Always,
    /// A new one takes its place, and the one before works until the new one is
    /// first used, for 30 days at most: Shopify since 2026-08-28
    /// (shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens).
    /// What a retry with the older one is given no source says; here it is the
    /// same replacement once more.
    Grace,
    /// The value changes with the first use after 24 hours: Intuit
    /// (IntuitDeveloper/OAuth2-Dotnet_UsingSDK, docs/help/Tokens.md).  The value
    /// before is void from then on, which no source says for certain.
    Daily,
}

/// The ways of one server.  The lives, `states_life` and `rotation` can be
/// changed by control requests, the rest belongs to the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an access token lives; none lives until it is revoked.
    pub access_life: Option<Duration>,
    /// Whether answers say so in `expires_in`, which RFC 6749 section 5.1 only
    /// recommends.
    pub states_life: bool,
    /// How long a value of a refresh token lives after it was first given out.
    pub refresh_life: Option<Duration>,
    pub rotation: Rotation,
    /// Whether tokens that this server has not issued are refused by the API
    /// beside it, where they are otherwise taken for the vendor's static keys.
    pub strict: bool,
    /// Whether an authorization request has to say `response_type=code`.  HubSpot's
    /// and other older servers know no other and do not ask.
    pub wants_response_type: bool,
    pub grant_types: &'static [&'static str],
    /// What a redirect with a code says of the server that the account lives at:
    /// Zoho's `location` and `accounts-server`
    /// (zoho.com/crm/developer/docs/api/v8/multi-dc.html).
    pub home: Option<Home>,
}

/// One of a vendor's data centres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Home {
    pub location: String,
    pub accounts_server: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access_life: Some(Duration::from_secs(3600)),
            states_life: true,
            refresh_life: None,
            rotation: Rotation::Never,
            strict: false,
            wants_response_type: true,
            grant_types: &[
                "authorization_code",
                "refresh_token",
                "client_credentials",
                DEVICE_GRANT,
            ],
            home: None,
        }
    }
}

impl Options {
    pub(crate) fn has_refresh_tokens(&self) -> bool {
        self.grant_types.contains(&"refresh_token")
    }
}
