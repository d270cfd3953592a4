//! The port `Store`, on statements and a database.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use concord_core::changeset::MatchKey;
use concord_core::ports::{
    ConflictFilter, Counts, IntentFilter, LeaseHolder, Sequence, Store, StoreError,
};
use concord_core::state::{
    Conflict, ConnectionRow, Entity, Event, Hold, Intent, Link, LinkKey, LinkState, Quarantined,
    Review, RunRow, StreamState, Waiting,
};
use concord_core::{
    Changeset, ConnectionId, EntityId, Kind, RemoteId, RunId, StreamName, TenantId, Timestamp,
};

use crate::driver::{AnyRow, Database, Ongoing};
use crate::place::Place;
use crate::row::Reader;
use crate::sqlite::StoreOptions;
use crate::statement::{Statement, Table};
use crate::tables::lease::What;
use crate::tables::{conflict, entity, event, intent, lease, link, review, setup, waiting};
use crate::{counts, tables};

/// The fence of no lease.
const NOBODYS: i64 = -1;

/// The lease that guards a store's writes.
#[derive(Clone)]
enum Guard {
    /// Nobody asked for one.
    None,
    /// It was passed on: nothing is written until it is taken again.
    Passed,
    /// Its fence alone would do, if a server that crashed could not forget the
    /// last of them and hand it out twice.
    Held { fence: i64, owner: Arc<str> },
}

/// Who holds the lease of a database whose records live elsewhere.
pub(crate) const MOVED: &str = "moved to ";

/// One tenant's records in a SQLite file or on a PostgreSQL server.
pub struct SqlStore {
    pub(crate) database: Database,
    pub(crate) tenant: TenantId,
    guard: Mutex<Guard>,
}

impl SqlStore {
    /// Opens a database for reading and writing.  A file is created, and its
    /// schema brought up to date; on a server that is for [`crate::set_up`],
    /// because the hub's role owns nothing there.
    pub async fn open(
        place: impl Into<Place>,
        tenant: TenantId,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let database = Database::open(&place.into(), tenant, &options).await?;
        Ok(Self::new(database, tenant))
    }

    /// Opens an existing database of exactly this schema for reading.
    pub async fn open_read_only(
        place: impl Into<Place>,
        tenant: TenantId,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let database = Database::open_read_only(&place.into(), tenant, &options).await?;
        Ok(Self::new(database, tenant))
    }

    fn new(database: Database, tenant: TenantId) -> Self {
        Self {
            database,
            tenant,
            guard: Mutex::new(Guard::None),
        }
    }

    /// Closes the database in an orderly way.  A store that is only dropped
    /// loses nothing either; the next one to open a file reads its log.
    pub async fn close(self) -> Result<(), StoreError> {
        self.database.close().await
    }

    pub(crate) async fn read<T>(
        &self,
        table: &'static Table,
        statements: Vec<Statement>,
        read: impl Fn(&mut Reader) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.database.read(statements).await?;
        rows.into_iter()
            .map(|row| read(&mut Reader::new(row, table)))
            .collect()
    }

