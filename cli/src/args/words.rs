//! The words of Nexus as arguments: slugs, lanes, stages. Checked here only as far as they end up
//! in an address; the rest is the server's to judge.

use clap::ValueEnum;
use nexus_api_types::feature;

/// Reads a slug: it becomes part of an address, so nothing else may pass.
///
/// # Errors
/// When it is none.
pub(crate) fn slug(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("must be made of a-z, 0-9 and -".to_owned());
    }
    Ok(text.to_owned())
}

/// How soon a feature is wanted.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Lane {
    /// First
    Now,
    /// After that
    Next,
    /// Some day
    Later,
    /// Put aside
    Icebox,
}

impl Lane {
    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        lane_name(self.into_wire())
    }

    /// The same on the wire.
    pub(crate) const fn into_wire(self) -> feature::Lane {
        match self {
            Self::Now => feature::Lane::Now,
            Self::Next => feature::Lane::Next,
            Self::Later => feature::Lane::Later,
            Self::Icebox => feature::Lane::Icebox,
        }
    }
}

/// Where a feature stands.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Status {
    /// Being written
    Draft,
    /// Free to be picked
    Ready,
    /// Picked
    Active,
    /// Finished
    Done,
    /// Given up
    Cancelled,
}

impl Status {
    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A lane's name for people.
pub(crate) const fn lane_name(lane: feature::Lane) -> &'static str {
    match lane {
        feature::Lane::Now => "now",
        feature::Lane::Next => "next",
        feature::Lane::Later => "later",
        feature::Lane::Icebox => "icebox",
    }
}

/// A stage's name for people.
pub(crate) const fn status_name(status: feature::Status) -> &'static str {
    match status {
        feature::Status::Draft => "draft",
        feature::Status::Ready => "ready",
        feature::Status::Active => "active",
        feature::Status::Done => "done",
        feature::Status::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_cannot_lead_to_another_address() {
        assert_eq!(slug("billing-api-2").as_deref(), Ok("billing-api-2"));
        for text in ["", "..", "a/b", "a?b", "a b", "A", "a%2fb", "ü"] {
            assert!(slug(text).is_err(), "{text}");
        }
    }
}
