//! One address book on its server: what to ask it, and how its answers are
//! sorted.

use concord_sdk::prelude::*;

use crate::dav::{self, Multistatus, Resource};

/// Cards asked for in one request.
const MULTIGET_MAX: usize = 100;

pub struct Book<'a> {
    host: &'a dyn Host,
    /// `https://dav.example.com`
    origin: String,
    /// With a slash at its end.
    path: String,
}

/// What changed since a sync token.
pub struct Delta {
    /// Sorted by id; true for those that are gone.
    pub entries: Vec<(String, bool)>,
    pub token: String,
    /// The server cut the answer: asking from `token` gives more.
    pub truncated: bool,
}

impl<'a> Book<'a> {
    pub fn open(host: &'a dyn Host) -> Result<Self, Fault> {
        let url = host.config_or_fault("base_url")?;
        let wrong = || Fault::invalid("base_url", format!("'{url}' is not an http or https URL"));
        let rest = url.split_once("://").ok_or_else(wrong)?.1;
        let end_of_origin = url.len() - rest.len() + rest.find('/').unwrap_or(rest.len());
        let mut path = url[end_of_origin..].to_owned();
        if !path.ends_with('/') {
            path.push('/');
        }
        Ok(Self {
            host,
            origin: url[..end_of_origin].to_owned(),
            path,
        })
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn url(&self, href: &str) -> String {
        match href {
            absolute if absolute.contains("://") => absolute.to_owned(),
            href => format!("{}{href}", self.origin),
        }
    }

    fn href(&self, id: &str) -> String {
        match id.starts_with('/') {
            true => id.to_owned(),
            false => format!("{}{id}", self.path),
        }
    }

    pub fn card_url(&self, id: &str) -> String {
        self.url(&self.href(id))
    }

    /// A card's id is its href below the book, so that it outlives a move of
    /// the server.  None for the book itself.
    pub fn id(&self, href: &str) -> Option<String> {
        let path = match href.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
            None => href,
        };
        let (parent, name) = path.rsplit_once('/')?;
        if name.is_empty() {
            return None;
        }
        // Servers do not agree on which characters of a path are to be escaped.
        let same = http::decode(parent) == http::decode(self.path.trim_end_matches('/'));
        Some(if same {
            name.to_owned()
        } else {
            path.to_owned()
        })
    }

    pub fn propfind(&self, url: &str, depth: &str) -> Result<Vec<Resource>, Fault> {
        let request = Request::new("PROPFIND", url)
            .header("depth", depth)
            .body("application/xml; charset=utf-8", dav::propfind_body());
        let response = self.host.call_judged(request, refusal)?;
        Ok(multistatus(&response)?.resources)
    }

    fn report(&self, body: String) -> Result<Response, Fault> {
        let request = Request::new("REPORT", self.url(&self.path))
            // RFC 6578 §3.2 and RFC 6352 §8.6, §8.7 differ; each server takes
            // what its report needs.
            .header(
                "depth",
                if body.contains("addressbook-query") {
                    "1"
                } else {
                    "0"
                },
            )
            .body("application/xml; charset=utf-8", body);
        self.host.call_judged(request, refusal)
    }

    pub fn delta(&self, token: Option<&str>) -> Result<Delta, Fault> {
        let answer = multistatus(&self.report(dav::sync_body(token))?)?;
        let mut truncated = false;
        let mut entries = Vec::with_capacity(answer.resources.len());
        for resource in answer.resources {
            // RFC 6578 §3.6: the book itself with 507.
            truncated |= resource.status == Some(507);
            if let Some(id) = self.id(&resource.href) {
                entries.push((id, resource.is_missing()));
            }
        }
        entries.sort();
        let token = answer
            .sync_token
            .ok_or_else(|| Fault::bug("the server's delta carries no sync-token"))?;
        Ok(Delta {
            entries,
            token,
            truncated,
        })
    }

