//! Webhooks on their way into the database: those that come at once are kept in
//! one transaction, and each is answered when its own is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_core::ports::StoreError;
use concord_core::webhook::{Delivery, DeliveryStore};
use tokio::sync::{Notify, mpsc, oneshot};

/// How many wait for their turn.  Whoever comes beyond that waits at the door.
const QUEUE: usize = 1_024;

/// How many one transaction keeps.
const GROUP: usize = 256;

/// It is not kept: the system will send it again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotKept {
    #[error("{0}")]
    Store(Arc<StoreError>),
    #[error("the hub is about to end")]
    Ending,
}

/// Tells one sender what became of it.
type Teller = oneshot::Sender<Result<(), Arc<StoreError>>>;

struct Waiting {
    delivery: Delivery,
    kept: Teller,
}

/// The way in.  Its other end is [`Keeper`].
#[derive(Clone)]
pub struct Intake {
    door: mpsc::Sender<Waiting>,
}

impl Intake {
    /// Returns when it is durable.
    pub async fn keep(&self, delivery: Delivery) -> Result<(), NotKept> {
        let (kept, told) = oneshot::channel();
        let waiting = Waiting { delivery, kept };
        let through = self.door.send(waiting).await;
        through.map_err(|_| NotKept::Ending)?;
        let told = told.await.map_err(|_| NotKept::Ending)?;
        told.map_err(NotKept::Store)
    }
}

/// Keeps what comes through the door, until nobody can come any more.
pub struct Keeper {
    store: Arc<dyn DeliveryStore>,
    queue: mpsc::Receiver<Waiting>,
    /// Told of each group that was kept.
    arrived: Arc<Notify>,
}

/// A way in, and who keeps what comes.
pub fn intake(store: Arc<dyn DeliveryStore>, arrived: Arc<Notify>) -> (Intake, Keeper) {
    let (door, queue) = mpsc::channel(QUEUE);
    let keeper = Keeper {
        store,
        queue,
        arrived,
    };
    (Intake { door }, keeper)
}

impl Keeper {
    pub async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.queue.recv_many(&mut group, GROUP).await > 0 {
            let (deliveries, tellers) = joined(group.drain(..));
            let kept = self.store.keep_deliveries(&deliveries).await;
            let kept = kept.map_err(Arc::new);
            match &kept {
                Ok(()) => self.arrived.notify_one(),
                Err(error) => tracing::error!(
                    "{} webhooks were not kept, and will be sent again: {error}",
                    tellers.len()
                ),
            }
            for teller in tellers {
                // Who sent it may have gone away meanwhile.
                let _ = teller.send(kept.clone());
            }
        }
    }
}

/// The same twice is one that came twice.
fn joined(group: impl Iterator<Item = Waiting>) -> (Vec<Delivery>, Vec<Teller>) {
    let mut tellers = Vec::new();
    let mut deliveries = BTreeMap::new();
    for waiting in group {
        tellers.push(waiting.kept);
        let delivery = waiting.delivery;
        let key = (delivery.connection, delivery.digest.clone());
        let times = delivery.times;
        deliveries
            .entry(key)
            .and_modify(|known: &mut Delivery| known.times += times)
            .or_insert(delivery);
    }
    (deliveries.into_values().collect(), tellers)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use concord_core::webhook::Backlog;
    use concord_core::{ConnectionId, Timestamp};

    use super::*;

    /// Keeps what it is given until it is full.
    struct Shelf {
        kept: Mutex<Vec<Vec<Delivery>>>,
        room: usize,
    }

    #[async_trait]
    impl DeliveryStore for Shelf {
        async fn keep_deliveries(&self, deliveries: &[Delivery]) -> Result<(), StoreError> {
            let mut kept = self.kept.lock().unwrap();
            if kept.len() == self.room {
                return Err(StoreError::Full);
            }
            kept.push(deliveries.to_vec());
            Ok(())
        }

        async fn deliveries(&self, _: ConnectionId, _: u32) -> Result<Vec<Delivery>, StoreError> {
            Ok(Vec::new())
        }

        async fn drop_deliveries(&self, _: &[Delivery]) -> Result<(), StoreError> {
            Ok(())
        }

        async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
            Ok(Vec::new())
        }
    }

    fn delivery(connection: i64, digest: &str) -> Delivery {
        Delivery {
            connection: ConnectionId(connection),
            digest: digest.into(),
            times: 1,
            arrived_at: Timestamp(1),
            method: "POST".into(),
            url: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn shelf(room: usize) -> (Arc<Shelf>, Intake, Keeper, Arc<Notify>) {
        let kept = Mutex::default();
        let shelf = Arc::new(Shelf { kept, room });
        let arrived = Arc::new(Notify::new());
        let (intake, keeper) = intake(shelf.clone(), arrived.clone());
        (shelf, intake, keeper, arrived)
    }

    #[tokio::test]
    async fn those_that_come_at_once_are_kept_at_once() {
        let (shelf, intake, keeper, arrived) = shelf(9);
        let all = ["a", "b", "a"].map(|digest| intake.keep(delivery(1, digest)));
        let other = intake.keep(delivery(2, "a"));
        let all = futures_of(all, other);
        let (told, ()) = tokio::join!(all, async {
            // All are at the door by now.
            tokio::task::yield_now().await;
            drop(intake.clone());
            tokio::select! {
                () = keeper.run() => {}
                () = arrived.notified() => {}
            }
        });
        assert_eq!(told, 4);
        let kept = shelf.kept.lock().unwrap();
        let names: Vec<_> = kept[0].iter().map(|d| (d.connection.0, d.times)).collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(names, [(1, 2), (1, 1), (2, 1)]);
    }

    /// How many were kept.
    async fn futures_of(
        three: [impl Future<Output = Result<(), NotKept>>; 3],
        other: impl Future<Output = Result<(), NotKept>>,
    ) -> usize {
        let [a, b, c] = three;
        let told = tokio::join!(a, b, c, other);
        [told.0, told.1, told.2, told.3]
            .into_iter()
            .filter(Result::is_ok)
            .count()
    }

    #[tokio::test]
    async fn what_is_not_durable_is_not_answered_as_if_it_were() {
        let (_, intake, keeper, _) = shelf(0);
        let keeping = tokio::spawn(keeper.run());
        let told = intake.keep(delivery(1, "a")).await;
        assert!(matches!(told, Err(NotKept::Store(error)) if matches!(*error, StoreError::Full)));
        keeping.abort();
        assert!(keeping.await.is_err());
        let told = intake.keep(delivery(1, "a")).await;
        assert!(matches!(told, Err(NotKept::Ending)));
    }
}
