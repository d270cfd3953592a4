//! Where in a remote record a lens looks, for reading and for writing.

use concord_core::{Fields, Value};

use super::{Element, Path, Refusal};

/// Where in a remote record a lens looks.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The record itself: the members of a group lie at its top level.
    Record,
    Path(Path),
    /// One element of a list, found by its tags.
    Element(Element),
}

impl Place {
    /// The top-level remote field, where there is one.
    pub(crate) fn top(&self) -> Option<&str> {
        match self {
            Place::Record => None,
            Place::Path(path) => Some(path.first()),
            Place::Element(element) => Some(element.path.first()),
        }
    }

    pub(crate) fn get<'a>(&self, raw: &'a Fields) -> &'a Value {
        match self {
            Place::Record => &Value::Null,
            Place::Path(path) => path.get(raw),
            Place::Element(element) => element.get(raw),
        }
    }

    pub(crate) fn get_mut<'a>(&self, raw: &'a mut Fields) -> Option<&'a mut Value> {
        match self {
            Place::Record => None,
            Place::Path(path) => path.get_mut(raw),
            Place::Element(element) => element.get_mut(raw),
        }
    }

    pub(crate) fn set(&self, raw: &mut Fields, value: Value) -> Result<(), Refusal> {
        match self {
            Place::Record => Ok(()),
            Place::Path(path) => path.set(raw, value),
            Place::Element(element) => element.set(raw, value),
        }
    }

    /// The object that holds the members of a group.
    pub(crate) fn members<'a>(&self, raw: &'a Fields) -> Option<&'a Fields> {
        match self {
            Place::Record => Some(raw),
            Place::Path(_) | Place::Element(_) => self.get(raw).as_object(),
        }
    }

    pub(crate) fn members_mut<'a>(&self, raw: &'a mut Fields) -> Option<&'a mut Fields> {
        match self {
            Place::Record => Some(raw),
            Place::Path(_) | Place::Element(_) => self.get_mut(raw)?.as_object_mut(),
        }
    }

    pub(crate) fn members_for_writing<'a>(
        &self,
        raw: &'a mut Fields,
    ) -> Result<&'a mut Fields, Refusal> {
        let (slot, name) = match self {
            Place::Record => return Ok(raw),
            Place::Path(path) => (path.slot(raw)?, path),
            Place::Element(element) => {
                let members = element.members_for_writing(raw)?;
                match &element.value {
                    Some(value) => (value.slot(members)?, value),
                    None => return Ok(members),
                }
            }
        };
        if super::is_empty(slot) {
            *slot = Value::Object(Fields::new());
        }
        match slot {
            Value::Object(members) => Ok(members),
            other => Err(Refusal::unfit(
                other,
                format!("the remote field '{name}' is not an object"),
            )),
        }
    }

    /// Removes the element whose whole content a lens empties; false where the
    /// place is no list element.
    pub(crate) fn remove_element(&self, raw: &mut Fields) -> bool {
        match self {
            Place::Element(element) => {
                element.remove(raw);
                true
            }
            Place::Record | Place::Path(_) => false,
        }
    }
}
