//! Reports to the service manager that started this process, by the datagrams of systemd's `sd_notify`: that the node
//! is ready, what it does, and that it lives. Without a service manager, every report does nothing.
//!
//! A report is lost where the manager does not take it at once: nothing here waits, and nothing fails. The crate
//! `sd-notify` waits, and knows no abstract names.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
    process,
    sync::Arc,
    time::Duration,
};

/// The variable that names the manager's socket: a path, or `@` and an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";
/// The variables with the longest silence in microseconds, and the process that it applies to.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "WATCHDOG_PID");

/// The service manager of this process, if it has one. Clones share the socket.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The service manager that the environment names. One that cannot be reached is logged, and counts as none.
    pub fn of_environment() -> Self {
        let Some(name) = env::var_os(SOCKET).filter(|name| !name.is_empty()) else { return Self::default() };
        match Self::at(&name) {
            Ok(manager) => Self { watchdog: watchdog_of(env::var_os, process::id()), ..manager },
            Err(error) => {
                tracing::warn!(socket = ?name, %error, "the service manager cannot be reached");
                Self::default()
            }
        }
    }

    /// The service manager with a socket of this name.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            #[cfg(target_os = "linux")]
            [b'@', name @ ..] => {
                <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?
            }
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(Arc::new(socket)), watchdog: None })
    }

    /// Whether there is one.
    pub fn is_present(&self) -> bool {
        self.socket.is_some()
    }

    /// The longest time between two signs of life after which the manager kills this process, if it watches.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Reports that the node has started, or has finished a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Reports in a sentence what the node does.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// Reports that the node reads its settings again. [`Self::ready`] ends it.
    pub fn reloading(&self) {
        self.send("RELOADING=1");
    }

    /// Reports that the node stops.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Stopping");
    }

    /// Reports a sign of life.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, report: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(report.as_bytes());
        }
    }
}

/// A status without line breaks, which would begin another field.
fn one_line(status: &str) -> String {
    status.chars().map(|shown| if shown.is_control() { ' ' } else { shown }).collect()
}

/// The watchdog's time, if it is meant for this process.
fn watchdog_of(variable: impl Fn(&'static str) -> Option<OsString>, pid: u32) -> Option<Duration> {
    let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
    let is_for_other = variable(WATCHDOG.1).is_some() && number(WATCHDOG.1) != Some(u64::from(pid));
    let micros = number(WATCHDOG.0).filter(|micros| *micros > 0 && !is_for_other)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn received(manager: &UnixDatagram) -> String {
        let mut report = [0; 4096];
        let length = manager.recv(&mut report).unwrap();
        String::from_utf8(report[..length].to_vec()).unwrap()
    }

    #[test]
    fn reports_reach_a_socket_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let own = ServiceManager::at(path.as_os_str()).unwrap();
        own.ready("Follows node 2");
        own.status("No leader\nREADY=1\u{7}");
        own.reloading();
        own.alive();
        own.stopping();
        assert_eq!(received(&manager), "READY=1\nSTATUS=Follows node 2");
        assert_eq!(received(&manager), "STATUS=No leader READY=1 ");
        assert_eq!(received(&manager), "RELOADING=1");
        assert_eq!(received(&manager), "WATCHDOG=1");
        assert_eq!(received(&manager), "STOPPING=1\nSTATUS=Stopping");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reports_reach_an_abstract_socket() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("nexus-notify-{}", process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        ServiceManager::at(OsStr::new(&format!("@{name}"))).unwrap().alive();
        assert_eq!(received(&manager), "WATCHDOG=1");
    }

    #[test]
    fn a_manager_that_takes_nothing_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let own = ServiceManager::at(path.as_os_str()).unwrap();
        for _ in 0..100_000 {
            own.alive();
        }
        drop(manager);
        own.alive();
        ServiceManager::default().alive();
        assert!(ServiceManager::at(folder.path().join("none").as_os_str()).is_err());
    }

    #[test]
    fn a_watchdog_counts_only_for_the_process_that_it_names() {
        let of = |time: Option<&'static str>, pid: Option<&'static str>| {
            watchdog_of(|name| if name == WATCHDOG.0 { time } else { pid }.map(OsString::from), 7)
        };
        assert_eq!(of(Some("30000000"), None), Some(Duration::from_secs(30)));
        assert_eq!(of(Some("30000000"), Some("7")), Some(Duration::from_secs(30)));
        assert_eq!(of(Some("30000000"), Some("8")), None);
        assert_eq!(of(Some("30000000"), Some("")), None);
        assert_eq!(of(Some("0"), None), None);
        assert_eq!(of(Some("soon"), None), None);
        assert_eq!(of(None, Some("7")), None);
    }
}
