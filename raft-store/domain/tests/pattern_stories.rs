//! Tests the patterns that people and agents claim, and which claims collide.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    OutOfBudget, WorkBudget,
    pattern::{Collision, Complexity, MAX_PATTERN_BYTES, Pattern, PatternError, PatternKind},
};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn refusal(text: &str) -> PatternError {
    Pattern::parse(text).unwrap_err()
}

#[track_caller]
fn collide(one: &str, other: &str) {
    assert!(pattern(one).overlaps(&pattern(other)), "{one} and {other} must collide");
    assert!(pattern(other).overlaps(&pattern(one)), "{other} and {one} must collide");
}

#[track_caller]
fn stay_apart(one: &str, other: &str) {
    assert!(!pattern(one).overlaps(&pattern(other)), "{one} and {other} must not collide");
    assert!(!pattern(other).overlaps(&pattern(one)), "{other} and {one} must not collide");
}

#[test]
fn one_path_has_one_spelling() {
    for (given, normal) in [
        ("./a//b", "a/b"),
        ("a/../b", "b"),
        ("a/./b/.", "a/b/"),
        ("src/auth//", "src/auth/"),
        ("src/auth/..", "src/"),
        (".", "./"),
        ("./", "./"),
        ("a/..", "./"),
        ("app/[id]/../x", "app/x"),
        ("a\\b", "a\\b"),
        ("Straße/ü.rs", "Straße/ü.rs"),
    ] {
        assert_eq!(pattern(given).as_str(), normal, "{given}");
    }
}

#[test]
fn a_path_outside_of_the_repository_is_refused() {
    use PatternError::{Absolute, ControlCharacter, Empty, EscapesRoot, ParentOfWildcard, TooLong};
    for (text, error) in [
        ("", Empty),
        ("/etc/passwd", Absolute),
        ("C:\\Windows", Absolute),
        ("c:/windows", Absolute),
        ("./C:/windows", Absolute),
        ("../../etc/passwd", EscapesRoot),
        ("a/../../b", EscapesRoot),
        ("..", EscapesRoot),
        ("*/../x", ParentOfWildcard),
        ("a/**/..", ParentOfWildcard),
        ("{a,b/c}/../x", ParentOfWildcard),
        ("{../a,b}", ParentOfWildcard),
        ("src/{a,..}/x", ParentOfWildcard),
        ("a\0b", ControlCharacter),
        ("a\nb", ControlCharacter),
    ] {
        assert_eq!(refusal(text), error, "{text:?}");
    }
    assert_eq!(pattern(&"a".repeat(MAX_PATTERN_BYTES)).as_str().len(), 1_024);
    assert_eq!(refusal(&"a".repeat(1_025)), TooLong);
    assert_eq!(refusal(&"ü".repeat(513)), TooLong);
}

#[test]
fn a_pattern_knows_its_kind() {
    use PatternKind::{File, Folder, Glob};
    for (text, kind) in [
        ("src/db.rs", File),
        ("src/[id", File),
        ("src/{id", File),
        ("src/auth/", Folder),
        ("./", Folder),
        ("**", Folder),
        ("src/**", Folder),
        ("src/**/", Folder),
        ("src/**/*", Folder),
        ("src/*", Glob),
        ("src/*/", Glob),
        ("src**", Glob),
        ("src/**/*.rs", Glob),
        ("app/[id]/page.tsx", Glob),
    ] {
        assert_eq!(pattern(text).kind(), kind, "{text}");
    }
}

#[test]
fn a_folder_holds_every_file_beneath_it() {
    collide("src/", "src/a.rs");
    collide("src/", "src/auth/login.rs");
    collide("src/", "src/auth/");
    collide("src/", "src/");
    stay_apart("src/", "srcs/a.rs");
    stay_apart("src/", "src-old/");
    stay_apart("src/", "tests/a.rs");
    stay_apart("src/", "Src/a.rs");
}

#[test]
fn the_whole_repository_collides_with_everything() {
    for other in ["a", "src/", "**/*.rs", "*", "./", "[id]", "{a,b}"] {
        collide(".", other);
        collide("**", other);
        collide("***/", other);
    }
}

#[test]
fn a_glob_collides_with_the_files_it_matches() {
    collide("src/**/*.rs", "src/x/y.rs");
    collide("src/**/*.rs", "src/y.rs");
    stay_apart("src/**/*.rs", "src/x/y");
    stay_apart("src/**/*.rs", "tests/y.rs");
    collide("src/*.rs", "src/.hidden.rs");
    stay_apart("src/*.rs", "src/x/y.rs");
    collide("src/?.rs", "src/ü.rs");
    collide("**/x", "x");
    collide("a/**/b", "a/b");
    stay_apart("a/*/b", "a/b");
    collide("src/**.rs", "src/x/y.rs");
    collide("src/*/", "src/auth/deep/file");
    stay_apart("src/*/", "src/file");
    stay_apart("**.", "a");
    collide("**.", "a/b.");
    collide("{src,lib}/**/*.rs", "lib/x.rs");
    collide("{src/db,lib}.rs", "src/db.rs");
    collide("db/[0-9][0-9]_*.sql", "db/07_users.sql");
    stay_apart("db/[0-9][0-9]_*.sql", "db/x7_users.sql");
    collide("db/[[:digit:]]_*.sql", "db/7_users.sql");
}

