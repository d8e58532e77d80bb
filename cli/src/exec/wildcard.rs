//! A bound on the files that a held wildcard matches, by its text. The cluster knows which files it matches; files out
//! of bounds need not be asked about.

use super::{
    protection::{WILD, clean},
    spellings::may_be_same,
};
use std::path::{Path, PathBuf};

/// The bound of a pattern that another session holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wildcard {
    /// The folder that all of it is in; empty for the root.
    beneath: PathBuf,
    /// The most folders between that one and a file; none where there may be any number.
    levels: Option<usize>,
    /// The end of the name of the file, or of a folder that it is in, in lower case. Empty where it may be anything.
    tail: String,
    /// Whether it matches everything beneath the folder.
    is_whole: bool,
}

impl Wildcard {
    /// The bound of a glob; `None` if its folder is no path of a checkout.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        let fixed = &pattern[..pattern.find(WILD)?];
        let (beneath, rest) = fixed.rfind('/').map_or(("", pattern), |at| (&fixed[..at], &pattern[at + 1..]));
        let beneath = if beneath.is_empty() { PathBuf::new() } else { clean(beneath)? };
        // A slash at the end, also of an alternative in braces, means all that is beneath.
        let is_deep = ["**", "/}", "/,"].iter().any(|deep| rest.contains(deep)) || rest.ends_with('/');
        let tail = rest.trim_end_matches('/').rsplit([']', '}', ',', '!']).next().unwrap_or_default();
        let tail = tail.rsplit(WILD).next().unwrap_or_default();
        // Letters beyond ASCII may have another composition.
        let tail = if tail.is_ascii() { tail.to_ascii_lowercase() } else { String::new() };
        let levels = (!is_deep).then(|| rest.matches('/').count());
        Some(Self { beneath, levels, tail, is_whole: false })
    }

    /// The pattern of everything beneath a folder.
    pub(super) const fn all_of(folder: PathBuf) -> Self {
        Self { beneath: folder, levels: None, tail: String::new(), is_whole: true }
    }

    /// Whether it may match something in or beneath this folder.
    pub(super) fn reaches(&self, folder: &Path) -> bool {
        let (above, below) = (self.beneath.components().count(), folder.components().count());
        self.agrees_with(folder) && self.levels.is_none_or(|levels| below <= above + levels)
    }

    /// Whether it may match this file.
    pub(super) fn may_match(&self, file: &Path) -> bool {
        let is_beneath = file.components().count() > self.beneath.components().count();
        is_beneath && self.agrees_with(file) && (self.tail.is_empty() || ends_so(file, &self.tail))
    }

    /// Whether it surely matches everything in this folder.
    pub(super) fn has_all_of(&self, folder: &Path) -> bool {
        self.is_whole && folder.starts_with(&self.beneath)
    }

    /// Whether one of the two may be the other, or lie beneath it.
    fn agrees_with(&self, path: &Path) -> bool {
        self.beneath.iter().zip(path).all(|(one, other)| may_be_same(one, other))
    }
}

/// Whether a file, or a folder that it is in, ends so.
fn ends_so(file: &Path, tail: &str) -> bool {
    match file.to_str() {
        // Some letters beyond ASCII are one of its letters in another case.
        Some(text) if text.is_ascii() => {
            format!("/{}/", text.to_ascii_lowercase()).contains(&format!("{tail}/"))
        }
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_domain::pattern::Pattern;

    #[test]
    fn whatever_a_wildcard_matches_it_may_match() {
        let patterns = [
            "*.md",
            "**/*.md",
            "src/*.rs",
            "src/**/*.rs",
            "src/**/mod.rs",
            "**/mod.rs",
            "src/*",
            "src/*/gen/",
            "src/**/gen/**",
            "app/[id]/*.tsx",
            "app/[id].tsx",
            "{src,lib}/*.rs",
            "{src/deep,lib}/x.{rs,md}",
            "{notes,src/}",
            "src/a**",
            "src/d?ep/a.rs",
            "Src/**/*.RS",
            "src/[!a].rs",
            "*",
            "src/{a,b",
            "s[r-t]c/**",
        ];
        let files = [
            "README.md",
            "readme.MD",
            "src/a.rs",
            "src/mod.rs",
            "src/deep/mod.rs",
            "src/deep/a.rs",
            "mod.rs",
            "src/x/gen/y/z.bin",
            "src/gen/a",
            "app/[id]/page.tsx",
            "app/i.tsx",
            "app/[id].tsx",
            "lib/x.rs",
            "lib/x.md",
            "src/deep/x.rs",
            "src/ab/c/d",
            "SRC/A.rs",
            "src/b.rs",
            "notes",
            "src/{a,b",
            "ſrc/a.rs",
            "src/\u{212a}.md",
            "src/x.\u{e9}/a.rs",
            "docs/a/b/c.md",
        ];
        let mut matched = 0;
        for pattern in patterns {
            let wildcard = Wildcard::of(pattern).unwrap();
            for file in files {
                let meets = |pattern: &str, file: &str| {
                    Pattern::parse(pattern).unwrap().overlaps(&Pattern::parse(file).unwrap())
                };
                // Also where case is ignored.
                if meets(pattern, file) || meets(&pattern.to_lowercase(), &file.to_lowercase()) {
                    matched += 1;
                    let path = Path::new(file);
                    assert!(wildcard.may_match(path), "{pattern} {file}");
                    for folder in path.ancestors().skip(1) {
                        assert!(wildcard.reaches(folder), "{pattern} {}", folder.display());
                    }
                }
            }
        }
        assert!(matched > 30, "{matched}");
    }

    #[test]
    fn what_it_cannot_match_is_left_out() {
        let cannot = |pattern: &str, file: &str| !Wildcard::of(pattern).unwrap().may_match(Path::new(file));
        assert!(cannot("**/*.md", "target/debug/a.o"));
        assert!(cannot("src/*.rs", "lib/a.rs"));
        assert!(!Wildcard::of("*.md").unwrap().reaches(Path::new("node_modules")));
        assert!(!Wildcard::of("src/**/*.rs").unwrap().reaches(Path::new("target")));
        assert!(
            Wildcard::of("Src/**/*.rs").unwrap().may_match(Path::new("src/A.RS")),
            "one file where case is ignored"
        );
        assert!(Wildcard::of("../*.rs").is_none());
    }
}
