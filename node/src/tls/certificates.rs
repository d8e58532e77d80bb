//! The certificates in use. All that one reading of the files gave is one generation, and a new one takes its place as
//! a whole: new connections use it, and those of former ones are renewed by the ends that made them.

use super::{
    configs::{self, PeerConfigs},
    files::{self, KeyPair, TlsFiles, TlsProblem},
};
use nexus_api_types::{
    Moment,
    certificate::{CertificateName, NodeCertificates},
};
use rustls::{ClientConfig, ServerConfig};
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// A connection that the other end made under former certificates ends after this time. That end has renewed it by
/// then: it looks every 10 seconds, and makes a new connection once the old one has nothing in flight.
const GRACE: Duration = Duration::from_secs(60);
/// A certificate that ends within this time is warned about, each time that the files are read.
const WARN_BEFORE_S: i64 = 14 * 24 * 3_600;

/// The result of one reading of the files.
pub struct Generation {
    /// The settings for peers; none when nodes talk in plain text.
    peers: Option<PeerConfigs>,
    /// The settings for clients; none when they are served in plain text.
    clients: Option<Arc<ServerConfig>>,
    /// The certificates as people look at them.
    shown: NodeCertificates,
    /// Cancelled when a newer generation is in use.
    replaced: CancellationToken,
    /// Cancelled some time later, when no connection of this generation may go on.
    over: CancellationToken,
}

impl Generation {
    /// Reads the files. `in_time` refuses a certificate that is not valid now.
    fn read(files: &TlsFiles, in_time: bool) -> Result<Self, TlsProblem> {
        let mut shown = NodeCertificates::default();
        let peers = match (&files.peers, &files.authorities) {
            (Some(pair_files), Some(bundle)) => {
                let pair = files::key_pair(pair_files)?;
                let authorities = files::certificates(bundle)?;
                let read = |authority| files::read_certificate(bundle, authority);
                shown.authorities = authorities.iter().map(read).collect::<Result<_, _>>()?;
                let configs = configs::peers(files, &pair, bundle, &authorities, in_time)?;
                shown.peers = Some(pair.certificate);
                Some(configs)
            }
            _ => None,
        };
        let clients = match &files.clients {
            Some(pair_files) => {
                let pair: KeyPair = files::key_pair(pair_files)?;
                if in_time && pair.certificate.not_after < now_s() {
                    return Err(TlsProblem::of(&pair_files.cert, "it has ended"));
                }
                let config = configs::clients(&pair_files.cert, &pair)?;
                shown.clients = Some(pair.certificate);
                Some(config)
            }
            None => None,
        };
        let (replaced, over) = (CancellationToken::new(), CancellationToken::new());
        Ok(Self { peers, clients, shown, replaced, over })
    }

    /// The settings for calling peers; none when nodes talk in plain text.
    pub fn peer_client(&self) -> Option<Arc<ClientConfig>> {
        self.peers.as_ref().map(|peers| peers.client.clone())
    }

    /// The settings for serving peers; none when nodes talk in plain text.
    pub fn peer_server(&self) -> Option<Arc<ServerConfig>> {
        self.peers.as_ref().map(|peers| peers.server.clone())
    }

    /// The name in this node's certificate.
    pub fn name(&self) -> Option<CertificateName> {
        self.peers.as_ref().map(|peers| peers.name)
    }

    /// The settings for serving clients; none when they are served in plain text.
    pub fn clients(&self) -> Option<Arc<ServerConfig>> {
        self.clients.clone()
    }

    /// The certificates as people look at them.
    pub fn shown(&self) -> &NodeCertificates {
        &self.shown
    }

    /// Cancelled when newer certificates are in use: an end that made a connection makes another one.
    pub fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }

    /// Cancelled a minute later: an end that was called ends the connection.
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }
}

/// The state of the files at the last look.
struct Seen {
    fingerprint: Vec<Option<[i64; 4]>>,
    /// Whether they did not fit together. A certificate and its key are two files: when one is new already, the next
    /// look finds both.
    is_torn: bool,
}

/// The certificates of a node, and where they come from.
pub struct Certificates {
    files: TlsFiles,
    current: RwLock<Arc<Generation>>,
    /// The id of this node; 0 while it is not known.
    own: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

impl Certificates {
    /// Reads the certificates for the first time.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn read(files: TlsFiles) -> Result<Self, TlsProblem> {
        // A node starts with certificates that have ended, and says so: new ones may be on their way.
        let generation = Generation::read(&files, false)?;
        warn_of_the_end(&generation.shown);
        Ok(Self {
            files,
            current: RwLock::new(Arc::new(generation)),
            own: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        })
    }

    /// The generation in use.
    pub fn current(&self) -> Arc<Generation> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells which node these certificates are for, once that is known.
    pub fn belong_to(&self, node: u64) {
        self.own.store(node, Ordering::Relaxed);
    }

