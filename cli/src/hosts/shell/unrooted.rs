//! Patterns of files in an unknown folder, such as `"$LOGS/a.log"`, or the files that `find` finds.

use glob::{MatchOptions, Pattern};
use std::path::PathBuf;

/// A pattern of files whose folder is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnrootedPattern {
    /// The absolute path of a folder above them; `None` if they may be anywhere.
    pub(crate) below: Option<PathBuf>,
    /// The pattern of their paths from there.
    pub(crate) pattern: String,
}

/// The options under which patterns match as in the cluster: `*` stays within a folder.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Whether a claim conflicts with writing a file of this pattern. A claim on a whole folder would match every pattern
/// that may be anywhere, so it conflicts only if the file is surely in that folder.
pub(crate) fn claim_conflicts(claim: &str, pattern: &str) -> bool {
    let Some(folder) = folder_of(claim) else { return true };
    let known: Vec<&str> = pattern.split('/').take_while(|part| !part.contains(['*', '?', '['])).collect();
    // This crate does not know braces.
    let Ok(folder) = Pattern::new(folder)
        .map_err(drop)
        .and_then(|folder| if folder.as_str().contains('{') { Err(()) } else { Ok(folder) })
    else {
        return true;
    };
    (1..=known.len()).any(|length| folder.matches_with(&known[..length].join("/"), OPTIONS))
}

/// The folder that a claim holds as a whole; `None` if it names files.
fn folder_of(claim: &str) -> Option<&str> {
    let mut folder = claim;
    while let Some(above) = ["/", "/**", "/*"].iter().find_map(|end| folder.strip_suffix(end)) {
        folder = above;
    }
    match folder {
        "**" | "*" => Some(""),
        _ => (folder.len() < claim.len()).then_some(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_on_a_folder_speaks_against_what_is_in_it_for_sure() {
        for (claim, pattern, is_so) in [
            ("src/auth/", "**/report.json", false),
            ("src/auth/**", "**/report.json", false),
            ("src/auth/**/*", "src/**/*.rs", false),
            ("**", "**/report.json", false),
            ("src/auth/", "src/auth/**/*.rs", true),
            ("src/", "src/auth/**/*.rs", true),
            ("src/**", "src/**", true),
            ("packages/*/src/", "packages/a/src/**/x.rs", true),
            ("packages/*/src/", "packages/a/lib/**/x.rs", false),
            ("src/report.json", "**/report.json", true),
            ("tests/**/*.snap", "**/*.snap", true),
            ("src/{a,b}/", "src/a/**/x.rs", true),
        ] {
            assert_eq!(claim_conflicts(claim, pattern), is_so, "{claim} {pattern}");
        }
    }
}
