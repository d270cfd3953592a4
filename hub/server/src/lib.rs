//! What others reach over HTTP.

pub mod callback;
pub mod health;
pub mod listen;
pub mod metrics;
pub mod webhooks;
