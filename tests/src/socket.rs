//! A client of the event feed over WebSocket.

use crate::client::Client;
use futures::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self, Message,
        client::{ClientRequestBuilder, IntoClientRequest},
        http::Uri,
    },
};

/// A message that does not come in this time never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a socket was not opened.
#[derive(Debug)]
pub enum Refused {
    /// The node answered with something else than an upgrade.
    Answer(StatusCode, Value),
    /// There was no answer.
    Lost(String),
}

/// An open WebSocket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens a socket at an address below the client's node, with the client's key and session.
    ///
    /// # Errors
    /// When it is refused, or no node answers.
    pub async fn try_open(client: &Client, path: &str) -> Result<Self, Refused> {
        let base = client.base().replacen("http", "ws", 1);
        let uri: Uri = format!("{base}{path}").parse().expect("a test has sound addresses");
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(key) = client.key() {
            request = request.with_header("Authorization", format!("Bearer {key}"));
        }
        if let Some(session) = client.session() {
            request = request.with_header("X-Nexus-Session", session);
        }
        let request = request.into_client_request().expect("a test has sound headers");
        match timeout(PATIENCE, tokio_tungstenite::connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(Self(socket)),
            Ok(Err(tungstenite::Error::Http(response))) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = serde_json::from_slice(body).unwrap_or(Value::Null);
                Err(Refused::Answer(response.status(), body))
            }
            Ok(Err(error)) => Err(Refused::Lost(error.to_string())),
            Err(_) => Err(Refused::Lost("no answer".to_owned())),
        }
    }

    /// Opens a socket and reads its first message.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn open(client: &Client) -> Self {
        let mut socket = Self::try_open(client, "/ws").await.expect("the socket is opened");
        let hello = socket.receive().await;
        assert_eq!(hello["type"], "connected");
        assert!(hello["connectionId"].is_string(), "{hello}");
        socket
    }

    /// Opens a socket and joins a project.
    ///
    /// # Panics
    /// When it may not join.
    pub async fn joined(client: &Client, project: &str, since: Option<u64>) -> Self {
        let mut socket = Self::open(client).await;
        let joined = socket.join(project, since).await;
        assert_eq!(joined["type"], "joined", "{joined}");
        socket
    }

    /// Sends a join and returns the answer.
    pub async fn join(&mut self, project: &str, since: Option<u64>) -> Value {
        self.ask(json!({ "type": "join", "projectId": project, "since": since })).await
    }

    /// Sends a message and returns the next one.
    pub async fn ask(&mut self, message: Value) -> Value {
        self.send_json(message).await;
        self.receive().await
    }

    /// Sends a message as JSON.
    pub async fn send_json(&mut self, message: Value) {
        self.send(Message::Text(message.to_string().into())).await;
    }

    /// Sends any frame. An error is ignored: the next read shows it.
    pub async fn send(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    /// The next text, unparsed; none when the connection ended.
    pub async fn next_text(&mut self) -> Option<tungstenite::Utf8Bytes> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(text),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame; none when the connection ended.
    pub async fn next_frame(&mut self) -> Option<Message> {
        self.0.next().await?.ok()
    }

    /// The next message.
    ///
    /// # Panics
    /// When no message comes.
    pub async fn receive(&mut self) -> Value {
        let text = timeout(PATIENCE, self.next_text()).await.expect("a message comes in time");
        serde_json::from_str(&text.expect("the socket is open")).expect("messages are JSON")
    }

    /// The messages up to and including the next one of a type.
    ///
    /// # Panics
    /// When no message comes.
    pub async fn receive_until(&mut self, kind: &str) -> Vec<Value> {
        let mut received = Vec::new();
        loop {
            received.push(self.receive().await);
            if received.last().is_some_and(|message| message["type"] == kind) {
                return received;
            }
        }
    }

    /// Sends a close frame, and returns the code of the answer.
    pub async fn leave(mut self) -> Option<u16> {
        self.send(Message::Close(None)).await;
        self.close_code().await
    }

    /// Reads to the end and returns the code of the close frame.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn close_code(&mut self) -> Option<u16> {
        let reading = async {
            let mut code = None;
            while let Some(Ok(message)) = self.0.next().await {
                if let Message::Close(Some(frame)) = message {
                    code = Some(u16::from(frame.code));
                }
            }
            code
        };
        timeout(PATIENCE, reading).await.expect("the socket is closed in time")
    }
}