    /// What guards writes, and what takes its place.
    fn held(&self, next: Option<Guard>) -> Guard {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            Some(next) => std::mem::replace(&mut guard, next),
            None => guard.clone(),
        }
    }

    /// Writes behind the fence: a hub that was asleep while another took the
    /// lease over writes nothing.
    pub(crate) async fn write_fenced(
        &self,
        statements: Vec<Statement>,
        durable: bool,
    ) -> Result<Vec<AnyRow>, StoreError> {
        match self
            .database
            .write(self.guard(), statements, durable)
            .await?
        {
            Some(rows) => Ok(rows),
            None => Err(self.busy().await?),
        }
    }

    /// Answers with a row while this hub may write.
    fn guard(&self) -> Option<Statement> {
        match self.held(None) {
            Guard::None => None,
            Guard::Passed => Some(lease::still_held(self.tenant, NOBODYS, "")),
            Guard::Held { fence, owner } => Some(lease::still_held(self.tenant, fence, &owner)),
        }
    }

    /// Begins a long transaction behind the fence.
    pub(crate) async fn writing(&self) -> Result<Ongoing, StoreError> {
        let mut writing = self.database.writing().await?;
        if let Some(guard) = self.guard()
            && writing.run(guard).await?.is_empty()
        {
            return Err(self.busy().await?);
        }
        Ok(writing)
    }

    /// Writes one statement and reads the number that it answers with.
    async fn write_number(&self, statement: Statement) -> Result<Option<i64>, StoreError> {
        // Not durable: what a number or a lease is used for is committed after
        // it, and a durable commit carries all before it.
        let rows = self
            .database
            .write(None, vec![statement], false)
            .await?
            .unwrap_or_default();
        first_number(rows)
    }

    async fn busy(&self) -> Result<StoreError, StoreError> {
        let Some(LeaseHolder { owner, .. }) = self.lease_holder().await? else {
            let owner = "a hub that has finished since".to_owned();
            return Ok(StoreError::Busy { owner });
        };
        Ok(moved(&owner).unwrap_or(StoreError::Busy { owner }))
    }

    /// Nothing of what lives elsewhere by now is changed here.
    pub(crate) async fn refuse_where_moved(&self) -> Result<(), StoreError> {
        let holder = self.lease_holder().await?;
        holder
            .and_then(|holder| moved(&holder.owner))
            .map_or(Ok(()), Err)
    }
}

/// What is said where nobody but a mark of a move has the lease.
fn moved(owner: &str) -> Option<StoreError> {
    let to = owner.strip_prefix(MOVED)?.to_owned();
    Some(StoreError::Moved { to })
}

fn first_number(rows: Vec<AnyRow>) -> Result<Option<i64>, StoreError> {
    let row = rows.into_iter().next();
    row.map(|row| Reader::new(row, &tables::NUMBER).int())
        .transpose()
}

