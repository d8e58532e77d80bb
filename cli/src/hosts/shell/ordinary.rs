//! Ordinary commands of agents: none of them is kept from running because others hold files.

use super::*;
use crate::guard::changes;
use nexus_domain::pattern::Pattern;
use std::fs;

/// What of these files a command would be refused for, in this repository.
pub(crate) fn refused_for(writes: &Writes, root: &Path, held: &[&str]) -> Vec<String> {
    let named = |path: &Path| -> Option<String> {
        let name = path.strip_prefix(root).ok()?.to_string_lossy().into_owned();
        Some(if name.is_empty() { "**".to_owned() } else { name })
    };
    let mut asked: Vec<String> =
        writes.paths.iter().chain(&writes.named).filter_map(|path| named(path)).collect();
    for folder in &writes.discards {
        asked.extend(changes::uncommitted(folder).iter().filter_map(|path| named(path)));
    }
    for (folder, stash) in &writes.unstashed {
        asked.extend(changes::stashed(folder, stash.as_deref()).iter().filter_map(|path| named(path)));
    }
    for (folder, pattern) in &writes.anywhere {
        asked.extend(
            named(folder)
                .map(|name| if name == "**" { pattern.clone() } else { format!("{name}/{pattern}") }),
        );
    }
    asked.extend(writes.somewhere.iter().cloned());
    asked.extend(writes.is_beyond.then(|| "**".to_owned()));
    let held: Vec<Pattern> = held.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect();
    let is_held =
        |name: &String| Pattern::parse(name).is_ok_and(|asked| held.iter().any(|held| held.overlaps(&asked)));
    asked.into_iter().filter(is_held).collect()
}

/// What others hold meanwhile.
const HELD: [&str; 5] = ["src/db.rs", "src/api/", "docs/guide.md", "package.json", "tests/**/*.snap"];

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
        (".git/HEAD", "ref: refs/heads/main"),
    ] {
        fs::create_dir_all(root.join(file).parent().expect("a folder")).expect("a folder");
        fs::write(root.join(file), text).expect("a file");
    }
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
