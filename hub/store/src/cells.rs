//! The fields of an entity as a document: `[[[origin, after, until, changes,
//! fight since], {field: value}], …]`.
//!
//! Most fields of a record came from one place at one moment, so fields of the
//! same provenance stand together and it is written once for all of them.

use std::collections::BTreeMap;

use concord_core::ports::StoreError;
use concord_core::state::{Cell, Origin};
use concord_core::{FieldName, Timestamp, Value};

use crate::document;

type Provenance<O> = (O, Timestamp, Timestamp, u32, Timestamp);

/// The cells of an entity as they are read.
pub(crate) type Groups = Vec<(Provenance<Origin>, BTreeMap<FieldName, Value>)>;

pub(crate) fn write(cells: &BTreeMap<FieldName, Cell>) -> Result<String, StoreError> {
    let mut groups: Vec<(Provenance<&Origin>, BTreeMap<&FieldName, &Value>)> = Vec::new();
    for (field, cell) in cells {
        let provenance = (
            &cell.origin,
            cell.after,
            cell.until,
            cell.changes,
            cell.fight_since,
        );
        let same = groups.iter_mut().find(|(of, _)| *of == provenance);
        match same {
            Some((_, values)) => {
                values.insert(field, &cell.value);
            }
            None => groups.push((provenance, BTreeMap::from([(field, &cell.value)]))),
        }
    }
    document::write(&groups)
}

pub(crate) fn read(groups: Groups) -> BTreeMap<FieldName, Cell> {
    let mut cells = BTreeMap::new();
    for ((origin, after, until, changes, fight_since), values) in groups {
        for (field, value) in values {
            let cell = Cell {
                value,
                origin: origin.clone(),
                after,
                until,
                changes,
                fight_since,
            };
            cells.insert(field, cell);
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use concord_core::ConnectionId;

    use super::*;

    fn cell(value: &str, connection: i64, until: i64) -> Cell {
        Cell {
            value: Value::from(value),
            origin: Origin::Connection(ConnectionId(connection)),
            after: Timestamp(3),
            until: Timestamp(until),
            changes: 0,
            fight_since: Timestamp(5),
        }
    }

    #[test]
    fn fields_of_one_provenance_stand_together_and_come_back() {
        let cells = BTreeMap::from([
            ("city".into(), cell("Bern", 1, 9)),
            ("email".into(), cell("a@b.test", 2, 9)),
            ("name".into(), cell("Ann", 1, 9)),
            ("phone".into(), cell("1", 1, 8)),
        ]);
        let text = write(&cells).unwrap();
        assert_eq!(
            text,
            r#"[[[{"connection":1},3,9,0,5],{"city":"Bern","name":"Ann"}],[[{"connection":2},3,9,0,5],{"email":"a@b.test"}],[[{"connection":1},3,8,0,5],{"phone":"1"}]]"#
        );
        assert_eq!(read(serde_json::from_str(&text).unwrap()), cells);
    }
}
