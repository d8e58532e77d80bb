//! Formats holders, lists, counts and sizes, the same way in tables, answers and refusals.

use super::Clock;
use nexus_api_types::{Moment, feature::BlockedBy, holder::HolderSession};
use std::borrow::Cow;

/// Items that a list names in one line, before it gives the number of the others.
const MOST_LISTED: usize = 4;

/// `ana`, or `ana's agent "claude-1f" in app on main`; where it was renamed `ana's agent "build" (claude-1f) in …`.
pub(crate) fn holder(engineer: &str, agent: Option<&str>, session: &HolderSession) -> String {
    let Some(agent) = agent else { return engineer.to_owned() };
    let name = match &session.session_name {
        Some(name) => format!("\"{name}\" ({agent})"),
        None => format!("\"{agent}\""),
    };
    format!("{engineer}'s agent {name}{}", session.place())
}

/// `14:32 (in 4 min), renewed while it runs`: when what a session holds is free, and what renews that. It is for
/// sentences and single fields: the cells of a table are too narrow, and have [`Clock::until`] alone.
pub(crate) fn lease(until: Moment, session: &HolderSession, clock: &Clock) -> String {
    clock.until(until) + &session.renewal()
}

/// Why a feature cannot be picked.
pub(crate) fn blocker(by: &BlockedBy, clock: &Clock) -> String {
    if !by.depends_on.is_empty() {
        return format!("waits for {}", by.depends_on.join(", "));
    }
    let path = by.file_path.as_deref().unwrap_or("a file");
    let engineer = by.engineer_name.as_deref().unwrap_or("somebody");
    let mut text = format!("{path} is held by {}", holder(engineer, by.agent.as_deref(), &by.holder));
    if let Some(feature) = &by.feature_slug {
        text += &format!(" for feature {feature}");
    }
    if let Some(until) = by.expires_at {
        text += &format!(", until {}", lease(until, &by.holder, clock));
    }
    text
}

/// A word quoted for a shell.
pub(crate) fn quoted(word: &str) -> String {
    // No shell takes a NUL, so a reader sees where it was.
    shlex::try_quote(word).map_or_else(|_| word.replace('\0', "\u{fffd}"), Cow::into_owned)
}

/// The first few, and how many more: `a, b, c, d and 3 more`.
pub(crate) fn list(items: &[impl AsRef<str>]) -> String {
    let named: Vec<&str> = items.iter().take(MOST_LISTED).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(MOST_LISTED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `1 file`, `3 files`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `300 bytes`, `1.5 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", number / size, number % size * 10 / size),
        None => format!("{number} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_api_types::holder::Lease;

    #[test]
    fn bytes_are_printed_in_the_largest_unit_that_fits() {
        assert_eq!(bytes(1_023), "1023 bytes");
        assert_eq!(bytes(1_536 << 10), "1.5 MiB");
        assert_eq!(bytes(u64::MAX), "17179869183.9 GiB");
    }

    #[test]
    fn a_list_stays_short() {
        assert_eq!(list(&["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d and 2 more");
        assert_eq!((count(1, "path"), count(0, "path")), ("1 path".to_owned(), "0 paths".to_owned()));
    }

    #[test]
    fn an_agent_is_named_with_its_engineer() {
        let session = |folder: Option<&str>, branch: Option<&str>| HolderSession {
            folder: folder.map(str::to_owned),
            branch: branch.map(str::to_owned),
            ..HolderSession::default()
        };
        assert_eq!(holder("ana", None, &session(Some("app"), None)), "ana");
        assert_eq!(holder("ana", Some("build"), &session(None, None)), "ana's agent \"build\"");
        let named = holder("ana", Some("claude-1f"), &session(Some("app"), Some("main")));
        assert_eq!(named, "ana's agent \"claude-1f\" in app on main");
        let renamed = HolderSession { session_name: Some("build".to_owned()), ..session(None, Some("main")) };
        assert_eq!(holder("ana", Some("claude-1f"), &renamed), "ana's agent \"build\" (claude-1f) on main");
    }

    #[test]
    fn a_lease_is_named_by_what_renews_it() {
        let clock = Clock::fixed("2026-01-31T14:28:00Z");
        let lease = |lease| {
            let until = Moment::parse("2026-01-31T14:29:30Z").expect("it is a time");
            super::lease(until, &HolderSession { lease, ..HolderSession::default() }, &clock)
        };
        assert_eq!(lease(Some(Lease::Attended)), "14:29 (in 1 min 30 s), renewed while it runs");
        assert_eq!(lease(Some(Lease::Unattended)), "14:29 (in 1 min 30 s), renewed by its requests");
        assert_eq!(lease(None), "14:29 (in 1 min 30 s)", "an older server does not say it");
    }
}
