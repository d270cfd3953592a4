//! `"{given_name} {family_name}"`: a text made from canonical fields, one way.

use concord_core::Value;

use super::Values;
use crate::normal;

#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Field(String),
}

/// The template cannot be read.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("a '{{' without its '}}'; write fields as {{given_name}}")]
pub struct UnclosedBrace;

impl Template {
    pub fn parse(text: &str) -> Result<Self, UnclosedBrace> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (field, behind) = after.split_once('}').ok_or(UnclosedBrace)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Field(field.trim().to_owned()));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text, with the space that an empty field leaves folded away; `Null`
    /// where every field is empty.
    pub fn fill(&self, canonical: &dyn Values) -> Value {
        let mut text = String::new();
        let mut any = false;
        for piece in &self.pieces {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Field(name) => match canonical.value(name) {
                    Value::Null => {}
                    Value::String(value) => {
                        any |= !value.is_empty();
                        text.push_str(value);
                    }
                    other => {
                        any = true;
                        text.push_str(&other.to_string());
                    }
                },
            }
        }
        if any {
            Value::String(normal::fold_space(&text).into_owned())
        } else {
            Value::Null
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_core::Fields;
    use serde_json::json;

    #[test]
    fn templates_fill_and_fold() {
        let check = |template: &str, values: Value, expect: Value| {
            let values: Fields = values.as_object().unwrap().clone();
            assert_eq!(Template::parse(template).unwrap().fill(&values), expect);
        };
        let name = "{given_name} {family_name}";
        check(
            name,
            json!({"given_name": "Ann", "family_name": "Lee"}),
            json!("Ann Lee"),
        );
        check(name, json!({"family_name": "Lee"}), json!("Lee"));
        check(name, json!({}), json!(null));
        check(
            "{family_name}, {given_name}",
            json!({"given_name": "Ann", "family_name": "Lee"}),
            json!("Lee, Ann"),
        );
        assert_eq!(Template::parse("{open"), Err(UnclosedBrace));
    }
}
