//! What the checks share: walks, single writes, records made by a person.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use concord_core::manifest::Stream;
use concord_core::record::{Action, Applied, PullMode};
use concord_core::{Change, Fault, Fields, Op, Outcome, Page, RemoteId, RemoteRecord, Selection};

use crate::report::{Checked, Stop, fail};
use crate::{Bed, Unable};

/// More pages than any bed has: a walk that gets here does not end.
const PAGES_MAX: usize = 10_000;

/// How many records a page holds where the check is not about pages.
const PAGE_SIZE: u32 = 100;

pub(crate) struct Suite<'a> {
    pub bed: &'a dyn Bed,
    /// What the manifest says about the stream.
    pub declared: Stream,
    /// The remote fields that the suite reads.
    pub fields: Vec<String>,
    numbers: AtomicU32,
}

/// The pages of one walk and where it ended.
pub(crate) struct Walk {
    pub changes: Vec<Change>,
    pub next: Option<String>,
    pub complete: bool,
}

impl Walk {
    pub(crate) fn live(&self) -> impl Iterator<Item = &RemoteRecord> {
        self.changes.iter().filter_map(|change| match change {
            Change::Upsert(record) => Some(record),
            _ => None,
        })
    }

    pub(crate) fn ids(&self) -> BTreeSet<&RemoteId> {
        self.live().map(|record| &record.id).collect()
    }

    /// The last that was said of a record.
    pub(crate) fn of(&self, id: &RemoteId) -> Option<&Change> {
        self.changes.iter().rfind(|change| change.id() == Some(id))
    }
}

impl<'a> Suite<'a> {
    pub(crate) fn new(bed: &'a dyn Bed, declared: Stream, discovered: Vec<String>) -> Self {
        let mut fields: BTreeSet<String> = BTreeSet::new();
        for known in [bed.sample(0), bed.text("x")].into_iter().flatten() {
            fields.extend(known.keys().cloned());
        }
        let fields = if fields.is_empty() {
            discovered
        } else {
            fields.into_iter().collect()
        };
        Self {
            bed,
            declared,
            fields,
            numbers: AtomicU32::new(1),
        }
    }

    /// A text that no other check has used.
    pub(crate) fn fresh(&self, word: &str) -> String {
        format!("{word} {}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn sample(&self) -> Checked<Fields> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Ok(self
            .bed
            .sample(number)
            .ok_or(Unable::Lacks("a sample record"))?)
    }

    pub(crate) fn text(&self, value: &str) -> Checked<Fields> {
        Ok(self.bed.text(value).ok_or(Unable::Lacks("a text field"))?)
    }

    /// A record that a person has made, after every read shows it.
    pub(crate) async fn made(&self) -> Checked<RemoteId> {
        let id = self.bed.create(&self.sample()?).await?;
        self.bed.settle().await?;
        Ok(id)
    }

    /// One page, by a connector without memory.
    pub(crate) async fn page(
        &self,
        mode: PullMode,
        page_size: u32,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        let selection = Selection {
            mode,
            fields: self.fields.clone(),
            page_size,
            window: None,
        };
        self.bed
            .connector()
            .pull(&self.bed.stream(), &selection, cursor)
            .await
    }

    /// Pages until there are no more, each by a connector without memory.
    pub(crate) async fn walk(
        &self,
        mode: PullMode,
        page_size: u32,
        cursor: Option<&str>,
    ) -> Checked<Walk> {
        let mut walk = Walk {
            changes: Vec::new(),
            next: cursor.map(str::to_owned),
            complete: false,
        };
        for _ in 0..PAGES_MAX {
            let page = self.page(mode, page_size, walk.next.as_deref()).await;
            let page = page.map_err(|fault| unexpected("pull", &fault))?;
            if page.more && (page.next.is_none() || page.next == walk.next) {
                return fail("a page says that there is more, but its cursor does not move");
            }
            if page.more && page.complete {
                return fail("a page says that there is more and that the walk is complete");
            }
            walk.changes.extend(page.changes);
            walk.next = page.next;
            walk.complete = page.complete;
            if !page.more {
                return Ok(walk);
            }
        }
        fail(format!("the walk did not end within {PAGES_MAX} pages"))
    }

