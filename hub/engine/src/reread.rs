//! Records that have to be read again: what could not be believed, what seems
//! to be gone, what a reference waited for.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use concord_core::record::Change;
use concord_core::state::LinkState;
use concord_core::{Changeset, EntityId, Intent, Link, RemoteId, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::observe::ReadKind;

use crate::lane::Lane;
use crate::meters;
use crate::page::{PageCounts, PageOf};
use crate::pull::Stopped;

/// How long a record with an open intent is left alone at least.
const POSTPONED: Duration = Duration::from_secs(1);

impl Lane<'_> {
    /// Reads what is due by now.
    #[tracing::instrument(
        target = "concord::stage",
        level = "trace",
        name = "read again",
        skip_all
    )]
    pub async fn reread(&self, counts: &mut PageCounts) -> Result<(), Stopped> {
        let limit = self.stream.caps.fetch_max.min(500);
        let store = &self.hub.store;
        loop {
            let now = self.hub.clock.now();
            let due = store.links_due(self.id(), self.name(), now, limit).await?;
            if due.is_empty() {
                return Ok(());
            }
            let (merged, due): (Vec<_>, Vec<_>) = due
                .into_iter()
                .partition(|link| link.state == LinkState::Merged);
            for link in merged {
                self.follow(link, counts).await?;
            }
            if due.is_empty() {
                continue;
            }
            let mut open = self.open_of(&due).await?;
            let ids: Vec<RemoteId> = due
                .iter()
                .filter(|link| !open.contains_key(&link.entity))
                .map(|link| link.key.remote_id.clone())
                .collect();
            let started = self.hub.clock.now();
            let changes = self.fetch(&ids).await?;
            let due = self.as_they_are_now(due).await?;
            if self.hub.options.sharing.is_some() {
                open.extend(self.open_of(&due).await?);
            }
            // A date that is met is over, in the transaction that has what was
            // read; what still cannot be believed gets a new one there.  A record
            // with an open intent is read when that is over: an answer to it may say
            // nothing of what was seen.
            let mut out = Changeset::default();
            out.links.extend(due.into_iter().map(|mut link| {
                link.again_at = open
                    .get(&link.entity)
                    .map(|until| (*until).max(now.plus(POSTPONED)));
                link
            }));
            let page = PageOf {
                due: Some(now),
                ..self.page(ReadKind::Fetch, started, Noticed::Fetched)
            };
            let taken_in = page.take_in(changes, out).await?;
            meters::read(self, &taken_in);
            *counts += taken_in;
            self.hub.extend_lease().await?;
        }
    }

    /// Links that were read before a call, as other hubs left them meanwhile.
    pub(crate) async fn as_they_are_now(&self, links: Vec<Link>) -> Result<Vec<Link>, Stopped> {
        if self.hub.options.sharing.is_none() {
            return Ok(links);
        }
        let ids: Vec<RemoteId> = links.into_iter().map(|link| link.key.remote_id).collect();
        Ok(self.hub.store.links(self.id(), self.name(), &ids).await?)
    }

    /// Which of them have an open intent, and until when it rests.
    async fn open_of(&self, links: &[Link]) -> Result<BTreeMap<EntityId, Timestamp>, Stopped> {
        let entities: Vec<_> = links.iter().map(|link| link.entity.clone()).collect();
        let intents = self.hub.store.open_intents_of(&entities).await?;
        let mine = intents.into_iter().filter(|i| self.holds_intent(i));
        let rests = |intent: &Intent| intent.not_before.unwrap_or(Timestamp::ZERO);
        Ok(mine.map(|i| (i.entity.clone(), rests(&i))).collect())
    }

    /// A direct read, with the waits that help.  A record that the answer does not
    /// name was not looked at: nobody may take it for unchanged.
    pub async fn fetch(&self, ids: &[RemoteId]) -> Result<Vec<Change>, Stopped> {
        let connector = &self.connection.connector;
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(self.fetch_size()) {
            let mut tries = 0;
            loop {
                tries += 1;
                match connector.fetch(self.name(), ids, &self.stream.fields).await {
                    Ok(changes) => break found.extend(changes),
                    Err(fault) => self.wait_out(fault, tries).await?,
                }
            }
        }
        let told: HashSet<&RemoteId> = found.iter().filter_map(Change::id).collect();
        let silent: Vec<Change> = ids
            .iter()
            .filter(|id| !told.contains(id))
            .map(|id| Change::Malformed {
                id: Some(id.clone()),
                reason: "a direct read did not tell of it".into(),
                raw: String::new(),
            })
            .collect();
        found.extend(silent);
        Ok(found)
    }
}
