//! Tests the parsing of commands as agents type them.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

/// The writes of a command that starts in `/repo/app`, as text.
fn seen(command: &str) -> Vec<String> {
    let writes = writes(command, Path::new("/repo/app"));
    let name = |path: &PathBuf| {
        let path = path.strip_prefix("/repo/app").unwrap_or(path);
        path.display().to_string()
    };
    let discards = writes.discards.iter().map(|folder| format!("!{}", name(folder)));
    let anywhere =
        writes.patterns.iter().map(|(folder, pattern)| format!("?{}", name(&folder.join(pattern))));
    let unrooted = |sign: &'static str, all: &[UnrootedPattern]| -> Vec<String> {
        let shown = |one: &UnrootedPattern| match &one.below {
            Some(below) => format!("{sign}{}", name(&below.join(&one.pattern))),
            None => format!("{sign}/{}", one.pattern),
        };
        all.iter().map(shown).collect()
    };
    let existing = unrooted("=", &writes.unrooted_existing);
    let somewhere = unrooted("?", &writes.unrooted_new);
    let mentioned = writes.mentioned.iter().map(|path| format!("~{}", name(path)));
    let unreadable = writes.unreadable.iter().map(|why| format!("!!{why}"));
    let paths = writes.paths.iter().map(name);
    let somewhere = somewhere.into_iter().chain(existing);
    paths.chain(discards).chain(anywhere).chain(somewhere).chain(mentioned).chain(unreadable).collect()
}

