//! Files that others claim while a command runs cannot be written by mounting the folders above them elsewhere, not
//! even

use super::{HELD, Scene, Shell};
use nexus_tests::skipped;
use std::fs;

/// Ways to reach a file without the mount that protects it. `$at` is an empty folder, `$file` the file, relative to the
/// root of the checkout, where these run.
const WAYS: [&str; 17] = [
    "for up in $(above); do mount --bind $up $at && echo x > $at/${file#$up/}; umount $at; done",
    "for up in .. ../..; do mount --bind $up $at && echo x > $at/$(realpath --relative-to=$up $file); umount $at; done",
    "mount --bind . $at && echo x > $at/$file",
    "for up in $(above); do (cd $up && mount --bind . $at && echo x > $at/${file#$up/}); umount $at; done",
    // Mounts below a mount that is unmounted may be unmounted with it, or not.
    "for up in $(above) .; do (mount --rbind $up $at && cd $at && umount -l $at && echo x > ./${file#$up/}); done",
    "for up in $(above); do umount -l $up; echo x > $file; done; umount -l $file; echo x > $file",
    "for up in $(above); do mount --move $up $at; echo x > $at/${file#$up/}; echo x > $file; done",
    "mv ${file%%/*} moved; echo x > $file; echo x > moved/${file#*/}",
    "mount --make-rprivate /; umount -l $file; echo x > $file",
    "mount --make-rshared /; umount -l $file; echo x > $file",
    "mount -o remount,bind,rw $file; echo x > $file",
    "mkdir lower work; mount -t overlay o -o userxattr,lowerdir=lower,upperdir=${file%/*},workdir=work $at && echo x > $at/${file##*/}",
    "mount --rbind . $at && mkdir $at/old && pivot_root $at $at/old && umount -l /old; chroot $at sh -c 'echo x > /$file'",
    // The mounts of a namespace without any process left.
    "coproc unshare -m --propagation unchanged sh -c 'exec 8<${file%/*}; echo; read x'; read x <&${COPROC[0]}; cd /proc/$COPROC_PID/fd/8 && kill $COPROC_PID; wait; echo x > ./${file##*/}",
    "syscalls 428 1",
    "syscalls 428 0x8001",
    "handles",
];

/// Preparations of a command before a file is claimed; and, if a preparation works only here, a command that shows that
/// the programs are there.
const BEFOREHAND: [(&str, Option<&str>); 10] = [
    ("mount --make-rprivate /", None),
    ("mount --bind src docs", None),
    ("mount --rbind / lib", None),
    ("mount -t tmpfs t docs", None),
    ("umount -l src", Some("mount --bind src src && umount -l src")),
    ("unshare -m true", None),
    ("unshare -m --propagation unchanged true", None),
    ("nsenter -t $PPID -m true", Some("nsenter -t $$ -m true")),
    ("setpriv --bounding-set +sys_admin unshare -m true", None),
    ("capsh --caps=cap_sys_admin+eip -- -c 'unshare -m true'", None),
];

