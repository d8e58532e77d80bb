//! Frames: `[length u32][crc32c u32][payload]`, big endian, the length counting checksum and payload. Values are
//! encoded straight into the write buffer, which is flushed while the next frame is awaited. This module does not know
//! what the payloads mean.

use super::{
    limits::{MAX_FRAME, MAX_GREETING, WRITE_BUFFER},
    wire::ByteStream,
};
use bincode::{
    config::{Configuration, Limit, LittleEndian, Varint},
    enc::write::Writer,
    error::EncodeError,
};
use bytes::{Buf, BufMut, BytesMut};
use futures::{Sink, Stream};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{io::AsyncReadExt, time::Instant};
use tokio_util::codec::{Decoder, Encoder, Framed, LengthDelimitedCodec};

/// Bytes of the checksum in front of each payload.
const CHECKSUM: usize = 4;

/// Bytes of the length in front of each frame.
const LENGTH: usize = 4;

/// Limit of bincode for decoding one payload, in bytes: it bounds what garbage can make it allocate. bincode counts
/// numbers by their size in memory, eight bytes for one that takes a single byte in the frame, so that a valid payload
/// may count as eight times its length.
const MAX_CLAIM: usize = 8 * MAX_FRAME;

/// The encoding of payloads.
const FORMAT: Configuration<LittleEndian, Varint, Limit<MAX_CLAIM>> =
    bincode::config::standard().with_limit::<MAX_CLAIM>();

/// Why a frame could not be sent or read. Only [`FrameError::TooLarge`] leaves the connection usable.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other end has closed the connection.
    #[error("closed by the other end")]
    Closed,
    /// The payload is larger than [`MAX_FRAME`]. Nothing of it was sent.
    #[error("a frame may carry at most {MAX_FRAME} bytes")]
    TooLarge,
    /// The checksum does not match: the payload was damaged.
    #[error("a frame failed its checksum: the network or a memory damaged it")]
    Checksum,
    /// The payload cannot be decoded as the expected type.
    #[error("a frame could not be read: {0}")]
    Garbled(String),
}

/// Reads a value from the front of a payload, and leaves the rest.
pub(super) fn take<T: DeserializeOwned>(payload: &mut BytesMut) -> Result<T, FrameError> {
    let (value, length) = bincode::serde::decode_from_slice(payload, FORMAT)
        .map_err(|error| FrameError::Garbled(error.to_string()))?;
    payload.advance(length);
    Ok(value)
}

/// Reads a value that is the whole payload.
pub(super) fn read<T: DeserializeOwned>(mut payload: BytesMut) -> Result<T, FrameError> {
    let value = take(&mut payload)?;
    if payload.is_empty() {
        Ok(value)
    } else {
        Err(FrameError::Garbled(format!("{} bytes too many", payload.len())))
    }
}

/// A payload of raw bytes, which are not encoded.
struct Raw<'a>(&'a [&'a [u8]]);

/// Encodes payloads as frames, and decodes them.
struct FrameCodec(LengthDelimitedCodec);

impl FrameCodec {
    fn new() -> Self {
        let lengths = LengthDelimitedCodec::builder()
            .length_field_length(LENGTH)
            .max_frame_length(CHECKSUM + MAX_FRAME)
            .new_codec();
        Self(lengths)
    }

    /// Appends one frame, whose payload `fill` writes. Appends nothing on an error.
    fn append(
        buffer: &mut BytesMut,
        fill: impl FnOnce(&mut Payload<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), FrameError> {
        let start = buffer.len();
        let payload_start = start + LENGTH + CHECKSUM;
        buffer.put_bytes(0, LENGTH + CHECKSUM);
        let mut payload = Payload { buffer, end: payload_start + MAX_FRAME, is_too_large: false };
        let filled = fill(&mut payload);
        let is_too_large = payload.is_too_large;
        if let Err(error) = filled {
            buffer.truncate(start);
            return Err(if is_too_large {
                FrameError::TooLarge
            } else {
                FrameError::Garbled(error.to_string())
            });
        }
        let checksum = crc32c::crc32c(&buffer[payload_start..]);
        let length = u32::try_from(buffer.len() - start - LENGTH).expect("MAX_FRAME fits into 32 bits");
        buffer[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
        buffer[start + LENGTH..payload_start].copy_from_slice(&checksum.to_be_bytes());
        Ok(())
    }
}

impl<T: Serialize> Encoder<&T> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, value: &T, buffer: &mut BytesMut) -> Result<(), FrameError> {
        Self::append(buffer, |payload| bincode::serde::encode_into_writer(value, payload, FORMAT))
    }
}

impl Encoder<Raw<'_>> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, raw: Raw<'_>, buffer: &mut BytesMut) -> Result<(), FrameError> {
        Self::append(buffer, |payload| raw.0.iter().try_for_each(|bytes| payload.write(bytes)))
    }
}

impl Decoder for FrameCodec {
    type Item = BytesMut;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        let Some(mut frame) = self.0.decode(buffer)? else {
            return Ok(None);
        };
        if frame.len() < CHECKSUM {
            return Err(FrameError::Garbled("shorter than its checksum".to_owned()));
        }
        let checksum = frame.get_u32();
        if checksum == crc32c::crc32c(&frame) { Ok(Some(frame)) } else { Err(FrameError::Checksum) }
    }
}

