//! WebSockets: thousands that join and never read while their project changes, some that read large events barely fast
//! enough, others that join and leave in a storm; and tickets without end.

use super::context::{Attack, Identity, WIDTH};
use crate::{Client, Socket, abuse::open_files::most_connections};
use bytes::Bytes;
use futures::{future::join_all, join};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

/// The number of sockets over all nodes: as many as three nodes accept.
const SOCKETS: usize = 9_000;
const SOCKETS_WHEN_SHORT: usize = 300;
/// The number of connections or sockets that are opened at once.
const AT_ONCE: usize = 32;
/// Bytes of the event that each change of the project sends to every socket.
const TITLE_BYTES: usize = 190;
/// Time between two changes.
const PAUSE: Duration = Duration::from_millis(10);

/// The number of sockets that read one message in this time: less than a node waits for each. They send pings
/// meanwhile.
const SLOW: usize = 150;
const SLOWLY: Duration = Duration::from_secs(4);
/// The number of paths of a large event, and the bytes of each.
const PATHS: usize = 95;
const PATH_BYTES: usize = 900;

fn client(attack: &Attack, number: usize) -> Client {
    let target = attack.target();
    let url = &target.urls[number % target.urls.len()];
    // Sockets have connections of their own, so this client sends no request.
    Client::new(url.clone()).with_key(target.members[number % target.members.len()].clone())
}

pub(super) async fn sockets(attack: &Attack) {
    let feature = json!({ "slug": "watched", "title": "t", "spec": "s" }).to_string();
    attack.post(&attack.member(0), &attack.path("/features"), feature).await;
    let wanted = attack.most(SOCKETS, SOCKETS_WHEN_SHORT).min(most_connections());
    let clients: Vec<Client> = (0..12).map(|number| client(attack, number)).collect();
    let filling = attack.flood(0.7, AT_ONCE, wanted, |n| {
        let client = &clients[n % clients.len()];
        async move {
            if let Some(socket) = join(attack, client).await {
                attack.hold(socket);
            }
        }
    });
    let storming = attack.flood_on(1.0, 4, |n| {
        let client = &clients[n % clients.len()];
        async move {
            if let Some(mut socket) = join(attack, client).await {
                socket.send_json(json!({ "type": "leave" })).await;
                socket.send_json(json!({ "type": "heartbeat" })).await;
            }
            sleep(PAUSE).await;
        }
    });
    let changing = attack.flood_on(1.0, 2, |n| async move {
        let title = json!({ "title": "t".repeat(TITLE_BYTES) + &(n % 100).to_string() }).to_string();
        attack.patch(&attack.member(n), &attack.path("/features/watched"), title).await;
        sleep(PAUSE).await;
    });
    let swelling = attack.flood_on(1.0, 1, |_| async {
        let Some(session) = attack.session(&attack.member(0), "hoarder").await else { return };
        let path = |n: usize| format!("large/{n}/{}", "x".repeat(PATH_BYTES));
        let paths: Vec<String> = (0..PATHS).map(path).collect();
        attack.post(&session, &attack.path("/claims"), json!({ "paths": paths }).to_string()).await;
        attack.ask(&session, Method::DELETE, &attack.path("/claims"), Bytes::from_static(b"{}")).await;
    });
    let slow =
        join_all((0..attack.most(SLOW, 15)).map(|number| slow(attack, &clients[number % clients.len()])));
    join!(filling, storming, changing, swelling, slow);
}

/// Opens a socket that follows all events and reads them slowly, and opens it again when the node closes it.
async fn slow(attack: &Attack, client: &Client) {
    attack
        .again_and_again(PAUSE, || async {
            let mut socket = join(attack, client).await?;
            while Instant::now() < attack.end(1.0) {
                socket.send(Message::Ping(Bytes::from_static(b"still there?"))).await;
                socket.next_frame().await?;
                sleep(SLOWLY).await;
            }
            Some(())
        })
        .await;
}

/// Opens a socket that follows all events from the first one on.
async fn join(attack: &Attack, client: &Client) -> Option<Socket> {
    attack.sent();
    match Socket::try_open(client, "/ws").await {
        Ok(mut socket) => {
            attack.answered(101);
            socket
                .send_json(json!({ "type": "join", "projectId": attack.target().project, "since": 0 }))
                .await;
            Some(socket)
        }
        Err(crate::Refused::Answer(status, _)) => {
            attack.answered(status.as_u16());
            sleep(PAUSE).await;
            None
        }
        Err(crate::Refused::Lost(_)) => {
            attack.answered("lost");
            sleep(PAUSE).await;
            None
        }
    }
}

pub(super) async fn tickets(attack: &Attack) {
    attack
        .flood_on(1.0, WIDTH, |n| async move {
            match n % 4 {
                0 => {
                    // A guessed ticket, which must not cost a log entry.
                    let guessed = format!("/ws?ticket=nexus_ticket_{n:064x}");
                    attack.get(&Identity::default(), &guessed).await;
                }
                1 => drop(attack.post(&attack.member(n).keyed(), "/auth/ws-ticket", "{}").await),
                _ => drop(attack.post(&attack.member(n), "/auth/ws-ticket", "{}").await),
            }
        })
        .await;
}
