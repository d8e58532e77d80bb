//! Plays a story: `line` reads a line, `script` makes a command of it, `world` applies it, `render` writes the outcome
//! as text. `by_name` reads the commands that have no verb of their own.

mod by_name;
mod line;
mod render;
mod script;
mod world;

pub(crate) use world::World;
