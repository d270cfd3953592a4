//! Two systems come to agree, and stay in agreement.

use std::time::Duration;

use concord_core::ports::Clock;
use concord_core::schema::MergeRule;
use serde_json::{Value, json};

use super::World;

fn person(mail: &str, first: &str, last: &str) -> Value {
    json!({"mail": mail, "first": first, "last": last})
}

/// `crm` has Ann and Bob, `mail` has Ann (misspelt, with a phone) and Cid.
fn two() -> (World, [String; 4]) {
    let world = World::new(&["crm", "mail"]);
    let crm = world.system("crm");
    let ann = crm.add(person("ann@example.com", "Ann", "Lee"));
    let bob = crm.add(person("bob@example.com", "Bob", "Ray"));
    let mail = world.system("mail");
    let anne = mail.add(
        json!({"mail": "ann@example.com", "first": "Anne", "last": "Lee", "tel": "+12025550143"}),
    );
    let cid = mail.add(person("cid@example.com", "Cid", "Orr"));
    (world, [ann, bob, anne, cid])
}

#[tokio::test]
async fn a_first_sync_matches_and_writes_nothing_until_it_is_approved() {
    let (world, _) = two();
    let report = world.sync().await;
    assert_eq!(report.matched["person"].linked, 1, "{report:?}");
    assert_eq!(report.waits_for_approval, ["crm", "mail"]);
    assert_eq!((report.writes(), world.writes()), (0, 0));

    let plan = world.hub().await.plan().await.unwrap();
    let creates = plan.writes.iter().filter(|w| w.remote_id.is_none()).count();
    assert_eq!(creates, 2, "{plan:#?}");
    assert_eq!(plan.first_contact.len(), 1, "Ann or Anne: {plan:#?}");
}

#[tokio::test]
async fn after_approval_all_agree_and_a_second_run_writes_nothing() {
    let (world, [ann, _, anne, _]) = two();
    world.sync().await;
    let report = world.approve().await;
    assert!(!report.failed(), "{report:#?}");
    let (crm, mail) = (world.system("crm"), world.system("mail"));
    assert_eq!((crm.ids().len(), mail.ids().len()), (3, 3), "{report:#?}");
    assert_eq!(crm.value(&ann, "tel"), json!("+12025550143"));
    assert_eq!(
        mail.value(&anne, "first"),
        json!("Ann"),
        "what was known first stands"
    );
    assert!(crm.find_by("mail", "cid@example.com").is_some());
    assert!(mail.find_by("mail", "bob@example.com").is_some());
    world.writes();
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
    }
    let verified = world.hub().await.verify(None).await.unwrap();
    assert_eq!(
        (verified.diverged, verified.records),
        (0, 6),
        "{verified:#?}"
    );
}

#[tokio::test]
async fn edits_travel_both_ways_and_one_side_never_reverts_the_other() {
    let (world, [ann, bob, anne, _]) = two();
    world.approve().await;
    let (crm, mail) = (world.system("crm"), world.system("mail"));
    crm.edit(&ann, json!({"title": "CTO"}));
    mail.edit(&anne, json!({"tel": "+12025550199"}));
    crm.edit(&bob, json!({"last": ""}));
    let report = world.sync().await;
    assert_eq!(mail.value(&anne, "title"), json!("CTO"), "{report:#?}");
    assert_eq!(crm.value(&ann, "tel"), json!("+12025550199"));
    let bob_there = mail.find_by("mail", "bob@example.com").unwrap();
    assert!(matches!(mail.value(&bob_there, "last"), Value::Null));
    world.writes();
    assert_eq!(world.sync().await.writes(), 0);
}

#[tokio::test]
async fn a_conflict_is_settled_by_the_owner_and_recorded_once() {
    let (mut world, [ann, _, anne, _]) = two();
    world.rules.push((
        "job_title",
        MergeRule::Owner(vec!["crm".into(), "mail".into()]),
    ));
    world.approve().await;
    let (crm, mail) = (world.system("crm"), world.system("mail"));
    crm.edit(&ann, json!({"title": "CTO"}));
    mail.edit(&anne, json!({"title": "Chief"}));
    world.sync().await;
    assert_eq!(mail.value(&anne, "title"), json!("CTO"));
    assert_eq!(crm.value(&ann, "title"), json!("CTO"));
    world.sync().await;
    let filter = concord_core::ports::ConflictFilter {
        limit: 10,
        ..Default::default()
    };
    let store = world.store().await;
    let conflicts = concord_core::ports::Store::conflicts(store.as_ref(), &filter)
        .await
        .unwrap();
    let titles: Vec<_> = conflicts
        .iter()
        .filter(|c| c.field.as_str() == "job_title")
        .collect();
    assert_eq!(titles.len(), 1, "{titles:#?}");
    assert_eq!(titles[0].remote, json!("Chief"));
}

#[tokio::test]
async fn a_deleted_record_stays_deleted_and_nothing_else_is_deleted() {
    let (world, [ann, _, anne, _]) = two();
    world.approve().await;
    let (crm, mail) = (world.system("crm"), world.system("mail"));
    crm.delete(&ann);
    world.sync().await;
    mail.edit(&anne, json!({"title": "CTO"}));
    world.sync().await;
    assert_eq!(
        crm.find_by("mail", "ann@example.com"),
        None,
        "it was not made again"
    );
    assert!(mail.ids().contains(&anne));
}

#[tokio::test]
async fn a_record_that_has_to_rest_is_written_in_the_same_run_and_stops_no_other() {
    let (world, [ann, bob, anne, _]) = two();
    world.approve().await;
    let (crm, mail) = (world.system("crm"), world.system("mail"));
    let bob_in_mail = mail.find_by("mail", "bob@example.com").unwrap();
    crm.edit(&ann, json!({"title": "CTO"}));
    crm.edit(&bob, json!({"title": "CFO"}));
    let rested_at = world.clock.now().plus(Duration::from_secs(2));
    mail.rest(&anne, rested_at);
    let report = world.sync().await;
    assert!(!report.failed(), "{report:#?}");
    assert_eq!(mail.value(&anne, "title"), json!("CTO"));
    assert_eq!(mail.value(&bob_in_mail, "title"), json!("CFO"));
    assert!(world.clock.now() >= rested_at);
}

#[tokio::test]
async fn an_empty_list_deletes_nothing() {
    let (world, _) = two();
    world.approve().await;
    let before = world.system("mail").ids();
    world.system("crm").blind(true);
    let request = concord_engine::run::Request {
        full: true,
        ..Default::default()
    };
    world.run(&request).await;
    assert_eq!(world.system("mail").ids(), before);
    world.system("crm").blind(false);
    world.writes();
    let report = world.run(&request).await;
    assert_eq!((report.writes(), world.writes()), (0, 0), "{report:#?}");
}
