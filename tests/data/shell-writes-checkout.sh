# Makes the checkout in which the commands of shell-writes.tsv run: `bash shell-writes-checkout.sh`, in an empty folder.
#
# src/db.rs is tracked and unchanged. kit/, which Git ignores, has what the commands need: other versions of the file, patches,
# archives whose times are old, scripts. No command has to write src/db.rs itself before it can do so in its own way.
set -eu
export GIT_AUTHOR_NAME=Ana GIT_AUTHOR_EMAIL=ana@example.com GIT_COMMITTER_NAME=Ana GIT_COMMITTER_EMAIL=ana@example.com

git init -q -b main
git config user.name Ana
git config user.email ana@example.com
git config commit.gpgsign false
echo /kit/ >> .git/info/exclude
mkdir -p src docs
printf 'pub fn first() {}\npub fn connect() {}\n' > src/db.rs
printf 'pub mod db;\n' > src/lib.rs
printf 'Notes\n' > docs/notes.md
git add .
git commit -qm 'First version'
printf 'pub fn first() {}\npub fn connect() { todo!() }\n' > src/db.rs
git commit -qam 'Connect'

# Branches: one that changes the file, one that has no such file, one that renamed its folder.
git checkout -qb other
printf 'pub fn first() {}\npub fn connect() { other() }\n' > src/db.rs
git commit -qam 'Connect otherwise'
git checkout -q main
git checkout -qb without
git rm -q src/db.rs
git commit -qm 'No database'
git checkout -q main
git checkout -qb renamed
git mv src lib
git commit -qm 'Rename the folder'
git checkout -q main

# A stash that changes the file.
printf 'pub fn first() {}\npub fn connect() { stashed() }\n' > src/db.rs
git stash -q

mkdir -p kit/tree/src kit/sub
printf 'pub fn replaced() {}\n' > kit/db.rs
cp kit/db.rs kit/tree/src/db.rs
cp kit/db.rs kit/tree/src/lib.rs
git diff main other > kit/change.patch
git format-patch --stdout main..other > kit/change.mbox
git show main:src/db.rs > kit/base.rs
git bundle create -q kit/other.bundle main..other
touch -d '2020-01-01' kit/tree/src/db.rs kit/db.rs
tar -C kit/tree -cf kit/old.tar src/db.rs
tar -C kit/tree -czf kit/old.tar.gz src/db.rs
if command -v zip > /dev/null; then (cd kit/tree && zip -q ../old.zip src/db.rs); fi
if command -v cpio > /dev/null; then (cd kit/tree && echo src/db.rs | cpio -o --quiet > ../old.cpio); fi
echo 'echo written >> src/db.rs' > kit/write.sh
printf '#!/usr/bin/env bash\necho written >> src/db.rs\n' > kit/write
chmod +x kit/write
echo 'open("src/db.rs", "a").write("written\n")' > kit/write.py
echo 'open(my $f, ">>", "src/db.rs") or die; print $f "written\n"; close($f) or die;' > kit/write.pl
printf 'src/db.rs\n' > kit/names
printf 'all:\n\techo written >> src/db.rs\n' > kit/Makefile
printf 'a\nwritten\n.\nw\nq\n' > kit/write.ed
printf '#include <fcntl.h>\n#include <unistd.h>\nint main(void) { int f = open("src/db.rs", O_WRONLY | O_APPEND); return f < 0 || write(f, "written\\n", 8) != 8; }\n' > kit/write.c
