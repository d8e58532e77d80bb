//! An HTTP/1.1 client over one kept connection. Requests are prepared bytes, and only the status and the length of
//! an answer are parsed. Never sends a request before the last one is answered.

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Largest answer in bytes: the answers of these measurements are far smaller.
const LONGEST_ANSWER: usize = 1 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 8 << 10;

/// A request, as it goes over the wire.
pub type Request = Vec<u8>;

/// Makes a POST with a JSON body (or none) and further headers.
pub fn post(addr: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let mut text = format!("POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {}\r\n", body.len());
    if !body.is_empty() {
        text.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// One kept connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When no server answers there.
    pub async fn open(addr: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await.with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request, reads its answer to the end and returns the body.
    ///
    /// # Errors
    /// When the connection ends, or the answer is not a success of a stated length.
    pub async fn send(&mut self, request: &Request) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let (status, begin, end) = loop {
            if let Some(head) = head(&self.read)? {
                break head;
            }
            self.more().await?;
        };
        while self.read.len() < end {
            self.more().await?;
        }
        if !(200..300).contains(&status) {
            bail!("status {status}: {}", String::from_utf8_lossy(&self.read[begin..end]));
        }
        Ok(&self.read[begin..end])
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        self.read.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.read).await? == 0 {
            bail!("the connection ended before the answer did");
        }
        Ok(())
    }
}

/// Status, and where the body begins and ends; none while the head is not complete.
fn head(read: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&read[..end]).context("the head of an answer is ASCII")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.context("an answer begins with its status")?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("an answer without a length")?;
    if length > LONGEST_ANSWER {
        bail!("an answer of {length} bytes");
    }
    Ok(Some((status, end + 4, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_answer_is_read_to_its_stated_end() {
        let answer = b"HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\nx: y\r\n\r\n{}";
        assert_eq!(head(answer).unwrap(), Some((409, answer.len() - 2, answer.len())));
        assert_eq!(head(&answer[..30]).unwrap(), None);
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let request = String::from_utf8(post("a:1", "/p", &[("K", "v")], "{}")).unwrap();
        assert_eq!(
            request,
            "POST /p HTTP/1.1\r\nHost: a:1\r\nContent-Length: 2\r\nContent-Type: application/json\r\nK: v\r\n\r\n{}"
        );
    }
}
