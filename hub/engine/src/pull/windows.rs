//! A walk that is too much for one listing is walked in parts: windows of time,
//! halved until each can be listed, the oldest first.  Where the walk stands
//! among them is kept in front of the connector's own cursor.

use concord_core::Timestamp;
use concord_core::record::{Page, TimeWindow};
use serde::{Deserialize, Serialize};

/// What the text of a place among windows begins with.  No connector's does: a
/// control character is in no cursor of a vendor's.
const MARK: &str = "\u{1}windows:";

/// More than this cannot be told apart by time.
const NARROWEST: i64 = 1_000_000;

/// Where a walk stands.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    Plain(Option<String>),
    Parted(Windows),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    /// Those that are still to be walked, the oldest first.
    left: Vec<TimeWindow>,
    /// The connector's place in the first of them.
    at: Option<String>,
}

impl Place {
    pub fn read(cursor: Option<&str>) -> Self {
        let parted = cursor
            .and_then(|text| text.strip_prefix(MARK))
            .and_then(|text| serde_json::from_str(text).ok());
        match parted {
            Some(windows) => Self::Parted(windows),
            None => Self::Plain(cursor.map(str::to_owned)),
        }
    }

    pub fn window(&self) -> Option<TimeWindow> {
        match self {
            Self::Plain(_) => None,
            Self::Parted(windows) => windows.left.first().copied(),
        }
    }

    pub fn cursor(&self) -> Option<&str> {
        match self {
            Self::Plain(cursor) => cursor.as_deref(),
            Self::Parted(windows) => windows.at.as_deref(),
        }
    }

    /// A page of one window as a page of the whole walk.
    pub fn after(&self, mut page: Page) -> Page {
        let Self::Parted(windows) = self else {
            return page;
        };
        let left = match page.more {
            true => windows.left.clone(),
            false => windows.left.get(1..).unwrap_or_default().to_vec(),
        };
        // All records have been listed when the last window has.
        page.complete = left.is_empty();
        if !left.is_empty() {
            let at = page.next.take().filter(|_| page.more);
            page.next = Some(text(&Windows { left, at }));
            page.more = true;
        }
        page
    }
}

fn text(windows: &Windows) -> String {
    let json = serde_json::to_string(windows).unwrap_or_default();
    format!("{MARK}{json}")
}

/// The same place with its present window cut in two; none where it cannot be
/// cut any more.
pub(super) fn narrower(cursor: Option<&str>, now: Timestamp) -> Option<String> {
    let mut left = match Place::read(cursor) {
        Place::Parted(windows) => windows.left,
        // Whatever changes from now on is found by the next run.
        Place::Plain(_) => vec![TimeWindow {
            from: Timestamp::ZERO,
            until: now,
        }],
    };
    let first = left.first_mut()?;
    let span = first.until.0 - first.from.0;
    if span < 2 * NARROWEST {
        return None;
    }
    let middle = Timestamp(first.from.0 + span / 2);
    let older = TimeWindow {
        from: first.from,
        until: middle,
    };
    first.from = middle;
    left.insert(0, older);
    Some(text(&Windows { left, at: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, until: i64) -> TimeWindow {
        TimeWindow {
            from: Timestamp(from * NARROWEST),
            until: Timestamp(until * NARROWEST),
        }
    }

    fn windows(place: &Place) -> &Windows {
        match place {
            Place::Parted(windows) => windows,
            Place::Plain(cursor) => panic!("{cursor:?}"),
        }
    }

    #[test]
    fn a_walk_is_halved_until_its_oldest_part_can_be_listed() {
        let now = Timestamp(8 * NARROWEST);
        let once = narrower(Some("vendor's own"), now).unwrap();
        let twice = narrower(Some(&once), now).unwrap();
        let place = Place::read(Some(&twice));
        assert_eq!(
            windows(&place).left,
            [window(0, 2), window(2, 4), window(4, 8)]
        );
        assert_eq!((place.window(), place.cursor()), (Some(window(0, 2)), None));
        let thrice = narrower(Some(&twice), now).unwrap();
        assert_eq!(narrower(Some(&thrice), now), None, "a second is not cut");
    }

    #[test]
    fn pages_of_windows_are_pages_of_one_walk() {
        let now = Timestamp(8 * NARROWEST);
        let parted = narrower(None, now).unwrap();
        let page = |next: &str, more| Page {
            next: Some(next.to_owned()),
            more,
            ..Page::default()
        };
        let first = Place::read(Some(&parted)).after(page("p1", true));
        assert!(first.more && !first.complete);
        let place = Place::read(first.next.as_deref());
        assert_eq!(
            (place.window(), place.cursor()),
            (Some(window(0, 4)), Some("p1"))
        );
        let second = place.after(page("p2", false));
        assert!(second.more && !second.complete);
        let place = Place::read(second.next.as_deref());
        assert_eq!((place.window(), place.cursor()), (Some(window(4, 8)), None));
        let last = place.after(page("p3", false));
        assert!(!last.more && last.complete);
        assert_eq!(
            last.next.as_deref(),
            Some("p3"),
            "where the next run goes on"
        );
    }

    #[test]
    fn a_walk_that_is_not_parted_is_left_as_it_is() {
        let page = Page {
            next: Some("x".into()),
            complete: true,
            ..Page::default()
        };
        let place = Place::read(Some("vendor's own"));
        assert_eq!(
            (place.window(), place.cursor()),
            (None, Some("vendor's own"))
        );
        assert_eq!(place.after(page.clone()), page);
    }
}
