//! Makes and enters namespaces. Mounts nothing but what they need to be apart.

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

/// What the outer namespaces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OuterNamespace {
    /// A mount namespace: this process may make one.
    Mounts,
    /// A user namespace, and in it a mount namespace.
    UserAndMounts,
}

/// Why there is no namespace to be had, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamespaceUnavailable {
    /// The cause, for the end of a sentence.
    pub(super) why: String,
    /// What to do.
    pub(super) advice: &'static str,
}

/// Moves this process into namespaces of its own. What is mounted elsewhere later is still seen; what is mounted here is
/// not seen elsewhere.
///
/// # Errors
/// When the system does not let it. Where that is known beforehand, this process is where it was.
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

/// Whatever is mounted here from now on is mounted in the namespaces within this one as well.
///
/// # Errors
/// When the system does not let it.
pub(super) fn propagate_mounts() -> io::Result<()> {
    Ok(mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)?)
}

/// Moves this process into a user namespace within this one, and a mount namespace of that, in which all that is mounted
/// so far is locked. Its ids are yet to be mapped.
///
/// # Errors
/// When the system does not let it.
pub(super) fn nest() -> io::Result<()> {
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)
}

/// Takes the right to mount and unmount in this namespace, and to make another one beside it, from this process and from
/// all that it starts, for good. What is mounted here later has a topmost mount that is not locked: who may mount could
/// unmount it, or mount the folder around it elsewhere without it. Whoever makes a user namespace of their own has the
/// right there: in it, all that is mounted by then is locked.
///
/// # Errors
/// When the system does not let it: this process may not change its capabilities.
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

/// Sees to it that this process, and all that it starts, makes no user namespace within its own: one from before is the way
/// round what is mounted later. Who may raise the limit again could not be held to it, so that right goes as well.
///
/// # Errors
/// When the system does not let it.
pub(super) fn give_up_namespaces() -> io::Result<()> {
    fs::write("/proc/sys/user/max_user_namespaces", "0")?;
    give_up(CapabilitySet::SYS_RESOURCE)
}

/// Makes a mount namespace that nobody else sees, and moves into it.
///
/// # Errors
/// When the system does not let it.
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

/// What tells the mount namespace of a process from others; none where that process is gone, or not to be looked at.
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
/// When the system does not let it.
pub(super) fn into_mounts(of: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(of, Some(LinkNameSpaceType::Mount))?)
}

/// Moves into a user namespace. Only a process of one thread may.
///
/// # Errors
/// When the system does not let it.
pub(super) fn into_users(of: &impl AsFd) -> io::Result<()> {
    Ok(move_into_link_name_space(of.as_fd(), Some(LinkNameSpaceType::User))?)
}

/// The user and the group of this process. In a user namespace that it makes they are nobody's until they are mapped.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdMaps {
    user: u32,
    group: u32,
}

impl IdMaps {
    /// Those of this process, as they are now.
    pub(super) fn own() -> Self {
        Self { user: geteuid().as_raw(), group: getegid().as_raw() }
    }

    /// In the user namespace that this process made, they are what they were before.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn map(self) -> io::Result<()> {
        let Self { user, group } = self;
        // One's own are all that may be mapped without privileges, and the group only by who gives up changing groups.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))
    }
}

/// In the user namespace that another process made within this one, all ids are those that they are here.
///
/// # Errors
/// When the system does not let it.
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

/// Whether user namespaces may be made but be of no use: then this has to be tried in a process that can be thrown away.
pub(super) fn has_to_be_tried() -> bool {
    !is_privileged() && says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
}

/// The same as `unshare_unsafe`: what makes that one unsafe, `FILES`, is never asked for here.
#[allow(deprecated)]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

fn says(file: &str, what: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == what)
}

/// Why, as far as the system says it.
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

/// The same, from a process that tried.
pub(super) fn refused() -> NamespaceUnavailable {
    unavailable(&io::ErrorKind::PermissionDenied.into())
}
