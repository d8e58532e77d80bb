//! Ordinary commands of agents: none of them is kept from running because others hold files.

use super::*;
use crate::{guard::changes, repository::Tree};
use nexus_domain::pattern::Pattern;
use std::fs;

/// The files among these for which a command would be refused, in this repository.
pub(crate) fn refused_for(writes: &Writes, root: &Path, held: &[&str]) -> Vec<String> {
    let named = |path: &Path| -> Option<String> {
        let name = path.strip_prefix(root).ok()?.to_string_lossy().into_owned();
        Some(if name.is_empty() { "**".to_owned() } else { name })
    };
    let mut asked: Vec<String> =
        writes.paths.iter().chain(&writes.mentioned).filter_map(|path| named(path)).collect();
    for folder in &writes.discards {
        asked.extend(changes::uncommitted(folder).paths.iter().filter_map(|path| named(path)));
    }
    for (folder, stash) in &writes.unstashed {
        asked.extend(changes::stashed(folder, stash.as_deref()).paths.iter().filter_map(|path| named(path)));
    }
    for (folder, pattern) in &writes.patterns {
        asked.extend(
            named(folder)
                .map(|name| if name == "**" { pattern.clone() } else { format!("{name}/{pattern}") }),
        );
    }
    let tree = Tree::below(root);
    let mut made = Vec::new();
    for one in writes.unrooted_existing.iter().chain(&writes.unrooted_new) {
        let Some(name) = named(one.below.as_deref().unwrap_or(root)) else { continue };
        let pattern = if name == "**" { one.pattern.clone() } else { format!("{name}/{}", one.pattern) };
        let found = tree.as_ref().and_then(|tree| tree.matching(&pattern));
        made.extend((found.is_some() && writes.unrooted_new.contains(one)).then(|| pattern.clone()));
        asked.extend(found.unwrap_or_else(|| vec![pattern]));
    }
    asked.extend(writes.may_write_anything.then(|| "**".to_owned()));
    let held: Vec<Pattern> = held.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect();
    let is_held =
        |name: &String| Pattern::parse(name).is_ok_and(|asked| held.iter().any(|held| held.overlaps(&asked)));
    let is_against = |name: &String| {
        let pattern = Pattern::parse(name);
        let met = |held: &&Pattern| pattern.as_ref().is_ok_and(|pattern| held.overlaps(pattern));
        held.iter().filter(met).any(|held| claim_conflicts(held.as_str(), name))
    };
    let mut refused: Vec<String> = asked.into_iter().filter(is_held).collect();
    refused.extend(made.into_iter().filter(is_against));
    refused
}

/// The files that others hold in the tests.
const HELD: [&str; 7] = [
    "src/db.rs",
    "src/api/",
    "src/auth/**",
    "docs/guide.md",
    "package.json",
    "tests/**/*.snap",
    "lib/*/gen/",
];

