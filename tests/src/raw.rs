//! Connections with bytes that no real client sends: half a request, or only a preface.

use tokio::{io::AsyncWriteExt, net::TcpStream};

/// The first bytes of an HTTP/2 client: its preface and empty settings.
pub const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The `host:port` of a URL.
pub fn addr(url: &str) -> &str {
    url.strip_prefix("http://").unwrap_or(url)
}

/// Connects to a node and sends these bytes; none when no node listens. The node may have closed the connection
/// already, in favour of another one.
pub async fn connect(url: &str, first: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(addr(url)).await.ok()?;
    let _ = stream.write_all(first).await;
    Some(stream)
}

/// A request whose body is announced and never complete.
pub fn unfinished(path: &str, key: Option<&str>, announced: usize) -> Vec<u8> {
    let length = format!("Content-Length: {announced}\r\n");
    [head("POST", path, key, &length).as_bytes(), b"{"].concat()
}

/// The head of a request, with further lines that each end in CRLF.
pub fn head(method: &str, path: &str, key: Option<&str>, lines: &str) -> String {
    let key = key.map_or_else(String::new, |key| format!("Authorization: Bearer {key}\r\n"));
    format!(
        "{method} /api{path} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Type: application/json\r\n{lines}\r\n"
    )
}
