//! Carries what a twin sends of its own accord.
//!
//! One task asks the twin after every request and whenever something becomes due,
//! and sends each delivery in a task of its own, so that a slow receiver holds up
//! nobody.  How many leave at once is the twin's affair.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use concord_core::ports::{Http, HttpRequest};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::Shell;
use crate::{Outcome, OutgoingRequest, Response, Unanswered};

/// No receiver has more to say than that it has understood.
const LARGEST_ANSWER: u64 = 64 * 1024;

#[derive(Default)]
pub(super) struct Courier {
    /// The way out; without one nothing is ever answered.
    http: Option<Arc<dyn Http>>,
    /// There may be something to send.
    bell: Notify,
    /// Clients whose answer waits for a delivery.
    clients: Mutex<HashMap<u64, oneshot::Sender<Response>>>,
}

impl Courier {
    pub(super) fn new(http: Option<Arc<dyn Http>>) -> Self {
        Self {
            http,
            ..Self::default()
        }
    }

    /// The twin has done something.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// The answer that a delivery will bring.  Nobody may deliver in between, so
    /// this is asked for while the twin is held.
    pub(super) fn wait_for(&self, delivery: u64) -> oneshot::Receiver<Response> {
        let (client, answer) = oneshot::channel();
        self.clients().insert(delivery, client);
        answer
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Response>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, request: OutgoingRequest) -> Outcome {
        let http = self.http.as_ref().ok_or(Unanswered)?;
        let sent = http.send(HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: (!request.body.is_empty()).then_some(request.body),
            auth: None,
            timeout: request.timeout,
            max_response_bytes: LARGEST_ANSWER,
        });
        let answer = sent.await.map_err(|_| Unanswered)?;
        Ok(answer.status)
    }
}

/// Carries until it is ended.
pub(super) async fn carry(shell: Arc<Shell>) {
    let mut under_way = JoinSet::new();
    loop {
        let now = shell.clock.now();
        let (due, next) = {
            let mut twin = shell.twin();
            (twin.due_deliveries(now), twin.next_delivery())
        };
        for request in due {
            let shell = Arc::clone(&shell);
            under_way.spawn(async move { deliver(&shell, request).await });
        }
        while under_way.try_join_next().is_some() {}
        match next {
            Some(next) => tokio::select! {
                () = shell.courier.bell.notified() => {}
                () = shell.clock.sleep(next.since(now)) => {}
            },
            None => shell.courier.bell.notified().await,
        }
    }
}

async fn deliver(shell: &Shell, request: OutgoingRequest) {
    let id = request.id;
    let outcome = shell.courier.send(request).await;
    let now = shell.clock.now();
    let answer = shell.twin().delivered(id, now, outcome);
    let client = shell.courier.clients().remove(&id);
    if let (Some(answer), Some(client)) = (answer, client) {
        // A client that has gone is told nothing.
        let _ = client.send(answer);
    }
    shell.courier.ring();
}
