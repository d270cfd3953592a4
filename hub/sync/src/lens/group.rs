//! A canonical group (a postal address) ⇄ members of the remote record.

use concord_core::{FieldName, FieldSpec, Fields, Value};

use super::{Context, Path, Refusal, Rewrite, Scalar, is_empty};
use crate::normal;

#[derive(Clone, Debug, PartialEq)]
pub struct GroupCodec {
    pub parts: Vec<Part>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub member: FieldName,
    pub spec: FieldSpec,
    pub path: Path,
    pub scalar: Scalar,
    pub rewrites: Vec<Rewrite>,
}

impl GroupCodec {
    pub(crate) fn get(&self, raw: &Fields, context: &Context<'_>) -> Result<Value, Refusal> {
        let known = context.canonical.value(context.field.as_str());
        let unmapped = self.unmapped(known);
        let mut group = Fields::new();
        let mut as_known = !unmapped.is_empty();
        for part in &self.parts {
            let slot = part.path.get(raw);
            let canonical = known.get(part.member.as_str()).unwrap_or(&Value::Null);
            let value = if is_empty(slot) {
                Value::Null
            } else {
                part.scalar.get(slot, raw, &part.spec, canonical)?
            };
            as_known = as_known && normal::same(&part.spec, &value, canonical);
            if !value.is_null() {
                group.insert(part.member.to_string(), value);
            }
        }
        if group.is_empty() {
            return Ok(Value::Null);
        }
        if as_known {
            let kept = unmapped.into_iter();
            group.extend(kept.map(|(member, value)| (member.clone(), value.clone())));
        }
        Ok(Value::Object(group))
    }

    /// What the canonical record knows and this system has no place for.  It
    /// still holds of the same address; of another one it would be wrong.
    fn unmapped<'a>(&self, known: &'a Value) -> Vec<(&'a String, &'a Value)> {
        let Value::Object(known) = known else {
            return Vec::new();
        };
        let is_mapped = |member: &str| self.parts.iter().any(|p| p.member.as_str() == member);
        known
            .iter()
            .filter(|(member, value)| !value.is_null() && !is_mapped(member))
            .collect()
    }

    pub(crate) fn put(
        &self,
        value: &Value,
        raw: &mut Fields,
        context: &Context<'_>,
    ) -> Result<(), Refusal> {
        if !value.is_null() && !value.is_object() {
            return Err(Refusal::unfit(value, "a group is an object"));
        }
        let known = context.canonical.value(context.field.as_str());
        for part in &self.parts {
            let wanted = value.get(part.member.as_str()).unwrap_or(&Value::Null);
            let slot = part.path.get(raw);
            let canonical = known.get(part.member.as_str()).unwrap_or(&Value::Null);
            let held = if is_empty(slot) {
                Ok(Value::Null)
            } else {
                part.scalar.get(slot, raw, &part.spec, canonical)
            };
            if raw.contains_key(part.path.first())
                && held.is_ok_and(|held| normal::same(&part.spec, &held, wanted))
            {
                continue;
            }
            let made = if is_empty(wanted) {
                Value::Null
            } else {
                part.scalar.put(wanted, raw, &part.spec, &part.rewrites)?
            };
            part.path.set(raw, made)?;
        }
        Ok(())
    }

    pub(crate) fn predict(&self, members: &mut Fields) {
        for part in &self.parts {
            if let Some(slot) = part.path.get_mut(members) {
                Rewrite::apply_all(&part.rewrites, slot);
            }
        }
    }
}
