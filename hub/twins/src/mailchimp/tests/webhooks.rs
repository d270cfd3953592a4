//! Webhooks; the sources are those of the tables in `webhooks/`.

use super::*;
use crate::{Outcome, OutgoingRequest, Unanswered};

const URL: &str = "http://127.0.0.1:9/hooks?secret=x";

fn all(on: bool) -> Value {
    json!({"subscribe": on, "unsubscribe": on, "profile": on, "cleaned": on, "upemail": on,
        "campaign": on})
}

impl Account {
    /// Puts a webhook on the audience; its URL answers as told.
    fn hook(&mut self, body: Value, outcome: Outcome) -> (u16, Value) {
        let request = Request::json("POST", &format!("/3.0/lists/{LIST_ID}/webhooks"), &body);
        let postponed = self.send(request);
        let Some(id) = postponed.waits_for() else {
            return (postponed.status, postponed.value());
        };
        let due = self.twin.due_deliveries(self.now);
        assert_eq!((due.len(), due[0].id), (1, id));
        assert_eq!(
            (due[0].method.as_str(), &due[0].url),
            ("GET", &text(&body["url"]))
        );
        let answer = self.twin.delivered(id, self.now, outcome).unwrap();
        (answer.status, answer.value())
    }

    /// An account whose webhook wants all events of these sources.
    fn hooked(sources: Value) -> Self {
        let mut account = Self::with_members(1);
        let body = json!({"url": URL, "events": all(true), "sources": sources});
        assert_eq!(account.hook(body, Ok(200)).0, 200);
        account
    }

    /// What leaves now, and is taken.
    fn letters(&mut self) -> Vec<OutgoingRequest> {
        let due = self.twin.due_deliveries(self.now);
        for request in &due {
            assert_eq!(self.twin.delivered(request.id, self.now, Ok(200)), None);
        }
        due
    }

    /// The events that leave now, each as its type and these fields.
    fn fired(&mut self, fields: &[&str]) -> Vec<String> {
        let told = |request: OutgoingRequest| {
            let form = form(&request);
            let get = |name: &str| {
                form.iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, v)| v.as_str())
            };
            let mut words = vec![get("type").unwrap()];
            let names = fields.iter().map(|name| format!("data[{name}]"));
            let names: Vec<String> = names.collect();
            words.extend(names.iter().filter_map(|name| get(name)));
            words.join(" ")
        };
        self.letters().into_iter().map(told).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn form(request: &OutgoingRequest) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect()
}

#[test]
fn a_webhook_is_made_shown_changed_and_deleted() {
    let mut account = Account::new();
    let sources = json!({"user": true, "admin": false, "api": false});
    let body = json!({"url": URL, "events": {"subscribe": true}, "sources": sources});
    let (status, made) = account.hook(body, Ok(200));
    assert_eq!(status, 200, "{made}");
    let mut shown = made.clone();
    // Only this answer has it.
    assert!(
        shown
            .as_object_mut()
            .unwrap()
            .remove("signing_secret")
            .is_some()
    );
    assert_eq!(
        (&made["url"], &made["list_id"]),
        (&json!(URL), &json!(LIST_ID))
    );
    assert_eq!(made["events"]["subscribe"], true);
    assert_eq!(made["events"]["profile"], false);
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    assert_eq!(account.get(&path), (200, shown.clone()));
    let (_, page) = account.get("/webhooks");
    assert_eq!(
        (&page["webhooks"], &page["total_items"]),
        (&json!([shown]), &json!(1))
    );
    // A change that leaves the URL alone is answered at once.
    let (status, changed) = account.call("PATCH", &path, json!({"sources": {"api": true}}));
    assert_eq!((status, &changed["sources"]["api"]), (200, &json!(true)));
    assert_eq!(changed["sources"]["user"], true);
    assert_eq!(account.call("DELETE", &path, Value::Null).0, 204);
    assert_eq!(account.get(&path).0, 404);
}

#[test]
fn a_url_that_does_not_answer_200_is_refused() {
    for (outcome, code) in [(Ok(404), 404), (Ok(204), 204), (Err(Unanswered), 0)] {
        let mut account = Account::new();
        let body = json!({"url": URL, "events": all(true)});
        let answer = account.hook(body, outcome);
        assert_eq!(title(&answer), (400, "Invalid Resource"));
        let message = format!(
            "We couldn't verify the URL is working. Please double check and try again. HTTP Code: {code}"
        );
        let errors = json!([{"field": "url", "message": message}]);
        assert_eq!(answer.1["errors"], errors);
        assert_eq!(account.get("/webhooks").1["total_items"], 0);
    }
}

