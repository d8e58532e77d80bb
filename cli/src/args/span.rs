//! Lengths of time as people type them: `90s`, `30m`, `1h`, `7d`; a bare number is seconds.

use crate::error::Error;
use nexus_api_types::Moment;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a length of time above zero.
///
/// # Errors
/// When it is none.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const FORM: &str = "is no time; write it as 500ms, 90s, 30m, 1h or 7d";
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| FORM)?;
    let millis_per_unit = match unit.trim_start() {
        "ms" => 1,
        "" | "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(FORM.to_owned()),
    };
    let millis = number.checked_mul(millis_per_unit).filter(|millis| *millis <= MAX_MILLIS);
    match millis {
        Some(0) => Err("must be more than nothing".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("is too long: at most a year".to_owned()),
    }
}

/// The moment at which a length of time is over that begins now.
///
/// # Errors
/// When there is no date for it.
pub(crate) fn from_now(span: Duration) -> Result<Moment, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from((now + span).as_millis());
    millis.map(Moment::from_millis).map_err(|_| Error::misused("the key would outlive the calendar"))
}

/// A year: what is longer was mistyped, and sums of such times cannot overflow.
const MAX_MILLIS: u64 = 366 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_unit() {
        for (text, millis) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("250ms", 250),
            ("30 m", 1_800_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "0", "-1s", "1.5h", "1w", "99999999999999999999", "400d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
