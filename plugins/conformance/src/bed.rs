//! The system under test, as a person sees it.

use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::Connector;
use concord_core::{Fields, RemoteId, StreamName};

/// Why something could not be done at the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unable {
    /// The bed has no way to do this; what needs it is not exercised.
    Lacks(&'static str),
    /// It should have worked; the check fails with this.
    Failed(String),
}

/// What the next call of the connector shall run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The system has had too many requests.
    RateLimit,
    /// The system fails before it does anything, and says so.
    ServerError,
    /// The credentials are no longer accepted.
    Unauthorised,
    /// The next request that writes is carried out and its answer is lost.
    LostAnswer,
}

/// A system that a connector can be tried on.  Only the first two functions
/// are needed; each further one lets more checks run.  What is done here must
/// not go through the connector.
#[async_trait]
pub trait Bed: Send + Sync {
    /// The stream under test.
    fn stream(&self) -> StreamName;

    /// A connector of the same account without any memory of earlier calls.
    fn connector(&self) -> Arc<dyn Connector>;

    /// The fields of a valid new record, different for every number and not
    /// rewritten by the system.
    fn sample(&self, _number: u32) -> Option<Fields> {
        None
    }

    /// The fields of an edit that sets one free text to this value.
    fn text(&self, _value: &str) -> Option<Fields> {
        None
    }

    /// Fields of a new record that the system refuses.
    fn refused(&self) -> Option<Fields> {
        None
    }

    /// An id of the right form that no record ever had.
    fn unknown_id(&self) -> Option<RemoteId> {
        None
    }

    /// A person makes a record.
    async fn create(&self, _fields: &Fields) -> Result<RemoteId, Unable> {
        Err(Unable::Lacks("making a record as a person would"))
    }

    /// A person changes a record.
    async fn edit(&self, _id: &RemoteId, _fields: &Fields) -> Result<(), Unable> {
        Err(Unable::Lacks("editing a record as a person would"))
    }

    /// A person deletes a record.
    async fn delete(&self, _id: &RemoteId) -> Result<(), Unable> {
        Err(Unable::Lacks("deleting a record as a person would"))
    }

    /// A person merges `lost` into `kept`; the record that is there afterwards,
    /// which some systems make anew.
    async fn merge(&self, _kept: &RemoteId, _lost: &RemoteId) -> Result<RemoteId, Unable> {
        Err(Unable::Lacks("merging records as a person would"))
    }

    /// What the system holds, in the field names of the stream; none where
    /// there is no such record.
    async fn read(&self, _id: &RemoteId) -> Result<Option<Fields>, Unable> {
        Err(Unable::Lacks("reading a record without the connector"))
    }

    /// Lets time pass until every kind of read shows what was written.
    async fn settle(&self) -> Result<(), Unable> {
        Ok(())
    }

    /// The next request that the connector sends runs into this.
    async fn trouble(&self, _trouble: Trouble) -> Result<(), Unable> {
        Err(Unable::Lacks("making the next request fail"))
    }
}
