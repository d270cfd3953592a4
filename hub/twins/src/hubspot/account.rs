//! The account itself, as `account-info` shows it.

use serde_json::json;

use crate::Response;

/// The account's number, which HubSpot calls portal and hub.
pub(crate) const ACCOUNT_ID: u64 = 4_242_424;

pub(crate) fn account() -> Response {
    Response::json(
        200,
        &json!({
            "portalId": ACCOUNT_ID,
            "accountType": "DEVELOPER_TEST",
            "timeZone": "UTC",
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": "+00:00",
            "utcOffsetMilliseconds": 0,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "eu1",
        }),
    )
}
