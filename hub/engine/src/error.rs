//! What can stop a whole run.  What stops one connection or one record is a
//! value in the run's report instead.

use concord_core::ports::StoreError;

use crate::brake::Brake;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no connection '{0}': `concord connection list` names them")]
    NoConnection(String),
    #[error("there is no {0}: `concord conflicts list` and `concord matches list` name them")]
    NoSuch(String),
    #[error("{0}")]
    Refused(String),
    #[error("all writes are stopped {}. `concord writes resume` lets them go on", .0.words())]
    WritesStopped(Brake),
    #[error("the run was ended before it was through; the next one goes on from there")]
    Ended,
    #[error(
        "the hub stood still for longer than its lease, so another may have gone on meanwhile; \
         the next run begins with what is true then"
    )]
    Lapsed,
}
