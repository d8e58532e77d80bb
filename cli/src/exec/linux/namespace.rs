//! Makes and enters namespaces. Mounts only what isolates them.

use rustix::{
    mount::{MountPropagationFlags, mount_change},
    process::{getegid, geteuid},
    thread::{
        CapabilitySet, LinkNameSpaceType, UnshareFlags, capabilities, move_into_link_name_space,
        remove_capability_from_bounding_set, set_capabilities,
    },
};
use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
};

/// The kind of the outer namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OuterNamespace {
    /// A mount namespace: this process may make one.
    Mounts,
    /// A user namespace, and in it a mount namespace.
    UserAndMounts,
}

/// Why this process gets no namespace, with a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamespaceUnavailable {
    /// The cause, for the end of a sentence.
    pub(super) why: String,
    /// The remedy, as a sentence.
    pub(super) advice: &'static str,
}

/// Moves this process into namespaces of its own. Later mounts elsewhere still appear here; mounts made here do not
/// appear elsewhere.
///
/// # Errors
/// When the system refuses it. If that is known beforehand, this process stays in its namespaces.
pub(super) fn enter() -> Result<OuterNamespace, NamespaceUnavailable> {
    let outer = if is_privileged() { OuterNamespace::Mounts } else { OuterNamespace::UserAndMounts };
    let ids = IdMaps::own();
    let entered = match outer {
        OuterNamespace::Mounts => unshare(UnshareFlags::NEWNS),
        OuterNamespace::UserAndMounts => nest().and_then(|()| ids.map()),
    };
    let propagation = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    entered.and_then(|()| Ok(mount_change("/", propagation)?)).map_err(|error| unavailable(&error))?;
    Ok(outer)
}

/// Lets mounts made here from now on appear in the namespaces within this one as well.
///
/// # Errors
/// When the system refuses it.
pub(super) fn propagate_mounts() -> io::Result<()> {
    Ok(mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)?)
}

/// Moves this process into a user namespace within this one, and a mount namespace of that, in which all earlier mounts
/// are locked. Its ids must still be mapped.
///
/// # Errors
/// When the system refuses it.
pub(super) fn nest() -> io::Result<()> {
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)
}

/// Drops the right to mount and unmount in this namespace, and to make another one beside it, for this process and all
/// its children, for good. The topmost one of later mounts is not locked: a process with the right could unmount it, or
/// mount the folder around it elsewhere without it. A process that makes a user namespace of its own has the right
/// there, but all earlier mounts are locked in it.
///
/// # Errors
/// When the system refuses it: this process may not change its capabilities.
pub(super) fn give_up_mounting() -> io::Result<()> {
    give_up(CapabilitySet::SYS_ADMIN)
}

fn give_up(right: CapabilitySet) -> io::Result<()> {
    remove_capability_from_bounding_set(right)?;
    let mut own = capabilities(None)?;
    for set in [&mut own.effective, &mut own.permitted, &mut own.inheritable] {
        set.remove(right);
    }
    Ok(set_capabilities(None, own)?)
}

/// Prevents this process and all its children from making a user namespace: in an earlier one, later mounts can be
/// bypassed. The right to raise the limit again is dropped as well.
///
/// # Errors
/// When the system refuses it.
pub(super) fn give_up_namespaces() -> io::Result<()> {
    fs::write("/proc/sys/user/max_user_namespaces", "0")?;
    give_up(CapabilitySet::SYS_RESOURCE)
}

/// Makes a private mount namespace and moves into it.
///
/// # Errors
/// When the system refuses it.
pub(super) fn step_aside() -> io::Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

/// The mount namespace of this process.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn of_mounts() -> io::Result<File> {
    File::open("/proc/self/ns/mnt")
}

/// The identity of the mount namespace of a process; none if the process is gone or not accessible.
pub(super) fn name_of_mounts(process: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/mnt")).ok()
}

/// The user namespace of this process.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn of_users() -> io::Result<File> {
    File::open("/proc/self/ns/user")
}

/// Moves into a mount namespace.
///
/// # Errors
/// When the system refuses it.
pub(super) fn into_mounts(of: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(of, Some(LinkNameSpaceType::Mount))?)
}

/// Moves into a user namespace. Only a process of one thread may.
///
/// # Errors
/// When the system refuses it.
pub(super) fn into_users(of: &impl AsFd) -> io::Result<()> {
    Ok(move_into_link_name_space(of.as_fd(), Some(LinkNameSpaceType::User))?)
}

/// The user and the group of this process. In a new user namespace they must be mapped first.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdMaps {
    user: u32,
    group: u32,
}

impl IdMaps {
    /// The current ids of this process.
    pub(super) fn own() -> Self {
        Self { user: geteuid().as_raw(), group: getegid().as_raw() }
    }

    /// Maps the ids to themselves in the user namespace that this process made.
    ///
    /// # Errors
    /// When the system refuses it.
    pub(super) fn map(self) -> io::Result<()> {
        let Self { user, group } = self;
        // Without privileges only the own ids may be mapped, and the group only after `setgroups` was denied.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))
    }
}

/// Maps all ids to themselves in the user namespace that another process made within this one.
///
/// # Errors
/// When the system refuses it.
pub(super) fn map_all(process: u32) -> io::Result<()> {
    for map in ["gid_map", "uid_map"] {
        let own = fs::read_to_string(format!("/proc/self/{map}"))?;
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let (first, count) = (words.next()?, words.nth(1)?);
            Some(format!("{first} {first} {count}\n"))
        };
        let same: String = own.lines().filter_map(line).collect();
        fs::write(format!("/proc/{process}/{map}"), same)?;
    }
    Ok(())
}

/// Whether this process may make a mount namespace, and map all ids in a user namespace.
fn is_privileged() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::SETUID | CapabilitySet::SETGID;
    capabilities(None).is_ok_and(|own| own.effective.contains(needed))
}

/// Whether user namespaces may be allowed but useless: this has to be tried in a process that is then discarded.
pub(super) fn has_to_be_tried() -> bool {
    !is_privileged() && says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
}

/// Calls `unshare_unsafe` without `FILES`, the flag that makes that function unsafe.
#[allow(deprecated)]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

fn says(file: &str, what: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == what)
}

/// The reason according to the system.
fn unavailable(error: &io::Error) -> NamespaceUnavailable {
    let advice = if says("/proc/sys/user/max_user_namespaces", "0") {
        "sysctl user.max_user_namespaces=10000 allows them"
    } else if says("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "sysctl kernel.unprivileged_userns_clone=1 allows them"
    } else if says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor asks for a profile of nexus: docs/security.md has one"
    } else {
        "a container has to allow user namespaces, or be run with the capability SYS_ADMIN"
    };
    NamespaceUnavailable { why: error.to_string(), advice }
}

/// The reason after a failed trial.
pub(super) fn refused() -> NamespaceUnavailable {
    unavailable(&io::ErrorKind::PermissionDenied.into())
}