const COMMANDS: &[&str] = &[
    "cargo build",
    "cargo build --release 2>&1 | tail -20",
    "cargo test -p app -- --nocapture 2>&1 | tee /tmp/test.log | tail -50",
    "cargo check --all-targets --message-format=short 2>&1 | grep -E '^(error|warning)' | head",
    "cargo clippy -- -D warnings",
    "RUST_BACKTRACE=1 cargo run --example demo < /dev/null",
    "npm test",
    "npm ci && npm run build",
    "npm run lint -- --max-warnings 0",
    "npx tsc --noEmit",
    "npx eslint src --ext .ts",
    "npx prettier --check src",
    "yarn install --frozen-lockfile",
    "pnpm -r test",
    "make",
    "make -j8 test > /dev/null 2>&1; echo $?",
    "go test ./...",
    "go vet ./... && go build ./...",
    "gofmt -l .",
    "pytest -q tests/test_db.py -k connect",
    "python3 -m pytest -x 2>&1 | tail -30",
    "python3 -c 'import sys; print(sys.version)'",
    "python3 -c \"print(open('src/db.rs').read())\"",
    "python3 -c 'import json; d = json.load(open(\"package.json\")); print(d[\"version\"])'",
    "python3 - <<'END'\nimport ast\nprint(ast.dump(ast.parse(open('src/db.rs').read())))\nEND",
    "node -e 'console.log(require(\"./package.json\").version)'",
    "node -p 'require(\"fs\").readFileSync(\"src/db.rs\", \"utf8\").length'",
    "ruby -e 'puts File.read(\"src/db.rs\")'",
    "perl -ne 'print if /connect/' src/db.rs",
    "git status",
    "git status --short | grep -v '^??'",
    "git diff src/db.rs",
    "git diff --stat HEAD~3..HEAD -- src",
    "git log --oneline -20",
    "git show HEAD:src/db.rs | head -40",
    "git blame -L 10,20 src/db.rs",
    "git add src/other.rs && git commit -m \"$(cat <<'END'\nSay it's > done\n\nsrc/db.rs stays as it is.\nEND\n)\"",
    "git commit -am 'Rename; see src/db.rs'",
    "git fetch origin && git rebase origin/main",
    "git checkout main",
    "git checkout -b topic",
    "git switch -c topic",
    "git pull --ff-only",
    "git push -u origin HEAD",
    "git stash list",
    "git branch -D old && git tag -l | sort -V | tail -1",
    "git worktree list",
    "git rev-parse --show-toplevel",
    "git merge-base HEAD origin/main",
    "ls -la",
    "ls | grep db",
    "ls src/*.rs | wc -l",
    "cat src/db.rs",
    "cat src/db.rs | head -50",
    "head -100 src/db.rs | tail -20",
    "sed -n '10,20p' src/db.rs",
    "sed 's/a/b/' src/db.rs | diff - src/db.rs",
    "awk '{ print $1 }' src/db.rs | sort | uniq -c | sort -rn",
    "awk 'NR > 10 && $2 > \"5\"' src/db.rs",
    "grep -rn 'connect' src --include='*.rs'",
    "grep -rl connect src | xargs grep -n pool",
    "rg -n 'fn connect' -g '*.rs'",
    "find . -name '*.rs' | head",
    "find . -type f -name '*.rs' -exec grep -l connect {} +",
    "find src -newer Cargo.toml -print0 | xargs -0 ls -l",
    "for f in src/*.rs; do echo \"$f: $(wc -l < \"$f\")\"; done",
    "while read -r line; do echo \"$line\"; done < src/db.rs",
    "if grep -q connect src/db.rs; then echo yes; else echo no; fi",
    "[[ -f src/db.rs && -s src/db.rs ]] && echo there",
    "test -d target || mkdir -p target",
    "diff <(sort src/db.rs) <(sort src/other.rs)",
    "wc -l src/*.rs docs/*.md",
    "du -sh . && df -h .",
    "cd src && grep -n connect db.rs && cd ..",
    "cd \"$(git rev-parse --show-toplevel)\" && cargo build",
    "(cd docs && ls) && echo done",
    "mkdir -p /tmp/out && cp src/db.rs /tmp/out/ && tar czf /tmp/out.tgz -C /tmp/out .",
    "cp src/db.rs /tmp/db.rs.bak",
    "D=$(mktemp -d) && cp -r src \"$D\" && echo x > \"$D/db.rs\" && rm -rf \"$D\"",
    "rm -rf target/debug/incremental node_modules/.cache",
    "touch src/other.rs",
    "echo 'pub mod other;' >> src/lib.rs",
    "cat > src/other.rs <<'END'\n// Like src/db.rs > but shorter\nfn main() {}\nEND",
    "curl -s http://localhost:8080/health | jq .status",
    "curl -sSL https://example.com/a.tar.gz | tar xz -C /tmp",
    "docker compose up -d && docker compose logs --tail 50 app",
    "docker run --rm -v \"$PWD:/app\" -w /app rust:1 cargo test",
    "kill $(lsof -ti :8080) 2>/dev/null; sleep 1; ./target/debug/app > /tmp/app.log 2>&1 &",
    "export PATH=\"$HOME/.cargo/bin:$PATH\"; which cargo; env | sort",
    "jq '.scripts' package.json",
    "nexus why src/db.rs; nexus status --json | jq '.claims | length'",
    "nexus feature pick billing && nexus learn \"src/db.rs > the pool is lazy\"",
    // Streams, places on other machines, values of options.
    "wget -qO- https://example.com/db.rs",
    "wget -q -O - https://example.com | tar xz -C /tmp",
    "wget --tries 3 --timeout 9 https://example.com/a.tgz -P /tmp",
    "curl -o - https://example.com",
    "curl -LO --retry 3 --output-dir /tmp https://example.com/db.rs",
    "sort -o - src/db.rs",
    "scp src/db.rs host:/tmp",
    "scp src/db.rs user@host:",
    "rsync -av src/ host:src/",
    "zip - src/db.rs | wc -c",
    "zip -r /tmp/a.zip src/db.rs src/api",
    "tar cf - src/db.rs | gzip > /tmp/a.tgz",
    "gzip -c src/db.rs | wc -c",
    "gzip -k -c src/db.rs > /tmp/db.gz",
    "zstd -q src/db.rs -o /tmp/db.zst",
    "zstd -c src/db.rs > /tmp/db.zst",
    "xz --stdout src/db.rs | wc -c; gzip -t /tmp/a.gz; gzip -l /tmp/a.gz",
    "echo src/db.rs | cpio -o > /tmp/a.cpio; cpio -it < /tmp/a.cpio",
    "unzip -l /tmp/a.zip; unzip -p /tmp/a.zip x; unzip -c /tmp/a.zip x | head",
    "7z l /tmp/a.7z; tar tzf /tmp/a.tgz",
    "sed 's/new src/x/' README.md",
    "sed -n 's/view lib/q/p; /show src\\/db.rs/p' README.md",
    "gcc -nostdlib -Wall -fsyntax-only src/other.c",
    // Commands that only read.
    "black --check src; black --diff src/db.py; isort --check-only src; isort -c --diff src",
    "rustfmt --check src/db.rs; rustfmt --emit stdout src/db.rs",
    "cargo fmt --check; cargo fmt -- --check",
    "prettier --check src; prettier -c package.json; prettier -l docs; prettier src/api/a.ts",
    "npx prettier --list-different 'src/**/*.ts'",
    "eslint src/api; npx eslint --fix-dry-run src; npx stylelint 'src/**/*.css'",
    "biome check src; biome ci .; dprint check",
    "terraform fmt -check; terraform fmt -check -diff src",
    "gofmt -l src/api; gofmt -d src/db.rs; goimports -l .; shfmt -d src/api; shfmt -l .",
    "clang-format src/db.rs; clang-format -style=file src/db.rs; clang-format -n -i --Werror src/db.rs",
    "clang-format --dry-run -Werror src/db.rs",
    "ruff format --check src; ruff check src; ruff format --diff src/api",
    "dart format -o none --set-exit-if-changed lib; dart format --output=none src",
    "jq . package.json; jq -r '.scripts' package.json; yq '.a' docs/guide.md; yq eval '.a' package.json",
    "autopep8 --diff src/db.py; yapf -d src/api; autoflake --check -r src",
    "rubocop src/api; swiftlint lint src; ktlint src/api",
    "patch -p1 --dry-run < /tmp/a.patch; git apply --check /tmp/a.patch",
    "git rm -n src/db.rs; git mv -n src/db.rs src/x.rs; git clean -ndx",
    "rename -n 's/a/b/' src/db.rs; dos2unix -ih src/db.rs",
    "vim -R -c q src/db.rs; setfacl --test -m u:a:r src/db.rs",
    "rsync -an src/api/ src/auth/",
    "python3 -c 'import sys; f = \"src/db.rs\"; sys.stdout.write(open(f).read())'",
    "python3 -c 'f = \"src/db.rs\"; print(\"words\", len(open(f).read().split()))'",
    "python3 -c 'import sys; s = sys.stdin.read(); print(s.replace(\"src/db.rs\", \"x\"))' < docs/guide.md",
    "python3 -c 'import yaml; f = \"package.json\"; print(yaml.dump(yaml.safe_load(open(f))))'",
    "node -e 'const f = \"src/db.rs\"; process.stdout.write(require(\"fs\").readFileSync(f, \"utf8\"))'",
    "node -e 'const f = \"package.json\"; console.log(require(\"fs\").readFileSync(f).toString().replace(\"src/db.rs\", \"\"))'",
    "ruby -e '$stdout.write(File.read(\"src/db.rs\"))'",
    // Names in folders that nobody knows, and what is there already.
    "make > \"$LOG_DIR/report.json\"",
    "rm -f \"$WORK/a.txt\" \"$WORK\"/*.tmp",
    "find . -name '*.pyc' -delete",
    "find . -name __pycache__ -type d -prune -exec rm -rf {} +",
    "find . -name node_modules -prune -exec rm -rf {} +",
    "find . -name '*.orig' -o -name '*.rej' | xargs rm -f",
    "find . -name '*.pyc' | xargs rm -f; find . -name '*.pyc' -exec sh -c 'rm {}' \\;",
    "cd \"$(dirname \"$0\")\" && echo x > notes.md",
    "cd \"$(dirname \"$0\")/..\" && cargo build 2>&1 | tee build.log",
    "T=$(mktemp -d /tmp/foo.XXXXXX); echo x > \"$T/a.txt\"; cd \"$T\" && echo x > db.rs",
    "T=$(mktemp -d -p /tmp); cp src/db.rs \"$T\"; rm -rf \"$T\"",
    "T=$(mktemp -t out.XXXX); sort src/db.rs > \"$T\"; mv \"$T\" /tmp/sorted",
    "T=$(mktemp --tmpdir=/tmp -d out.XXXX) && tar xf /tmp/a.tar -C \"$T\" && rm \"$T\"/db.rs",
    "cargo test 2>&1 | tee \"$(date +%s).log\"",
    "for t in a b; do cargo test $t > \"$LOGS/$t.log\" 2>&1; done",
    "mkdir -p \"$OUT\" && cp README.md \"$OUT/\" && gzip -9 \"$OUT/README.md\"",
    "echo x > out/$NAME.txt",
    "tar czf \"$BACKUP/src-$(date +%F).tgz\" src",
    "unset D; D=${D:-/tmp/x}; mkdir -p $D && echo x > $D/db.rs",
    "git archive -o \"$OUT/app.tar\" HEAD",
    "sed -i s/a/b/ \"$HOME_OF_APP/settings.ini\"",
    "pg_dump app > \"$DUMPS/$(date +%F)/app.sql\"",
    "black scripts; prettier --write 'scripts/**/*.ts'; eslint --fix --max-warnings 0 scripts",
];