/// The end of the write buffer, into which a payload is written.
struct Payload<'a> {
    buffer: &'a mut BytesMut,
    end: usize,
    is_too_large: bool,
}

impl Writer for Payload<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.buffer.len() + bytes.len() > self.end {
            self.is_too_large = true;
            return Err(EncodeError::UnexpectedEnd);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }
}

/// The result of [`Frames::next_event`].
pub(super) enum FrameEvent {
    /// A frame arrived.
    Received(BytesMut),
    /// The write buffer was full and has room again.
    Writable,
}

/// A connection that carries frames. Pushed frames are sent while a caller waits for the next frame.
pub(super) struct Frames {
    framed: Framed<Box<dyn ByteStream>, FrameCodec>,
    /// Whether pushed bytes still wait to be sent.
    is_dirty: bool,
    /// When bytes were last sent, or when the oldest unsent byte was pushed, whichever is later.
    last_progress: Instant,
}

impl Frames {
    /// Frames over a stream of bytes.
    pub(super) fn new(stream: Box<dyn ByteStream>) -> Self {
        let mut framed = Framed::with_capacity(stream, FrameCodec::new(), WRITE_BUFFER / 8);
        framed.set_backpressure_boundary(WRITE_BUFFER);
        Self { framed, is_dirty: false, last_progress: Instant::now() }
    }

    /// Sets whether only frames of the size of a greeting are accepted, or those of any size.
    pub(super) fn limit_to_greetings(&mut self, alone: bool) {
        let most = if alone { MAX_GREETING } else { MAX_FRAME };
        self.framed.codec_mut().0.set_max_frame_length(CHECKSUM + most);
    }

    /// Encodes a value into the write buffer, and returns its bytes. The caller checks [`Self::is_full`] first.
    pub(super) fn push<T: Serialize>(&mut self, value: &T) -> Result<usize, FrameError> {
        let before = self.framed.write_buffer().len();
        Sink::<&T>::start_send(Pin::new(&mut self.framed), value)?;
        Ok(self.pushed_since(before))
    }

    /// Writes the bytes of a payload into the write buffer.
    pub(super) fn push_raw(&mut self, parts: &[&[u8]]) -> Result<usize, FrameError> {
        let before = self.framed.write_buffer().len();
        Sink::<Raw<'_>>::start_send(Pin::new(&mut self.framed), Raw(parts))?;
        Ok(self.pushed_since(before))
    }

    fn pushed_since(&mut self, before: usize) -> usize {
        if !self.is_dirty {
            self.is_dirty = true;
            self.last_progress = Instant::now();
        }
        self.framed.write_buffer().len() - before
    }

    /// Whether so much waits to be sent that nothing more should be pushed.
    pub(super) fn is_full(&self) -> bool {
        self.framed.write_buffer().len() >= WRITE_BUFFER
    }

    /// Whether pushed bytes still wait to be sent.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Whether bytes have waited for `span` without any being sent.
    pub(super) fn is_stuck(&self, span: Duration) -> bool {
        self.is_dirty && self.last_progress.elapsed() >= span
    }

    /// Reads raw bytes, which come before the first frame.
    pub(super) async fn read_bare(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        debug_assert!(self.framed.read_buffer().is_empty(), "bare bytes come before all frames");
        self.framed.get_mut().read_exact(bytes).await.map(drop)
    }

    /// Sends all pushed bytes. Cancel-safe.
    pub(super) async fn flush(&mut self) -> Result<(), FrameError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Waits for the next frame, and sends pushed bytes meanwhile. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<BytesMut, FrameError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Self::next`] as a poll.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<BytesMut, FrameError>> {
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.framed).poll_next(cx).map(|frame| frame.unwrap_or(Err(FrameError::Closed)))
    }

    /// Waits until a full write buffer has room again or, if `is_reading`, a frame arrives, whichever comes first.
    /// Sends pushed bytes meanwhile. Cancel-safe.
    pub(super) async fn next_event(&mut self, is_reading: bool) -> Result<FrameEvent, FrameError> {
        let was_full = self.is_full();
        poll_fn(|cx| {
            if is_reading {
                if let Poll::Ready(frame) = self.poll_next(cx) {
                    return Poll::Ready(frame.map(FrameEvent::Received));
                }
            } else if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if was_full && !self.is_full() { Poll::Ready(Ok(FrameEvent::Writable)) } else { Poll::Pending }
        })
        .await
    }

    /// Sends all pushed bytes, or returns the next frame if one arrives first. Cancel-safe.
    pub(super) async fn flush_or_next(&mut self) -> Result<Option<BytesMut>, FrameError> {
        poll_fn(|cx| match self.poll_next(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(Some)),
            Poll::Pending if self.is_dirty => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(None)),
        })
        .await
    }

    /// [`Self::flush`] as a poll.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        if !self.is_dirty {
            return Poll::Ready(Ok(()));
        }
        let before = self.framed.write_buffer().len();
        let flushed = Sink::<Raw<'_>>::poll_flush(Pin::new(&mut self.framed), cx);
        if flushed.is_ready() {
            self.is_dirty = false;
        } else if self.framed.write_buffer().len() < before {
            self.last_progress = Instant::now();
        }
        flushed
    }
}