    /// These cards as they are now, in the order of the answers.
    pub fn cards(&self, ids: &[String]) -> Result<Vec<Found>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(MULTIGET_MAX) {
            self.multiget(chunk, &mut found)?;
        }
        Ok(found)
    }

    /// One card whose bytes are no XML must not hide the others: the request is
    /// halved until it stands alone.
    fn multiget(&self, ids: &[String], found: &mut Vec<Found>) -> Result<(), Fault> {
        let hrefs: Vec<String> = ids.iter().map(|id| self.href(id)).collect();
        let response = self.report(dav::multiget_body(hrefs.iter().map(String::as_str)))?;
        let body = String::from_utf8_lossy(&response.body);
        match (Multistatus::parse(&body), ids) {
            (Ok(answer), _) => {
                let resources = answer.resources.into_iter();
                found.extend(resources.filter_map(|r| {
                    Some(Found {
                        id: self.id(&r.href)?,
                        answer: Ok(r),
                    })
                }));
                Ok(())
            }
            (Err(reason), [only]) => {
                let id = only.clone();
                found.push(Found {
                    id,
                    answer: Err((reason, body.into_owned())),
                });
                Ok(())
            }
            (Err(_), ids) => {
                let (left, right) = ids.split_at(ids.len() / 2);
                self.multiget(left, found)?;
                self.multiget(right, found)
            }
        }
    }

    pub fn card(&self, id: &str) -> Result<Option<Resource>, Fault> {
        let found = self
            .cards(&[id.to_owned()])?
            .into_iter()
            .find(|f| f.id == id);
        match found.map(|f| f.answer) {
            None => Ok(None),
            Some(Ok(resource)) if resource.is_missing() => Ok(None),
            Some(Ok(resource)) => Ok(Some(resource)),
            Some(Err((reason, _))) => {
                Err(Fault::bug(format!("the answer for card '{id}': {reason}")))
            }
        }
    }

    pub fn query(&self, property: &str, value: &str) -> Result<Vec<String>, Fault> {
        let answer = multistatus(&self.report(dav::query_body(property, value))?)?;
        let found = answer.resources.into_iter().filter(|r| !r.is_missing());
        Ok(found.filter_map(|r| self.id(&r.href)).collect())
    }

    pub fn put(&self, id: &str, condition: (&str, &str), card: String) -> Result<Response, Fault> {
        let request = Request::put(self.card_url(id))
            .header(condition.0, condition.1)
            .body("text/vcard; charset=utf-8", card);
        self.host.call_judged(request, refusal)
    }

    pub fn delete(&self, id: &str, etag: &str) -> Result<(), Fault> {
        let request = Request::delete(self.card_url(id)).header("if-match", etag);
        self.host.call_judged(request, refusal).map(drop)
    }
}

/// One answer about one card, or why its bytes could not be read.
pub struct Found {
    pub id: String,
    pub answer: Result<Resource, (String, String)>,
}

fn multistatus(response: &Response) -> Result<Multistatus, Fault> {
    Multistatus::parse(response.text()?).map_err(|e| {
        Fault::bug(format!(
            "the server's answer is {e}: {}",
            response.summary()
        ))
    })
}

/// What WebDAV says more exactly than the status does.
fn refusal(response: &Response) -> Option<Fault> {
    let condition = dav::condition(&response.body);
    match (response.status, condition.as_deref()) {
        // There is nothing to refresh about a password.
        (401, _) => Some(Fault::AuthRevoked(format!(
            "the server does not take this user name and password: {}",
            response.summary()
        ))),
        // RFC 6578 §3.2 says 403, servers of before it 409.
        (403 | 409, Some("valid-sync-token")) => Some(Fault::CursorExpired(
            "the server no longer knows the sync token".into(),
        )),
        // RFC 6352 §5.3.2.1: the card itself is refused.
        (403 | 409 | 413, Some(name)) => Some(Fault::invalid(
            "",
            format!("the server refuses the card: {name}"),
        )),
        (409, None) => Some(Fault::NotFound(format!(
            "the address book is not there: {}",
            response.summary()
        ))),
        (507, _) => Some(Fault::transient(
            "the server has no room left; nothing was stored",
        )),
        _ => None,
    }
}
