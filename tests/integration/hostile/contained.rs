//! Guests that loop, hoard, lie and crash.

use std::time::Duration;

use concord_core::ports::Connector;
use concord_core::record::Action;
use concord_core::{Change, Fault, Fields, Op, RemoteId, StreamName};

use super::rig::{Connection, PLUGIN, pull};
use super::server::{Server, ok};

/// A pull ends in a `bug` fault that names the plugin and says this, and the
/// next connection's call is none the worse for it.
async fn check(connection: Connection, expected: &str) {
    let fault = connection.pull().await.unwrap_err();
    assert_names(&fault, expected);
    neighbour_works().await;
}

fn assert_names(fault: &Fault, expected: &str) {
    let Fault::Bug(message) = fault else {
        panic!("{fault:?} is no bug");
    };
    for part in [PLUGIN, "connection 'under-test'", expected] {
        assert!(message.contains(part), "no '{part}' in: {message}");
    }
}

async fn neighbour_works() {
    let page = Connection::to("good").pull().await.unwrap();
    assert_eq!(page.changes.len(), 1);
    assert!(page.complete);
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_deadline() {
    let loops = Connection::to("loop");
    check(loops, "ran longer than 200 ms without calling the host").await;
}

/// The loop runs on the only thread there is, and still others get their turn.
#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_lets_others_run_meanwhile() {
    let mut looping = Connection::to("loop");
    looping.limits.call_deadline = Duration::from_secs(600);
    let looping = looping.connect();
    tokio::select! {
        biased;
        ended = pull(&looping, None) => panic!("it ended: {ended:?}"),
        () = neighbour_works() => {}
    }
}

#[tokio::test]
async fn calling_the_host_for_ever_ends_too() {
    let loops = Connection::to("loop-on-the-host");
    check(loops, "called the host more than 1000 times").await;
}

#[tokio::test]
async fn a_memory_bomb_ends_at_the_bound() {
    let mut connection = Connection::to("memory");
    connection.limits.memory_bytes = 16 << 20;
    check(connection, "wanted more than 16 MiB of memory").await;
}

#[tokio::test]
async fn memory_bombs_give_their_memory_back() {
    // More of them than the host has room for at once.
    for _ in 0..200 {
        let mut connection = Connection::to("memory");
        connection.limits.memory_bytes = 4 << 20;
        connection.pull().await.unwrap_err();
    }
    neighbour_works().await;
}

#[tokio::test]
async fn a_panic_and_a_stack_overflow_are_crashes_of_the_guest_alone() {
    check(Connection::to("panic"), "pull panicked").await;
    check(Connection::to("deep"), "call stack exhausted").await;
}

#[tokio::test]
async fn gigantic_pages_are_refused() {
    let mut roomy = Connection::to("gigantic-record");
    roomy.limits.memory_bytes = 256 << 20;
    check(roomy, "handed over more than 32 MiB at once").await;
    check(Connection::to("gigantic-page"), "20001 changes").await;
}

#[tokio::test]
async fn cursors_that_lie_are_found() {
    check(Connection::to("no-cursor"), "where to go on").await;
    for (misbehave, cursors, expected) in [
        ("stuck-cursor", &[None, Some("here")][..], "did not advance"),
        (
            "circling-cursor",
            &[None, Some("1"), Some("2"), Some("0")],
            "came back",
        ),
        ("same-page", &[None, Some("1")], "the same page twice"),
    ] {
        let connector = Connection::to(misbehave).connect();
        let (last, honest) = cursors.split_last().unwrap();
        for cursor in honest {
            pull(&connector, *cursor).await.unwrap();
        }
        let fault = pull(&connector, *last).await.unwrap_err();
        assert_names(&fault, expected);
    }
    neighbour_works().await;
}

#[tokio::test]
async fn a_broken_record_is_set_aside_and_its_page_goes_on() {
    let page = Connection::to("broken-record").pull().await.unwrap();
    let read: Vec<&str> = page
        .changes
        .iter()
        .map(|change| match change {
            Change::Upsert(record) => record.id.as_str(),
            Change::Malformed { id, .. } => id.as_ref().map_or("malformed", |_| "malformed 2"),
            Change::Gone { .. } => "gone",
        })
        .collect();
    assert_eq!(read, ["1", "malformed 2", "malformed", "3"]);
}

#[tokio::test]
async fn answers_that_do_not_match_their_question_are_refused() {
    let connector = Connection::to("too-few-unsent").connect();
    let stream = StreamName::new("contacts");
    let ids = [RemoteId::new("1"), RemoteId::new("2")];
    let fault = connector.fetch(&stream, &ids, &[]).await.unwrap_err();
    assert_names(&fault, "answered 2 ids with 1");
    let fault = connector
        .find(&stream, &Fields::new(), &[])
        .await
        .unwrap_err();
    assert_names(&fault, "broken record");
    let fault = connector.push(&stream, &ops(2)).await.unwrap_err();
    assert_names(&fault, "answered 2 writes with 1");
}

fn ops(count: usize) -> Vec<Op> {
    (0..count)
        .map(|number| Op {
            intent: number.to_string(),
            action: Action::Update(RemoteId::new(number.to_string())),
            base_version: None,
            fields: Fields::new(),
        })
        .collect()
}

/// A guest that fails after a write may have left leaves a doubt, not a bug
/// that the hub could take for "nothing was done".
#[tokio::test]
async fn a_crash_during_a_push_is_in_doubt_only_if_something_left() {
    let server = Server::start(|_| ok("done")).await;
    for (misbehave, in_doubt) in [
        ("too-few", true),
        ("panic-after-writing", true),
        ("panic-before-writing", false),
    ] {
        let connector = Connection::to(misbehave)
            .config("url", server.url("/write"))
            .hosts(&[&server.url("")])
            .private()
            .connect();
        let stream = StreamName::new("contacts");
        match connector.push(&stream, &ops(2)).await.unwrap_err() {
            Fault::UnknownOutcome(message) => {
                assert!(
                    in_doubt && message.contains(PLUGIN),
                    "{misbehave}: {message}"
                );
            }
            fault => assert!(
                !in_doubt && matches!(fault, Fault::Bug(_)),
                "{misbehave}: {fault:?}"
            ),
        }
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_call_has_a_budget_of_requests() {
    let server = Server::start(|_| ok("again")).await;
    let said = Connection::to("many-requests")
        .config("url", server.url("/"))
        .hosts(&[&server.url("")])
        .private()
        .check()
        .await
        .unwrap();
    assert!(
        said.starts_with("exhausted: one call may send 10 requests"),
        "{said}"
    );
    assert_eq!(server.seen().len(), 10);
}