#[test]
fn a_glob_collides_with_folders_it_reaches_into() {
    collide("src/**/*.rs", "src/auth/");
    collide("src/**/*.rs", "src/");
    collide("**/mod.rs", "src/auth/");
    collide("src/*/mod.rs", "src/auth/");
    stay_apart("src/*/mod.rs", "src/auth/login/");
    stay_apart("src/*.rs", "src/auth/");
    stay_apart("src/*.rs", "tests/");
}

#[test]
fn two_globs_collide_when_one_path_could_match_both() {
    collide("src/**/*.rs", "**/mod.rs");
    collide("src/*_test.rs", "src/auth_*.rs");
    collide("*.rs", "a*");
    collide("a*b", "ab");
    collide("**/a/**", "**/b/**");
    stay_apart("*.rs", "*.md");
    stay_apart("src/**", "tests/**");
    stay_apart("src/*/a", "src/*/b");
    stay_apart("*/a", "*");
    stay_apart("[abc].rs", "[def].rs");
    stay_apart("[!a-z]", "[a-f]");
    collide("[!a-f]", "[a-z]");
    stay_apart("{a,b}/x", "{c,d}/x");
    collide("{a,b}/x", "{b,c}/x");
    stay_apart("**/*.test.ts", "src/**/*.tsx");
    stay_apart("a/?", "a/[.]");
    stay_apart("a/.?", "a/?[.]");
    collide("a/.?x", "a/[.]?x");
}

#[test]
fn names_in_brackets_and_braces_are_files_too() {
    for name in [
        "app/[id]/page.tsx",
        "app/[...slug]/page.tsx",
        "{{cookiecutter.name}}/setup.py",
        "a[b",
        "x{y",
        "[]",
        "{}",
    ] {
        assert!(pattern(name).matches(name), "{name}");
        collide(name, name);
    }
    collide("app/[id]/page.tsx", "app/");
    collide("app/[id]/page.tsx", "app/**/page.tsx");
    collide("app/[id]/page.tsx", "app/[id]/");
    collide("app/[id]/[name]/page.tsx", "app/[id]/**");
    stay_apart("app/[id]/page.tsx", "app/[id]/layout.tsx");
    stay_apart("app/[id]/page.tsx", "app/[slug]x/page.tsx");
}

#[test]
fn one_tree_cannot_hold_a_file_and_a_folder_of_the_same_name() {
    collide("src", "src/a.rs");
    collide("src", "src/");
    collide("src", "src/auth/");
    collide("src", "src/*/mod.rs");
    collide("src", "src/**");
    collide("app/[id]", "app/[id]/page.tsx");
    stay_apart("src/a.rs", "**/mod.rs");
    stay_apart("src", "src.rs");
    stay_apart("src", "s*c/a.rs");
}

#[test]
fn alternatives_are_read_as_if_given_alone() {
    collide("{./a,b/}", "a");
    collide("{./a,b/}", "b/deep/file");
    stay_apart("{./a,b/}", "c");
    collide("a/{,b/}c", "a/c");
    collide("a/{,b}/c", "a/c");
    collide("{a,}/c", "c");
    collide("src/.{/x,y}", "src/x");
    collide("src/.{/x,y}", "src/.y");
    stay_apart("{,a}", "b");
}

#[test]
fn an_example_of_a_collision_can_be_shown() {
    let example = |one: &str, other: &str| pattern(one).common_path(&pattern(other));
    assert_eq!(example("src/**/*.rs", "src/auth/mod.rs").as_deref(), Some("src/auth/mod.rs"));
    assert_eq!(example("src", "src/a.rs").as_deref(), Some("src"));
    assert_eq!(example("src/a.rs", "src/b.rs"), None);
    let shared = example("src/*_test.rs", "src/auth_*.rs").unwrap();
    assert!(pattern("src/*_test.rs").matches(&shared) && pattern("src/auth_*.rs").matches(&shared));
}

#[test]
fn a_pattern_too_large_to_compile_is_refused_and_a_long_name_is_not() {
    use Complexity::{Followers, Nesting, Stars};
    let too_complex = |text: &str, why| assert_eq!(refusal(text), PatternError::TooComplex(why), "{text}");
    too_complex(&"{,}".repeat(300), Followers);
    too_complex(&"a*".repeat(65), Stars);
    too_complex(&format!("{}a{}", "{".repeat(30), "}".repeat(30)), Nesting);
    let brackets = "[a]".repeat(341);
    collide(&brackets, &brackets);
    let template = "{{cookiecutter.project}}/".repeat(20) + "x.py";
    collide(&template, &template);
    assert_eq!(pattern(&"[".repeat(1_000)).kind(), PatternKind::File);
}

