//! macOS: a profile for `sandbox-exec` that denies writing held files. It does not follow claims that change later,
//! since a profile cannot be changed.

use super::protection::ProtectionPlan;
use std::{collections::BTreeSet, fmt::Write};

/// The program that runs a command under a profile.
#[cfg_attr(test, allow(dead_code))]
pub(super) const PROGRAM: &str = "/usr/bin/sandbox-exec";

/// The profile: it denies writing, replacing, moving and removing held files, and moving the folders above them, and
/// allows everything else. Files that do not exist yet are covered as well: a profile contains names.
pub(super) fn profile(plans: &[ProtectionPlan]) -> String {
    let mut text = "(version 1)\n(allow default)\n".to_owned();
    // Folders above several files are named once.
    let mut folders = BTreeSet::new();
    for plan in plans {
        for path in &plan.paths {
            let whole = quoted(&plan.root.join(path).to_string_lossy());
            // `subpath` is the path itself and all beneath it.
            let _ = writeln!(text, "(deny file-write* (subpath {whole}))");
            for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                let above = plan.root.join(above);
                if !folders.contains(&above) {
                    let _ = writeln!(
                        text,
                        "(deny file-write-unlink (literal {}))",
                        quoted(&above.to_string_lossy())
                    );
                    folders.insert(above);
                }
            }
        }
    }
    text
}

/// A text as a string literal of the profile.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_files_cannot_be_written_and_the_folders_above_them_not_be_moved() {
        let mut plan = ProtectionPlan::of("/Users/ana/app".into());
        for path in ["src/db.rs", "src/auth/deep", "README.md"] {
            plan.add(path.into());
        }
        plan.finish();
        let expected = "\
(version 1)
(allow default)
(deny file-write* (subpath \"/Users/ana/app/README.md\"))
(deny file-write* (subpath \"/Users/ana/app/src/auth/deep\"))
(deny file-write-unlink (literal \"/Users/ana/app/src/auth\"))
(deny file-write-unlink (literal \"/Users/ana/app/src\"))
(deny file-write* (subpath \"/Users/ana/app/src/db.rs\"))
";
        assert_eq!(profile(&[plan]), expected);
    }

    #[test]
    fn a_name_cannot_end_its_text_and_add_a_rule() {
        let mut plan = ProtectionPlan::of("/app".into());
        plan.add("a\")) (allow file-write* (subpath \"x\\".into());
        let text = profile(&[plan]);
        let expected = r#"(deny file-write* (subpath "/app/a\")) (allow file-write* (subpath \"x\\"))"#;
        assert_eq!(text.lines().last(), Some(expected));
    }

    #[test]
    fn nothing_held_denies_nothing() {
        assert_eq!(profile(&[]), "(version 1)\n(allow default)\n");
    }
}
