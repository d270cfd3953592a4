//! The stories on SQLite.

pub type World = crate::world::World<crate::world::OnFile>;

#[path = "../stories/mod.rs"]
mod stories;
