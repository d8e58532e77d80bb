//! Talks the handshake over a fresh connection, from either end. What is allowed, `hello` decides.

use super::{
    error::Cause,
    frame::{FrameError, Frames, read},
    hello::{self, Expected, Hello, PREAMBLE, Purpose, Reception, Refusal, Welcome},
    identity::LocalIdentity,
    limits::{CONNECT_DEADLINE, HANDSHAKE_DEADLINE, PROTOCOL},
    wire::{Dial, Wire},
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Dials and greets. Bounded by `CONNECT_DEADLINE`.
pub(super) async fn connect(
    dial: &dyn Dial,
    addr: &str,
    local: &LocalIdentity,
    purpose: Purpose,
    expected: Option<Expected>,
) -> Result<(Frames, Welcome), Cause> {
    let connecting = async {
        let wire = dial.dial(addr).await.map_err(|error| Cause::Connect(Arc::new(error)))?;
        call(wire, local, purpose, expected).await
    };
    timeout(CONNECT_DEADLINE, connecting).await.map_err(|_| Cause::Stalled)?
}

async fn call(
    wire: Wire,
    local: &LocalIdentity,
    purpose: Purpose,
    expected: Option<Expected>,
) -> Result<(Frames, Welcome), Cause> {
    let Wire { mut stream, certified } = wire;
    stream.write_all(&hello::preamble(PROTOCOL)).await.map_err(FrameError::from)?;
    let mut frames = Frames::new(stream);
    frames.push(&Hello::new(local, purpose, expected))?;
    frames.flush().await?;
    let mut theirs = [0; PREAMBLE];
    frames.read_bare(&mut theirs).await.map_err(FrameError::from)?;
    hello::check_preamble(theirs)?;
    let answer = frames.next().await?;
    let welcome = read::<Reception>(answer)??;
    hello::accept(local, &welcome, expected, certified)?;
    Ok((frames, welcome))
}

/// A caller that was let in.
pub(super) struct Caller<T> {
    /// The connection.
    pub(super) frames: Frames,
    /// Who calls, and for what.
    pub(super) hello: Hello,
    /// What `admit` gave: its place among the connections of that purpose.
    pub(super) place: T,
}

/// Answers a call: lets it in, or says why not. `admit` is asked last, for a free place.
pub(super) async fn answer<T>(
    wire: Wire,
    local: &LocalIdentity,
    admit: impl FnOnce(&Hello) -> Result<T, Refusal>,
) -> Result<Caller<T>, Cause> {
    let answering = async {
        let Wire { mut stream, certified } = wire;
        let mut theirs = [0; PREAMBLE];
        stream.read_exact(&mut theirs).await.map_err(FrameError::from)?;
        let checked = hello::check_preamble(theirs);
        if checked == Err(Refusal::NotAPeer) {
            return Err(Refusal::NotAPeer.into());
        }
        // An older or newer peer gets these bytes too: they are all that it can understand.
        stream.write_all(&hello::preamble(PROTOCOL)).await.map_err(FrameError::from)?;
        if let Err(refusal) = checked {
            stream.shutdown().await.map_err(FrameError::from)?;
            return Err(refusal.into());
        }
        let mut frames = Frames::new(stream);
        let hello: Hello = read(frames.next().await?)?;
        let admitted = hello::receive(local, &hello, certified).and_then(|()| admit(&hello));
        let reception: Reception = admitted.as_ref().map(|_| Welcome::new(local)).map_err(Refusal::clone);
        frames.push(&reception)?;
        frames.flush().await?;
        Ok(Caller { frames, hello, place: admitted? })
    };
    timeout(HANDSHAKE_DEADLINE, answering).await.map_err(|_| Cause::Stalled)?
}
