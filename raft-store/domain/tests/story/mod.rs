//! What plays a story: `script` reads a line, `world` applies it, `telling` says what came of it.

mod script;
mod telling;
mod world;

pub(crate) use world::World;
