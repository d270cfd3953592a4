//! Do batches keep their order, and fail as the manifest says?

use concord_core::record::Action;
use concord_core::{Fault, Outcome};

use crate::Unable;
use crate::report::{Checked, Stop, ensure, fail, undeclared};
use crate::suite::{Suite, differing, unexpected};

/// How many ops a batch of this suite has at most.
const OPS: u32 = 4;

pub(super) async fn in_order(suite: &Suite<'_>) -> Checked {
    let size = suite.declared.batch_max.min(OPS);
    if !suite.declared.create || size < 2 {
        return undeclared("create and batch-max of 2 or more");
    }
    let mut ops = Vec::new();
    for _ in 0..size {
        ops.push(suite.op(Action::Create, None, suite.sample()?));
    }
    let outcomes = suite
        .push(&ops)
        .await
        .map_err(|fault| unexpected("push", &fault))?;
    ensure(outcomes.len() == ops.len(), || {
        format!("{} ops gave {} outcomes", ops.len(), outcomes.len())
    })?;
    suite.bed.settle().await?;
    for (op, outcome) in ops.iter().zip(outcomes) {
        let applied = match outcome {
            Outcome::Applied(applied) => applied,
            Outcome::Failed(fault) => return Err(unexpected("one op of a batch", &fault)),
        };
        let held = suite.held(&applied.id).await?.unwrap_or_default();
        let other = differing(&op.fields, &held);
        ensure(other.is_empty(), || {
            format!(
                "'{}' is the outcome of another op: {}",
                applied.id,
                other.join("; ")
            )
        })?;
    }
    Ok(())
}

pub(super) async fn bad_op(suite: &Suite<'_>) -> Checked {
    if !suite.declared.create {
        return undeclared("create");
    }
    let Some(refused) = suite.bed.refused() else {
        return Err(Stop::from(Unable::Lacks("fields that the system refuses")));
    };
    let bad = suite.op(Action::Create, None, refused);
    if suite.declared.batch_max < 2 {
        return match suite.push_one(bad).await? {
            Err(Fault::Invalid(_)) => Ok(()),
            Err(fault) => fail(format!("another fault than invalid: {fault}")),
            Ok(_) => fail("fields that the system refuses were written"),
        };
    }
    let before = suite.full().await?.live().count();
    let good = suite.op(Action::Create, None, suite.sample()?);
    let answer = suite.push(&[good, bad]).await;
    suite.bed.settle().await?;
    let made = suite.full().await?.live().count().saturating_sub(before);
    match (suite.declared.batch_atomic, answer) {
        // One bad op refuses all: whichever way that is said, nothing is done.
        (true, Err(Fault::Invalid(_))) => ensure(made == 0, || {
            format!("the batch was refused, and {made} were made")
        }),
        (true, Err(fault)) => fail(format!("another fault than invalid: {fault}")),
        (_, Err(fault)) => Err(unexpected("push with one bad op", &fault)),
        (atomic, Ok(outcomes)) => {
            let [good, bad] = outcomes.as_slice() else {
                return fail(format!("two ops gave {} outcomes", outcomes.len()));
            };
            let applied = matches!(good, Outcome::Applied(_));
            ensure(applied != atomic, || {
                format!("batch-atomic is {atomic}, and the good op gave {good:?}")
            })?;
            ensure(matches!(bad, Outcome::Failed(Fault::Invalid(_))), || {
                format!("the bad op gave {bad:?}")
            })?;
            ensure(made == usize::from(applied), || {
                format!("the good op gave {good:?}, and {made} records were made")
            })
        }
    }
}
