//! A thousand subscribers of the event feed while every node is killed once: each ends with exactly the committed
//! events.

use nexus_tests::{Client, Cluster, Socket, Team, eventually};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};

const CONSUMERS: usize = 1_000;
const WRITERS: u64 = 8;
/// The number of changes of each writer. Each changes five fields of its feature, which makes five events.
const CHANGES: u64 = 250;

/// The position of an event: its revision and its index there.
type Place = (u64, u64);

/// The length and the FNV-1a hash of a sequence of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sequence {
    length: u64,
    hash: u64,
}

impl Sequence {
    const EMPTY: Self = Self { length: 0, hash: 0xcbf2_9ce4_8422_2325 };

    fn with(self, (revision, seq): Place) -> Self {
        let hash = [revision, seq]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .fold(self.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { length: self.length + 1, hash }
    }
}

/// Parses one number of an event and nothing else, since there are millions of events.
fn number(event: &str, name: &str) -> Option<u64> {
    let rest = &event[event.rfind(name)? + name.len()..];
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// The state of a subscriber over all its connections.
struct Consumer {
    /// All events up to this revision were received.
    complete: u64,
    received: Sequence,
    /// Events of the next revision, which may have more.
    latest: Vec<Place>,
    connections: u64,
}

impl Consumer {
    /// Receives events through one node after the other until the last one.
    async fn run(
        mut self,
        client: Client,
        team: Team,
        urls: Vec<String>,
        last: watch::Receiver<Option<Place>>,
    ) -> Self {
        for at in 0.. {
            let through = client.via(&urls[at % urls.len()]);
            if let Ok(socket) = Socket::try_open(&through, "/ws").await
                && self.listen(socket, &team, last.clone()).await
            {
                return self;
            }
            // The events of an incomplete revision are received again.
            self.latest.clear();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self
    }

    /// Receives until the connection ends, or the last event was received.
    async fn listen(
        &mut self,
        mut socket: Socket,
        team: &Team,
        mut last: watch::Receiver<Option<Place>>,
    ) -> bool {
        socket.send_json(json!({ "type": "join", "projectId": team.project, "since": self.complete })).await;
        self.connections += 1;
        loop {
            if last.borrow_and_update().is_some_and(|last| self.latest.last() == Some(&last)) {
                self.turn_over();
                socket.leave().await;
                return true;
            }
            let text = tokio::select! {
                text = socket.next_text() => text,
                _ = last.changed() => continue,
            };
            let Some(text) = text else { return false };
            let place = number(&text, "\"revision\":").zip(number(&text, "\"seq\":"));
            // Other messages greet the client.
            let Some(place) = place else { continue };
            if self.latest.last().is_some_and(|latest| latest.0 < place.0) {
                self.turn_over();
            }
            self.latest.push(place);
        }
    }

    fn turn_over(&mut self) {
        for place in self.latest.drain(..) {
            self.received = self.received.with(place);
            self.complete = place.0;
        }
    }
}

async fn change(team: &Team, urls: &[String], writer: u64, number: u64) {
    let lane = ["now", "later"][usize::try_from(number % 2).expect("small")];
    let body = json!({
        "title": format!("t{number}"),
        "lane": lane,
        "priority": 100 + number,
        "touches": [format!("a/{writer}/{number}")],
        "reads": [format!("b/{writer}/{number}")],
    });
    let client = team.admin.under_key(format!("change-{writer}-{number}"));
    let path = team.path(&format!("/features/f{writer}"));
    let mut at = usize::try_from(writer).expect("small");
    loop {
        let sent = client.via(&urls[at % urls.len()]).send(reqwest::Method::PATCH, &path, Some(&body)).await;
        match sent {
            Ok(answer) if answer.status == 200 => return,
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
            Err(_) => {}
        }
        at += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_subscribers_receive_exactly_the_committed_events_while_every_node_is_killed_once() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let urls = cluster.urls();
    for writer in 0..WRITERS {
        team.ready_feature(&format!("f{writer}"), &[]).await;
    }
    let start = team.admin.get(&team.path("/events?since=0&limit=1000")).await;
    let start = start.data()["nextSince"].as_u64().expect("a revision");

    let began = Instant::now();
    let last = watch::Sender::new(None);
    let mut consumers = JoinSet::new();
    for number in 0..CONSUMERS {
        let consumer =
            Consumer { complete: start, received: Sequence::EMPTY, latest: Vec::new(), connections: 0 };
        let mut urls = urls.clone();
        urls.rotate_left(number % 3);
        consumers.spawn(consumer.run(team.admin.clone(), team.clone(), urls, last.subscribe()));
    }
    let sockets = || async {
        let mut open = 0;
        for url in &urls {
            let metrics = reqwest::get(format!("{url}/metrics")).await.ok()?.text().await.ok()?;
            let line = metrics.lines().find(|line| line.starts_with("nexus_websocket_connections "))?;
            open += line.rsplit(' ').next()?.parse::<usize>().ok()?;
        }
        (open == CONSUMERS).then_some(())
    };
    eventually("all consumers are connected", sockets).await;
    println!("{CONSUMERS} sockets were opened in {:?}", began.elapsed());

    let began = Instant::now();
    let changed = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (team, urls, changed) = (team.clone(), urls.clone(), changed.clone());
        writers.spawn(async move {
            for number in 0..CHANGES {
                change(&team, &urls, writer, number).await;
                changed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let reached = |part: u64| {
        let changed = changed.clone();
        move || {
            let now = changed.load(Ordering::Relaxed);
            async move { (now >= WRITERS * CHANGES * part / 10).then_some(()) }
        }
    };
    for node in 1..=3 {
        eventually("the writers go on", reached(node * 3 - 2)).await;
        cluster.node(node).kill();
        eventually("the writers go on without a node", reached(node * 3 - 1)).await;
        cluster.node(node).start();
        cluster.ready(node).await;
    }
    writers.join_all().await;
    println!("{} changes were written in {:?}", WRITERS * CHANGES, began.elapsed());

    let mut committed = Vec::new();
    let mut since = start;
    loop {
        let page = team.admin.get(&team.path(&format!("/events?since={since}&limit=1000"))).await;
        let place = |event: &serde_json::Value| Some((event["revision"].as_u64()?, event["seq"].as_u64()?));
        committed.extend(page.data()["items"].as_array().expect("items").iter().filter_map(place));
        since = page.data()["nextSince"].as_u64().expect("a revision");
        if page.data()["hasMore"] == false {
            break;
        }
    }
    assert!(committed.windows(2).all(|pair| pair[0] < pair[1]));
    let expected = committed.iter().fold(Sequence::EMPTY, |sequence, place| sequence.with(*place));
    // The start of their common default session is an event, too.
    assert_eq!(expected.length, WRITERS * CHANGES * 5 + 1);
    last.send_replace(committed.last().copied());
    let mut connections = 0;
    while let Some(consumer) = consumers.join_next().await {
        let consumer = consumer.expect("no consumer gives up");
        assert_eq!(consumer.received, expected);
        connections += consumer.connections;
    }
    println!(
        "{CONSUMERS} consumers heard {} events each over {connections} connections, {:?} after the first change",
        expected.length,
        began.elapsed()
    );
}