#[test]
fn what_cannot_be_a_webhook_is_refused_without_asking() {
    let mut account = Account::new();
    account.hook(json!({"url": URL}), Ok(200));
    for (body, message) in [
        (json!({}), "This value should not be blank."),
        (json!({"url": "nowhere"}), "Invalid URL"),
        (
            json!({"url": "http://127.0.0.1:9/hooks?secret=y"}),
            "Sorry, you can't set up multiple WebHooks for one URL on the same list.",
        ),
        (
            json!({"url": "http://127.0.0.1:9/b", "events": []}),
            "Schema describes object",
        ),
    ] {
        let answer = account.hook(body, Ok(200));
        assert_eq!(title(&answer), (400, "Invalid Resource"));
        assert_eq!(answer.1["errors"][0]["message"], message);
    }
}

#[test]
fn a_new_url_is_asked_as_well() {
    let mut account = Account::new();
    let (_, made) = account.hook(json!({"url": URL}), Ok(200));
    let path = format!(
        "/3.0/lists/{LIST_ID}/webhooks/{}",
        made["id"].as_str().unwrap()
    );
    for (outcome, expect) in [(Ok(500), URL), (Ok(200), "http://127.0.0.1:9/new")] {
        let body = json!({"url": "http://127.0.0.1:9/new"});
        let id = account
            .send(Request::json("PATCH", &path, &body))
            .waits_for()
            .unwrap();
        account.twin.due_deliveries(account.now);
        account.twin.delivered(id, account.now, outcome).unwrap();
        let (_, page) = account.get("/webhooks");
        assert_eq!(page["webhooks"][0]["url"], expect);
    }
}

