//! The remote id of another stream's record ⇄ its entity, through the link.

use concord_core::{EntityId, StreamName, Value};
use serde::{Deserialize, Serialize};

use super::{Context, Refusal};

/// How the system writes ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceForm {
    #[default]
    Text,
    Number,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceCodec {
    pub stream: StreamName,
    pub form: ReferenceForm,
}

impl ReferenceCodec {
    pub(crate) fn get(&self, slot: &Value, context: &Context<'_>) -> Result<Value, Refusal> {
        let id = match slot {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            other => {
                return Err(Refusal::unfit(
                    other,
                    "the id of a record is text or a number",
                ));
            }
        };
        match context.refs.entity_of(self.stream.as_str(), &id) {
            Some(entity) => Ok(Value::String(entity.to_string())),
            None => Err(Refusal::Waits {
                stream: self.stream.clone(),
                id: id.into(),
            }),
        }
    }

    pub(crate) fn put(&self, value: &Value, context: &Context<'_>) -> Result<Value, Refusal> {
        let entity: EntityId = value
            .as_str()
            .unwrap_or("")
            .parse()
            .map_err(|e| Refusal::unfit(value, format!("{e}")))?;
        let Some(id) = context.refs.remote_of(self.stream.as_str(), &entity) else {
            return Err(Refusal::WaitsForEntity {
                stream: self.stream.clone(),
                entity,
            });
        };
        match self.form {
            ReferenceForm::Text => Ok(Value::from(id.as_str())),
            ReferenceForm::Number => match id.as_str().parse::<i64>() {
                Ok(number) => Ok(Value::from(number)),
                Err(_) => Err(Refusal::unfit(
                    &Value::from(id.as_str()),
                    "the mapping writes this reference as a number, and the id is none",
                )),
            },
        }
    }
}
