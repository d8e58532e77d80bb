//! The paths of a checkout that become read-only. It reads nothing but whether a path exists.

use super::portable;
use crate::guard::checkout::UNCLAIMABLE_FOLDERS;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs,
    ops::Bound,
    path::{Component, Path, PathBuf},
};

/// Paths that are protected at most: each of them is a mount, and Linux allows 100,000 in a namespace.
pub(super) const MAX_PATHS: usize = 20_000;

/// Characters that make a pattern of a path.
pub(super) const WILD: [char; 5] = ['*', '?', '[', '{', '\\'];

/// The paths of one checkout that a command must not write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProtectionPlan {
    /// The root of the checkout, without symbolic links.
    #[serde(with = "portable::one")]
    pub(super) root: PathBuf,
    /// Files, and folders with all that is in them, from the root; in order, and none in another one. Some may not
    /// exist.
    #[serde(with = "portable::many")]
    pub(super) paths: Vec<PathBuf>,
    /// Held paths and patterns that cannot be protected, with the reasons.
    pub(super) uncovered: BTreeSet<(String, UncoveredReason)>,
}

/// Why a held path cannot be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UncoveredReason {
    /// There is no such file yet.
    Missing,
    /// New files that the wildcard matches.
    NewFiles,
    /// It is a symbolic link, or lies behind one.
    Link,
    /// It is neither a file nor a folder, or its name cannot be one here.
    NoFile,
    /// There are too many.
    TooMany,
    /// A wildcard that was not compared with all files: there are more than are read.
    Unseen,
    /// A file that a wildcard may match, by a name that no server takes: it is no UTF-8, too long, or has control
    /// characters.
    Unnamed,
    /// The system refused it.
    Refused,
}

impl UncoveredReason {
    /// Whether the gap is documented: files that do not exist, or cannot be written anyway, are not protected. Any
    /// other reason means that the protection is less than is documented.
    pub(super) const fn is_expected(self) -> bool {
        match self {
            Self::Missing | Self::NewFiles | Self::NoFile => true,
            Self::Link | Self::TooMany | Self::Unseen | Self::Unnamed | Self::Refused => false,
        }
    }

    /// The reason as the end of a sentence.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "does not exist yet, so it can be made",
            Self::NewFiles => "new files that it matches can be made",
            Self::Link => "is a symbolic link, or behind one, and can be replaced",
            Self::NoFile => "is neither a file nor a folder here",
            Self::TooMany => "is one too many",
            Self::Unseen => "was not compared with all files here, which are too many",
            Self::Unnamed => "has a name that no server takes, so nobody can tell whether it is held",
            Self::Refused => "could not be mounted",
        }
    }
}

/// The files that a held pattern matches, as far as its text shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternShape {
    /// One file, or a folder with all beneath it.
    Path(PathBuf),
    /// All beneath the root.
    Everything,
    /// A part of the files beneath a folder; only the cluster knows which.
    Some {
        /// The folder; empty for the root.
        beneath: PathBuf,
    },
    /// Nothing that could be a path.
    Nothing,
}

impl PatternShape {
    /// The shape of a pattern. A name with brackets, which may be literal, is [`PatternShape::Some`].
    pub(super) fn of(pattern: &str) -> Self {
        let mut folder = pattern.trim_end_matches('/');
        while let Some(above) = folder.strip_suffix("**").or_else(|| folder.strip_suffix("**/*")) {
            match above.strip_suffix('/') {
                Some(above) => folder = above,
                None if above.is_empty() => return Self::Everything,
                None => break,
            }
        }
        if folder.is_empty() {
            return Self::Everything;
        }
        if !folder.contains(WILD) {
            return clean(folder).map_or(Self::Nothing, Self::Path);
        }
        let fixed = &folder[..folder.find(WILD).unwrap_or_default()];
        let beneath = fixed.rfind('/').map_or("", |at| &fixed[..at]);
        match clean(beneath) {
            Some(beneath) => Self::Some { beneath },
            None if beneath.is_empty() => Self::Some { beneath: PathBuf::new() },
            None => Self::Nothing,
        }
    }
}

/// The paths that the own sessions hold. A folder that others hold around or in one of these is not theirs as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnPaths {
    is_everywhere: bool,
    paths: BTreeSet<PathBuf>,
}

impl OwnPaths {
    /// The paths of the own claims.
    pub(super) fn of(mine: &[PatternShape]) -> Self {
        let mut own_paths = Self::default();
        for shape in mine {
            match shape {
                PatternShape::Path(path) | PatternShape::Some { beneath: path }
                    if !path.as_os_str().is_empty() =>
                {
                    own_paths.paths.insert(path.clone());
                }
                PatternShape::Path(_) | PatternShape::Some { .. } | PatternShape::Everything => {
                    own_paths.is_everywhere = true;
                }
                PatternShape::Nothing => {}
            }
        }
        own_paths
    }

    /// Whether an own path may be that path, above it or beneath it.
    pub(super) fn overlaps(&self, path: &Path) -> bool {
        // Paths beneath a path follow it in this order.
        let mut after = self.paths.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        self.is_everywhere
            || after.next().is_some_and(|mine| mine.starts_with(path))
            || path.ancestors().any(|above| self.paths.contains(above))
    }

    /// Whether the own sessions hold nothing.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_everywhere && self.paths.is_empty()
    }
}

/// A path from the root of a checkout; none if it is empty, absolute, or has `..`.
pub(super) fn clean(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let is_clean = !text.contains('\0') && path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_clean && !text.is_empty()).then(|| path.components().collect())
}

