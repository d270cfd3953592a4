//! What is right comes from RFC 6749 §5 and §6, RFC 9700 §4.14 and design.md §7.

use concord_core::Timestamp;
use concord_core::ports::{Clock as _, HttpError, Tokens as _};
use serde_json::{Value, json};
use std::sync::Arc;

use super::*;

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_kept_before_it_is_used() {
    let bench = Bench::signed_in();
    bench.when(700);
    assert_eq!(bench.header().await.unwrap(), "Bearer a1");
    assert_eq!(bench.asked(), Vec::<String>::new());
    bench.when(850);
    bench.will(|row| {
        // The mark is durable before the request leaves.
        assert!(row.value()["state"]["refreshing"].is_object());
        assert_eq!(row.value()["refresh"], "r1");
        Ok(http(200, &token("a2", "r2")))
    });
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    let kept = bench.row.value();
    assert_eq!(
        (&kept["access"], &kept["refresh"]),
        (&json!("a2"), &json!("r2"))
    );
    assert_eq!(kept["state"], "ready");
    assert_eq!(kept["signed_in_at"], at(START));
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    assert_eq!(bench.asked(), ["r1"]);
    let hidden: Vec<_> = bench
        .keeper
        .secrets()
        .iter()
        .map(|s| s.expose().to_owned())
        .collect();
    assert_eq!(hidden, ["app-secret", "a1", "r1", "a2", "r2"]);
}

#[tokio::test]
async fn a_refresh_token_that_is_not_rotated_stays() {
    let bench = Bench::signed_in();
    bench.when(900);
    bench.answers(200, json!({ "access_token": "a2", "expires_in": "1000" }));
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    assert_eq!(bench.row.value()["refresh"], "r1");
}

#[tokio::test]
async fn many_who_want_a_token_cause_one_refresh() {
    let bench = Bench::signed_in();
    bench.when(900);
    bench.gives("a2", "r2");
    let all = futures_of(&bench).await;
    assert!(all.iter().all(|header| header == "Bearer a2"), "{all:?}");
    assert_eq!(bench.asked(), ["r1"]);
}

async fn futures_of(bench: &Bench) -> Vec<String> {
    let (a, b, c) = tokio::join!(bench.header(), bench.header(), bench.header());
    vec![a.unwrap(), b.unwrap(), c.unwrap()]
}

#[tokio::test]
async fn a_grant_that_the_server_does_not_know_needs_a_sign_in() {
    for code in ["invalid_grant", "BAD_REFRESH_TOKEN"] {
        let bench = Bench::signed_in();
        bench.when(40 * 24 * 3600);
        bench.answers(400, json!({ "error": code }));
        let why = bench.person().await;
        assert!(
            why.starts_with("needs sign-in: the server does not know it any more"),
            "{why}"
        );
        assert!(why.ends_with("run `concord connection login crm`"), "{why}");
        // Nobody is asked again.
        assert_eq!(bench.person().await, why);
        assert_eq!(bench.asked(), ["r1"]);
    }
}

#[tokio::test]
async fn a_young_grant_that_dies_is_told_from_others() {
    let bench = Bench::signed_in();
    bench.when(7 * 24 * 3600 + 60);
    bench.answers(
        400,
        json!({ "error": "invalid_grant", "error_description": "expired" }),
    );
    let why = bench.person().await;
    assert!(why.contains("7 days after it was given"), "{why}");
    assert!(why.contains("testing mode"), "{why}");
}

#[tokio::test]
async fn a_failed_answer_never_takes_the_place_of_a_good_one() {
    let failures: [(u16, Value); 4] = [
        (503, json!("busy")),
        (429, json!({ "error": "rate_limited" })),
        (200, json!("<html>")),
        (200, json!({ "access_token": null })),
    ];
    for (status, body) in failures {
        let bench = Bench::signed_in();
        bench.when(900);
        bench.answers(status, body.clone());
        assert_eq!(
            bench.header().await.unwrap(),
            "Bearer a1",
            "{status} {body}"
        );
        let kept = bench.row.value();
        assert_eq!(
            (&kept["access"], &kept["refresh"]),
            (&json!("a1"), &json!("r1"))
        );
        assert_eq!(kept["state"], "ready");
        // Once more when the server may be asked again, and not before.
        assert_eq!(bench.header().await.unwrap(), "Bearer a1");
        bench.when(931);
        bench.gives("a2", "r2");
        assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    }
}

