//! The heart of Concord, and pure: observation + bases + canonical record →
//! plan.  There is no IO and no clock here; time comes in with the scene.
//!
//! Read in this order: [`absorb`] (what an observation changes), [`decide`]
//! (who wins), [`emit`] (what a system is owed), [`confirm`] (what an answer
//! means), [`absence`] (what a missing record means), [`matching`] and
//! [`identity`] (who a new record is).  [`lens`] and [`mapping`] say how a system's fields become
//! canonical ones, [`normal`] how values are compared.

pub mod absence;
pub mod absorb;
pub mod approve;
pub mod confirm;
pub mod consent;
pub mod decide;
pub mod delete;
pub mod doubt;
pub mod emit;
mod field;
pub mod guard;
pub mod identity;
pub mod lens;
pub mod mapping;
pub mod matching;
pub mod members;
pub mod merging;
pub mod normal;
pub mod observe;
pub mod policy;
pub mod retention;
pub mod rules;
pub mod scene;
pub mod schemas;
pub mod scope;
pub mod undo;

#[cfg(test)]
mod tests;