/// Whether nobody can claim a path: it belongs to git or to Nexus.
pub(super) fn is_unclaimable(path: &Path) -> bool {
    path.components()
        .next()
        .is_some_and(|first| UNCLAIMABLE_FOLDERS.iter().any(|name| first.as_os_str() == *name))
}

impl ProtectionPlan {
    /// A plan that protects nothing in this checkout yet.
    pub(super) fn of(root: PathBuf) -> Self {
        Self { root, ..Self::default() }
    }

    /// Protects a path.
    pub(super) fn add(&mut self, path: PathBuf) {
        if path.as_os_str().is_empty() || is_unclaimable(&path) {
            return;
        }
        if self.paths.len() >= MAX_PATHS {
            self.add_uncovered(path.display().to_string(), UncoveredReason::TooMany);
            return;
        }
        self.paths.push(path);
    }

    /// Whether a path itself is protected. Call it only after [`finish`](Self::finish), which sorts the paths.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.paths.binary_search_by(|known| known.as_path().cmp(path)).is_ok()
    }

    /// Protects all entries of the root that can be claimed. New entries of the root are not covered.
    pub(super) fn add_everything(&mut self) {
        let entries = fs::read_dir(&self.root).into_iter().flatten();
        let names: Vec<PathBuf> =
            entries.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name()))).collect();
        names.into_iter().for_each(|name| self.add(name));
        self.add_uncovered("**".to_owned(), UncoveredReason::NewFiles);
    }

    /// Adds a path or pattern that is not covered, with the reason.
    pub(super) fn add_uncovered(&mut self, what: String, gap: UncoveredReason) {
        if self.uncovered.len() < MAX_PATHS {
            self.uncovered.insert((what, gap));
        }
    }

    /// Sorts the paths, and removes those in a folder that is protected as a whole.
    pub(super) fn finish(&mut self) {
        self.paths.sort_unstable();
        // Paths in a folder follow it in this order.
        self.paths.dedup_by(|path, before| path.starts_with(before));
    }

    /// Moves paths that do not exist to the uncovered ones.
    pub(super) fn add_missing_to_uncovered(&mut self) {
        let (present, missing): (Vec<PathBuf>, Vec<PathBuf>) =
            self.paths.drain(..).partition(|path| self.root.join(path).symlink_metadata().is_ok());
        self.paths = present;
        missing
            .iter()
            .for_each(|path| self.add_uncovered(path.display().to_string(), UncoveredReason::Missing));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_a_path_a_folder_or_some_files_beneath_one() {
        let path = |text: &str| PatternShape::Path(text.into());
        let some = |text: &str| PatternShape::Some { beneath: text.into() };
        for (pattern, shape) in [
            ("src/db.rs", path("src/db.rs")),
            ("src/auth/", path("src/auth")),
            ("src/auth/**", path("src/auth")),
            ("src/auth/**/*", path("src/auth")),
            ("**", PatternShape::Everything),
            ("**/*", PatternShape::Everything),
            ("/", PatternShape::Everything),
            ("src/**/*.rs", some("src")),
            ("src/*", some("src")),
            ("*.rs", some("")),
            ("app/[id]/page.tsx", some("app")),
            ("src/a**", some("src")),
            ("{a,b}/x.rs", some("")),
            ("../etc/passwd", PatternShape::Nothing),
            ("src/../../x", PatternShape::Nothing),
            ("/etc/passwd", PatternShape::Nothing),
            ("../*.rs", PatternShape::Nothing),
        ] {
            assert_eq!(PatternShape::of(pattern), shape, "{pattern}");
        }
    }

    #[test]
    fn what_is_near_ones_own_is_the_same_around_it_and_in_it() {
        let mine = ["src/own.rs", "lib/", "app/[id]/*.tsx"].map(PatternShape::of);
        let own_paths = OwnPaths::of(&mine);
        for (path, expected) in [
            ("src", true),
            ("src/own.rs", true),
            ("src/own.rs/x", true),
            ("src/other.rs", false),
            ("src-more", false),
            ("lib/deep/a.rs", true),
            ("app/a.tsx", true),
            ("docs", false),
        ] {
            assert_eq!(own_paths.overlaps(Path::new(path)), expected, "{path}");
        }
        assert!(OwnPaths::of(&[PatternShape::of("*.md")]).overlaps(Path::new("docs")));
        assert!(OwnPaths::of(&[]).is_empty());
    }

    #[test]
    fn what_is_in_a_protected_folder_needs_no_protection_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/auth")).unwrap();
        fs::write(folder.path().join("src/auth/a.rs"), "").unwrap();
        let mut plan = ProtectionPlan::of(folder.path().to_owned());
        for path in ["src/auth/a.rs", "src/auth", "src/new.rs", ".git/config", ".nexus"] {
            plan.add(path.into());
        }
        plan.add("src/auth-more".into());
        plan.finish();
        assert_eq!(plan.paths, ["src/auth", "src/auth-more", "src/new.rs"].map(PathBuf::from));
        fs::write(folder.path().join("src/auth-more"), "").unwrap();
        plan.add_missing_to_uncovered();
        assert_eq!(plan.paths, ["src/auth", "src/auth-more"].map(PathBuf::from));
        assert_eq!(plan.uncovered, BTreeSet::from([("src/new.rs".to_owned(), UncoveredReason::Missing)]));
    }

    #[test]
    fn everything_is_all_that_there_is_but_not_what_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".git", ".nexus", "src"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut plan = ProtectionPlan::of(folder.path().to_owned());
        plan.add_everything();
        plan.finish();
        assert_eq!(plan.paths, [PathBuf::from("src")]);
        assert_eq!(plan.uncovered, BTreeSet::from([("**".to_owned(), UncoveredReason::NewFiles)]));
    }
}
