//! Tryton's own JSON forms of dates, moments and amounts.

use concord_sdk::prelude::*;

/// Plain JSON: dates and amounts as text, the rest as it is.
pub fn plain(value: &Value) -> Value {
    match value.get("__class__").and_then(Value::as_str) {
        Some("Decimal") => value.get("decimal").cloned().unwrap_or(Value::Null),
        Some("date") => date(value).map_or(Value::Null, Value::String),
        Some("datetime") => micros(value).map_or(Value::Null, |at| Value::String(time::format(at))),
        _ => value.clone(),
    }
}

fn part(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.as_i64()
}

fn date(value: &Value) -> Option<String> {
    let (year, month, day) = (
        part(value, "year")?,
        part(value, "month")?,
        part(value, "day")?,
    );
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// A moment, which trytond keeps in UTC, in microseconds since 1970.
pub fn micros(value: &Value) -> Option<i64> {
    let day = date(value)?;
    let (hour, minute, second) = (
        part(value, "hour")?,
        part(value, "minute")?,
        part(value, "second")?,
    );
    let fraction = part(value, "microsecond")?;
    time::parse(&format!(
        "{day}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"
    ))
}

/// A moment as a value in a search.
pub fn moment(at: i64) -> Value {
    let text = time::format(at);
    let number = |range: std::ops::Range<usize>| -> i64 {
        text.get(range)
            .and_then(|t| t.parse().ok())
            .unwrap_or_default()
    };
    serde_json::json!({
        "__class__": "datetime",
        "year": number(0..4), "month": number(5..7), "day": number(8..10),
        "hour": number(11..13), "minute": number(14..16), "second": number(17..19),
        "microsecond": at.rem_euclid(1_000_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_forms_of_trytond_become_plain_json() {
        let at = json!({"__class__":"datetime","year":2026,"month":11,"day":21,"hour":10,"minute":0,"second":0,"microsecond":123456});
        let cases = [
            (
                json!({"__class__":"Decimal","decimal":"12.50"}),
                json!("12.50"),
            ),
            (
                json!({"__class__":"date","year":2026,"month":1,"day":2}),
                json!("2026-01-02"),
            ),
            (at.clone(), json!("2026-11-21T10:00:00.123456Z")),
            (json!("x"), json!("x")),
            (json!({"__class__":"date"}), Value::Null),
        ];
        for (value, expect) in cases {
            assert_eq!(plain(&value), expect);
        }
        // `date -u -d 2026-11-21T10:00:00Z +%s` is 1795255200.
        assert_eq!(micros(&at), Some(1_795_255_200_123_456));
        assert_eq!(moment(1_795_255_200_123_456), at);
    }
}
