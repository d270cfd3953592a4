//! One command a file.  Each parses its own arguments and prints one document.

pub mod apply;
pub mod backup;
mod carry;
pub mod conflicts;
pub mod connection;
pub mod db;
pub mod exclude;
pub mod export;
pub mod holds;
pub mod init;
pub mod key;
pub mod letters;
pub mod matches;
pub mod merge;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod refusals;
pub mod restore;
pub mod secrets;
pub mod status;
pub mod sync;
pub mod twin;
pub mod undo;
pub mod verify;
pub mod why;
