//! Connections on which something else is said than a client would say: half a request, a preface and nothing more.

use tokio::{io::AsyncWriteExt, net::TcpStream};

/// What a client of HTTP/2 says first: its preface, and settings that it has none of.
pub const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The `host:port` of a URL.
pub fn addr(url: &str) -> &str {
    url.strip_prefix("http://").unwrap_or(url)
}

/// A connection to a node on which these bytes were sent; none when nobody listens. It may be gone already, to make room
/// for somebody else.
pub async fn connect(url: &str, first: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(addr(url)).await.ok()?;
    let _ = stream.write_all(first).await;
    Some(stream)
}

/// A request whose body is announced and never comes, or not to its end.
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
