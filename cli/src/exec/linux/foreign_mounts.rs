//! The mounts that others made in a checkout, from the kernel's list. Mounts nothing.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// The kernel's list of the mounts in this process's namespace.
const LIST: &str = "/proc/self/mountinfo";

/// The field of a line of the list that is the mount point.
const MOUNT_POINT: usize = 4;

/// The mounts that others made in a checkout. A folder that is mounted onto itself must include them. It must not
/// include mounts of this process, which would keep it busy when it is to be unmounted.
pub(super) struct ForeignMounts(Vec<PathBuf>);

impl ForeignMounts {
    /// The mount points beneath a root, relative to it, without those of this process.
    pub(super) fn beneath(root: &Path, is_ours: impl Fn(&Path) -> bool) -> Self {
        let list = fs::read(LIST).unwrap_or_default();
        let beneath = mount_points(&list).filter_map(|point| Some(point.strip_prefix(root).ok()?.to_owned()));
        Self(beneath.filter(|path| !path.as_os_str().is_empty() && !is_ours(path)).collect())
    }

    /// Whether one of them is in this folder, or is it.
    pub(super) fn are_in(&self, folder: &Path) -> bool {
        self.0.iter().any(|path| path.starts_with(folder))
    }

    /// The mounts that are in this folder.
    pub(super) fn within(&self, folder: &Path) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path).filter(move |path| *path != folder && path.starts_with(folder))
    }
}

/// The mount points of a list. Names need not be UTF-8.
fn mount_points(list: &[u8]) -> impl Iterator<Item = PathBuf> {
    let lines = list.split(|byte| *byte == b'\n');
    lines.filter_map(|line| Some(unescaped(line.split(|byte| *byte == b' ').nth(MOUNT_POINT)?)))
}

/// Decodes a name. In the list, spaces, tabs, line ends and backslashes are a backslash and three octal digits.
fn unescaped(mut field: &[u8]) -> PathBuf {
    let mut name = Vec::with_capacity(field.len());
    while let Some((first, rest)) = field.split_first() {
        match (first, rest) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..]) => {
                name.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                field = rest;
            }
            _ => {
                name.push(*first);
                field = rest;
            }
        }
    }
    OsString::from_vec(name).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_listed_by_their_names() {
        let list = b"22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            40 22 0:30 / /home/a\\040b\\011c\\012d\\134040e rw - tmpfs none rw\n\
            41 22 0:31 /x /home/\xff\\040z rw - tmpfs none rw\n\
            42 22 0:31 /x /home/a\\04 rw - tmpfs none rw\n";
        let expected: [&[u8]; 4] = [b"/", b"/home/a b\tc\nd\\040e", b"/home/\xff z", b"/home/a\\04"];
        let expected = expected.map(|name| PathBuf::from(OsString::from_vec(name.to_vec())));
        assert_eq!(mount_points(list).collect::<Vec<_>>(), expected);
    }
}
