use super::*;

const LIST: &str = "c0ffee1234";
const ADA: &str = "5affeb5867c89bbf02a1d2169bf47f5a";
const B: &str = "d3d7ebb9768eb6f1d6cee6d0cefd341b";

fn parse(body: &str) -> Result<Vec<(String, String)>, Fault> {
    let request = RawRequest {
        method: "POST".into(),
        url: "https://hub.example/webhooks/news".into(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    let hints = Mailchimp::parse(&host(), &request)?;
    Ok(hints
        .into_iter()
        .map(|hint| (hint.stream, hint.id))
        .collect())
}

/// Names of fields as Mailchimp's guide "Sync audience data with webhooks" has
/// them; the ids are `printf %s ADDRESS | md5sum`.
#[test]
fn a_member_is_named_by_the_address() {
    let form = format!(
        "type=profile&fired_at=2009-03-26+21%3A31%3A21&data%5Bid%5D=8a25ff1d98\
         &data%5Blist_id%5D={LIST}&data%5Bemail%5D=Ada%2Bnews%40example.com\
         &data%5Bmerges%5D%5BFNAME%5D=Ada"
    );
    let found = parse(&form).unwrap();
    assert_eq!(found, [("members".to_owned(), ADA.to_owned())]);
    let moved = format!(
        "type=upemail&data[list_id]={LIST}&data[new_id]=51da8c3259\
         &data[new_email]=ada%2Bnews%40example.com&data[old_email]=b%40example.com"
    );
    let found = parse(&moved).unwrap();
    let ids: Vec<&str> = found.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids, [ADA, B]);
}

#[test]
fn what_is_not_of_this_audience_names_nobody() {
    assert_eq!(
        parse("type=profile&data[list_id]=other&data[email]=b%40example.com").unwrap(),
        []
    );
    assert_eq!(
        parse(&format!(
            "type=campaign&data[list_id]={LIST}&data[id]=5aa2102003"
        ))
        .unwrap(),
        []
    );
    assert!(matches!(parse("{}"), Err(Fault::Bug(_))));
    assert!(matches!(parse(""), Err(Fault::Bug(_))));
}

#[test]
fn it_subscribes_to_whatever_changes_a_member() {
    let host = host();
    let url = format!("https://us21.test/3.0/lists/{LIST}/webhooks");
    host.expect(
        post(url.clone()).json(&json!({
            "url": "https://hub.example/webhooks/news/s3cret",
            "events": {"subscribe": true, "unsubscribe": true, "profile": true,
                       "cleaned": true, "upemail": true, "campaign": false},
            "sources": {"user": true, "admin": true, "api": true},
        })),
        answer(200).json(&json!({"id": "dc5a0b0d4a", "list_id": LIST})),
    );
    let address = "https://hub.example/webhooks/news/s3cret";
    assert_eq!(Mailchimp::register(&host, address).unwrap(), "dc5a0b0d4a");
    host.expect(request("DELETE", format!("{url}/dc5a0b0d4a")), answer(204));
    Mailchimp::unregister(&host, "dc5a0b0d4a").unwrap();
    host.expect(request("DELETE", format!("{url}/dc5a0b0d4a")), answer(404));
    Mailchimp::unregister(&host, "dc5a0b0d4a").unwrap();
}
