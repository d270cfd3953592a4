//! The stories on PostgreSQL.

pub type World = crate::world::World<crate::world::OnServer>;

#[path = "../stories/mod.rs"]
mod stories;
