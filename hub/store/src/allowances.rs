//! The port `Allowances`: hubs take from one budget, whoever holds the lease.

use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{Allowance, Allowances, DayWish, StoreError};

use crate::row::Reader;
use crate::store::SqlStore;
use crate::tables::allowance;

#[async_trait]
impl Allowances for SqlStore {
    async fn take_of_day(&self, want: &DayWish<'_>) -> Result<Option<u64>, StoreError> {
        if want.at_least.saturating_add(want.calls) > want.limit {
            return Ok(None);
        }
        let statement = allowance::take_of_day(self.tenant, want);
        let rows = self.database.write(None, vec![statement], true).await?;
        let row = rows.unwrap_or_default().into_iter().next();
        row.map(|row| Reader::new(row, &allowance::USED).int())
            .transpose()
            .map(|used: Option<i64>| used.map(|used| used.max(0).unsigned_abs()))
    }

    /// A place that is forgotten when the power fails is over a moment later.
    async fn take_of_line(
        &self,
        budget: &str,
        now: Timestamp,
        span: Duration,
    ) -> Result<Timestamp, StoreError> {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let end = now.plus(span);
        let statement = allowance::take_of_line(self.tenant, budget, end, micros);
        let rows = self.database.write(None, vec![statement], false).await?;
        let row = rows.unwrap_or_default().into_iter().next();
        let end = match row {
            Some(row) => Reader::new(row, &allowance::LINE).time()?,
            None => end,
        };
        Ok(Timestamp(end.0.saturating_sub(micros)))
    }

    async fn allowances(&self) -> Result<Vec<Allowance>, StoreError> {
        let statement = allowance::all(self.tenant);
        self.read(&allowance::ALLOWANCES, vec![statement], allowance::read)
            .await
    }
}
