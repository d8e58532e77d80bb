//! The peer ports of the nodes, from the same machine: as many connections as possible that send nothing, or only the
//! beginning of a greeting.

use super::context::{Attack, WIDTH};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Concurrent connections to each node: more than a node keeps without a greeting.
const CROWD: usize = 200;
/// A node closes a connection without a greeting earlier than this.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn send(attack: &Attack) {
    let addrs = &attack.target().peer_addrs;
    let crowd = attack.most(CROWD, 4 * WIDTH) * addrs.len();
    attack
        .flood_on(1.0, crowd, |n| async move {
            attack.sent();
            let Ok(mut stream) = TcpStream::connect(&addrs[n % addrs.len()]).await else {
                return attack.answered("not connected");
            };
            let first: &[u8] =
                [b"".as_slice(), b"\0", &[0xff; 64], b"GET / HTTP/1.1\r\n\r\n"][n / addrs.len() % 4];
            let _ = stream.write_all(first).await;
            let ended = timeout(PATIENCE, stream.read(&mut [0; 256])).await;
            attack.answered(if ended.is_ok() { "cut off" } else { "kept" });
            // A connection that is closed at once is not opened again as fast as the system allows.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        })
        .await;
}
