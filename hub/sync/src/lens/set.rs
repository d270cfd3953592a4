//! A canonical set ⇄ a remote list of values, of objects, or one joined text.

use concord_core::{FieldSpec, Value};

use super::{Context, Path, Refusal, is_empty};
use crate::normal;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetCodec {
    /// The member that holds the value where the list is one of objects.
    pub of: Option<Path>,
    /// The list is one text, joined by this.
    pub separator: Option<String>,
}

impl SetCodec {
    pub(crate) fn get(&self, slot: &Value, spec: &FieldSpec) -> Result<Value, Refusal> {
        let mut values: Vec<Value> = Vec::new();
        for element in &self.elements(slot)? {
            let value = match self.held(element) {
                Value::String(text) => Value::String(normal::fold_space(text).into_owned()),
                Value::Number(number) => Value::String(number.to_string()),
                Value::Null => continue,
                other => {
                    return Err(Refusal::unfit(
                        other,
                        "a set holds text; name the member with 'of'",
                    ));
                }
            };
            if !is_empty(&value) && !values.iter().any(|v| normal::same_element(spec, v, &value)) {
                values.push(value);
            }
        }
        if values.is_empty() {
            return Ok(Value::Null);
        }
        Ok(Value::Array(values))
    }

    /// Keeps what the set still holds with all its members, drops what it does
    /// not, and adds the rest at the end.
    pub(crate) fn put(
        &self,
        value: &Value,
        slot: &Value,
        context: &Context<'_>,
    ) -> Result<Value, Refusal> {
        let empty = Vec::new();
        let wanted = match value {
            Value::Null => &empty,
            Value::Array(wanted) => wanted,
            other => return Err(Refusal::unfit(other, "a set is a list")),
        };
        let same = |a: &Value, b: &Value| normal::same_element(context.spec, a, b);
        let mut list = self.elements(slot)?;
        list.retain(|element| wanted.iter().any(|w| same(w, self.held(element))));
        for one in wanted {
            if !list.iter().any(|element| same(one, self.held(element))) {
                list.push(self.element(one)?);
            }
        }
        match &self.separator {
            None => Ok(Value::Array(list)),
            Some(_) if list.is_empty() => Ok(Value::Null),
            Some(separator) => {
                let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                if let Some(text) = texts.iter().find(|text| text.contains(separator.as_str())) {
                    return Err(Refusal::unfit(
                        &Value::from(*text),
                        format!("the system separates values with '{separator}'"),
                    ));
                }
                Ok(Value::String(texts.join(separator)))
            }
        }
    }

    /// Hands every text of the remote list to `change`.
    pub(crate) fn each_text(&self, slot: &mut Value, change: impl Fn(&mut Value)) {
        match slot {
            Value::Array(list) => {
                for element in list {
                    match (&self.of, element) {
                        (Some(of), Value::Object(members)) => {
                            if let Some(held) = of.get_mut(members) {
                                change(held);
                            }
                        }
                        (_, element) => change(element),
                    }
                }
            }
            joined => change(joined),
        }
    }

    fn elements(&self, slot: &Value) -> Result<Vec<Value>, Refusal> {
        match (slot, &self.separator) {
            (slot, _) if is_empty(slot) => Ok(Vec::new()),
            (Value::String(joined), Some(separator)) => Ok(joined
                .split(separator.as_str())
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect()),
            (Value::Array(list), _) => Ok(list.clone()),
            (other, _) => Err(Refusal::unfit(other, "the remote field is not a list")),
        }
    }

    fn held<'a>(&self, element: &'a Value) -> &'a Value {
        match (&self.of, element) {
            (Some(of), Value::Object(members)) => of.get(members),
            _ => element,
        }
    }

    fn element(&self, value: &Value) -> Result<Value, Refusal> {
        match &self.of {
            None => Ok(value.clone()),
            Some(of) => {
                let mut members = concord_core::Fields::new();
                of.set(&mut members, value.clone())?;
                Ok(Value::Object(members))
            }
        }
    }
}