#[test]
fn no_ordinary_command_is_kept_from_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(folder.path()).expect("it is there").join("app");
    for (file, text) in [
        ("src/db.rs", "connect"),
        ("src/other.rs", ""),
        ("src/lib.rs", ""),
        ("src/api/mod.rs", ""),
        ("docs/guide.md", ""),
        ("package.json", "{}"),
        ("src/auth/token.rs", ""),
        ("src/auth/token.pyc", ""),
        ("src/api/node_modules/a/index.js", ""),
        ("lib/a/gen/__pycache__/x.pyc", ""),
        ("README.md", ""),
        ("scripts/a.ts", ""),
        (".gitignore", "*.pyc\nnode_modules/\n__pycache__/\n"),
    ] {
        fs::create_dir_all(root.join(file).parent().expect("a folder")).expect("a folder");
        fs::write(root.join(file), text).expect("a file");
    }
    let git = std::process::Command::new("git").arg("-C").arg(&root).args(["init", "-q"]).status();
    assert!(git.is_ok_and(|status| status.success()), "git is there");
    let mut refused = Vec::new();
    for command in COMMANDS {
        let writes = writes(command, &root);
        let found = refused_for(&writes, &root, &HELD);
        if !found.is_empty() || writes.unreadable.is_some() {
            refused.push(format!("{command}: {found:?} {:?}", writes.unreadable));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn what_writes_files_of_others_is_seen_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(folder.path()).expect("it is there").join("app");
    for file in ["src/db.rs", "src/auth/token.py", "docs/guide.md", "package.json", "src/app.ts"] {
        fs::create_dir_all(root.join(file).parent().expect("a folder")).expect("a folder");
        fs::write(root.join(file), "").expect("a file");
    }
    let git = std::process::Command::new("git").arg("-C").arg(&root).args(["init", "-q"]).status();
    assert!(git.is_ok_and(|status| status.success()), "git is there");
    let unseen: Vec<&&str> = WRITING
        .iter()
        .filter(|command| {
            let held = ["src/db.rs", "src/auth/", "docs/new.md", "package.json", "src/*.ts"];
            refused_for(&writes(command, &root), &root, &held).is_empty()
        })
        .collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// Commands that write what others hold, each near to one that does not.
const WRITING: &[&str] = &[
    "echo x > \"$DIR/db.rs\"",
    "echo x > \"$DIR/new.md\"",
    "echo x > src/auth/$NAME.rs",
    "echo x > \"src/auth/$(date +%s)\"",
    "rm -f \"$DIR/token.py\"",
    "find . -name '*.py' -delete",
    "find src -type f -exec sed -i s/a/b/ {} +",
    "find . -name auth -exec rm -rf {} +",
    "find . \\( -name '*.orig' -o -name '*.py' \\) -delete",
    "find . -name '*.orig' -o -type f -delete",
    "find . ! -name '*.orig' -delete",
    "grep -rl a . | xargs sed -i s/a/b/",
    "cd \"$(dirname \"$0\")\" && echo x > db.rs",
    "cd \"$(git rev-parse --show-toplevel)\" && rm -rf src/auth",
    "black src; true",
    "isort src/auth",
    "rustfmt src/db.rs",
    "prettier --write package.json",
    "npx prettier --write --tab-width 4 src",
    "prettier --write 'src/**/*.{ts,tsx}'",
    "eslint --fix src/app.ts",
    "biome format --write package.json",
    "dprint fmt package.json",
    "gofmt -w src/db.rs",
    "shfmt -i 2 -w src/db.rs",
    "clang-format -i -style=file src/db.rs",
    "yq -i '.a = 1' package.json",
    "yq eval -i '.a = 1' package.json",
    "autopep8 -i src/auth/token.py",
    "gzip src/db.rs",
    "zstd --rm src/db.rs",
    "gzip -d src/db.rs.gz",
    "zip -m /tmp/a.zip src/db.rs",
    "zip -q src/db.rs docs/guide.md",
    "scp host:/tmp/db.rs src/",
    "scp host:db.rs src/db.rs",
    "scp -r host:/tmp/auth src",
    "curl --output-dir src -O https://example.com/db.rs",
    "curl -o src/db.rs --retry 3 https://example.com",
    "wget -P src https://example.com/db.rs?x=1",
    "wget -nv -O src/db.rs https://example.com",
    "sed -n 's/a/b/w src/db.rs' README.md",
    "sed -n \"w $DIR/db.rs\" README.md",
    "python3 -c 'f = \"src/db.rs\"; s = open(f).read(); open(f, \"w\").write(s.replace(\"a\", \"b\"))'",
    "python3 -c 'import pathlib; pathlib.Path(\"/tmp/x\").replace(\"src/db.rs\")'",
    "python3 -c 'open(\"src/db.rs\", mode=\"ab+\").close()'",
    "node -e 'const f = \"src/db.rs\"; require(\"fs\").createWriteStream(f)'",
    "gcc -nostdlib -o src/db.rs x.c",
    "direnv exec . sed -i s/a/b/ src/db.rs",
    "mise exec node@20 python@3.12 -- sed -i s/a/b/ src/db.rs",
    "mise x -c 'sed -i s/a/b/ src/db.rs'",
    "uv run --with ruff sed -i s/a/b/ src/db.rs",
    "npm exec -- sed -i s/a/b/ src/db.rs",
    "rustup run stable rustfmt src/db.rs",
    "nix develop -c sed -i s/a/b/ src/db.rs",
    "nix-shell --run 'sed -i s/a/b/ src/db.rs'",
    "conda run -n env sed -i s/a/b/ src/db.rs",
    "script -q -c 'rm src/db.rs' /dev/null",
    "chmod -x src/db.rs",
    "unset D; rm \"${D}src/db.rs\"",
    "cpio -id < /tmp/a.cpio",
    "git mv src/db.rs src/x.rs",
    "vim -es -c 'wq!' src/db.rs",
];