    /// How often new certificates were taken since the node started, and how often new files could not be used.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.failed_reloads.load(Ordering::Relaxed))
    }

    /// Reads the files whenever they have changed, and whenever `ask` is notified.
    pub async fn follow(self: Arc<Self>, ask: Arc<Notify>, stop: CancellationToken) {
        if self.files == TlsFiles::default() {
            return;
        }
        let mut seen = Seen { fingerprint: self.files.fingerprint(), is_torn: false };
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => false,
                () = ask.notified() => true,
                () = stop.cancelled() => return,
            };
            // A file on a disk or network that hangs must hold up neither others nor the end of the node.
            let this = self.clone();
            let looking = tokio::task::spawn_blocking(move || {
                this.look(&mut seen, is_asked);
                seen
            });
            seen = tokio::select! {
                // A panic is reported where it happens. What was seen is looked at once more.
                looked = looking => looked.unwrap_or(Seen { fingerprint: Vec::new(), is_torn: false }),
                () = stop.cancelled() => return,
            };
        }
    }

    /// Reads the files if they have changed, or if somebody asks for it.
    fn look(&self, seen: &mut Seen, is_asked: bool) {
        let fingerprint = self.files.fingerprint();
        let is_new = fingerprint != seen.fingerprint;
        if !is_asked && !is_new && !seen.is_torn {
            return;
        }
        seen.fingerprint = fingerprint;
        seen.is_torn = false;
        match self.reload() {
            Ok(()) => tracing::info!("new certificates are in use"),
            Err(_) if is_new && !is_asked => seen.is_torn = true,
            Err(error) => {
                self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "the new certificates cannot be used; the former ones stay in use");
            }
        }
    }

    /// Reads the files now, and takes what they give into use.
    ///
    /// # Errors
    /// When a file cannot be read or used, or the certificate names another node. What was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsProblem> {
        let before = self.current();
        // What has not ended is not given up for what has.
        let former = [&before.shown.peers, &before.shown.clients];
        let had_ended = former.into_iter().flatten().any(|certificate| certificate.not_after < now_s());
        let next = Generation::read(&self.files, !had_ended)?;
        if let (Some(before), Some(now)) = (before.name(), next.name()) {
            let own = Some(self.own.load(Ordering::Relaxed)).filter(|own| *own > 0);
            // A node that came back under a new id may get a certificate for that one.
            let is_for_this = now.node == before.node || now.node.is_none() || now.node == own;
            if before.cluster != now.cluster || !is_for_this {
                return Err(TlsProblem::Renamed { before, now });
            }
        }
        warn_of_the_end(&next.shown);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.reloads.fetch_add(1, Ordering::Relaxed);
        before.replaced.cancel();
        let over = before.over.clone();
        tokio::spawn(async move {
            tokio::time::sleep(GRACE).await;
            over.cancel();
        });
        Ok(())
    }
}

/// Seconds since 1970, by this machine's clock.
fn now_s() -> i64 {
    let age = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    i64::try_from(age).unwrap_or(i64::MAX)
}