#[test]
fn redirections_write() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("echo x > a.txt", &["a.txt"][..]),
        ("echo x >> a.txt", &["a.txt"]),
        ("echo x >| a.txt", &["a.txt"]),
        ("make &> build.log", &["build.log"]),
        ("make &>> build.log", &["build.log"]),
        ("make > out 2>&1", &["out"]),
        ("make 2> errors >&2", &["errors"]),
        ("make >& both", &["both"]),
        ("sort < in > out", &["out"]),
        ("echo x>a", &["a"]),
        ("> 'a b.txt'", &["a b.txt"]),
        ("cat > \"src/a.rs\" <<'EOF'\nfn main() { a > b; }\nEOF\necho y > c", &["src/a.rs", "c"]),
        ("cat <<-END > a\n\tx > y\n\tEND\n", &["a"]),
        ("grep x a.txt | sort | tee b.txt -a c.txt", &["b.txt", "c.txt"]),
        ("echo a \\> b", &[]),
        ("echo 'a > b' \"c > d\" # > e", &[]),
        ("[[ a > b ]] && echo x > c", &["c"]),
        ("(( a > b )); if [ -f x ]; then echo y > z; fi", &["z"]),
        ("echo $(date > when) > where", &["where", "when"]),
        ("diff <(sort a > b) c", &["b"]),
        ("echo hi > /dev/null", &["/dev/null"]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn programs_write_their_named_targets() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("sed -i 's/a/b/' src/a.rs src/b.rs", &["src/a.rs", "src/b.rs"][..]),
        ("sed -i.bak -e 's/a/b/' -e 's/c/d/' src/a.rs", &["src/a.rs"]),
        ("sed -i '' 's/a/b/' src/a.rs", &["src/a.rs"]),
        ("sed -n -i 's/a/b/p' src/a.rs", &["src/a.rs"]),
        ("sed -Ei 's/a/b/' src/a.rs", &["src/a.rs"]),
        ("sed --in-place=.orig s/a/b/ a", &["a"]),
        ("sed -n 's/i/b/p' a.rs", &[]),
        ("perl -pi -e 's/a/b/' a.rs b.rs", &["a.rs", "b.rs"]),
        ("perl -i -pe 's/a/b/' a.rs", &["a.rs"]),
        ("perl -0pi -e 's/a/b/' a.rs", &["a.rs"]),
        ("perl -lpi -e 's/a/b/' a.rs", &["a.rs"]),
        ("perl -0777pi -e 's/a/b/' a.rs", &["a.rs"]),
        ("perl -0xFFpi -e 's/a/b/' a.rs", &["a.rs"]),
        ("perl -CSD -pi -e 's/a/b/' a.rs", &["a.rs"]),
        ("perl -C -pi -e 's/a/b/' a.rs", &["a.rs"]),
        ("perl -l012 -Mutf8 -pi.bak -e 's/a/b/' a.rs", &["a.rs"]),
        ("ruby -lpi -e 'upcase' a.rs", &["a.rs"]),
        ("perl -ne 'print' a.rs", &[]),
        ("mv a.rs b.rs", &["a.rs", "b.rs"]),
        ("mv a.rs b.rs lib/", &["a.rs", "lib/a.rs", "b.rs", "lib/b.rs"]),
        ("mv -t lib a.rs", &["a.rs", "lib/a.rs"]),
        ("cp -r src/a.rs docs/b.rs", &["docs/b.rs"]),
        ("rm -rf target src/a.rs", &["target", "src/a.rs"]),
        ("rm -- -odd", &["-odd"]),
        ("touch -r ref a b", &["a", "b"]),
        ("truncate -s 0 log.txt", &["log.txt"]),
        ("dd if=/dev/zero of=disk.img bs=1M", &["disk.img"]),
        ("install -m 644 a.rs /usr/x.rs", &["/usr/x.rs"]),
        ("ln -sf ../a.rs b.rs", &["b.rs"]),
        ("chmod +x run.sh", &["run.sh"]),
        ("curl -s -o page.html https://example.com", &["page.html"]),
        (
            "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: src/a.rs\n@@\n-a\n+b\n*** End Patch\nEOF",
            &["src/a.rs"],
        ),
        ("patch -p1 <<'EOF'\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-a\n+b\nEOF", &["src/a.rs"]),
        ("patch src/a.rs < fix.diff", &["src/a.rs"]),
        ("git mv a.rs b.rs", &["a.rs", "b.rs"]),
        ("git rm -f a.rs", &["a.rs"]),
        ("git rm --cached a.rs", &[]),
        ("git checkout -- src/a.rs", &["src/a.rs"]),
        ("git checkout main -- src/a.rs", &["src/a.rs"]),
        ("git checkout main", &[]),
        ("git checkout HEAD gone.rs src/gone.rs", &["gone.rs", "src/gone.rs"]),
        ("git checkout -b new main", &[]),
        ("git restore --source=HEAD~1 src/a.rs", &["src/a.rs"]),
        ("git restore --staged src/a.rs", &[]),
        ("git -C sub checkout -- a.rs", &["sub/a.rs"]),
        ("git reset --hard HEAD", &["!"]),
        ("git stash && git stash pop", &["!"]),
        ("git clean -fdx", &["!"]),
        ("git apply <<'EOF'\n--- a/x\n+++ b/x\nEOF", &["x"]),
        ("git status && git diff > d.txt", &["d.txt"]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_command_runs_where_it_was_led() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("cd src && rm a.rs", &["src/a.rs"][..]),
        ("cd src; cd ..; rm a.rs", &["a.rs", "?src/a.rs"]),
        ("(cd src && rm a.rs); rm b.rs", &["src/a.rs", "b.rs"]),
        ("cd /elsewhere && rm a.rs", &["/elsewhere/a.rs"]),
        ("cd $(mktemp -d) && rm a.rs && rm /repo/app/b.rs", &["/tmp/made-by-mktemp/a.rs", "b.rs"]),
        ("cd - && rm a.rs", &["=/**/a.rs"]),
        ("cd lib; cd - && rm a.rs", &["a.rs"]),
        ("bash -c 'cd src && rm a.rs'; rm b.rs", &["src/a.rs", "b.rs"]),
        ("sh -ec \"rm a.rs\"", &["a.rs"]),
        ("bash <<'EOF'\nrm a.rs\nEOF", &["a.rs"]),
        ("sudo -u ana env X=1 timeout 5 rm a.rs", &["a.rs"]),
        ("eval 'rm a.rs'", &["a.rs"]),
        ("X=1 rm a.rs", &["a.rs"]),
        ("for i in 1 2; do\n  rm a$i.rs\ndone", &["a1.rs", "a2.rs"]),
        ("while read x; do rm a.rs; done", &["a.rs"]),
        ("case $x in\n a) rm a.rs;;\nesac", &["a.rs"]),
        ("f() { rm a.rs; }; f", &["a.rs"]),
        ("rm a.rs &\nrm b.rs", &["a.rs", "b.rs"]),
        ("rm \\\n  a.rs", &["a.rs"]),
        ("git commit -m \"$(cat <<'EOF'\nDon't\nEOF\n)\" && rm a.rs", &["a.rs"]),
        ("git commit -m \"$(cat <<'EOF'\nIt isn't \"so\nEOF\n)\" && rm a.rs", &["a.rs"]),
        ("x=$(make # don't\n) && rm a.rs", &["a.rs"]),
        (
            "x=$(case $y in a) rm a.rs;; (b) rm b.rs;; esac; rm c.rs) && rm d.rs",
            &["a.rs", "b.rs", "c.rs", "d.rs"],
        ),
        ("echo $((1 + (2 << 3))) && rm a.rs", &["a.rs"]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_cannot_be_known_is_all_that_it_could_be() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("rm $FILE", &[][..]),
        ("rm \"$DIR/a.rs\" b.rs", &["b.rs", "=/**/a.rs"]),
        ("f=src/a.rs; rm $f ${f}.bak", &["src/a.rs", "src/a.rs.bak"]),
        ("f=src/a.rs rm $f", &[]),
        ("echo x > $(pick)", &[]),
        ("rm src/{a,b}.rs", &["src/a.rs", "src/b.rs"]),
        ("cp a.rs b.rs $DIR", &["?/**/a.rs", "?/**/b.rs"]),
        ("mv a.rs $DIR", &["a.rs"]),
        ("mv a.rs $DIR/", &["a.rs", "?/**/a.rs"]),
        ("rm *.nothing-like-it", &[]),
        ("echo x > \"$PWD/a.rs\"", &["a.rs"]),
        ("find . -name '*.rs' | xargs rm", &["=**/*.rs"]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_done_with_what_is_found_may_be_done_to_any_of_it() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("find . -name '*.orig' -delete", &["=**/*.orig"][..]),
        ("find src tests -type f -name '*.rs' -exec sed -i s/a/b/ {} +", &["=src/**/*.rs", "=tests/**/*.rs"]),
        ("find src -exec rm {} \\;", &["=src/**"]),
        ("find src -name a -o -name b -exec rm {} \\;", &["=src/**/a", "=src/**/b"]),
        ("find src -name a -o -type f -exec rm {} \\;", &["=src/**"]),
        ("find src -name '*.rs' -exec sh -c 'rm {}' \\;", &["=src/**/*.rs"]),
        ("find src -name '*.rs' -exec cp {} old/ \\; && rm b.rs", &["b.rs", "?old/*.rs"]),
        ("find src -name '*.rs' -exec grep x {} \\; -exec touch done \\;", &["done"]),
        ("find src -fprint list", &["list"]),
        ("find . -name '*.rs'", &[]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_too_much_to_look_at_may_be_anything() {
    let alternatives = "{a,b}".repeat(24);
    let doubled = "x=$x$x; ".repeat(60);
    for command in [
        format!("rm {alternatives}"),
        format!("rm a{alternatives}; ls"),
        format!("x=aaaaaaaa; {doubled} rm $x"),
        format!("rm {}", (0..3_000).map(|at| format!("{at} ")).collect::<String>()),
    ] {
        assert!(writes(&command, Path::new("/repo/app")).may_write_anything, "{}", &command[..60]);
    }
    // A `find` that writes nothing may find any file.
    assert_eq!(writes(&format!("ls {alternatives} /*/*/*/*/*"), Path::new("/repo/app")), Writes::default());
    let text = "$x \\\" ".repeat(60_000);
    assert_eq!(seen(&format!("x=1; echo \"{text}\" > a; rm b")), ["a", "b"]);
}

#[test]
fn a_pattern_that_needs_too_many_folders_is_too_much() {
    let folder = tempfile::tempdir().expect("a folder");
    for at in 0..150 {
        fs::create_dir_all(folder.path().join(format!("{at}/x"))).expect("a folder");
        for name in 0..150 {
            fs::write(folder.path().join(format!("{at}/{name}")), "").expect("a file");
        }
    }
    let found = writes("rm */*", folder.path());
    assert!(found.may_write_anything, "{found:?}");
    let found = writes("ls */*; touch a", folder.path());
    assert_eq!((found.paths, found.may_write_anything), (vec![folder.path().join("a")], false));
}

#[test]
fn a_glob_is_the_files_that_it_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.rs", "b.rs", "c.txt", ".hidden.rs"] {
        fs::write(folder.path().join(name), "").expect("a file");
    }
    let found = writes("rm *.rs", folder.path());
    assert_eq!(found.paths, [folder.path().join("a.rs"), folder.path().join("b.rs")]);
    let found = writes("sed -i s/a/b/ [ab].rs 'app/[id].tsx'", folder.path());
    assert_eq!(found.paths.len(), 3, "{found:?}");
    assert!(found.paths.contains(&folder.path().join("app/[id].tsx")));
}

#[test]
fn what_was_not_seen_once_is_seen() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("true || cd /tmp; echo x > F", &["F", "?/tmp/F"][..]),
        ("cat < <(echo x > F)", &["F"]),
        ("echo ${Y:-$(echo x > F)}", &["F"]),
        ("F=f; echo x > ${F%z}", &["f"]),
        ("F=src/dbz; echo x > ${F%z}.rs ${F/dbz/a}", &["src/db.rs"]),
        ("echo F | xargs sed -i s/a/b/", &["F"]),
        ("echo F | xargs -I{} cp a {}", &["F"]),
        ("grep -rl a src | xargs sed -i s/a/b/", &["=src/**"]),
        ("git ls-files '*.rs' | xargs rm", &["=**/*.rs"]),
        ("echo 'echo x > F' | bash", &["F"]),
        ("bash -c 'echo x > \"$1\"' _ F", &["F"]),
        ("env -S 'sed -i s/a/b/ F'", &["F"]),
        ("env -C src touch F", &["src/F"]),
        ("cp -tsrc a", &["src/a"]),
        ("cp --targ=src a", &["src/a"]),
        ("sort -oF a", &["F"]),
        ("sort a --output F", &["F"]),
        ("awk '{print > \"F.txt\"}' a", &["~F.txt"]),
        ("awk -v f=F.txt '{print > f}' a", &["~F.txt"]),
        ("sed -n 'w F' a", &["F"]),
        ("f() { echo x > \"$1\"; }; f F", &["F"]),
        ("A=(a F); rm \"${A[1]}\"", &["F"]),
        ("F=G; V=F; echo x > \"${!V}\"", &["G"]),
        ("printf -v F '%s/%s' src a; echo x > $F", &["src/a"]),
        ("read -r F <<< G; echo x > $F", &["G"]),
        ("ln -s ../a.rs docs/link && echo x > docs/link", &["docs/link", "a.rs"]),
        ("rm {a..c}.rs", &["a.rs", "b.rs", "c.rs"]),
        ("git -c alias.w='!rm F' w", &["F"]),
        ("GIT_EDITOR='touch F' git commit", &["F"]),
        ("git diff main | git apply", &[]),
        ("tar xf a.tar", &["?**"]),
        ("tar xf a.tar -C out src/db.rs", &["out/src/db.rs"]),
        ("tar czf out.tgz src", &["out.tgz"]),
        ("rsync -a kit/ .", &["?**"]),
        ("cd $(git rev-parse --show-toplevel) && echo x > F", &["?/**/F"]),
        ("python3 - <<'END'\nopen('src/a.py', 'w').write('x')\nEND", &["~src/a.py"]),
        ("python3 -c \"p='src/a.py'; s=open(p).read(); open(p,'w').write(s)\"", &["~src/a.py"]),
        ("python3 -c \"print(open('src/a.py').read())\"", &[]),
        ("python3 -c \"d=open('src/a.py').read(); open('out.py','w').write(d)\"", &["~out.py"]),
        ("node -e 'require(\"fs\").writeFileSync(\"src/a.js\", \"\")'", &["~src/a.js"]),
        ("perl -e 'open(F, \"<\", \"src/a.pl\"); print <F>'", &[]),
        ("nexus exec -- rm F", &["F"]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_stream_no_place_elsewhere_and_no_value_of_an_option_is_taken_for_a_file() {
    let mut failures: Vec<String> = Vec::new();
    for (command, expected) in [
        ("wget -qO- https://example.com", &[][..]),
        ("wget https://example.com", &["index.html"]),
        ("wget -nv --tries 3 --timeout 9 https://example.com/a.tgz", &["a.tgz"]),
        ("wget --option-of-tomorrow 3 https://example.com/a.tgz", &["a.tgz"]),
        ("wget -q example.com/a.tgz", &["a.tgz"]),
        ("curl -fsSLO example.com/a.tgz", &["a.tgz"]),
        ("curl -o - https://example.com", &[]),
        ("curl -LO --retry 3 https://example.com/a.tgz", &["a.tgz"]),
        ("curl --remote-name --user a:b https://example.com/a.tgz?x=1", &["a.tgz"]),
        ("curl --output-dir out -o a.tgz https://example.com", &["out/a.tgz"]),
        ("sort -o - a", &[]),
        ("echo x > -", &["-"]),
        ("scp f host:/tmp", &[]),
        ("rsync -a f host:/tmp", &[]),
        ("cp f .", &["f"]),
        ("vim +w! a", &["a"]),
        ("scp host:f .", &["f"]),
        ("zip - a", &[]),
        ("zip -r a.zip src", &["a.zip"]),
        ("zip out src", &["out.zip"]),
        ("sed 's/new src/x/' README.md", &[]),
        ("sed -n 's/view lib/q/p' README.md", &[]),
        ("gcc -nostdlib -no-pie -o a a.c", &["a"]),
        ("clang-format -style=file a.c", &[]),
        ("prettier --write --some-option 4 a.ts", &["a.ts", "?4"]),
        ("prettier --write --tab-width 4 a.ts", &["a.ts"]),
        ("yq eval -i '.a = 1' a.yml", &["a.yml"]),
        ("biome check --write a.ts", &["a.ts"]),
        ("script -q log make all", &["log"]),
        ("rename .txt .md", &["?.md"]),
        ("mknod pipe c 1 3", &["pipe"]),
        ("ex -s -c '%s/a/b/' -c wq a.rs", &["a.rs"]),
        ("vim +7 a.rs", &["a.rs"]),
        ("gzip a.log", &["a.log", "a.log.gz"]),
        ("gzip -k a.log", &["a.log.gz"]),
        ("gunzip a.log.gz", &["a.log.gz", "a.log"]),
        ("T=$(mktemp out.XXXXXX); echo x > $T", &["?out.*"]),
        ("unset F; echo x > $F", &[]),
        ("F=a; unset -f F; echo x > $F", &["a"]),
    ] {
        let found = seen(command);
        if found != expected {
            failures.push(format!("{command}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_cannot_be_read_is_said_to_be_unreadable() {
    let deep = |open: &str| open.repeat(20_000);
    for command in [
        format!("echo {} > a", "x".repeat(1_000_000)),
        "echo 'a > b".to_owned(),
        "if true; then rm a".to_owned(),
        deep("$("),
        deep("("),
        deep("{ "),
        deep("\"$("),
        deep("`\\`"),
        deep("${a:-"),
        format!("echo {}", deep("{a,")),
        deep("if true; then "),
        deep("case x in a) "),
        "eval ".repeat(40),
        "true && ".repeat(5_000) + "rm a",
        deep("f() { "),
    ] {
        let found = writes(&command, Path::new("/repo/app"));
        assert!(
            found.unreadable.is_some() || found.may_write_anything,
            "{}: {found:?}",
            &command[..command.len().min(60)]
        );
    }
    // The commands in front of it are parsed.
    assert_eq!(seen("rm a.rs\necho 'b")[0], "a.rs");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(command in "\\PC{0,80}") {
        let _ = read_through(&command, Path::new("/repo/app"));
    }

    #[test]
    fn no_mixture_of_its_own_signs_makes_it_panic(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "'", "\"", "`", "$(", "${", "$((", ")", "))", "((", "[[", "]]", "{", "}", ",", "<<", "<<-", "<<<", "EOF", "\n",
                ">", ">>", ">&", "&>", "<(", ";", "&&", "|", "&", "\\", "#", "*", "?", "[", "]", "~", "=", " ", "a", "$x", "$'",
                "sed -i ", "cd ", "git ", "-C ", "bash -c ", "eval ", "mv ", "for x in ", "do ", "ä", "\u{0}",
            ]),
            0..40,
        )
    ) {
        let _ = read_through(&parts.concat(), Path::new("/repo/app"));
    }

    #[test]
    fn whatever_stands_around_it_a_redirection_is_seen(
        before in "[a-z ]{0,10}", name in "[a-z]{1,8}\\.rs", quote in proptest::sample::select(vec!["", "'", "\""])
    ) {
        let command = format!("echo {before} > {quote}{name}{quote} && true");
        prop_assert_eq!(seen(&command), [name]);
    }
}
