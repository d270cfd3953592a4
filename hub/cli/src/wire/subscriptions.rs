//! What systems were asked to send to this hub: written down as it is made, made
//! anew before it ends by itself, taken back with its connection.

use std::time::Duration;

use anyhow::{Context as _, Result};
use concord_core::ports::{Clock, Connector, Store, StoreError};
use concord_core::webhook::DeliveryStore;
use concord_core::{ConnectionId, Timestamp};
use serde::{Deserialize, Serialize};

/// When a renewal is tried again that failed.
const AGAIN: Duration = Duration::from_secs(600);

/// How many webhooks are forgotten at once.
const AT_ONCE: u32 = 500;

/// A subscription that a connector made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// None where the old one was let go of and a new one could not be had yet.
    pub id: Option<String>,
    pub since: Timestamp,
    /// When it was last to be made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<Timestamp>,
}

impl Subscription {
    /// Whether it ends before long, and nobody is about to make it anew.
    fn is_due(&self, after: Duration, now: Timestamp) -> bool {
        let is_old = self.id.is_none() || self.since.plus(after) <= now;
        is_old && self.tried_at.is_none_or(|at| at.plus(AGAIN) <= now)
    }
}

fn document(connection: ConnectionId) -> String {
    format!("webhooks/{}", connection.0)
}

pub async fn known(store: &dyn Store, connection: ConnectionId) -> Result<Option<Subscription>> {
    let text = store.document(&document(connection)).await?;
    let read = |text: String| serde_json::from_str(&text);
    let known = text.map(read).transpose();
    let known = known.context("what is noted of the subscription cannot be read")?;
    Ok(known.flatten())
}

async fn note(
    store: &dyn Store,
    connection: ConnectionId,
    known: Option<&Subscription>,
) -> Result<()> {
    let text = serde_json::to_string(&known)?;
    Ok(store.set_document(&document(connection), &text).await?)
}

/// Has the system send to this address; what it was asked for before is taken back
/// first, since some take an address only once.
pub async fn make(
    store: &dyn Store,
    clock: &dyn Clock,
    connection: ConnectionId,
    connector: &dyn Connector,
    address: &str,
) -> Result<Subscription> {
    if let Some(mut before) = known(store, connection).await?
        && let Some(id) = before.id.take()
    {
        connector.unsubscribe(&id).await?;
        note(store, connection, Some(&before)).await?;
    }
    let id = connector.subscribe(address).await?;
    let made = Subscription {
        id: Some(id),
        since: clock.now(),
        tried_at: None,
    };
    note(store, connection, Some(&made)).await?;
    Ok(made)
}

/// Has the system send no more.  Gives what there was.
pub async fn end(
    store: &dyn Store,
    connection: ConnectionId,
    connector: &dyn Connector,
) -> Result<Option<Subscription>> {
    let Some(known) = known(store, connection).await? else {
        return Ok(None);
    };
    if let Some(id) = &known.id {
        connector.unsubscribe(id).await?;
    }
    note(store, connection, None).await?;
    Ok(Some(known))
}

/// Whether it is time to make a subscription anew that ends by itself.
pub async fn is_due(
    store: &dyn Store,
    connection: ConnectionId,
    after: Duration,
    now: Timestamp,
) -> Result<bool> {
    let known = known(store, connection).await?;
    Ok(known.is_some_and(|known| known.is_due(after, now)))
}

/// Notes that this hub is about to do so.  False where another one was sooner.
pub async fn take_on(
    store: &dyn Store,
    connection: ConnectionId,
    after: Duration,
    now: Timestamp,
) -> Result<bool> {
    let Some(mut known) = known(store, connection).await? else {
        return Ok(false);
    };
    if !known.is_due(after, now) {
        return Ok(false);
    }
    known.tried_at = Some(now);
    note(store, connection, Some(&known)).await?;
    Ok(true)
}

