//! The Raft log and the vote: what this node has promised. Never applies anything.
//!
//! One way leads to the disk. Appends, votes, truncations and purges are written unsynced, in the
//! order in which Raft asks; the [`flusher`] then makes many of them durable with one flush and
//! answers in the same order (openraft, "IO ordering": a vote that overtook an entry could lose a
//! committed one). The [`mark`] remembers beside the database how far that got, so that [`open`]
//! notices a log that came back shorter. Readers are served from the [`cache`].

mod cache;
mod flusher;
mod mark;
mod open;
mod reader;
mod tail;
mod writer;

pub use flusher::FlushStats;
pub use reader::LogReader;
pub use writer::LogStore;
