//! Fields that are numbers or flags.

use super::field::{BodyField, Problem, problem};
use serde_json::Value;
use std::ops::RangeInclusive;
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
    schema::{Schema, Type},
};

impl BodyField for bool {
    type Sent = Self;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        value.as_bool().map_or_else(|| problem("must be true or false"), Ok)
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }
}

impl BodyField for u64 {
    type Sent = Self;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        in_range(&value, 0..=Self::MAX)
    }

    fn schema() -> RefOr<Schema> {
        whole_number(KnownFormat::Int64).minimum(Some(0)).into()
    }
}

/// A whole number in a range.
pub struct Whole<const LEAST: u64, const MOST: u64>(pub u64);

impl<const LEAST: u64, const MOST: u64> BodyField for Whole<LEAST, MOST> {
    type Sent = u64;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        in_range(&value, LEAST..=MOST).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        let number = whole_number(KnownFormat::Int64).minimum(Some(LEAST));
        // A higher one is no limit to a client.
        let most = (MOST < i64::MAX.unsigned_abs()).then_some(MOST);
        number.maximum(most).into()
    }
}

/// A position in a lane, from 1.
pub struct Priority(pub u32);

impl BodyField for Priority {
    type Sent = u32;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        let number = in_range(&value, 1..=u64::from(u32::MAX))?;
        Ok(Self(u32::try_from(number).expect("the range is that of the type")))
    }

    fn schema() -> RefOr<Schema> {
        whole_number(KnownFormat::Int32).minimum(Some(1)).maximum(Some(u32::MAX)).into()
    }
}

/// A number of seconds, fractions allowed.
pub struct Seconds(pub f64);

impl BodyField for Seconds {
    type Sent = f64;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        let seconds = value.as_f64().filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds));
        seconds.map_or_else(|| problem("must be a number of seconds"), |seconds| Ok(Self(seconds)))
    }

    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Double);
        ObjectBuilder::new().schema_type(Type::Number).format(Some(format)).into()
    }
}

fn whole_number(format: KnownFormat) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(format);
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(format))
}

fn in_range(value: &Value, range: RangeInclusive<u64>) -> Result<u64, Vec<Problem>> {
    match whole(value).filter(|number| range.contains(number)) {
        Some(number) => Ok(number),
        None => problem(format!("must be a whole number from {} to {}", range.start(), range.end())),
    }
}

/// A whole number, however it is written: JSON does not tell 1 from 1.0.
fn whole(value: &Value) -> Option<u64> {
    /// The largest whole number that a double represents exactly.
    const EXACT: f64 = 9_007_199_254_740_991.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // The value is in this range, and whole.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (number.fract() == 0.0 && (0.0..=EXACT).contains(&number)).then_some(number as u64)
    })
}
