//! What hubs take together from a vendor's allowance.  Each way of taking is one
//! statement that compares and sets, so that two hubs never take the same.

use concord_core::ports::{Allowance, DayWish, StoreError};
use concord_core::{TenantId, Timestamp};

use super::tenant_only;
use crate::row::Reader;
use crate::statement::{Params, Statement, Table};

pub(crate) const ALLOWANCES: Table = Table {
    name: "allowances",
    key: &["budget"],
    rest: &["day", "used", "most"],
};

/// The answer of [`take_of_day`].
pub(crate) const USED: Table = Table {
    name: "allowances",
    key: &[],
    rest: &["used"],
};

/// The answer of [`take_of_line`].
pub(crate) const LINE: Table = Table {
    name: "allowances",
    key: &[],
    rest: &["free_at"],
};

/// No row comes back where the day has not so many calls left, or another hub's
/// clock is in the next day already.  The caller has seen that an empty day has
/// room for them.
pub(crate) fn take_of_day(tenant: TenantId, want: &DayWish<'_>) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(want.budget);
    params.int(want.day);
    params.int(whole(want.at_least.saturating_add(want.calls)));
    params.int(whole(want.limit));
    params.int(whole(want.calls));
    Statement::new(
        "INSERT INTO allowances (tenant_id, budget, day, used, most, free_at) \
         VALUES ($1, $2, $3, $4, $5, 0) \
         ON CONFLICT (tenant_id, budget) DO UPDATE SET \
         used = CASE WHEN allowances.day = excluded.day \
         AND allowances.used + $6 > excluded.used \
         THEN allowances.used + $6 ELSE excluded.used END, \
         day = excluded.day, most = excluded.most \
         WHERE allowances.day < excluded.day \
         OR (allowances.day = excluded.day AND allowances.used + $6 <= excluded.most) \
         RETURNING used",
        params,
    )
}

/// Answers with the end of what was taken.
pub(crate) fn take_of_line(tenant: TenantId, budget: &str, end: Timestamp, span: i64) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(budget);
    params.int(end.0);
    params.int(span);
    Statement::new(
        "INSERT INTO allowances (tenant_id, budget, day, used, most, free_at) \
         VALUES ($1, $2, 0, 0, 0, $3) \
         ON CONFLICT (tenant_id, budget) DO UPDATE SET \
         free_at = CASE WHEN allowances.free_at + $4 > excluded.free_at \
         THEN allowances.free_at + $4 ELSE excluded.free_at END \
         RETURNING free_at",
        params,
    )
}

pub(crate) fn all(tenant: TenantId) -> Statement {
    let text = format!("{} ORDER BY budget", ALLOWANCES.select());
    Statement::new(text, tenant_only(tenant))
}

pub(crate) fn read(row: &mut Reader) -> Result<Allowance, StoreError> {
    Ok(Allowance {
        budget: row.text()?,
        day: row.int()?,
        used: row.int()?.max(0).unsigned_abs(),
        limit: row.int()?.max(0).unsigned_abs(),
    })
}

pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
