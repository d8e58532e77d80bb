//! Performs the handshake over a new connection, from either end. `hello` decides what is allowed.

use super::{
    error::Cause,
    frame::{FrameError, Frames, read},
    hello::{
        self, Challenge, ExpectedPeer, Hello, HelloReply, PREAMBLE, Proof, ProofReply, Purpose, Refusal,
        Welcome,
    },
    identity::LocalIdentity,
    limits::{CONNECT_DEADLINE, HANDSHAKE_DEADLINE, PROTOCOL},
    proof::{Greeting, Side},
    wire::{Dial, Wire},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A connection that was made.
pub(super) struct Connected {
    /// The connection, after the handshake.
    pub(super) frames: Frames,
    /// The greeting of the other end.
    pub(super) welcome: Welcome,
    /// Cancelled when another connection should take its place.
    pub(super) outdated: CancellationToken,
}

/// Dials and performs the handshake, within `CONNECT_DEADLINE`.
pub(super) async fn connect(
    dial: &dyn Dial,
    addr: &str,
    local: &LocalIdentity,
    purpose: Purpose,
    expected: Option<ExpectedPeer>,
) -> Result<Connected, Cause> {
    let connecting = async {
        let wire = dial.dial(addr).await.map_err(Cause::connecting)?;
        call(wire, local, purpose, expected).await
    };
    timeout(CONNECT_DEADLINE, connecting).await.map_err(|_| Cause::Stalled)?
}

pub(super) async fn call(
    wire: Wire,
    local: &LocalIdentity,
    purpose: Purpose,
    expected: Option<ExpectedPeer>,
) -> Result<Connected, Cause> {
    let Wire { mut stream, certified, outdated } = wire;
    stream.write_all(&hello::preamble(PROTOCOL)).await.map_err(FrameError::from)?;
    let mut frames = Frames::new(stream);
    frames.limit_to_greetings(true);
    let hello = Hello::new(local, purpose, expected);
    frames.push(&hello)?;
    frames.flush().await?;
    let mut theirs = [0; PREAMBLE];
    let (first, rest) = theirs.split_at_mut(2);
    frames.read_bare(first).await.map_err(FrameError::from)?;
    hello::check_language([first[0], first[1]])?;
    frames.read_bare(rest).await.map_err(FrameError::from)?;
    hello::check_preamble(theirs)?;
    let answer = frames.next().await?;
    let (welcome, challenge) = read::<HelloReply>(answer)??;
    hello::accept(local, &welcome, expected, certified.as_ref())?;
    if purpose.needs_proof() {
        let secret = local.secret.as_ref().ok_or(Refusal::NoSecret)?;
        let challenge = challenge.ok_or(Refusal::NotProved)?;
        let binding = certified.as_ref().map(|certified| &certified.binding);
        let greeting = Greeting { hello: &hello, welcome: &welcome, nonce: &challenge.nonce, binding };
        // Verified before this node proves anything, so that a node which is no member learns nothing.
        if !greeting.is_proved(secret, Side::Called, &challenge.proof) {
            return Err(Refusal::NotProved.into());
        }
        frames.push(&greeting.prove(secret, Side::Caller))?;
        frames.flush().await?;
        read::<ProofReply>(frames.next().await?)??;
    }
    frames.limit_to_greetings(false);
    Ok(Connected { frames, welcome, outdated })
}

/// A caller that was admitted.
pub(super) struct Caller<T> {
    /// The connection, after the handshake.
    pub(super) frames: Frames,
    /// The caller's identity and purpose.
    pub(super) hello: Hello,
    /// The permit of the connection, from `admit`.
    pub(super) permit: T,
    /// Cancelled when the connection has to end.
    pub(super) outdated: CancellationToken,
}

/// Answers a handshake: admits the caller, or sends the refusal. `admit` is called last, for a permit.
pub(super) async fn answer<T>(
    wire: Wire,
    local: &LocalIdentity,
    admit: impl FnOnce(&Hello) -> Result<T, Refusal>,
) -> Result<Caller<T>, Cause> {
    let answering = async {
        let Wire { mut stream, certified, outdated } = wire;
        let mut theirs = [0; PREAMBLE];
        stream.read_exact(&mut theirs).await.map_err(FrameError::from)?;
        let checked = hello::check_preamble(theirs);
        if let Err(stranger @ (Refusal::NotAPeer | Refusal::SpeaksTls)) = checked {
            return Err(stranger.into());
        }
        // A peer of another version gets these bytes too: they are all that it can decode.
        stream.write_all(&hello::preamble(PROTOCOL)).await.map_err(FrameError::from)?;
        stream.flush().await.map_err(FrameError::from)?;
        if let Err(refusal) = checked {
            stream.shutdown().await.map_err(FrameError::from)?;
            return Err(refusal.into());
        }
        let mut frames = Frames::new(stream);
        frames.limit_to_greetings(true);
        let hello: Hello = read(frames.next().await?)?;
        let received = hello::receive(local, &hello, certified.as_ref());
        if let Err(refusal) = received {
            return Err(refused(frames, refusal).await);
        }
        let welcome = Welcome::new(local);
        let Some(secret) = local.secret.as_ref().filter(|_| hello.purpose.needs_proof()) else {
            let admitted = admit(&hello);
            let reception: HelloReply = admitted.as_ref().map(|_| (welcome, None)).map_err(Refusal::clone);
            frames.push(&reception)?;
            frames.flush().await?;
            return Ok(Caller { frames, hello, permit: admitted?, outdated });
        };
        let nonce = rand::random();
        let binding = certified.as_ref().map(|certified| &certified.binding);
        let greeting = Greeting { hello: &hello, welcome: &welcome, nonce: &nonce, binding };
        let proof = greeting.prove(secret, Side::Called);
        frames.push(&HelloReply::Ok((welcome.clone(), Some(Challenge { nonce, proof }))))?;
        let proof: Proof = read(frames.next().await?)?;
        // Only a member may take one of the few permits.
        let admitted = match greeting.is_proved(secret, Side::Caller, &proof) {
            true => admit(&hello),
            false => Err(Refusal::NotProved),
        };
        let admission: ProofReply = admitted.as_ref().map(|_| ()).map_err(Refusal::clone);
        frames.push(&admission)?;
        frames.flush().await?;
        frames.limit_to_greetings(false);
        Ok(Caller { frames, hello, permit: admitted?, outdated })
    };
    timeout(HANDSHAKE_DEADLINE, answering).await.map_err(|_| Cause::Stalled)?
}

/// Sends a refusal, and returns it as the cause.
async fn refused(mut frames: Frames, refusal: Refusal) -> Cause {
    let sent = async {
        frames.push(&HelloReply::Err(refusal.clone()))?;
        frames.flush().await
    };
    match sent.await {
        Ok(()) => refusal.into(),
        Err(error) => error.into(),
    }
}
