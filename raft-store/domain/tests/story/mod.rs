//! Plays a story: `script` parses a line, `world` applies it, `render` writes the outcome as text.

mod render;
mod script;
mod world;

pub(crate) use world::World;
