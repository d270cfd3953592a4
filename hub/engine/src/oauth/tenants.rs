//! The accounts that one sign-in reaches, and which of them a connection is.

use std::fmt;

use concord_core::ports::SecretHeader;
use serde_json::{Map, Value};

use super::app::App;
use super::transport::{Transport, Troubled};

/// One of the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: String,
    /// Empty where the vendor does not say it.
    pub name: String,
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.id, self.name)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    #[error(
        "the accounts that the sign-in reaches cannot be asked for: {0}. The sign-in is kept; \
         run `concord connection login` again"
    )]
    Troubled(#[from] Troubled),
    /// A person may have withdrawn the app.
    #[error("the vendor does not show which accounts the sign-in reaches: it answered {status}")]
    Refused { status: u16 },
    #[error(
        "the vendor's list of accounts is not what the connector's manifest describes under \
         'tenants': look whether there is a newer version of the connector"
    )]
    Unreadable,
    #[error("the sign-in reaches no account: sign in again, and choose one at the vendor's page")]
    Nothing,
    #[error(
        "{why}. The sign-in is kept: run `concord connection login {connection} --tenant ID` \
         with one of\n{list}"
    )]
    Undecided {
        connection: String,
        why: String,
        list: String,
    },
}

/// Asks for all of them.
pub async fn tenants(
    app: &App,
    transport: &Transport,
    auth: SecretHeader,
) -> Result<Vec<Tenant>, TenantsError> {
    let (Some(wish), Some(url)) = (&app.manifest.tenants, &app.endpoints.tenants) else {
        return Ok(Vec::new());
    };
    let answer = transport.get(url.clone(), auth).await?;
    if !(200..300).contains(&answer.status) {
        let status = answer.status;
        return Err(TenantsError::Refused { status });
    }
    let unreadable = |_| TenantsError::Unreadable;
    let all: Vec<Map<String, Value>> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    let text = |found: Option<&Value>| match found {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let read = |one: &Map<String, Value>| {
        let id = text(one.get(&wish.id)).ok_or(TenantsError::Unreadable)?;
        let name = text(one.get(&wish.name)).unwrap_or_default();
        Ok(Tenant { id, name })
    };
    all.iter().map(read).collect()
}

/// The account that is meant: by a person's word for it, by an earlier choice, or
/// since it is the only one.  Where the earlier one is not reached any more, none
/// takes its place without a word: its records would be taken for the other's.
pub fn choose<'a>(
    connection: &str,
    all: &'a [Tenant],
    word: Option<&str>,
    before: Option<&str>,
) -> Result<&'a Tenant, TenantsError> {
    let undecided = |why: String| {
        let lines: Vec<String> = all.iter().map(|one| format!("  {one}")).collect();
        TenantsError::Undecided {
            connection: connection.to_owned(),
            why,
            list: lines.join("\n"),
        }
    };
    let with_id = |id: &str| all.iter().find(|one| one.id == id);
    if all.is_empty() {
        return Err(TenantsError::Nothing);
    }
    if let Some(word) = word {
        if let Some(one) = with_id(word) {
            return Ok(one);
        }
        let named: Vec<&Tenant> = all.iter().filter(|one| one.name == word).collect();
        return match named.as_slice() {
            [one] => Ok(one),
            [] => Err(undecided(format!(
                "the sign-in reaches no account '{word}'"
            ))),
            _ => Err(undecided(format!("several accounts are called '{word}'"))),
        };
    }
    match (before, all) {
        (Some(before), _) => with_id(before).ok_or_else(|| {
            undecided(format!(
                "the account that was chosen before, '{before}', is not reached any more"
            ))
        }),
        (None, [one]) => Ok(one),
        (None, _) => Err(undecided(format!(
            "the sign-in reaches {} accounts, and which one is meant is not said",
            all.len()
        ))),
    }
}