#[async_trait]
impl Store for SqlStore {
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "commit", skip_all)]
    async fn commit(&self, changes: &Changeset) -> Result<(), StoreError> {
        let statements = tables::write(self.tenant, changes)?;
        if statements.is_empty() {
            return Ok(());
        }
        self.write_fenced(statements, changes.durable)
            .await
            .map(drop)
    }

    async fn reserve(&self, sequence: &Sequence, count: u32) -> Result<i64, StoreError> {
        let statement = lease::reserve(self.tenant, sequence, count);
        let next = self.write_number(statement).await?;
        Ok(next.unwrap_or_default() - i64::from(count))
    }

    async fn lease(&self, owner: &str, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        let statement = lease::take(self.tenant, &What::Writer, owner, now, until);
        match self.write_number(statement).await? {
            Some(fence) => {
                let owner = Arc::from(owner);
                let before = self.held(Some(Guard::Held { fence, owner }));
                // Held all the time, the lease keeps its fence.  Another had it
                // meanwhile, and what was read before it is not true any more.
                if matches!(before, Guard::Held { fence: known, .. } if known != fence) {
                    self.held(Some(Guard::Passed));
                    return Err(StoreError::Busy {
                        owner: "another hub, which took over meanwhile".into(),
                    });
                }
                Ok(())
            }
            None => Err(self.busy().await?),
        }
    }

    async fn release(&self, owner: &str) -> Result<(), StoreError> {
        self.held(Some(Guard::None));
        let statement = lease::release(self.tenant, owner);
        self.write_number(statement).await.map(drop)
    }

    async fn pass(&self, owner: &str) -> Result<(), StoreError> {
        self.held(Some(Guard::Passed));
        let statement = lease::release(self.tenant, owner);
        self.write_number(statement).await.map(drop)
    }

    async fn claim(
        &self,
        connection: ConnectionId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let what = What::Connection(connection);
        let statement = lease::take(self.tenant, &what, owner, now, until);
        let rows = self.write_fenced(vec![statement], true).await?;
        first_number(rows)
    }

    async fn keep(
        &self,
        connection: ConnectionId,
        fence: i64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let what = What::Connection(connection);
        let statement = lease::keep(self.tenant, &what, fence, until);
        // A server that crashed and forgot it would give the claim away while
        // its owner still sends.
        let rows = self.database.write(None, vec![statement], true).await?;
        Ok(first_number(rows.unwrap_or_default())?.is_some())
    }

    async fn unclaim(&self, connection: ConnectionId, fence: i64) -> Result<(), StoreError> {
        let statement = lease::end(self.tenant, &What::Connection(connection), fence);
        self.write_number(statement).await.map(drop)
    }

    async fn lease_holder(&self) -> Result<Option<LeaseHolder>, StoreError> {
        let statement = lease::holder(self.tenant);
        let holders = self
            .read(&lease::HOLDER, vec![statement], lease::read_holder)
            .await?;
        Ok(holders.into_iter().next())
    }

    async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        let statement = setup::connections(self.tenant);
        self.read(&setup::CONNECTIONS, vec![statement], setup::read_connection)
            .await
    }

    async fn streams(&self, connection: ConnectionId) -> Result<Vec<StreamState>, StoreError> {
        let statement = setup::streams(self.tenant, connection);
        self.read(&setup::STREAMS, vec![statement], setup::read_stream)
            .await
    }

    async fn document(&self, name: &str) -> Result<Option<String>, StoreError> {
        let statement = setup::document(self.tenant, name);
        let found = self
            .read(&setup::DOCUMENTS, vec![statement], setup::read_document)
            .await?;
        Ok(found.into_iter().next())
    }

    async fn set_document(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let statements = setup::set_document(self.tenant, name, text)?;
        self.write_fenced(statements, true).await.map(drop)
    }

    async fn entities(&self, ids: &[EntityId]) -> Result<Vec<Entity>, StoreError> {
        let statements = entity::by_id(self.tenant, ids)?;
        self.read(&entity::ENTITIES, statements, entity::read).await
    }

    async fn scan_entities(
        &self,
        kind: &Kind,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError> {
        let statement = entity::scan(self.tenant, kind, after, limit, entity::Scan::Present);
        self.read(&entity::ENTITIES, vec![statement], entity::read)
            .await
    }

    async fn unmatched_records(
        &self,
        kind: &Kind,
        limit: u32,
    ) -> Result<Vec<(LinkKey, EntityId)>, StoreError> {
        let statement = link::unmatched(self.tenant, kind, limit);
        self.read(&link::RECORDS, vec![statement], link::read_record)
            .await
    }

    async fn dirty_entities(
        &self,
        kind: &Kind,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError> {
        let statement = entity::scan(self.tenant, kind, after, limit, entity::Scan::Dirty);
        self.read(&entity::ENTITIES, vec![statement], entity::read)
            .await
    }

    async fn mark_dirty(&self, kind: &Kind) -> Result<(), StoreError> {
        let statement = entity::mark_dirty(self.tenant, kind);
        self.write_fenced(vec![statement], true).await.map(drop)
    }

    async fn entities_by_keys(
        &self,
        kind: &Kind,
        keys: &[String],
        most: u32,
    ) -> Result<Vec<MatchKey>, StoreError> {
        let statements = entity::by_key(self.tenant, kind, keys, most)?;
        self.read(&entity::KEYS, statements, entity::read_key).await
    }

    async fn links(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        ids: &[RemoteId],
    ) -> Result<Vec<Link>, StoreError> {
        let statements = link::by_id(self.tenant, connection, stream, ids)?;
        self.read(&link::LINKS, statements, link::read).await
    }

    async fn links_of(&self, entities: &[EntityId]) -> Result<Vec<Link>, StoreError> {
        let statements = link::of_entities(self.tenant, entities)?;
        self.read(&link::LINKS, statements, link::read).await
    }

    async fn scan_links(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        after: Option<&RemoteId>,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        let statement = link::scan(self.tenant, connection, stream, None, after, limit);
        self.read(&link::LINKS, vec![statement], link::read).await
    }

    async fn scan_records(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        after: Option<&RemoteId>,
        limit: u32,
    ) -> Result<Vec<(LinkKey, EntityId)>, StoreError> {
        let statement = link::scan_records(self.tenant, connection, stream, after, limit);
        self.read(&link::RECORDS, vec![statement], link::read_record)
            .await
    }

    async fn links_unseen(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        walk: i64,
        after: Option<&RemoteId>,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        let statement = link::scan(self.tenant, connection, stream, Some(walk), after, limit);
        self.read(&link::LINKS, vec![statement], link::read).await
    }

    async fn links_in(&self, state: LinkState) -> Result<Vec<Link>, StoreError> {
        let statement = link::in_state(self.tenant, state);
        self.read(&link::LINKS, vec![statement], link::read).await
    }

    async fn links_due(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        let statement = link::due(self.tenant, connection, stream, now, limit);
        self.read(&link::LINKS, vec![statement], link::read).await
    }

    async fn next_due(&self, connection: ConnectionId) -> Result<Option<Timestamp>, StoreError> {
        let statement = link::next_due(self.tenant, connection);
        let moments = self
            .read(&tables::NUMBER, vec![statement], Reader::optional_time)
            .await?;
        Ok(moments.into_iter().next().flatten())
    }

    async fn intents(&self, filter: &IntentFilter) -> Result<Vec<Intent>, StoreError> {
        let statement = intent::select(self.tenant, filter);
        self.read(&intent::INTENTS, vec![statement], intent::read)
            .await
    }

    async fn open_intents_of(&self, entities: &[EntityId]) -> Result<Vec<Intent>, StoreError> {
        let statements = intent::open_of(self.tenant, entities)?;
        self.read(&intent::INTENTS, statements, intent::read).await
    }

    async fn refused_creates_of(&self, entities: &[EntityId]) -> Result<Vec<Intent>, StoreError> {
        let statements = intent::refused_of(self.tenant, entities)?;
        self.read(&intent::INTENTS, statements, intent::read).await
    }

    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>, StoreError> {
        let statement = conflict::select(self.tenant, filter);
        self.read(&conflict::CONFLICTS, vec![statement], conflict::read)
            .await
    }

    async fn holds(&self, entities: &[EntityId]) -> Result<Vec<Hold>, StoreError> {
        let statements = conflict::holds_of(self.tenant, entities)?;
        self.read(&conflict::HOLDS, statements, conflict::read_hold)
            .await
    }

    async fn all_holds(&self, limit: u32) -> Result<Vec<Hold>, StoreError> {
        let statement = tables::all(&conflict::HOLDS, self.tenant, limit);
        self.read(&conflict::HOLDS, vec![statement], conflict::read_hold)
            .await
    }

    async fn reviews(&self, open_only: bool, limit: u32) -> Result<Vec<Review>, StoreError> {
        let statement = review::select(self.tenant, open_only, limit);
        self.read(&review::REVIEWS, vec![statement], review::read)
            .await
    }

    async fn reviews_of(&self, links: &[LinkKey]) -> Result<Vec<Review>, StoreError> {
        let statements = review::of_records(self.tenant, links)?;
        self.read(&review::REVIEWS, statements, review::read).await
    }

    async fn events(&self, entity: &EntityId) -> Result<Vec<Event>, StoreError> {
        let statement = event::of_entity(self.tenant, entity);
        self.read(&event::EVENTS, vec![statement], event::read)
            .await
    }

    async fn scan_events(
        &self,
        after: Option<(&EntityId, i64)>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let statement = event::scan(self.tenant, after, limit);
        self.read(&event::EVENTS, vec![statement], event::read)
            .await
    }

    async fn quarantined(&self, limit: u32) -> Result<Vec<Quarantined>, StoreError> {
        let statement = tables::all(&waiting::QUARANTINED, self.tenant, limit);
        self.read(
            &waiting::QUARANTINED,
            vec![statement],
            waiting::read_quarantined,
        )
        .await
    }

    async fn waiting_for(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        ids: &[RemoteId],
    ) -> Result<Vec<Waiting>, StoreError> {
        let statements = waiting::waiting_for(self.tenant, connection, stream, ids)?;
        self.read(&waiting::WAITING, statements, waiting::read_waiting)
            .await
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let statement = tables::all(&waiting::WAITING, self.tenant, limit);
        self.read(&waiting::WAITING, vec![statement], waiting::read_waiting)
            .await
    }

    async fn runs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let statement = setup::runs(self.tenant, limit);
        self.read(&setup::RUNS, vec![statement], setup::read_run)
            .await
    }

    async fn scan_runs(&self, after: RunId, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let statement = setup::scan_runs(self.tenant, after, limit);
        self.read(&setup::RUNS, vec![statement], setup::read_run)
            .await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        counts::read(&self.database, self.tenant).await
    }
}
