//! Do batches keep their order, and fail as the manifest says?

use concord_core::record::Action;
use concord_core::{Fault, Fields, Outcome};

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
    if suite.declared.batch_max < 2 {
        let bad = suite.op(Action::Create, None, refused);
        return match suite.push_one(bad).await? {
            Err(Fault::Invalid(_)) => Ok(()),
            Err(fault) => fail(format!("another fault than invalid: {fault}")),
            Ok(_) => fail("fields that the system refuses were written"),
        };
    }
    bad_create(suite, refused.clone()).await?;
    if suite.declared.update {
        bad_update(suite, refused).await?;
    }
    Ok(())
}

async fn bad_create(suite: &Suite<'_>, refused: Fields) -> Checked {
    let before = suite.full().await?.live().count();
    let good = suite.op(Action::Create, None, suite.sample()?);
    let bad = suite.op(Action::Create, None, refused);
    let answer = suite.push(&[good, bad]).await;
    suite.bed.settle().await?;
    let made = suite.full().await?.live().count().saturating_sub(before);
    ensure(made <= 1, || {
        format!("one good create of two made {made} records")
    })?;
    judge(suite, answer, made == 1)
}

async fn bad_update(suite: &Suite<'_>, refused: Fields) -> Checked {
    let (first, second) = (suite.made().await?, suite.made().await?);
    let text = suite.text(&suite.fresh("beside a bad one"))?;
    let mut ops = Vec::new();
    for (id, fields) in [(&first, text.clone()), (&second, refused)] {
        let version = suite.fetch_live(id).await?.version;
        ops.push(suite.op(Action::Update(id.clone()), version, fields));
    }
    let answer = suite.push(&ops).await;
    suite.bed.settle().await?;
    let held = suite.held(&first).await?.unwrap_or_default();
    judge(suite, answer, differing(&text, &held).is_empty())
}

/// Is what was said of a good op and a bad one what was done?  `batch-atomic`
/// allows a system to refuse both; telling them apart is always welcome.
fn judge(suite: &Suite<'_>, answer: Result<Vec<Outcome>, Fault>, good_done: bool) -> Checked {
    let atomic = suite.declared.batch_atomic;
    let outcomes = match answer {
        Err(Fault::Invalid(_)) if atomic => {
            return ensure(!good_done, || {
                "the batch was refused as a whole, and its good op was done".into()
            });
        }
        Err(fault) => return Err(unexpected("push with one bad op", &fault)),
        Ok(outcomes) => outcomes,
    };
    let [good, bad] = outcomes.as_slice() else {
        return fail(format!("two ops gave {} outcomes", outcomes.len()));
    };
    let applied = matches!(good, Outcome::Applied(_));
    ensure(applied || atomic, || {
        format!("batch-atomic is not declared, and the good op gave {good:?}")
    })?;
    ensure(applied == good_done, || {
        format!("the good op gave {good:?}; that it was done is {good_done}")
    })?;
    ensure(matches!(bad, Outcome::Failed(Fault::Invalid(_))), || {
        format!("the bad op gave {bad:?}")
    })
}
