//! Who may be subscribed: never somebody who left, and nobody without an opt-in.

use concord_sdk::prelude::*;

/// The status to create a member with.  Not `pending` either: that makes
/// Mailchimp write to somebody who has not asked for it.
pub fn of_new(wanted: Option<&Value>) -> Result<&'static str, Fault> {
    match wanted.and_then(Value::as_str) {
        Some("subscribed") => Ok("subscribed"),
        _ => Err(Fault::invalid(
            "status",
            "nobody is put into an audience without a recorded opt-in",
        )),
    }
}

/// The status to send to a member who has `current`; `None` where it stands.
pub fn of_existing(wanted: &str, current: &str) -> Result<Option<&'static str>, Fault> {
    match (wanted, current) {
        (wanted, current) if wanted == current => Ok(None),
        // A bounced address is out of every sending already, and Mailchimp
        // does not let it be unsubscribed as well.
        ("unsubscribed", "cleaned") => Ok(None),
        ("unsubscribed", _) => Ok(Some("unsubscribed")),
        ("subscribed", "transactional") => Ok(Some("subscribed")),
        ("subscribed", current) => Err(Fault::invalid(
            "status",
            format!(
                "the member is {current} in Mailchimp; only that person can subscribe again, \
                 through a form or a confirmation of Mailchimp's"
            ),
        )),
        (wanted, _) => Err(Fault::invalid(
            "status",
            format!("'{wanted}' is a status that only Mailchimp itself gives"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of (wanted, current, sent); "-" sends nothing, "!" is refused.
    #[test]
    fn nobody_who_left_is_subscribed_again() {
        for (wanted, current, expect) in [
            ("subscribed", "subscribed", "-"),
            ("subscribed", "unsubscribed", "!"),
            ("subscribed", "cleaned", "!"),
            ("subscribed", "archived", "!"),
            // Subscribing here would skip the confirmation that is under way.
            ("subscribed", "pending", "!"),
            ("subscribed", "transactional", "subscribed"),
            ("unsubscribed", "subscribed", "unsubscribed"),
            ("unsubscribed", "pending", "unsubscribed"),
            ("unsubscribed", "cleaned", "-"),
            ("unsubscribed", "unsubscribed", "-"),
            ("cleaned", "subscribed", "!"),
            ("archived", "subscribed", "!"),
        ] {
            let got = match of_existing(wanted, current) {
                Ok(Some(status)) => status,
                Ok(None) => "-",
                Err(Fault::Invalid(_)) => "!",
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(got, expect, "{wanted} over {current}");
        }
    }

    #[test]
    fn a_member_begins_with_an_opt_in() {
        assert_eq!(of_new(Some(&"subscribed".into())), Ok("subscribed"));
        for none in [
            None,
            Some(Value::Null),
            Some("pending".into()),
            Some("unsubscribed".into()),
        ] {
            assert!(
                matches!(of_new(none.as_ref()), Err(Fault::Invalid(_))),
                "{none:?}"
            );
        }
    }
}