/// Functions for the ways: the folders above the file; a clone of a tree, and opening a file without its name in any
/// folder, by system calls.
const BEFORE: &str = r#"
export file at
above() { up=$file; while [ "${up%/*}" != "$up" ]; do up=${up%/*}; echo "$up"; done; }
syscalls() { for up in $(above) . ..; do python3 - "$1" "$2" "$up" "$(realpath --relative-to=$up $file)" <<END
import ctypes, os, sys
call, flags, folder, file = int(sys.argv[1]), int(sys.argv[2], 0), sys.argv[3], sys.argv[4]
tree = ctypes.CDLL(None).syscall(call, -100, folder.encode(), flags)
os.write(os.open(file, os.O_WRONLY | os.O_TRUNC, dir_fd=tree), b"x")
END
done; }
handles() { for up in $(above) . ..; do python3 - "$up" "$file" <<END
import ctypes, os, struct, sys
folder, file = sys.argv[1:]
libc, handle, mount = ctypes.CDLL(None), ctypes.create_string_buffer(136), ctypes.c_int()
struct.pack_into("I", handle, 0, 128)
libc.name_to_handle_at(-100, file.encode(), handle, ctypes.byref(mount), 0)
at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
os.write(libc.open_by_handle_at(at, handle, os.O_WRONLY | os.O_TRUNC), b"x")
END
done; }
"#;

/// Tries each way, in the command itself and in a user namespace that it makes.
fn tries(file: &str, at: &str) -> impl Iterator<Item = String> {
    let (file, at) = (file.to_owned(), at.to_owned());
    WAYS.into_iter().flat_map(move |way| {
        let script = format!("file={file}; at={at}\n{BEFORE}\n{way}");
        ["bash", "unshare -rm bash", "unshare -rm --propagation unchanged bash"]
            .map(|shell| format!("{shell} <<'LINE'\n{script}\nLINE\nfile={file}; echo x > $file; unshare -rm sh -c \"echo x > $file\""))
    })
}

#[tokio::test]
async fn a_file_that_is_claimed_later_cannot_be_written_by_mounting_a_folder_above_it() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    let at = folder.path().join("at");
    fs::create_dir(&at).expect("a folder can be made");
    let at = at.to_str().expect("it is text");
    // A folder without earlier claims, one with an earlier claim, a file that is claimed again after a release, a new
    // folder, and a file in a folder that is itself mounted later.
    assert_eq!(shell.runs("mkdir -p src/new/deep && echo first > src/new/deep/c.rs"), 0);
    scene.ben_releases(&[HELD]).await;
    shell.until("it is given back", HELD, true).await;
    let files = ["lib/deep/b.rs", "src/own.rs", HELD, "src/new/deep/c.rs", "docs/notes.md"];
    scene.ben_claims(&files).await;
    for file in files {
        shell.until("what is taken is read-only", file, false).await;
    }
    for file in files {
        for line in tries(file, at) {
            shell.runs(&line);
            assert_eq!(scene.text(file), "first\n", "{file}: {line}");
        }
    }
}

#[tokio::test]
async fn a_command_cannot_prepare_to_write_a_file_that_is_claimed_later() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    let mut tried = 0;
    for (line, control) in BEFOREHAND {
        // A preparation that fails elsewhere proves nothing here: a program may be missing.
        if scene.runs(&["unshare", "-rm", "bash", "-c", control.unwrap_or(line)]).code != 0 {
            skipped(format_args!("not run, since it does not work outside of nexus exec: {line}"));
            continue;
        }
        tried += 1;
        assert_ne!(shell.runs(line), 0, "{line}");
    }
    assert!(tried >= 8, "{tried} only");
    // Its current folder is the claimed one all the time.
    assert_eq!(shell.run_line("cd src; echo $?"), "0");
    scene.ben_claims(&["src/own.rs"]).await;
    shell.until("what is taken is read-only", "own.rs", false).await;
    assert_eq!(scene.text("src/own.rs"), "first\n");
}

/// A known gap, described in docs/security.md: in an earlier user namespace of its own, a command may mount, and the
/// lowest of the mounts that come into it later is not locked.
#[tokio::test]
async fn an_earlier_user_namespace_can_write_a_file_that_is_claimed_later() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["nexus", "exec", "--", "unshare", "-rm", "--propagation", "unchanged", "bash"];
    let mut shell = Shell::start(scene.command(&words), folder.path());
    let at = folder.path().join("at");
    fs::create_dir(&at).expect("a folder can be made");
    assert_eq!(shell.run_line("echo inside"), "inside");
    scene.ben_claims(&["lib/deep/b.rs"]).await;
    shell.until("what is taken is read-only there, too", "lib/deep/b.rs", false).await;
    // A command that does not try this cannot write the file, and cannot unmount the protection.
    assert_ne!(shell.runs("umount -l lib/deep/b.rs && echo x > lib/deep/b.rs"), 0);
    assert_eq!(scene.text("lib/deep/b.rs"), "first\n");
    let bind = |file: &str| {
        format!("mount --bind $(dirname {file}) {at} && echo x > {at}/$(basename {file})", at = at.display())
    };
    assert_eq!((shell.runs(&bind("lib/deep/b.rs")), scene.text("lib/deep/b.rs").as_str()), (0, "x\n"));
    // Mounts from before the namespace are locked there.
    assert_ne!(shell.runs(&bind(HELD)), 0);
    assert_eq!(scene.text(HELD), "first\n");
}

#[tokio::test]
async fn a_command_that_may_make_no_user_namespace_has_no_earlier_one() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["nexus", "exec", "--require", "--no-namespaces", "--", "bash"];
    let mut shell = Shell::start(scene.command(&words), folder.path());
    assert!(shell.can_write("src/own.rs") && !shell.can_write(HELD));
    for line in [
        "unshare -r true",
        "unshare -rm true",
        "echo 100 > /proc/sys/user/max_user_namespaces",
        "echo 100 > /proc/sys/user/max_user_namespaces; unshare -r true",
    ] {
        assert_ne!(shell.runs(line), 0, "{line}");
    }
    scene.ben_claims(&["lib/deep/b.rs"]).await;
    shell.until("what is taken is read-only", "lib/deep/b.rs", false).await;
    scene.ben_releases(&["lib/deep/b.rs"]).await;
    shell.until("what is given back can be written", "lib/deep/b.rs", true).await;
}
