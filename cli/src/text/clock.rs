//! Times as people read them: short, in their own zone, with how long it is until then.

use jiff::{Timestamp, tz::TimeZone};
use nexus_api_types::Moment;
use std::sync::OnceLock;

/// The time that texts are written at, and the zone they are read in.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    now: Timestamp,
    /// Found when it is asked for first: that reads a whole folder.
    zone: OnceLock<TimeZone>,
}

impl Clock {
    /// The present time in the time zone of this machine.
    pub(crate) fn here() -> Self {
        Self { now: Timestamp::now(), zone: OnceLock::new() }
    }

    /// A clock that stands still, in UTC.
    #[cfg(test)]
    pub(crate) fn fixed(now: &str) -> Self {
        Self { now: now.parse().expect("tests give a time"), zone: OnceLock::from(TimeZone::UTC) }
    }

    fn zone(&self) -> TimeZone {
        self.zone.get_or_init(TimeZone::system).clone()
    }

    /// `14:32`; on another day `Jan 31 14:32`; in another year `2025-01-31`.
    pub(crate) fn short(&self, moment: Moment) -> String {
        let at = timestamp(moment).to_zoned(self.zone());
        let now = self.now.to_zoned(self.zone());
        let form = if at.date() == now.date() {
            "%H:%M"
        } else if at.year() == now.year() {
            "%b %-d %H:%M"
        } else {
            "%Y-%m-%d"
        };
        at.strftime(form).to_string()
    }

    /// `14:32 (in 4 min)`; an estimate that is over comes `any moment now`.
    pub(crate) fn until(&self, moment: Moment) -> String {
        let left = timestamp(moment).as_millisecond() - self.now.as_millisecond();
        let how_long = if left <= 0 { "any moment now".to_owned() } else { format!("in {}", span(left)) };
        format!("{} ({how_long})", self.short(moment))
    }

    /// The milliseconds by which this clock is ahead of another one that shows `moment` now.
    pub(crate) fn ahead_of_ms(&self, moment: Moment) -> i64 {
        Timestamp::now().as_millisecond() - timestamp(moment).as_millisecond()
    }

    /// `12 min ago`.
    pub(crate) fn ago(&self, moment: Moment) -> String {
        let gone = self.now.as_millisecond() - timestamp(moment).as_millisecond();
        if gone < 1_000 { "just now".to_owned() } else { format!("{} ago", span(gone)) }
    }
}

fn timestamp(moment: Moment) -> Timestamp {
    // A time beyond the calendar is shown as its end.
    Timestamp::from_millisecond(moment.as_millis()).unwrap_or(Timestamp::MAX)
}

/// A length of time, rounded down: `45 s`, `4 min 10 s`, `1 h 59 min`, `12 h`, `3 d`. Fewer than ten of a unit have the
/// next smaller one behind them: otherwise two hours would read as one hour a second later.
pub(crate) fn span(millis: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    const EXACT: i64 = 10;
    let Some(at) = UNITS.iter().position(|(unit, _)| millis >= *unit) else {
        return format!("{} ms", millis.max(0));
    };
    let (unit, name) = UNITS[at];
    let (count, rest) = (millis / unit, millis % unit);
    match UNITS.get(at + 1).map(|(smaller, name)| (rest / smaller, name)) {
        Some((more, smaller)) if count < EXACT && more > 0 => format!("{count} {name} {more} {smaller}"),
        _ => format!("{count} {name}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn a_time_is_as_short_as_the_day_allows() {
        let clock = Clock::fixed("2026-01-31T14:28:00Z");
        assert_eq!(clock.short(moment("2026-01-31T09:05:59Z")), "09:05");
        assert_eq!(clock.short(moment("2026-02-01T00:00:00Z")), "Feb 1 00:00");
        assert_eq!(clock.short(moment("2025-12-31T23:59:00Z")), "2025-12-31");
    }

    #[test]
    fn a_time_is_printed_in_the_readers_zone() {
        let clock = Clock {
            zone: OnceLock::from(TimeZone::fixed(jiff::tz::offset(2))),
            ..Clock::fixed("2026-01-31T23:30:00Z")
        };
        assert_eq!(clock.short(moment("2026-01-31T22:15:00Z")), "00:15");
    }

    #[test]
    fn the_time_until_or_since_a_moment_is_printed() {
        let clock = Clock::fixed("2026-01-31T14:28:00Z");
        assert_eq!(clock.until(moment("2026-01-31T14:32:10Z")), "14:32 (in 4 min 10 s)");
        assert_eq!(clock.until(moment("2026-01-31T14:28:00Z")), "14:28 (any moment now)");
        assert_eq!(clock.ago(moment("2026-01-31T14:27:15Z")), "45 s ago");
        assert_eq!(clock.ago(moment("2026-01-31T12:00:00Z")), "2 h 28 min ago");
        assert_eq!(clock.ago(moment("2026-01-31T14:29:00Z")), "just now");
    }

    #[test]
    fn a_second_less_than_two_hours_is_not_one_hour() {
        let spans = [7_200_000, 7_199_999, 86_399_999, 9 * 86_400_000, 90_000, 59_999, 999, -1].map(span);
        assert_eq!(spans, ["2 h", "1 h 59 min", "23 h", "9 d", "1 min 30 s", "59 s", "999 ms", "0 ms"]);
    }
}