    pub(crate) async fn full(&self) -> Checked<Walk> {
        self.walk(PullMode::Full, PAGE_SIZE, None).await
    }

    /// What changed since the cursor, after every read shows it.
    pub(crate) async fn changes(&self, cursor: Option<&str>) -> Checked<Walk> {
        self.bed.settle().await?;
        self.walk(PullMode::Changes, PAGE_SIZE, cursor).await
    }

    /// Where the next pull of changes starts after all that there is now.
    pub(crate) async fn caught_up(&self) -> Checked<Option<String>> {
        Ok(self.changes(None).await?.next)
    }

    /// One record as it is now.
    pub(crate) async fn fetch(&self, id: &RemoteId) -> Checked<Change> {
        let ids = std::slice::from_ref(id);
        let stream = self.bed.stream();
        let connector = self.bed.connector();
        let mut changes = connector
            .fetch(&stream, ids, &self.fields)
            .await
            .map_err(|fault| unexpected("fetch", &fault))?;
        match (changes.pop(), changes.is_empty()) {
            (Some(change), true) if change.id() == Some(id) => Ok(change),
            (last, _) => fail(format!(
                "fetch of '{id}' gave {} changes, the last for {:?}",
                changes.len() + usize::from(last.is_some()),
                last.as_ref().and_then(Change::id)
            )),
        }
    }

    /// One record that must be there.
    pub(crate) async fn fetch_live(&self, id: &RemoteId) -> Checked<RemoteRecord> {
        match self.fetch(id).await? {
            Change::Upsert(record) => Ok(record),
            other => fail(format!("'{id}' is there, but fetch gave {other:?}")),
        }
    }

    /// What the system holds: read past the connector where the bed can, with
    /// the connector's own fetch otherwise.
    pub(crate) async fn held(&self, id: &RemoteId) -> Checked<Option<Fields>> {
        match self.bed.read(id).await {
            Ok(fields) => Ok(fields),
            Err(Unable::Lacks(_)) => match self.fetch(id).await? {
                Change::Upsert(record) => Ok(Some(record.fields)),
                _ => Ok(None),
            },
            Err(failed) => Err(failed.into()),
        }
    }

    /// An op under an intent of its own.
    pub(crate) fn op(&self, action: Action, base_version: Option<String>, fields: Fields) -> Op {
        Op {
            intent: self.fresh("conformance").replace(' ', "-"),
            action,
            base_version,
            fields,
        }
    }

    pub(crate) async fn push(&self, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        self.bed.connector().push(&self.bed.stream(), ops).await
    }

    /// One write: its outcome, or the fault that spoke of the whole batch.
    pub(crate) async fn push_one(&self, op: Op) -> Checked<Result<Applied, Fault>> {
        let mut outcomes = match self.push(&[op]).await {
            Ok(outcomes) => outcomes,
            Err(fault) => return Ok(Err(fault)),
        };
        match (outcomes.pop(), outcomes.is_empty()) {
            (Some(Outcome::Applied(applied)), true) => Ok(Ok(applied)),
            (Some(Outcome::Failed(fault)), true) => Ok(Err(fault)),
            _ => fail("push of one op did not give one outcome"),
        }
    }

    /// One write that must be done.
    pub(crate) async fn applied(&self, op: Op) -> Checked<Applied> {
        self.push_one(op)
            .await?
            .map_err(|fault| unexpected("push", &fault))
    }
}

pub(crate) fn unexpected(call: &str, fault: &Fault) -> Stop {
    Stop::Failed(format!("{call} failed: {fault}"))
}

/// Which of these fields the record does not hold as they are given.
pub(crate) fn differing(wanted: &Fields, held: &Fields) -> Vec<String> {
    wanted
        .iter()
        .filter(|(name, value)| held.get(*name) != Some(value))
        .map(|(name, value)| {
            let found = held
                .get(name)
                .map_or("absent".to_owned(), ToString::to_string);
            format!("{name}: wanted {value}, found {found}")
        })
        .collect()
}
