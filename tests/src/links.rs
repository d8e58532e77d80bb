//! Links between nodes of this process that take time, as those between regions do: each direction of a pair delays
//! what goes over it by half of the pair's round trip, and a new connection takes a whole one. Below TLS, so that the
//! nodes are as they are in production. What goes over them is neither lost nor reordered; a link that is cut ends all
//! of its connections, and takes no other one.

use crate::{in_process::InProcessCluster, patience::eventually};
use futures::future::BoxFuture;
use nexus_node::{
    peer::wire::{Dial, Wire},
    settings::args::{StartArgs, TimingProfile},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split},
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// Bytes that are read at once: more than most messages have.
const READ_BYTES: usize = 64 << 10;
/// Reads that may be on their way in one direction.
const ON_THE_WAY: usize = 4_096;

/// The links between the nodes of a cluster. Clones share them.
#[derive(Clone, Default)]
pub struct Links(Arc<Shared>);

/// Two nodes by their numbers, the lower one first.
type Pair = (usize, usize);

fn pair(one: usize, other: usize) -> Pair {
    (one.min(other), one.max(other))
}

#[derive(Default)]
struct Shared {
    /// The numbers of the nodes by their addresses for nodes.
    nodes: Mutex<HashMap<String, usize>>,
    /// The round trip of each pair whose link takes time.
    round_trips: Mutex<BTreeMap<Pair, Duration>>,
    /// The pairs whose link is cut.
    cut: watch::Sender<BTreeSet<Pair>>,
    /// The dials of each node.
    dials: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    /// Starts three voters over these links, and waits until the first one leads.
    pub async fn start_three(&self) -> InProcessCluster {
        let cluster = InProcessCluster::start_over(
            3,
            |peers, at| {
                self.is_at(at, &peers[at]);
                self.of(at)
            },
            |at| StartArgs {
                timing: Some(TimingProfile::Wan),
                priority: Some(if at == 0 { 200 } else { 100 }),
                ..StartArgs::default()
            },
        )
        .await;
        eventually("the preferred node leads", || async { (cluster.leader(0).await == 0).then_some(()) })
            .await;
        cluster
    }

    /// Says at which address a node is reached.
    pub fn is_at(&self, node: usize, addr: &str) {
        lock(&self.0.nodes).insert(addr.to_owned(), node);
    }

    /// Sets the round trip between two nodes, also for connections that are open.
    pub fn set_round_trip(&self, one: usize, other: usize, round_trip: Duration) {
        lock(&self.0.round_trips).insert(pair(one, other), round_trip);
    }

    /// Cuts the link between two nodes, or heals it.
    pub fn cut(&self, one: usize, other: usize, is_cut: bool) {
        self.0.cut.send_modify(|cut| {
            if is_cut {
                cut.insert(pair(one, other));
            } else {
                cut.remove(&pair(one, other));
            }
        });
    }

    /// The connections that were made so far.
    pub fn dials(&self) -> u64 {
        self.0.dials.load(Ordering::Relaxed)
    }

    /// The network as a node sees it.
    pub fn of(&self, node: usize) -> Arc<dyn Dial> {
        Arc::new(DelayedDial { links: self.clone(), node })
    }

    fn one_way(&self, pair: Pair) -> Duration {
        let round_trips = lock(&self.0.round_trips);
        round_trips.get(&pair).copied().unwrap_or_default() / 2
    }
}

/// Dials by TCP, over a link.
struct DelayedDial {
    links: Links,
    node: usize,
}

impl Dial for DelayedDial {
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>> {
        Box::pin(async move {
            let other = lock(&self.links.0.nodes).get(addr).copied();
            let other =
                other.ok_or_else(|| io::Error::other(format!("no node of these links is at {addr}")))?;
            let pair = pair(self.node, other);
            if self.links.0.cut.borrow().contains(&pair) {
                return Err(io::ErrorKind::HostUnreachable.into());
            }
            self.links.0.dials.fetch_add(1, Ordering::Relaxed);
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            sleep(self.links.one_way(pair) * 2).await;
            let (near, link) = duplex(READ_BYTES);
            let (from_near, to_near) = split(link);
            let (from_far, to_far) = stream.into_split();
            for pump in [
                carry(Box::pin(from_near), Box::pin(to_far), self.links.clone(), pair),
                carry(Box::pin(from_far), Box::pin(to_near), self.links.clone(), pair),
            ] {
                tokio::spawn(pump);
            }
            Ok(Wire::plain(near))
        })
    }
}

type Reader = std::pin::Pin<Box<dyn AsyncRead + Send>>;
type Writer = std::pin::Pin<Box<dyn AsyncWrite + Send>>;

/// Carries one direction until either end is closed, or the link is cut.
async fn carry(mut from: Reader, mut to: Writer, links: Links, pair: Pair) {
    let mut cut = links.0.cut.subscribe();
    let (send, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let depart = async move {
        let mut bytes = vec![0; READ_BYTES];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let arrives = Instant::now() + links.one_way(pair);
            if send.send((arrives, bytes[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let arrive = async move {
        while let Some((arrives, bytes)) = on_the_way.recv().await {
            sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                return;
            }
        }
        // The other end learns of the end of the connection.
        let _ = to.shutdown().await;
    };
    tokio::select! {
        _ = async { tokio::join!(depart, arrive) } => {}
        _ = cut.wait_for(|cut| cut.contains(&pair)) => {}
    }
}