#[tokio::test]
async fn what_the_server_asks_to_wait_is_waited() {
    let bench = Bench::signed_in();
    bench.when(1001);
    bench.answers(503, json!(""));
    assert!(bench.passing().await.contains("503"));
    bench.when(1030);
    bench.passing().await;
    assert_eq!(bench.asked(), ["r1"]);
    bench.when(1031);
    bench.gives("a2", "r2");
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
}

#[tokio::test]
async fn a_lost_answer_is_named_when_the_old_token_is_refused() {
    let bench = Bench::signed_in();
    bench.when(1001);
    bench.will(|_| Err(HttpError::NoAnswer("reset".into())));
    assert!(bench.passing().await.contains("reset"));
    bench.when(1100);
    bench.answers(400, json!({ "error": "invalid_grant" }));
    let why = bench.person().await;
    assert!(why.contains("had no answer that could be read"), "{why}");
    assert_eq!(bench.asked(), ["r1", "r1"]);
}

fn left_by_a_hub_that_is_gone(until: i64) -> Value {
    let mut grant = grant();
    grant["state"] = json!({ "refreshing": { "mark": 7, "until": at(START + until) } });
    grant
}

#[tokio::test]
async fn the_refresh_of_a_hub_that_is_gone_is_waited_for_and_tried_once() {
    let bench = Bench::new(app(), Some(left_by_a_hub_that_is_gone(1020)));
    bench.when(1001);
    let clock = Arc::clone(&bench.clock);
    bench.will(move |_| {
        // Its request may have been under way until then, and clocks may differ by 2 s.
        assert!(clock.now() >= Timestamp(at(START + 1022)));
        Ok(http(400, &json!({ "error": "invalid_grant" })))
    });
    let why = bench.person().await;
    assert!(
        why.contains("a hub was stopped in the middle of a refresh"),
        "{why}"
    );
    bench.person().await;
    assert_eq!(bench.asked(), ["r1"]);

    let bench = Bench::new(app(), Some(left_by_a_hub_that_is_gone(1020)));
    bench.when(1050);
    bench.gives("a2", "r2");
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    assert_eq!(bench.row.value().get("doubt"), None);
}

