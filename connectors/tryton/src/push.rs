//! Writing parties: creates in one call, updates in one call, each a
//! transaction of its own on the server.

use std::collections::BTreeMap;

use concord_sdk::prelude::*;
use serde_json::json;

use crate::edit::{Lookups, Plan, holds, plan, unchanged_beside};
use crate::party::{MODEL, Part, Party, read_fields};
use crate::rpc::Rpc;

const SECOND: i64 = 1_000_000;

/// One moment on two clocks that need not agree.
#[derive(Clone, Copy)]
struct Moment {
    server: i64,
    hub: i64,
}

/// What becomes of an op before anything is sent.
enum Step {
    Send(Box<Job>),
    /// The party holds it all already.
    Nothing(Applied),
}

/// One op on its way: which it is, what it wants, what is sent.
struct Job {
    op: usize,
    fields: Fields,
    before: Option<Party>,
    plan: Plan,
}

pub fn push(host: &dyn Host, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
    let rpc = Rpc::open(host)?;
    let (current, server) = current(&rpc, ops)?;
    let at = Moment {
        server,
        hub: host.now(),
    };
    let mut lookups = Lookups::new(&rpc);
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let (mut creates, mut writes) = (Vec::new(), Vec::new());
    for (i, op) in ops.iter().enumerate() {
        match prepare(i, op, &current, at, &mut lookups) {
            Ok(Step::Send(job)) if op.action == Action::Create => creates.push(*job),
            Ok(Step::Send(job)) => writes.push(*job),
            Ok(Step::Nothing(applied)) => drop(outcomes.insert(i, Outcome::Applied(applied))),
            Err(fault) => drop(outcomes.insert(i, Outcome::Failed(fault))),
        }
    }
    send(&rpc, creates, create, &mut outcomes)?;
    send(&rpc, writes, write, &mut outcomes)?;
    Ok(outcomes.into_values().collect())
}

fn current(rpc: &Rpc<'_>, ops: &[Op]) -> Result<(BTreeMap<i64, Party>, i64), Fault> {
    let ids: Vec<i64> = ops
        .iter()
        .filter_map(|op| op.target()?.parse().ok())
        .collect();
    if ids.is_empty() {
        return Ok((BTreeMap::new(), 0));
    }
    let (rows, at) = rpc.search(
        MODEL,
        json!([["id", "in", ids]]),
        ids.len(),
        &read_fields(&[]),
    )?;
    let parties = rows.into_iter().filter_map(Party::new).map(|p| (p.id, p));
    Ok((parties.collect(), at))
}

fn prepare(
    i: usize,
    op: &Op,
    current: &BTreeMap<i64, Party>,
    at: Moment,
    lookups: &mut Lookups<'_>,
) -> Result<Step, Fault> {
    let Some(id) = op.target() else {
        let fields = op.fields()?;
        let plan = plan(None, &fields, lookups)?;
        return Ok(Step::Send(Box::new(Job {
            op: i,
            fields,
            before: None,
            plan,
        })));
    };
    let missing = || Fault::NotFound(format!("there is no active party '{id}'"));
    let party: &Party = id
        .parse()
        .ok()
        .and_then(|id: i64| current.get(&id))
        .ok_or_else(missing)?;
    if !party.is_active() {
        return Err(missing());
    }
    if op
        .base_version
        .as_ref()
        .is_some_and(|base| *base != party.version())
    {
        return Err(Fault::VersionConflict(party.record(&[]).ok()));
    }
    let (fields, plan) = match op.action {
        Action::Delete(_) => {
            let mut plan = plan(Some(party), &Fields::new(), lookups)?;
            plan.values.insert("active".into(), json!(false));
            (Fields::new(), plan)
        }
        _ => {
            let fields = op.fields()?;
            if holds(party, &fields) {
                return Ok(Step::Nothing(Applied {
                    id: id.to_owned(),
                    version: Some(party.version()),
                    stored: party.record(&[]).ok(),
                }));
            }
            let plan = plan(Some(party), &fields, lookups)?;
            (fields, plan)
        }
    };
    settled(party, &plan, at)?;
    Ok(Step::Send(Box::new(Job {
        op: i,
        fields,
        before: Some(party.clone()),
        plan,
    })))
}

/// SQLite compares whole seconds: an edit in the very second of the one before
/// would pass unseen.  So a row is only written once its second is over on the
/// server's clock, with one to spare for the way of the answer.
fn settled(party: &Party, plan: &Plan, at: Moment) -> Result<(), Fault> {
    let coarse = |part: &Part<'_>| {
        plan.timestamps.contains_key(&part.name())
            && part.timestamp().is_some_and(|t| !t.contains('.'))
    };
    let newest = party
        .parts()
        .iter()
        .filter(|p| coarse(p))
        .filter_map(|p| p.changed_at())
        .max();
    match newest.map(|newest| newest / SECOND + 2 - at.server / SECOND) {
        Some(wait) if wait > 0 => Err(Fault::Transient(Delay {
            until: Some(at.hub + wait * SECOND),
            message:
                "the party changed within the last two seconds, and this server tells versions \
                      by the second; it is written when they have passed"
                    .into(),
        })),
        _ => Ok(()),
    }
}

