//! Is what goes wrong given its right name?  The hub's next step hangs on it.

use concord_core::record::{Action, PullMode};
use concord_core::{Fault, Outcome, Page};

use crate::Trouble;
use crate::report::{Checked, ensure, fail, undeclared};
use crate::suite::Suite;

async fn pull_with(suite: &Suite<'_>, trouble: Trouble) -> Checked<Result<Page, Fault>> {
    suite.bed.trouble(trouble).await?;
    Ok(suite.page(PullMode::Full, 10, None).await)
}

pub(super) async fn rate_limit(suite: &Suite<'_>) -> Checked {
    match pull_with(suite, Trouble::RateLimit).await? {
        Err(Fault::RateLimited { .. }) => Ok(()),
        other => fail(format!("it gives {other:?}")),
    }
}

pub(super) async fn server_error(suite: &Suite<'_>) -> Checked {
    match pull_with(suite, Trouble::ServerError).await? {
        Err(Fault::Transient { .. }) => Ok(()),
        other => fail(format!("it gives {other:?}")),
    }
}

pub(super) async fn unauthorised(suite: &Suite<'_>) -> Checked {
    match pull_with(suite, Trouble::Unauthorised).await? {
        Err(Fault::AuthExpired(_) | Fault::AuthRevoked(_)) => Ok(()),
        other => fail(format!("it gives {other:?}")),
    }
}

/// Calling it transient would create twice; calling it done may lose it.
pub(super) async fn lost_answer(suite: &Suite<'_>) -> Checked {
    if !suite.declared.update {
        return undeclared("update");
    }
    let id = suite.made().await?;
    let version = suite.fetch_live(&id).await?.version;
    let fields = suite.text(&suite.fresh("lost"))?;
    let op = suite.op(Action::Update(id), version, fields);
    suite.bed.trouble(Trouble::LostAnswer).await?;
    let answer = suite.push(&[op]).await;
    let unknown = match &answer {
        Err(fault) => matches!(fault, Fault::UnknownOutcome(_)),
        Ok(outcomes) => {
            matches!(
                outcomes.as_slice(),
                [Outcome::Failed(Fault::UnknownOutcome(_))]
            )
        }
    };
    ensure(unknown, || format!("it gives {answer:?}"))
}
