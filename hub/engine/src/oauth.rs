//! Signing in with OAuth 2 and keeping what comes of it.
//!
//! A sign-in is one sealed secret, the [`grant`].  Everything that changes it does
//! so by compare-and-set, so that hubs and commands on one database never write
//! over each other, and a rotated token is kept before it is used.  See
//! `docs/adr/20261123-token-keeper.md`.

mod answer;
mod app;
mod asking;
mod grant;
mod hidden;
mod keeper;
mod pending;
mod sign_in;
mod tenants;
mod transport;

pub use answer::Answer;
pub use app::{App, AppError, Endpoints, RevokeError};
pub use grant::{GRANT, Grant, Standing};
pub use keeper::{Keeper, KeeperParts};
pub use pending::{PENDING, Pending, Stage};
pub use sign_in::{Begun, DeviceCode, SignIn, SignInError};
pub use tenants::{Tenant, TenantsError, choose, tenants};
pub use transport::{Transport, Troubled};

#[cfg(test)]
mod tests;
