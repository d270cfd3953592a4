//! Stories: people edit, hubs sync, and the end is what the people expect.

mod agreement;
mod consent;
mod crash;
mod doubt;
mod identity;