/// Forgets webhooks that came for connections which are there no more.
pub async fn forget_strays<S: Store + DeliveryStore>(store: &S) -> Result<(), StoreError> {
    let rows = store.connections().await?;
    for row in rows.iter().filter(|row| row.removed) {
        loop {
            let stray = store.deliveries(row.id, AT_ONCE).await?;
            if stray.is_empty() {
                break;
            }
            store.drop_deliveries(&stray).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use concord_core::record::{
        Change, Description, Op, Outcome, Page, RemoteRecord, Selection, StreamInfo,
    };
    use concord_core::webhook::Delivery;
    use concord_core::{Fault, Fields, Manifest, RemoteId, StreamName};
    use concord_engine::clock::SystemClock;

    use super::*;
    use crate::wire::store::testing::fresh;

    const HOUR: Duration = Duration::from_secs(3600);
    const CRM: ConnectionId = ConnectionId(1);

    /// A system that notes what it is asked, and sometimes refuses.
    #[derive(Default)]
    struct System {
        asked: Mutex<Vec<String>>,
        refuses: bool,
    }

    impl System {
        fn heard(&self, what: String) -> Result<(), Fault> {
            let is_refused = self.refuses && what.starts_with('+');
            self.asked.lock().unwrap().push(what);
            match is_refused {
                true => Err(Fault::Forbidden("no".into())),
                false => Ok(()),
            }
        }

        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut *self.asked.lock().unwrap())
        }
    }

    #[async_trait]
    impl Connector for System {
        fn manifest(&self) -> &Manifest {
            unreachable!()
        }
        async fn check(&self) -> Result<Description, Fault> {
            unreachable!()
        }
        async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
            unreachable!()
        }
        async fn pull(
            &self,
            _: &StreamName,
            _: &Selection,
            _: Option<&str>,
        ) -> Result<Page, Fault> {
            unreachable!()
        }
        async fn fetch(
            &self,
            _: &StreamName,
            _: &[RemoteId],
            _: &[String],
        ) -> Result<Vec<Change>, Fault> {
            unreachable!()
        }
        async fn find(
            &self,
            _: &StreamName,
            _: &Fields,
            _: &[String],
        ) -> Result<Vec<RemoteRecord>, Fault> {
            unreachable!()
        }
        async fn push(&self, _: &StreamName, _: &[Op]) -> Result<Vec<Outcome>, Fault> {
            unreachable!()
        }
        async fn subscribe(&self, address: &str) -> Result<String, Fault> {
            self.heard(format!("+{address}"))?;
            Ok(format!("id of {address}"))
        }
        async fn unsubscribe(&self, subscription: &str) -> Result<(), Fault> {
            self.heard(format!("-{subscription}"))
        }
    }

    #[tokio::test]
    async fn one_that_ends_is_made_anew_in_time_by_one_hub() {
        let (_folder, store) = fresh().await;
        let store = store.as_ref();
        let (clock, system) = (SystemClock::new(), System::default());
        assert!(!take_on(store, CRM, HOUR, clock.now()).await.unwrap());
        let made = make(store, &clock, CRM, &system, "here").await.unwrap();
        assert_eq!(system.asked(), ["+here"]);
        assert!(!is_due(store, CRM, HOUR, clock.now()).await.unwrap());

        let then = made.since.plus(HOUR);
        assert!(is_due(store, CRM, HOUR, then).await.unwrap());
        assert!(take_on(store, CRM, HOUR, then).await.unwrap());
        assert!(!take_on(store, CRM, HOUR, then).await.unwrap());
        // The hub that took it on has died.
        assert!(take_on(store, CRM, HOUR, then.plus(AGAIN)).await.unwrap());
        make(store, &clock, CRM, &system, "here").await.unwrap();
        assert_eq!(system.asked(), ["-id of here", "+here"]);
        assert!(!is_due(store, CRM, HOUR, clock.now()).await.unwrap());
    }

    #[tokio::test]
    async fn one_that_cannot_be_made_anew_is_tried_again_and_not_let_go_of_twice() {
        let (_folder, store) = fresh().await;
        let store = store.as_ref();
        let clock = SystemClock::new();
        let mut system = System::default();
        make(store, &clock, CRM, &system, "here").await.unwrap();
        system.refuses = true;
        let refused = make(store, &clock, CRM, &system, "here").await.unwrap_err();
        assert!(refused.to_string().contains("may not do that"), "{refused}");
        assert!(is_due(store, CRM, HOUR, clock.now()).await.unwrap());
        system.asked();
        system.refuses = false;
        make(store, &clock, CRM, &system, "here").await.unwrap();
        assert_eq!(system.asked(), ["+here"]);

        assert!(end(store, CRM, &system).await.unwrap().is_some());
        assert_eq!(system.asked(), ["-id of here"]);
        assert_eq!(end(store, CRM, &system).await.unwrap(), None);
        assert!(!is_due(store, CRM, HOUR, clock.now()).await.unwrap());
    }

    #[tokio::test]
    async fn what_came_for_one_that_is_gone_is_forgotten() {
        let (_folder, store) = fresh().await;
        let store = store.as_ref();
        let mut out = concord_core::Changeset::durable();
        for (id, removed) in [(1, true), (2, false)] {
            out.connections.push(concord_core::state::ConnectionRow {
                id: ConnectionId(id),
                name: format!("c{id}"),
                connector: "toy".into(),
                config: serde_json::Value::Null,
                approved_at: None,
                held: None,
                removed,
            });
        }
        store.commit(&out).await.unwrap();
        let delivery = |id: i64| Delivery {
            connection: ConnectionId(id),
            digest: "d".into(),
            times: 1,
            arrived_at: Timestamp(1),
            method: "POST".into(),
            url: "/".into(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let all = [delivery(1), delivery(2)];
        store.keep_deliveries(&all).await.unwrap();
        forget_strays(store).await.unwrap();
        let left: Vec<i64> = store
            .backlog()
            .await
            .unwrap()
            .iter()
            .map(|waits| waits.connection.0)
            .collect();
        assert_eq!(left, [2]);
    }
}
