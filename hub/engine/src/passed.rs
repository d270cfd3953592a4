//! Records that were seen while a create of ours was in doubt that may have
//! made them.  None of them is taken in before it is known which one it made:
//! that would be a second customer.  They are read again by name, as a list of
//! changes does not show them twice.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::record::Change;
use concord_core::{RemoteId, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::observe::ReadKind;

use crate::documents;
use crate::error::EngineError;
use crate::lane::Lane;
use crate::meters;
use crate::page::PageCounts;
use crate::pull::Stopped;

/// Records passed over, and when they were seen last.
type Passed = BTreeMap<RemoteId, Timestamp>;

impl Lane<'_> {
    fn document_of_passed(&self) -> String {
        format!("passed-over/{}/{}", self.id(), self.name())
    }

    async fn passed_over(&self) -> Result<Passed, EngineError> {
        let name = self.document_of_passed();
        let known = documents::read(self.hub.store.as_ref(), &name).await?;
        Ok(known.unwrap_or_default())
    }

    async fn keep_passed_over(&self, passed: &Passed) -> Result<(), EngineError> {
        let name = self.document_of_passed();
        Ok(documents::write(self.hub.store.as_ref(), &name, passed).await?)
    }

    /// Notes records that a page passed over, before the page is committed.
    pub(crate) async fn pass_over(&self, ids: BTreeSet<RemoteId>) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Ok(());
        }
        let now = self.hub.clock.now();
        let mut passed = self.passed_over().await?;
        passed.extend(ids.into_iter().map(|id| (id, now)));
        self.keep_passed_over(&passed).await
    }

    /// Reads what was passed over.  What is still in the way of a create is
    /// passed over again.
    pub(crate) async fn read_passed_over(&self, counts: &mut PageCounts) -> Result<(), Stopped> {
        let passed = self.passed_over().await?;
        if passed.is_empty() {
            return Ok(());
        }
        let ids: Vec<RemoteId> = passed.keys().cloned().collect();
        let started = self.hub.clock.now();
        let found = self.fetch(&ids).await?;
        // A read that lags behind does not show yet what a page has shown.
        let settle = self.stream.caps.settle_ms.fetch();
        let shown: BTreeSet<RemoteId> = found
            .iter()
            .filter(|change| matches!(change, Change::Upsert(_)))
            .filter_map(|change| change.id().cloned())
            .collect();
        let taken_in = self
            .take_in(found, ReadKind::Fetch, started, Noticed::Fetched)
            .await?;
        meters::read(self, &taken_in);
        *counts += taken_in;
        // A hub that dies before this reads them once too often.
        let mut rest = self.passed_over().await?;
        rest.retain(|id, seen| {
            let is_again = *seen >= started;
            is_again || (!shown.contains(id) && started < seen.plus(settle))
        });
        Ok(self.keep_passed_over(&rest).await?)
    }
}
