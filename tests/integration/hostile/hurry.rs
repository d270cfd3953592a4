//! A connection that may not send yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{Busy, Permit, Quota};

use super::rig::Connection;
use super::server::{Server, ok};

/// For longer than a call may last.
struct UsedUp;

#[async_trait]
impl Quota for UsedUp {
    async fn take(&self, _class: &str) -> Result<Box<dyn Permit>, Busy> {
        Err(Busy {
            until: Timestamp::from_millis(59_001),
            why: "the allowance is used up for now".to_owned(),
        })
    }
}

#[tokio::test]
async fn who_would_wait_too_long_is_refused_in_the_systems_place() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let server = Server::start(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        ok("here")
    })
    .await;
    let said = Connection::to("get")
        .hosts(&[&server.url("")])
        .private()
        .config("url", server.url("/"))
        .quota(Arc::new(UsedUp))
        .check()
        .await
        .unwrap();
    let expected = "429 the allowance is used up for now; \
                    the next request may leave at 1970-01-01T00:00:59.001Z";
    assert_eq!(said, expected);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing left");
}
