//! GET lists/{id}/members: filters, order and offset paging.
//!
//! Paging is by offset over the set as it is at each request: a member that
//! enters or leaves the set between two pages shifts the rest, so rows are
//! skipped or repeated, exactly as with the vendor.

use concord_core::Timestamp;
use serde::Serialize;

use super::audience::Audience;
use super::member::{Seconds, Status, seconds};
use super::problem::{FieldError, Problem};
use super::select::Selection;
use super::shown::{Frame, Shown};
use super::view::{Filter, Order};
use crate::http::{Request, Response};

/// A yes-or-no parameter of a request.
pub fn is_set(request: &Request, name: &str) -> bool {
    request
        .parameter(name)
        .is_some_and(|v| v.eq_ignore_ascii_case("true") || v == "1")
}

pub fn selection(request: &Request) -> Selection {
    let text = |name| request.parameter(name);
    Selection::new(text("fields").as_deref(), text("exclude_fields").as_deref())
}

/// `count` and `offset`, with the vendor's defaults and bounds.
pub fn window(request: &Request, errors: &mut Vec<FieldError>) -> (usize, usize) {
    let mut number = |name: &str, default: usize, most: usize| match request.parameter(name) {
        None => default,
        Some(text) => match text.parse::<usize>() {
            Ok(number) if number <= most => number,
            Ok(_) => {
                let message = format!("This value should be {most} or less.");
                errors.push(FieldError::new(name, message));
                default
            }
            Err(_) => {
                errors.push(FieldError::new(
                    name,
                    "This value should be of type integer.",
                ));
                default
            }
        },
    };
    (number("count", 10, 1_000), number("offset", 0, usize::MAX))
}

/// A page of members in the shape of GET lists/{id}/members.
pub fn members(
    list: &mut Audience,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Problem> {
    let mut errors = Vec::new();
    let (count, offset) = window(request, &mut errors);
    let filter = filter(request, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let (page, total) = list.view(now).page(&filter, offset, count);
    let selection = selection(request);
    let keeps = |name: &str| selection.keeps(&[name]);
    let frame = Frame::new(list, &selection, &["members"]);
    let shown = || page.iter().map(|member| frame.show(member)).collect();
    let body = Page {
        members: keeps("members").then(shown),
        list_id: keeps("list_id").then_some(&list.id),
        total_items: keeps("total_items").then_some(total),
    };
    Ok(Response::json(200, &body))
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Shown<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_id: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_items: Option<usize>,
}

fn filter(request: &Request, errors: &mut Vec<FieldError>) -> Filter {
    let mut filter = Filter::default();
    if let Some(name) = request.parameter("status") {
        filter.status = Status::parse(&name);
        if filter.status.is_none() {
            errors.push(FieldError::new(
                "status",
                "The value you selected is not a valid choice.",
            ));
        }
    }
    let mut time = |name: &str| {
        let read = read_time(&request.parameter(name)?);
        if read.is_none() {
            errors.push(FieldError::new(name, "This value is not a valid datetime."));
        }
        read
    };
    filter.since_changed = time("since_last_changed");
    filter.before_changed = time("before_last_changed");
    filter.since_opt = time("since_timestamp_opt");
    filter.before_opt = time("before_timestamp_opt");
    filter.order = match request.parameter("sort_field").as_deref() {
        None | Some("") => Order::Unsaid,
        Some("last_changed") => Order::LastChanged,
        Some("timestamp_opt") => Order::TimestampOpt,
        Some("timestamp_signup") => Order::TimestampSignup,
        Some(_) => {
            let message = "The value you selected is not a valid choice.";
            errors.push(FieldError::new("sort_field", message));
            Order::Unsaid
        }
    };
    let direction = request.parameter("sort_dir").unwrap_or_default();
    filter.descending = direction.eq_ignore_ascii_case("desc");
    filter
}

/// ISO 8601 is what the vendor recommends; a time without an offset is UTC.
/// A fraction of a second is lost, since the vendor keeps whole seconds.
pub fn read_time(text: &str) -> Option<Seconds> {
    if let Some(at) = Timestamp::parse(text) {
        return Some(seconds(at));
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    local
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_offset_or_are_utc() {
        let noon = Some(1_445_428_896);
        assert_eq!(read_time("2015-10-21T12:01:36+00:00"), noon);
        assert_eq!(read_time("2015-10-21T14:01:36+02:00"), noon);
        assert_eq!(read_time("2015-10-21T12:01:36.900Z"), noon);
        assert_eq!(read_time("2015-10-21T12:01:36"), noon);
        assert_eq!(read_time("2015-10-21"), Some(1_445_385_600));
        // A plus sign that nobody escaped arrives as a space.
        assert_eq!(read_time("2015-10-21T12:01:36 00:00"), None);
    }
}
