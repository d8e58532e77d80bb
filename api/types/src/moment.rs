//! Times on the wire: ISO 8601 UTC with milliseconds.

use jiff::Timestamp;
use nexus_domain::WallTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
        schema::{Schema, Type},
    },
};

/// A moment, as `2026-01-31T12:00:00.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment(pub WallTime);

impl Moment {
    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0.0
    }

    /// The moment this many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(WallTime(millis))
    }

    /// Reads any RFC 3339 time.
    ///
    /// # Errors
    /// When the text is no such time.
    pub fn parse(text: &str) -> Result<Self, String> {
        let timestamp: Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        Ok(Self(WallTime(timestamp.as_millisecond())))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let object = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .description(Some("ISO 8601, UTC, with milliseconds"));
        object.into()
    }
}

impl ToSchema for Moment {}

impl From<WallTime> for Moment {
    fn from(time: WallTime) -> Self {
        Self(time)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A time beyond the calendar is shown as its end.
        let timestamp = Timestamp::from_millisecond(self.0.0).unwrap_or(Timestamp::MAX);
        write!(f, "{timestamp:.3}")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        assert_eq!(Moment(WallTime(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Moment(WallTime(1_764_000_000_123)).to_string(), "2025-11-24T16:00:00.123Z");
    }

    #[test]
    fn a_moment_survives_the_wire() {
        let moment = Moment(WallTime(1_764_000_000_120));
        assert_eq!(Moment::parse(&moment.to_string()), Ok(moment));
    }
}
