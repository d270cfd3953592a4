//! One element of a remote list, found by its tags: the work phone among all.

use std::collections::BTreeMap;

use concord_core::{Fields, Value};

use super::{Path, Refusal};

/// The first element of the list at `path` that carries every tag of `with`
/// and none of `without`.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub path: Path,
    pub with: BTreeMap<String, Value>,
    pub without: BTreeMap<String, Value>,
    /// The member that holds the value; none where the element itself is meant.
    pub value: Option<Path>,
}

impl Element {
    fn matches(&self, element: &Value) -> bool {
        let carries = |(name, tag): (&String, &Value)| {
            element.get(name).is_some_and(|held| has_tag(held, tag))
        };
        self.with.iter().all(carries) && !self.without.iter().any(carries)
    }

    fn find<'a>(&self, raw: &'a Fields) -> Option<&'a Value> {
        let list = self.path.get(raw).as_array()?;
        list.iter().find(|element| self.matches(element))
    }

    fn find_mut<'a>(&self, raw: &'a mut Fields) -> Option<&'a mut Value> {
        let list = self.path.get_mut(raw)?.as_array_mut()?;
        list.iter_mut().find(|element| self.matches(element))
    }

    pub(super) fn get<'a>(&self, raw: &'a Fields) -> &'a Value {
        let element = self.find(raw);
        match (&self.value, element) {
            (Some(value), Some(Value::Object(members))) => value.get(members),
            (None, Some(element)) => element,
            _ => &Value::Null,
        }
    }

    pub(super) fn get_mut<'a>(&self, raw: &'a mut Fields) -> Option<&'a mut Value> {
        let element = self.find_mut(raw)?;
        match &self.value {
            Some(value) => value.get_mut(element.as_object_mut()?),
            None => Some(element),
        }
    }

    pub(super) fn remove(&self, raw: &mut Fields) {
        if let Some(Value::Array(list)) = self.path.get_mut(raw)
            && let Some(index) = list.iter().position(|element| self.matches(element))
        {
            list.remove(index);
        }
    }

    /// The members of the element, which is added where there is none.
    pub(super) fn members_for_writing<'a>(
        &self,
        raw: &'a mut Fields,
    ) -> Result<&'a mut Fields, Refusal> {
        let slot = self.path.slot(raw)?;
        if super::is_empty(slot) {
            *slot = Value::Array(Vec::new());
        }
        let Value::Array(list) = slot else {
            let reason = format!("the remote field '{}' is not a list", self.path);
            return Err(Refusal::unfit(slot, reason));
        };
        let index = match list.iter().position(|element| self.matches(element)) {
            Some(index) => index,
            None => {
                let tags = self.with.iter().map(|(k, v)| (k.clone(), v.clone()));
                list.push(Value::Object(tags.collect()));
                list.len() - 1
            }
        };
        match &mut list[index] {
            Value::Object(members) => Ok(members),
            other => {
                let reason = format!("an element of '{}' is not an object", self.path);
                Err(Refusal::unfit(other, reason))
            }
        }
    }

    pub(super) fn set(&self, raw: &mut Fields, value: Value) -> Result<(), Refusal> {
        match &self.value {
            _ if value.is_null() => {
                self.remove(raw);
                raw.entry(self.path.first().to_owned())
                    .or_insert(Value::Null);
                Ok(())
            }
            Some(member) => member.set(self.members_for_writing(raw)?, value),
            None => {
                if let Some(element) = self.find_mut(raw) {
                    *element = value;
                    return Ok(());
                }
                let slot = self.path.slot(raw)?;
                match slot {
                    Value::Array(list) => list.push(value),
                    slot => *slot = Value::Array(vec![value]),
                }
                Ok(())
            }
        }
    }

    /// True where no element can carry the tags of both.
    pub(crate) fn is_apart_from(&self, other: &Element) -> bool {
        let excluded = |tags: &BTreeMap<String, Value>, by: &BTreeMap<String, Value>| {
            tags.iter().any(|(name, tag)| by.get(name) == Some(tag))
        };
        let differs = self
            .with
            .iter()
            .any(|(name, tag)| other.with.get(name).is_some_and(|t| t != tag));
        differs || excluded(&self.with, &other.without) || excluded(&other.with, &self.without)
    }
}

/// Tags are compared without case (vCard's are), and one among several counts.
fn has_tag(held: &Value, tag: &Value) -> bool {
    match (held, tag) {
        (Value::Array(all), tag) => all.iter().any(|one| has_tag(one, tag)),
        (Value::String(held), Value::String(tag)) => held.eq_ignore_ascii_case(tag),
        (held, tag) => held == tag,
    }
}