/// Warns of certificates that end soon or have ended.
fn warn_of_the_end(shown: &NodeCertificates) {
    let soon = now_s().saturating_add(WARN_BEFORE_S);
    let ends = [("nodes", &shown.peers), ("clients", &shown.clients)];
    for (of, certificate) in ends {
        if let Some(certificate) = certificate.as_ref().filter(|certificate| certificate.not_after < soon) {
            let until = Moment::from_millis(certificate.not_after.saturating_mul(1_000));
            tracing::warn!(%until, "the certificate for {of} ends soon or has ended: issue another one");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::tls::authority::{self, Authority, trust};
    use std::{fs, path::Path};

    const FIRST: &str = "nexus://00000000-0000-0000-0000-0000000000c1/node/1";
    const SECOND: &str = "nexus://00000000-0000-0000-0000-0000000000c1/node/2";

    /// The problem that reading a folder reports, after one change of it.
    fn problem(change: impl FnOnce(&Path, &Authority)) -> Option<String> {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("the cluster's"));
        authority.issue(dir.path(), &[FIRST], 2090);
        trust(dir.path(), &[&authority]);
        change(dir.path(), &authority);
        Certificates::read(authority::files(dir.path())).err().map(|problem| problem.to_string())
    }

    #[test]
    fn each_fault_of_the_files_is_named_with_its_file() {
        assert_eq!(problem(|_, _| {}), None);
        type Change = fn(&Path, &Authority);
        let cases: [(Change, &str, &str); 9] = [
            (|dir, _| fs::remove_file(dir.join("node.key")).unwrap(), "node.key", "cannot be read"),
            (|dir, _| fs::write(dir.join("node.crt"), "").unwrap(), "node.crt", "no certificate in PEM"),
            (|dir, _| fs::write(dir.join("node.key"), "?").unwrap(), "node.key", "no private key"),
            (
                |dir, _| fs::write(dir.join("ca.crt"), vec![b'x'; 2 << 20]).unwrap(),
                "ca.crt",
                "larger than a MiB",
            ),
            (|dir, authority| authority.issue(dir, &[], 2090), "node.crt", "names no node"),
            (|dir, authority| authority.issue(dir, &[FIRST, SECOND], 2090), "node.crt", "names no node"),
            (
                |dir, _| Authority::new("another").issue(dir, &[FIRST], 2090),
                "node.crt",
                "none of the authorities",
            ),
            (
                |dir, authority| fs::write(dir.join("node.crt"), authority.pem()).unwrap(),
                "node.crt",
                "certificate of an authority",
            ),
            (
                |dir, authority| {
                    let former = fs::read(dir.join("node.key")).unwrap();
                    authority.issue(dir, &[FIRST], 2090);
                    fs::write(dir.join("node.key"), former).unwrap();
                },
                "node.crt",
                "does not belong to this certificate",
            ),
        ];
        for (change, file, reason) in cases {
            let said = problem(change).unwrap_or_default();
            assert!(
                said.contains(file) && said.contains(reason),
                "{said:?} does not say {reason:?} of {file}"
            );
        }
        // A node starts with a certificate that has ended: a new one may be on its way.
        assert_eq!(problem(|dir, authority| authority.issue(dir, &[FIRST], 2021)), None);
    }

    #[tokio::test]
    async fn new_files_take_the_place_of_former_ones_as_a_whole() {
        let (dir, old, new) = (tempfile::tempdir().unwrap(), Authority::new("old"), Authority::new("new"));
        let certificates = authority::certificates(dir.path(), &old, FIRST);
        let first = certificates.current();

        new.issue(dir.path(), &[FIRST], 2090);
        assert!(certificates.reload().is_err(), "the authority is not there yet");
        assert!(!first.replaced().is_cancelled());
        trust(dir.path(), &[&new, &old]);
        certificates.reload().unwrap();
        assert!(first.replaced().is_cancelled() && !first.over().is_cancelled());
        let issuers: Vec<String> =
            certificates.current().shown().authorities.iter().map(|it| it.subject.clone()).collect();
        assert_eq!(issuers, ["CN=new", "CN=old"]);

        new.issue(dir.path(), &[FIRST], 2021);
        assert!(certificates.reload().is_err(), "one that has ended takes the place of none that has not");
        new.issue_for(dir.path(), &[FIRST], 2090, false);
        assert!(certificates.reload().is_err(), "one for servers alone cannot call");
        new.issue(dir.path(), &[SECOND], 2090);
        assert!(matches!(certificates.reload(), Err(TlsProblem::Renamed { .. })));
        assert_eq!(certificates.current().name().unwrap().to_string(), FIRST);
        assert_eq!(certificates.reloads().0, 1);
        // It lost its data, and is another node now.
        certificates.belong_to(2);
        certificates.reload().unwrap();
        assert_eq!(certificates.current().name().unwrap().to_string(), SECOND);
    }

    #[tokio::test]
    async fn a_certificate_for_clients_is_not_given_up_for_one_that_has_ended() {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("a public one"));
        authority.issue(dir.path(), &[], 2090);
        let of_clients = TlsFiles { peers: None, authorities: None, ..authority::files(dir.path()) };
        let certificates = Certificates::read(of_clients).unwrap();
        authority.issue(dir.path(), &[], 2021);
        assert!(certificates.reload().unwrap_err().to_string().contains("it has ended"));
        authority.issue(dir.path(), &[], 2091);
        certificates.reload().unwrap();
    }

    #[tokio::test]
    async fn a_certificate_for_any_node_is_followed_by_one_of_this_node_alone() {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("the cluster's"));
        let joining = FIRST.strip_suffix("/1").unwrap();
        let certificates = authority::certificates(dir.path(), &authority, joining);
        certificates.belong_to(1);
        authority.issue(dir.path(), &[SECOND], 2090);
        assert!(matches!(certificates.reload(), Err(TlsProblem::Renamed { .. })));
        authority.issue(dir.path(), &[FIRST], 2090);
        certificates.reload().unwrap();
        authority.issue(dir.path(), &[joining], 2090);
        certificates.reload().unwrap();
    }

    #[tokio::test]
    async fn changed_files_are_noticed_and_a_torn_pair_is_read_again() {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("the cluster's"));
        let certificates = authority::certificates(dir.path(), &authority, FIRST);
        let mut seen = Seen { fingerprint: certificates.files.fingerprint(), is_torn: false };
        let mut look = |is_asked| {
            certificates.look(&mut seen, is_asked);
            certificates.reloads()
        };
        assert_eq!(look(false), (0, 0), "nothing has changed");

        let former = fs::read(dir.path().join("node.key")).unwrap();
        authority.issue(dir.path(), &[FIRST], 2090);
        let new = fs::read(dir.path().join("node.key")).unwrap();
        fs::write(dir.path().join("node.key"), former).unwrap();
        assert_eq!(look(false), (0, 0), "the key does not fit yet");
        fs::write(dir.path().join("node.key"), new).unwrap();
        assert_eq!(look(false), (1, 0));

        fs::write(dir.path().join("node.key"), "nothing").unwrap();
        assert_eq!((look(false), look(false), look(false)), ((1, 0), (1, 1), (1, 1)), "reported once");
        assert_eq!(look(true), (1, 2), "and whenever somebody asks");
        authority.issue(dir.path(), &[FIRST], 2090);
        assert_eq!(look(true), (2, 2));
    }
}
