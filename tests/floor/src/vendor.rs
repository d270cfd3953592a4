//! The requests that the HubSpot connector sends, without the connector.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

const CONTACTS: &str = "/crm/objects/2026-03/contacts";
const PAGE: usize = 100;
/// The most that one request may create.
pub const BATCH: usize = 100;

/// The properties that the connector's default lenses read.
const PROPERTIES: [&str; 16] = [
    "address",
    "associatedcompanyid",
    "city",
    "company",
    "country",
    "email",
    "firstname",
    "hs_email_optout",
    "jobtitle",
    "lastname",
    "lifecyclestage",
    "mobilephone",
    "phone",
    "state",
    "website",
    "zip",
];

pub struct Account {
    client: Client,
    url: String,
}

/// Where the next page begins.
pub enum Place {
    List(Option<String>),
    Changed { since: i64, above: u64 },
}

/// One contact as it came.
pub struct Contact {
    pub id: String,
    pub email: String,
    pub phone: String,
    pub document: String,
}

impl Contact {
    /// The properties with a value that a client may set.
    pub fn settable(&self) -> Result<String> {
        let all: BTreeMap<String, Option<String>> = serde_json::from_str(&self.document)?;
        let may_be_set = |name: &str| PROPERTIES.contains(&name) && !name.starts_with("hs_");
        let kept: BTreeMap<String, String> = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .filter(|(name, _)| may_be_set(name))
            .collect();
        Ok(serde_json::to_string(&kept)?)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: Vec<Object<'a>>,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Object<'a> {
    id: String,
    #[serde(borrow)]
    properties: &'a RawValue,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    phone: Option<String>,
}

#[derive(Deserialize)]
struct Paging {
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    after: String,
}

impl Account {
    pub fn new(url: String) -> Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { client, url })
    }

    pub async fn page(&self, place: &Place) -> Result<(Vec<Contact>, Option<Place>)> {
        let body = match place {
            Place::List(after) => self.list(after.as_deref()).await?,
            Place::Changed { since, above } => self.search(*since, *above).await?,
        };
        let answer: Answer<'_> = serde_json::from_slice(&body)?;
        let contacts = contacts(&answer)?;
        let after = answer.paging.and_then(|paging| paging.next);
        let next = match (after, place) {
            (None, _) => None,
            (Some(next), Place::List(_)) => Some(Place::List(Some(next.after))),
            (Some(_), Place::Changed { since, .. }) => Some(Place::Changed {
                since: *since,
                above: highest(&contacts)?,
            }),
        };
        Ok((contacts, next))
    }

    /// Creates contacts of which each is a document of properties.
    pub async fn create(&self, batch: &[&str]) -> Result<Vec<Contact>> {
        #[derive(Serialize)]
        struct Input<'a> {
            properties: &'a RawValue,
        }
        #[derive(Serialize)]
        struct Batch<'a> {
            inputs: Vec<Input<'a>>,
        }
        let inputs = batch
            .iter()
            .map(|text| {
                let properties = serde_json::from_str(text)?;
                Ok(Input { properties })
            })
            .collect::<Result<Vec<Input<'_>>>>()?;
        let request = self
            .client
            .post(format!("{}{CONTACTS}/batch/create", self.url))
            .header(CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&Batch { inputs })?);
        let answer = self.send(request).await?;
        let answer: Answer<'_> = serde_json::from_slice(&answer)?;
        if answer.results.len() != batch.len() {
            bail!("{} of {} were created", answer.results.len(), batch.len());
        }
        contacts(&answer)
    }

    async fn list(&self, after: Option<&str>) -> Result<Vec<u8>> {
        let mut url = format!(
            "{}{CONTACTS}?limit={PAGE}&archived=false&properties={}",
            self.url,
            PROPERTIES.join(",")
        );
        if let Some(after) = after {
            url.push_str("&after=");
            url.push_str(after);
        }
        self.send(self.client.get(url)).await
    }

    async fn search(&self, since: i64, above: u64) -> Result<Vec<u8>> {
        let body = json!({
            "filterGroups": [{"filters": [
                {"propertyName": "lastmodifieddate", "operator": "GTE", "value": since.to_string()},
                {"propertyName": "hs_object_id", "operator": "GT", "value": above.to_string()},
            ]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": PROPERTIES,
            "limit": PAGE,
        });
        let request = self
            .client
            .post(format!("{}{CONTACTS}/search", self.url))
            .header(CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&body)?);
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>> {
        let answer = request.header(AUTHORIZATION, "Bearer any").send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body.into())
    }
}

fn highest(contacts: &[Contact]) -> Result<u64> {
    let ids = contacts
        .iter()
        .filter_map(|contact| contact.id.parse().ok());
    ids.max().context("a page without ids has a page after it")
}

fn contacts(answer: &Answer<'_>) -> Result<Vec<Contact>> {
    let contacts = answer.results.iter().map(|object| {
        let keys: Keys = serde_json::from_str(object.properties.get())?;
        Ok(Contact {
            id: object.id.clone(),
            email: keys.email.unwrap_or_default(),
            phone: keys.phone.unwrap_or_default(),
            document: object.properties.get().to_owned(),
        })
    });
    contacts.collect()
}