#[tokio::test]
async fn the_old_token_serves_while_another_hub_refreshes() {
    let bench = Bench::new(app(), Some(left_by_a_hub_that_is_gone(920)));
    bench.when(910);
    assert_eq!(bench.header().await.unwrap(), "Bearer a1");
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_row_that_was_sealed_anew_meanwhile_takes_the_new_token_all_the_same() {
    let bench = Bench::signed_in();
    bench.when(900);
    bench.will(|row| {
        row.put(&row.value());
        Ok(http(200, &token("a2", "r2")))
    });
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    assert_eq!(bench.row.value()["refresh"], "r2");
}

#[tokio::test]
async fn whoever_signs_in_during_a_refresh_counts() {
    let bench = Bench::signed_in();
    bench.when(900);
    bench.will(|row| {
        let mut theirs = grant();
        theirs["access"] = json!("theirs");
        theirs["expires_at"] = json!(at(START + 9000));
        row.put(&theirs);
        Ok(http(200, &token("a2", "r2")))
    });
    assert_eq!(bench.header().await.unwrap(), "Bearer theirs");
    assert_eq!(bench.row.value()["access"], "theirs");
}

#[tokio::test]
async fn a_new_token_that_cannot_be_kept_is_neither_used_nor_forgotten() {
    let bench = Bench::signed_in();
    bench.when(1001);
    let row = Arc::clone(&bench.row);
    bench.will(move |_| {
        *row.failures.lock().unwrap() = 100;
        Ok(http(200, &token("a2", "r2")))
    });
    assert!(bench.passing().await.contains("the disk is full"));
    assert!(bench.passing().await.contains("the disk is full"));
    *bench.row.failures.lock().unwrap() = 0;
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    assert_eq!(bench.row.value()["refresh"], "r2");
    assert_eq!(bench.asked(), ["r1"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_not_again_at_once() {
    let bench = Bench::signed_in();
    let first = bench.keeper.header().await.unwrap().unwrap();
    bench.when(10);
    bench.gives("a2", "r2");
    let second = bench.keeper.instead_of(&first).await.unwrap().unwrap();
    assert_eq!(second.value.expose(), "Bearer a2");
    // Whoever comes later with the first one gets the second without a request.
    let again = bench.keeper.instead_of(&first).await.unwrap().unwrap();
    assert_eq!(again.value.expose(), "Bearer a2");
    // A system that refuses that one too is not served a new one with each answer.
    bench.when(69);
    assert!(bench.keeper.instead_of(&second).await.unwrap().is_none());
    assert_eq!(bench.asked(), ["r1"]);
    bench.when(71);
    bench.gives("a3", "r3");
    assert!(bench.keeper.instead_of(&second).await.unwrap().is_some());
}

#[tokio::test]
async fn a_token_without_a_stated_life_is_used_until_it_is_refused() {
    let mut endless = grant();
    endless.as_object_mut().unwrap().remove("expires_at");
    let bench = Bench::new(app(), Some(endless));
    bench.when(1_000_000);
    let header = bench.keeper.header().await.unwrap().unwrap();
    assert_eq!(header.value.expose(), "Bearer a1");
    bench.answers(200, json!({ "access_token": "a2" }));
    let other = bench.keeper.instead_of(&header).await.unwrap().unwrap();
    assert_eq!(other.value.expose(), "Bearer a2");
}

#[tokio::test]
async fn what_cannot_be_renewed_serves_to_its_end_and_needs_a_sign_in_then() {
    let mut short = grant();
    short.as_object_mut().unwrap().remove("refresh");
    let bench = Bench::new(app(), Some(short));
    bench.when(999);
    assert_eq!(bench.header().await.unwrap(), "Bearer a1");
    bench.when(1000);
    assert!(bench.person().await.contains("nothing to renew it with"));
}

#[tokio::test]
async fn a_refused_app_does_not_end_the_sign_in() {
    let bench = Bench::signed_in();
    bench.when(900);
    bench.answers(401, json!({ "error": "invalid_client" }));
    assert_eq!(bench.header().await.unwrap(), "Bearer a1");
    bench.when(1001);
    bench.answers(401, json!({ "error": "invalid_client" }));
    let why = bench.person().await;
    assert!(
        why.contains("invalid_client") && why.contains("client_secret"),
        "{why}"
    );
    // The server is not asked with each request.
    assert_eq!(bench.person().await, why);
    assert_eq!(bench.asked().len(), 2);
    assert_eq!(bench.row.value()["state"], "ready");
    bench.when(1100);
    bench.gives("a2", "r2");
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
}

/// Another hub takes the mark for one of a hub that is gone once its time is over.
#[tokio::test]
async fn a_request_ends_by_the_time_that_its_mark_says() {
    let bench = Bench::signed_in();
    bench.when(1001);
    bench
        .row
        .takes(Arc::clone(&bench.clock), Duration::from_secs(15));
    bench.gives("a2", "r2");
    bench.header().await.unwrap();
    let timeouts = bench.server.timeouts.lock().unwrap().clone();
    assert_eq!(timeouts, [Duration::from_secs(5)]);
    // One that took all of it is not sent.
    let bench = Bench::signed_in();
    bench.when(1001);
    bench
        .row
        .takes(Arc::clone(&bench.clock), Duration::from_secs(20));
    assert!(bench.passing().await.contains("all the time"));
    assert_eq!(bench.row.value()["state"], "ready");
}

#[tokio::test]
async fn nobody_signed_in_and_nothing_readable_is_said() {
    let bench = Bench::new(app(), None);
    assert!(bench.person().await.contains("nobody has signed in yet"));
    let bench = Bench::new(app(), Some(json!({ "access": "a1" })));
    let why = bench.person().await;
    assert!(
        why.contains("cannot be read") && !why.contains("a1"),
        "{why}"
    );
}

#[tokio::test]
async fn an_app_signs_in_by_itself_and_again_when_its_token_ends() {
    let mut own = app();
    own.by_itself = true;
    let bench = Bench::new(own, None);
    bench.answers(200, json!({ "access_token": "a1", "expires_in": 100 }));
    assert_eq!(bench.header().await.unwrap(), "Bearer a1");
    bench.when(90);
    bench.answers(200, json!({ "access_token": "a2", "expires_in": 100 }));
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    let forms = bench.server.forms.lock().unwrap();
    for form in forms.iter() {
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!(form["scope"], "contacts");
    }
    assert_eq!(forms.len(), 2);
}