#[test]
fn a_pattern_that_reads_one_path_in_too_many_ways_is_refused_and_says_so() {
    for text in
        ["*a".repeat(30) + "[x]", "{,a*}".repeat(20) + "[b]", "{,a}".repeat(60), "*?".repeat(30) + "x"]
    {
        let error = refusal(&text);
        assert!(matches!(error, PatternError::TooComplex(_)), "{text}: {error}");
    }
    assert_eq!(
        refusal(&"{,a}".repeat(60)).to_string(),
        "the pattern is too complex: its `*`, `?`, brackets and braces can match one and the same path in too many \
         ways; claim the folder, or several simpler patterns"
    );
    assert_eq!(
        refusal(&("*a".repeat(30) + "[x]")).to_string(),
        "the pattern is too complex: it has more than 20 `*` or `**`; claim the folder, or several simpler patterns"
    );
}

#[test]
fn everyday_patterns_are_cheap() {
    let letter = |n: u8| char::from(b'a' + n % 26);
    let names =
        (0..120_u8).map(|n| format!("{}{}name", letter(n), letter(n / 26))).collect::<Vec<_>>().join(",");
    let alike = (0..30).map(|n| format!("test_{n}")).collect::<Vec<_>>().join(",");
    let long_lists =
        [format!("**/{{{names}}}.rs"), format!("src/{{{names}}}/**/*.ts"), format!("**/{{{alike}}}.py")];
    let patterns = [
        "**/*.{ts,tsx,js,jsx,mjs,cjs,mts,cts,css,scss,less,html,vue,svelte,json,yaml,yml,md,mdx}",
        "src/**/__tests__/**/*.{spec,test}.{ts,tsx,js,jsx}",
        "**/{__tests__,__mocks__,fixtures,snapshots}/**/*",
        "packages/*/src/**/*.{module,global}.{css,scss}",
        "crates/*-{core,cli,api}/{src,tests,benches}/**/*.rs",
        "**/[!._]*.py",
        "**/migrations/[0-9][0-9][0-9][0-9]_*.sql",
        "app/[lang]/(shop)/[...slug]/**/page.{tsx,jsx}",
        "**/*_generated*.{go,pb.go,rs}",
        "docs/**/*[0-9]*.md",
        "*/*/*/*/*/*.rs",
        "**/a*/**/b*/**/c*/**/*.txt",
        "????-??-??-*.md",
    ];
    let patterns: Vec<Pattern> =
        patterns.into_iter().chain(long_lists.iter().map(String::as_str)).map(pattern).collect();
    let files =
        ["src/deeply/nested/folders/__tests__/some_long_file_name.spec.tsx", "docs/2026-01-02-notes.md"];
    for one in &patterns {
        for other in &patterns {
            let mut work = WorkBudget::unlimited();
            let collision = one.collision(other, &mut work).unwrap();
            assert_ne!(collision, Collision::Assumed, "{one} and {other}: {}", work.used());
        }
        for file in files {
            let mut work = WorkBudget::of(20_000);
            assert_ne!(one.collision(&pattern(file), &mut work), Ok(Collision::Assumed), "{one} and {file}");
        }
    }
}

#[test]
fn a_pair_that_is_too_much_work_counts_as_a_collision() {
    // They end differently, but there are very many ways to their ends.
    let one = pattern(&("*a".repeat(18) + "[x]"));
    let other = pattern(&("[!x]".repeat(250) + "[y]"));
    let mut work = WorkBudget::unlimited();
    assert_eq!(
        (one.collision(&other, &mut work), work.used() < 300_000),
        (Ok(Collision::Assumed), true),
        "{}",
        work.used()
    );
    collide(one.as_str(), other.as_str());
    assert_eq!(one.common_path(&other), None);
    stay_apart("a*a*a*a*[b]", "a*a*a*a*[c]");
}

#[test]
fn a_budget_that_ends_before_a_pair_is_settled_settles_nothing() {
    let (one, other) = (pattern("a*a*a*a*[b]"), pattern("a*a*a*a*[c]"));
    let mut work = WorkBudget::unlimited();
    assert_eq!(one.collision(&other, &mut work), Ok(Collision::Impossible));
    let needed = work.used();
    assert_eq!(one.collision(&other, &mut WorkBudget::of(needed)), Ok(Collision::Impossible));
    assert_eq!(one.collision(&other, &mut WorkBudget::of(needed - 1)), Err(OutOfBudget));
}

#[test]
fn a_pattern_is_stored_as_its_text_and_checked_when_read_back() {
    use serde::de::{IntoDeserializer, value};
    let read = |text: &str| -> Result<Pattern, value::Error> {
        serde::Deserialize::deserialize(text.into_deserializer())
    };
    assert_eq!(read("a//b").unwrap(), pattern("a/b"));
    assert!(read("../x").unwrap_err().to_string().contains("must not leave the repository"));
}