type Send = fn(&Rpc<'_>, &[Job]) -> Result<Vec<i64>, Fault>;

/// A refused call did nothing at all; sent one by one, each op has its own
/// answer.
fn send(
    rpc: &Rpc<'_>,
    jobs: Vec<Job>,
    call: Send,
    outcomes: &mut BTreeMap<usize, Outcome>,
) -> Result<(), Fault> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut done: Vec<(Job, i64)> = Vec::with_capacity(jobs.len());
    match call(rpc, &jobs) {
        Ok(ids) => done.extend(jobs.into_iter().zip(ids)),
        Err(Fault::Invalid(_) | Fault::VersionConflict(_) | Fault::Bug(_)) if jobs.len() > 1 => {
            for job in jobs {
                match call(rpc, std::slice::from_ref(&job)) {
                    Ok(ids) => done.extend(ids.first().map(|id| (job, *id))),
                    Err(fault) => drop(
                        outcomes.insert(job.op, Outcome::Failed(with_current(rpc, &job, fault))),
                    ),
                }
            }
        }
        Err(fault) => {
            for job in jobs {
                let fault = with_current(rpc, &job, fault.clone());
                outcomes.insert(job.op, Outcome::Failed(fault));
            }
        }
    }
    let after = after(rpc, &done);
    for (job, id) in done {
        outcomes.insert(job.op, Outcome::Applied(applied(&job, id, &after)));
    }
    Ok(())
}

fn create(rpc: &Rpc<'_>, jobs: &[Job]) -> Result<Vec<i64>, Fault> {
    let values: Vec<&Fields> = jobs.iter().map(|job| &job.plan.values).collect();
    let answer = rpc.write(
        &format!("model.{MODEL}.create"),
        json!([values, rpc.context([])]),
    )?;
    let ids: Vec<i64> = serde_json::from_value(answer.result)
        .map_err(|e| Fault::UnknownOutcome(format!("create gave no list of ids: {e}")))?;
    if ids.len() != jobs.len() {
        return Err(Fault::UnknownOutcome(format!(
            "create gave {} ids for {} records",
            ids.len(),
            jobs.len()
        )));
    }
    Ok(ids)
}

fn write(rpc: &Rpc<'_>, jobs: &[Job]) -> Result<Vec<i64>, Fault> {
    let ids: Vec<i64> = jobs
        .iter()
        .filter_map(|job| Some(job.before.as_ref()?.id))
        .collect();
    let mut timestamps = Fields::new();
    let mut params = Vec::with_capacity(jobs.len() * 2 + 1);
    for (job, id) in jobs.iter().zip(&ids) {
        params.extend([json!([id]), json!(job.plan.values)]);
        timestamps.extend(job.plan.timestamps.clone());
    }
    params.push(rpc.context([("_timestamp", Value::Object(timestamps))]));
    rpc.write(&format!("model.{MODEL}.write"), Value::Array(params))?;
    Ok(ids)
}

fn with_current(rpc: &Rpc<'_>, job: &Job, fault: Fault) -> Fault {
    match (fault, &job.before) {
        (Fault::VersionConflict(None), Some(before)) => {
            let rows = rpc.search(MODEL, json!([["id", "=", before.id]]), 1, &read_fields(&[]));
            let party = rows
                .ok()
                .and_then(|(rows, _)| rows.into_iter().next())
                .and_then(Party::new);
            Fault::VersionConflict(party.and_then(|p| p.record(&[]).ok()))
        }
        (fault, _) => fault,
    }
}

/// Nothing is known of the parties when this read fails; the writes are done
/// all the same.
fn after(rpc: &Rpc<'_>, done: &[(Job, i64)]) -> BTreeMap<i64, Party> {
    if done.is_empty() {
        return BTreeMap::new();
    }
    let ids: Vec<i64> = done.iter().map(|(_, id)| *id).collect();
    let mut extra: Vec<String> = done
        .iter()
        .flat_map(|(job, _)| job.fields.keys().cloned())
        .collect();
    extra.sort();
    extra.dedup();
    let rows = rpc.search(
        MODEL,
        json!([["id", "in", ids]]),
        ids.len(),
        &read_fields(&extra),
    );
    rows.map(|(rows, _)| {
        rows.into_iter()
            .filter_map(Party::new)
            .map(|p| (p.id, p))
            .collect()
    })
    .unwrap_or_default()
}

/// The answer to a write names no version.  The one read afterwards is that of
/// the write only if the whole party is what the write makes of it; otherwise a
/// person, or a formatter, was there as well, and the hub finds out.
fn applied(job: &Job, id: i64, after: &BTreeMap<i64, Party>) -> Applied {
    let proven = after.get(&id).filter(|party| {
        let beside = job
            .before
            .as_ref()
            .is_none_or(|before| unchanged_beside(before, party, &job.fields));
        party.is_active() && beside && holds(party, &job.fields)
    });
    Applied {
        id: id.to_string(),
        version: proven.map(Party::version),
        stored: proven.and_then(|party| party.record(&[]).ok()),
    }
}