#[test]
fn a_form_has_the_documented_fields_and_a_signature() {
    let mut account = Account::new();
    let body = json!({"url": URL, "events": all(true), "sources": {"api": true}});
    let secret = text(&account.hook(body, Ok(200)).1["signing_secret"]);
    let member = json!({"email_address": "Ann@example.org", "status": "subscribed",
        "merge_fields": {"FNAME": "Ann", "ADDRESS": {"addr1": "1 Way", "addr2": "",
            "city": "Bath", "state": "SO", "zip": "BA1", "country": "GB"}}});
    account.call("POST", "/members", member);
    let letters = account.letters();
    let form = form(&letters[0]);
    let get = |name: &str| {
        form.iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    for (name, expect) in [
        ("type", "subscribe"),
        ("fired_at", "2026-03-01 10:00:00"),
        ("data[list_id]", LIST_ID),
        ("data[email]", "Ann@example.org"),
        ("data[email_type]", "html"),
        ("data[merges][EMAIL]", "Ann@example.org"),
        ("data[merges][FNAME]", "Ann"),
        ("data[merges][LNAME]", ""),
        ("data[merges][ADDRESS][city]", "Bath"),
    ] {
        assert_eq!(get(name), Some(expect), "{name}");
    }
    assert_eq!(get("data[id]").map(str::len), Some(10));
    let header = letters[0]
        .headers
        .iter()
        .find(|(n, _)| n == "x-mailchimp-signature");
    let (moment, code) = header.unwrap().1.split_once(",v1=").unwrap();
    assert_eq!(moment, format!("t={}", account.now.0 / 1_000_000));
    let signed = [&moment.as_bytes()[2..], b".", &letters[0].body].concat();
    let expect = crate::digest::hex(&crate::digest::hmac_sha256(&secret, &[&signed]));
    assert_eq!(code, expect);
}

#[test]
fn each_change_of_a_client_fires_what_it_is() {
    let p0 = "/members/p0@example.org";
    for (method, path, body, expect) in [
        (
            "PATCH",
            p0,
            json!({"merge_fields": {"FNAME": "Ann"}}),
            &["profile p0@example.org"][..],
        ),
        ("PATCH", p0, json!({"merge_fields": {}}), &[]),
        (
            "PATCH",
            p0,
            json!({"status": "unsubscribed"}),
            &["unsubscribe unsub manual p0@example.org"],
        ),
        (
            "PATCH",
            p0,
            json!({"status": "cleaned"}),
            &["cleaned hard p0@example.org"],
        ),
        (
            "PATCH",
            p0,
            json!({"email_address": "q@example.org"}),
            &[
                "upemail q@example.org p0@example.org",
                "profile q@example.org",
            ],
        ),
        (
            "DELETE",
            p0,
            Value::Null,
            &["unsubscribe delete manual p0@example.org"],
        ),
        (
            "POST",
            "/members/p0@example.org/actions/delete-permanent",
            Value::Null,
            &["unsubscribe delete manual p0@example.org"],
        ),
        (
            "POST",
            "/members/p0@example.org/tags",
            json!({"tags": [{"name": "a", "status": "active"}]}),
            &[],
        ),
        (
            "PUT",
            "/members/b@example.org",
            json!({"email_address": "b@example.org", "status_if_new": "subscribed"}),
            &["subscribe b@example.org"],
        ),
        (
            "PUT",
            "/members/b@example.org",
            json!({"email_address": "b@example.org", "status_if_new": "pending"}),
            &[],
        ),
        (
            "POST",
            "",
            json!({"members": [
            {"email_address": "c@example.org", "status": "subscribed"},
            {"email_address": "d@example.org", "status": "subscribed"}]}),
            &["subscribe c@example.org", "subscribe d@example.org"],
        ),
        // Refused, and nothing happened.
        ("PATCH", p0, json!({"status": "archived"}), &[]),
    ] {
        let mut account = Account::hooked(json!({"user": false, "admin": false, "api": true}));
        let (status, answer) = account.call(method, path, body);
        assert!(
            status < 300 || expect.is_empty(),
            "{method} {path}: {answer}"
        );
        let fields = ["action", "reason", "email", "new_email", "old_email"];
        assert_eq!(account.fired(&fields), expect, "{method} {path}");
    }
}

#[test]
fn a_change_fires_only_where_its_source_is_on() {
    let sources = ["user", "admin", "api"];
    for on in sources {
        let mut wanted = json!({"user": false, "admin": false, "api": false});
        wanted[on] = true.into();
        let mut account = Account::hooked(wanted);
        account.call(
            "PATCH",
            "/members/p0@example.org",
            json!({"language": "fr"}),
        );
        assert_eq!(account.fired(&[]).len(), usize::from(on == "api"), "{on}");
        let edit = json!({"id": "p0@example.org", "properties": {"language": "de"}});
        account.control("edit", edit);
        assert_eq!(account.fired(&[]).len(), usize::from(on == "admin"), "{on}");
        account.control("unsubscribe", json!({"id": "p0@example.org"}));
        let expect: &[&str] = if on == "user" {
            &["unsubscribe unsub"]
        } else {
            &[]
        };
        assert_eq!(account.fired(&["action"]), expect, "{on}");
        account.control("resubscribe", json!({"id": "p0@example.org"}));
        let expect: &[&str] = if on == "user" { &["subscribe"] } else { &[] };
        assert_eq!(account.fired(&[]), expect, "{on}");
        account.control("people", json!({"seed": 1, "count": 30}));
        assert_eq!(account.fired(&[]).len(), 0);
    }
}

#[test]
fn an_event_that_is_off_does_not_fire() {
    let mut account = Account::with_members(1);
    let body = json!({"url": URL, "events": {"upemail": true}, "sources": {"api": true}});
    account.hook(body, Ok(200));
    let change = json!({"email_address": "q@example.org"});
    account.call("PATCH", "/members/p0@example.org", change);
    assert_eq!(account.fired(&[]), ["upemail"]);
}

#[test]
fn a_form_that_nobody_takes_comes_again_for_75_minutes() {
    let mut account = Account::hooked(json!({"api": true}));
    account.call(
        "PATCH",
        "/members/p0@example.org",
        json!({"language": "fr"}),
    );
    let start = account.now;
    let mut bodies = Vec::new();
    while let Some(due) = account.twin.next_delivery() {
        account.now = account.now.max(due);
        for request in account.twin.due_deliveries(account.now) {
            account
                .twin
                .delivered(request.id, account.now, Err(Unanswered));
            bodies.push(request.body);
        }
    }
    assert_eq!(account.now.since(start), Duration::from_secs(75 * 60));
    assert_eq!(bodies.len(), 6);
    assert!(bodies.iter().all(|body| body == &bodies[0]));
    let (_, books) = account.control("webhooks", json!({}));
    assert_eq!((&books["retried"], &books["lost"]), (&json!(5), &json!(1)));
}
