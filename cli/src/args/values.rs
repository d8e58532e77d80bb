//! Values of arguments: slugs, ids, texts, lanes and stages. A value is checked here only as far as it becomes part of
//! a URL; the server checks the rest.

use crate::error::Error;
use clap::ValueEnum;
use nexus_api_types::{engineer::Role, feature, project::MemberRole};
use std::io::Read;
use uuid::Uuid;

/// Bytes of the longest text: a request may have 1 MiB.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Parses a slug. It becomes part of a URL, so it must be made of `a-z`, `0-9` and `-`.
///
/// # Errors
/// When it has other characters, or none.
pub(crate) fn slug(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("must be made of a-z, 0-9 and -".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses an id, as all answers have them.
///
/// # Errors
/// When it is not a UUID.
pub(crate) fn id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| {
        "is no id; one looks like 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf, and --json shows those of everything"
            .to_owned()
    })
}

/// The text of an argument; `-` reads it from stdin.
///
/// # Errors
/// When stdin cannot be read, is empty, or has more than [`MAX_TEXT_BYTES`].
pub(crate) fn text(typed: &str) -> Result<String, Error> {
    if typed != "-" {
        return Ok(typed.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_TEXT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Error::local(format!("cannot read stdin: {error}")))?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(Error::misused("the text is longer than 1 MiB")
            .hint("keep long texts in the repository, and say where"));
    }
    if text.trim().is_empty() {
        return Err(Error::misused("there is no text on stdin"));
    }
    Ok(text)
}

/// How soon a feature is wanted.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Lane {
    /// Wanted before all others
    Now,
    /// Wanted once those are done
    Next,
    /// Wanted at some later time
    Later,
    /// Put aside for now
    Icebox,
}

impl Lane {
    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        lane_name(self.into_wire())
    }

    /// The lane of a feature.
    pub(crate) const fn of_wire(lane: feature::Lane) -> Self {
        match lane {
            feature::Lane::Now => Self::Now,
            feature::Lane::Next => Self::Next,
            feature::Lane::Later => Self::Later,
            feature::Lane::Icebox => Self::Icebox,
        }
    }

    /// The lane before this one; none before `now`.
    pub(crate) const fn sooner(self) -> Option<Self> {
        match self {
            Self::Now => None,
            Self::Next => Some(Self::Now),
            Self::Later => Some(Self::Next),
            Self::Icebox => Some(Self::Later),
        }
    }

    /// The lane after this one; none after `icebox`.
    pub(crate) const fn later(self) -> Option<Self> {
        match self {
            Self::Now => Some(Self::Next),
            Self::Next => Some(Self::Later),
            Self::Later => Some(Self::Icebox),
            Self::Icebox => None,
        }
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

/// The stage of a feature.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Status {
    /// Still being written
    Draft,
    /// Free to be picked
    Ready,
    /// Picked by an agent
    Active,
    /// Finished and over
    Done,
    /// Given up for good
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

/// The name of a role in the cluster, for people.
pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Engineer => "engineer",
        Role::Readonly => "readonly",
    }
}

/// The name of a role in a project, for people.
pub(crate) const fn member_role_name(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Lead => "lead",
        MemberRole::Member => "member",
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
