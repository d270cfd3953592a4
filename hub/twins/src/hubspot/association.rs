//! The tie between a contact and its company, which HubSpot shows twice: as an
//! association, and as the contact's property `associatedcompanyid`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::HubSpot;
use super::record::Record;
use super::refusal::Refusal;
use super::store::ObjectType;

/// The types "contact to company" and "contact to primary company".
const CONTACT_TO_COMPANY: [u32; 2] = [279, 1];

/// An association of a record that is to be created.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    to: Target,
    types: Vec<WishedType>,
}

#[derive(Debug, Deserialize)]
struct Target {
    id: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WishedType {
    association_type_id: u32,
}

/// The company that a new contact is to belong to.
pub(crate) fn company_wished(
    kind: ObjectType,
    wishes: &[Wish],
    twin: &HubSpot,
) -> Result<Option<u64>, Refusal> {
    let mut company = None;
    for wish in wishes {
        let known = wish
            .types
            .iter()
            .all(|t| CONTACT_TO_COMPANY.contains(&t.association_type_id));
        if kind != ObjectType::Contacts || !known || wish.types.is_empty() {
            return Err(Refusal::validation(format!(
                "There is no such association type for {}",
                kind.plural()
            )));
        }
        let id = match &wish.to.id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let found = twin.objects(ObjectType::Companies).find(&id, None)?;
        company = Some(found.ok_or_else(|| Refusal::not_found(&id))?.id);
    }
    Ok(company)
}

/// The associations of a contact as reads show them where they are asked for.
pub(crate) fn shown(twin: &HubSpot, record: &Record, wanted: &[String]) -> Option<Value> {
    let wants = |name: &String| ObjectType::named(name) == Some(ObjectType::Companies);
    let slot = twin.contacts.catalogue.slot("associatedcompanyid")?;
    let company = record.stored(slot).filter(|_| wanted.iter().any(wants))?;
    Some(json!({
        "companies": {"results": [
            {"id": company, "type": "contact_to_company"},
            {"id": company, "type": "contact_to_company_unlabeled"},
        ]}
    }))
}
