//! Dates and moments in a system's own writing.

use concord_core::Value;
use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use super::Refusal;
use super::scalar::text;

/// How a system writes a day.  The canonical form is `2026-11-21`, or
/// `--11-21` where the year is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum DateForm {
    Format {
        format: String,
        /// The format has no year: it is kept from the canonical record.
        without_year: bool,
    },
    /// Milliseconds of midnight UTC.
    EpochMs,
}

impl DateForm {
    pub fn format(format: &str) -> Self {
        let without_year = !["%Y", "%F", "%D", "%y", "%x"]
            .iter()
            .any(|directive| format.contains(directive));
        DateForm::Format {
            format: format.to_owned(),
            without_year,
        }
    }

    pub(crate) fn get(&self, slot: &Value, canonical: &Value) -> Result<Value, Refusal> {
        match self {
            DateForm::EpochMs => {
                let moment = epoch(slot, 1)?;
                let date = moment.to_zoned(TimeZone::UTC).date();
                Ok(Value::String(date.to_string()))
            }
            DateForm::Format {
                format,
                without_year,
            } => {
                let written = text(slot)?;
                let written = written.trim();
                if written.starts_with("--") && is_yearless(written) {
                    return Ok(Value::from(written));
                }
                let wrong = |e: jiff::Error| {
                    Refusal::unfit(slot, format!("not a date in the form {format}: {e}"))
                };
                let parts = BrokenDownTime::parse(format, written).map_err(wrong)?;
                if !without_year {
                    return Ok(Value::String(parts.to_date().map_err(wrong)?.to_string()));
                }
                let (Some(month), Some(day)) = (parts.month(), parts.day()) else {
                    return Err(Refusal::unfit(
                        slot,
                        format!("no month and day in the form {format}"),
                    ));
                };
                let yearless = format!("-{month:02}-{day:02}");
                let known = canonical.as_str().and_then(|date| date.get(..4));
                Ok(Value::String(match known {
                    Some(year) if format!("{year}{yearless}").parse::<civil::Date>().is_ok() => {
                        format!("{year}{yearless}")
                    }
                    _ => format!("-{yearless}"),
                }))
            }
        }
    }

    pub(crate) fn put(&self, value: &Value) -> Result<Value, Refusal> {
        let date = value.as_str().unwrap_or("");
        let wrong = |reason: String| Refusal::unfit(value, reason);
        if is_yearless(date) {
            return self.put_yearless(value, date);
        }
        let day: civil::Date = date.parse().map_err(|e| wrong(format!("{e}")))?;
        match self {
            DateForm::EpochMs => {
                let midnight = day
                    .to_zoned(TimeZone::UTC)
                    .map_err(|e| wrong(format!("{e}")))?;
                Ok(Value::from(midnight.timestamp().as_millisecond()))
            }
            DateForm::Format { format, .. } => {
                let written = BrokenDownTime::from(day)
                    .to_string(format)
                    .map_err(|e| wrong(format!("it cannot be written as {format}: {e}")))?;
                Ok(Value::String(written))
            }
        }
    }

    fn put_yearless(&self, value: &Value, date: &str) -> Result<Value, Refusal> {
        let DateForm::Format {
            format,
            without_year: true,
        } = self
        else {
            return Err(Refusal::unfit(
                value,
                "the system cannot hold a date without its year",
            ));
        };
        let wrong = |e: jiff::Error| {
            Refusal::unfit(value, format!("it cannot be written as {format}: {e}"))
        };
        // The year is not written; a leap year lets 29 February through.
        let leap: civil::Date = format!("2000{}", &date[1..]).parse().map_err(wrong)?;
        let written = BrokenDownTime::from(leap)
            .to_string(format)
            .map_err(wrong)?;
        Ok(Value::String(written))
    }
}

/// `--11-21`, a real day of some year.
pub(crate) fn is_yearless(date: &str) -> bool {
    date.strip_prefix('-')
        .is_some_and(|rest| rest.len() == 6 && format!("2000{rest}").parse::<civil::Date>().is_ok())
}

/// How a system writes a moment.  The canonical form is RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq)]
pub enum TimestampForm {
    Rfc3339,
    EpochS,
    EpochMs,
    /// strftime, in the lens's time zone unless the format has an offset.
    Format(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TimestampCodec {
    pub form: TimestampForm,
    pub zone: TimeZone,
}

impl TimestampCodec {
    pub(crate) fn get(&self, slot: &Value) -> Result<Value, Refusal> {
        let moment = match &self.form {
            TimestampForm::EpochS => epoch(slot, 1_000)?,
            TimestampForm::EpochMs => epoch(slot, 1)?,
            TimestampForm::Rfc3339 => {
                let written = text(slot)?;
                written.trim().parse::<Timestamp>().map_err(|e| {
                    Refusal::unfit(slot, format!("not a moment as RFC 3339 has it: {e}"))
                })?
            }
            TimestampForm::Format(format) => self.parse(format, slot)?,
        };
        let moment = moment.round(Unit::Microsecond).unwrap_or(moment);
        Ok(Value::String(moment.to_string()))
    }

    fn parse(&self, format: &str, slot: &Value) -> Result<Timestamp, Refusal> {
        let wrong = |e: jiff::Error| {
            Refusal::unfit(slot, format!("not a moment in the form {format}: {e}"))
        };
        let written = text(slot)?;
        let parts = BrokenDownTime::parse(format, written.trim()).map_err(wrong)?;
        if parts.offset().is_some() || parts.timestamp().is_some() {
            return parts.to_timestamp().map_err(wrong);
        }
        let civil = parts.to_datetime().map_err(wrong)?;
        Ok(civil
            .to_zoned(self.zone.clone())
            .map_err(wrong)?
            .timestamp())
    }

    /// Writes a moment, and refuses where the form would lose part of it: a
    /// fraction of a second, or the hour that a change of the clocks repeats.
    pub(crate) fn put(&self, value: &Value) -> Result<Value, Refusal> {
        let wrong = |e: jiff::Error| Refusal::unfit(value, e.to_string());
        let moment: Timestamp = value.as_str().unwrap_or("").parse().map_err(wrong)?;
        let written = match &self.form {
            TimestampForm::Rfc3339 => Value::String(moment.to_string()),
            TimestampForm::EpochS => Value::from(moment.as_second()),
            TimestampForm::EpochMs => Value::from(moment.as_millisecond()),
            TimestampForm::Format(format) => {
                let zoned = moment.to_zoned(self.zone.clone());
                let parts = BrokenDownTime::from(&zoned);
                Value::String(parts.to_string(format).map_err(wrong)?)
            }
        };
        let read: Option<Timestamp> = match self.get(&written)? {
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if read == moment.round(Unit::Microsecond).ok() {
            Ok(written)
        } else {
            Err(Refusal::unfit(
                value,
                format!("the system would store it as {written}, which is another moment"),
            ))
        }
    }
}

fn epoch(slot: &Value, milliseconds_per_unit: i64) -> Result<Timestamp, Refusal> {
    let wrong = || {
        Refusal::unfit(
            slot,
            "it is not a number of seconds or milliseconds since 1970",
        )
    };
    let number = match slot {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let milliseconds = number
        .and_then(|n| n.checked_mul(milliseconds_per_unit))
        .ok_or_else(wrong)?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| wrong())
}
