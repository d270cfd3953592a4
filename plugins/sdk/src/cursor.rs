//! Typed cursors as JSON text.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Fault;

/// Reads the cursor that the hub kept.  Text that is not of this shape was
/// written by another version or another connector: the fault makes the hub
/// walk in full.
pub fn read<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Fault> {
    cursor
        .map(|text| {
            serde_json::from_str(text).map_err(|error| {
                Fault::CursorExpired(format!("not a cursor of this connector: {error}"))
            })
        })
        .transpose()
}

/// The cursor's text for the page.
pub fn write<T: Serialize>(cursor: &T) -> Result<String, Fault> {
    serde_json::to_string(cursor)
        .map_err(|error| Fault::Bug(format!("the cursor cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct After {
        after: String,
    }

    #[test]
    fn a_cursor_reads_what_it_wrote_and_refuses_the_rest() {
        let place = After { after: "7".into() };
        let text = write(&place).unwrap();
        assert_eq!(read(Some(&text)), Ok(Some(place)));
        assert_eq!(read::<After>(None), Ok(None));
        for foreign in ["", "7", "{}", "{\"before\":\"7\"}", "\u{fffd}"] {
            assert!(
                matches!(read::<After>(Some(foreign)), Err(Fault::CursorExpired(_))),
                "{foreign}"
            );
        }
    }
}
