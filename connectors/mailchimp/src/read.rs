//! Members read one by one, under the hash of their address.

use concord_sdk::prelude::*;

use crate::api::Api;
use crate::members::{self, FIELDS, Member};

pub fn member_path(api: &Api<'_>, id: &str) -> String {
    api.list_path(&format!("/members/{id}"))
}

/// The member as it is now, archived or not; `None` where there is none.
pub fn member(api: &Api<'_>, id: &str) -> Result<Option<Member>, Fault> {
    if !members::is_id(id) {
        return Ok(None);
    }
    match api.get(&member_path(api, id), &[("fields", FIELDS.join(","))]) {
        Ok(response) => response.json().map(Some),
        Err(Fault::NotFound(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub fn fetch(api: &Api<'_>, ids: &[String]) -> Result<Vec<Change>, Fault> {
    ids.iter()
        .map(|id| {
            Ok(match member(api, id)? {
                Some(member) => member.change(),
                None => Change::gone(id, Absence::Hidden, None),
            })
        })
        .collect()
}

/// The member with this address.  Mailchimp's search is by words and lags; the
/// address alone leads to a member at once.
pub fn find(api: &Api<'_>, values: &Fields) -> Result<Vec<RemoteRecord>, Fault> {
    let Some(address) = values.get("email_address").and_then(Value::as_str) else {
        return Err(Fault::invalid(
            "email_address",
            "a Mailchimp member can be looked up by its address only",
        ));
    };
    let Some(member) = member(api, &members::id_of(address))?.filter(|m| !m.archived()) else {
        return Ok(Vec::new());
    };
    let record = member.record()?;
    let fields: Fields = serde_json::from_str(&record.fields)
        .map_err(|e| Fault::bug(format!("the fields of member {}: {e}", record.id)))?;
    let holds = values
        .iter()
        .filter(|(name, _)| *name != "email_address")
        .all(|(name, value)| fields.get(name) == Some(value));
    Ok(if holds { vec![record] } else { Vec::new() })
}
