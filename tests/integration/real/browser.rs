//! The person at a browser, as far as signing in goes: it keeps cookies, follows
//! redirects within the server, and fills in the server's forms.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use ureq::http::Response;
use ureq::http::header::LOCATION;
use ureq::{Agent, Body};
use url::Url;

/// Who signs in; the server takes any password.
pub const PERSON: &str = "ann";

/// More pages than this are a circle.
const PAGES: usize = 20;

pub struct Browser {
    agent: Agent,
}

/// Where a step leads to.
enum Place {
    Page(Page),
    /// Somebody else than the server, where the browser does not go.
    Elsewhere(String),
}

struct Page {
    url: Url,
    html: String,
}

/// The one form of a page: where it goes, and its names and values.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

/// Talks to loopback only, takes every status as an answer, and follows nothing by
/// itself.
pub fn agent() -> Agent {
    Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

impl Browser {
    /// A new one, in which nobody has signed in yet.
    pub fn new() -> Self {
        Self { agent: agent() }
    }

    /// Signs in and agrees to everything; gives the address, with code and state,
    /// at which the client that asked for it listens, without going there.
    pub fn sign_in(&self, authorize_url: &str) -> String {
        let mut place = self.open(authorize_url);
        for _ in 0..PAGES {
            match place {
                Place::Elsewhere(address) => return address,
                Place::Page(page) => place = self.submit(&page, page.filled_in("")),
            }
        }
        panic!("{authorize_url} leads from form to form");
    }

    /// Cancels at the first page; gives the address as `sign_in` does.
    pub fn deny(&self, authorize_url: &str) -> String {
        let page = self.open(authorize_url).page();
        let (before, _) = page
            .html
            .split_once("\">[ Cancel ]")
            .unwrap_or_else(|| panic!("there is nothing to cancel at {page}"));
        let (_, cancel) = before.rsplit_once("href=\"").unwrap();
        match self.open(cancel) {
            Place::Elsewhere(address) => address,
            Place::Page(page) => panic!("cancelled, and still at {page}"),
        }
    }

    /// Types the code that a device shows, unless the address has it already, and
    /// agrees to everything.
    pub fn approve_device(&self, verification_uri: &str, user_code: &str) {
        let mut page = self.open(verification_uri).page();
        for _ in 0..PAGES {
            if page.html.contains("<h1>Sign-in Success</h1>") {
                return;
            }
            page = self.submit(&page, page.filled_in(user_code)).page();
        }
        panic!("{verification_uri} leads from form to form");
    }

    /// Types the code that a device shows, and aborts.
    pub fn deny_device(&self, verification_uri: &str, user_code: &str) {
        let page = self.open(verification_uri).page();
        let mut form = page.filled_in(user_code);
        form.fields.push(("abort".to_owned(), "yes".to_owned()));
        let page = self.submit(&page, form).page();
        assert!(
            page.html.contains("The Sign-in request was interrupted"),
            "aborted, and now at {page}"
        );
    }

    fn open(&self, url: &str) -> Place {
        let url = Url::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
        let answer = self.agent.get(url.as_str()).call().unwrap();
        self.follow(url, answer)
    }

    fn submit(&self, page: &Page, form: Form) -> Place {
        let url = page.url.join(&form.action).unwrap();
        let answer = self.agent.post(url.as_str()).send_form(form.fields);
        self.follow(url, answer.unwrap())
    }

    /// Goes where an answer points, as long as that is within the server.
    fn follow(&self, mut url: Url, mut answer: Response<Body>) -> Place {
        for _ in 0..PAGES {
            let Some(location) = answer.headers().get(LOCATION) else {
                let html = answer.body_mut().read_to_string().unwrap();
                return Place::Page(Page { url, html });
            };
            let next = url.join(location.to_str().unwrap()).unwrap();
            if next.origin() != url.origin() {
                return Place::Elsewhere(next.into());
            }
            answer = self.agent.get(next.as_str()).call().unwrap();
            url = next;
        }
        panic!("{url} is redirected in a circle");
    }
}

impl Place {
    fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Elsewhere(address) => panic!("left the server for {address}"),
        }
    }
}

impl Page {
    /// What stands in the form already, and what a person types into the rest.
    fn filled_in(&self, user_code: &str) -> Form {
        let (_, form) = self
            .html
            .split_once("<form ")
            .unwrap_or_else(|| panic!("there is no form at {self}"));
        let form = form.split("</form>").next().unwrap();
        let action = attribute(form.split('>').next().unwrap(), "action");
        let fields = form
            .split("<input")
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap())
            .map(|input| {
                let name = attribute(input, "name").unwrap();
                let typed = || match name {
                    "login" => PERSON,
                    "password" => "any",
                    "user_code" => user_code,
                    _ => panic!("nobody knows what to type for {name} at {self}"),
                };
                let value = attribute(input, "value").unwrap_or_else(typed);
                (name.to_owned(), value.to_owned())
            });
        Form {
            action: action.unwrap().to_owned(),
            fields: fields.collect(),
        }
    }
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:\n{}", self.url, self.html)
    }
}

/// The server writes its attributes in double quotes, and what tests put into
/// them needs no escapes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}=\"");
    tag.match_indices(&start)
        .find(|(at, _)| tag[..*at].ends_with(|c: char| c.is_whitespace()) || *at == 0)
        .and_then(|(at, _)| tag[at + start.len()..].split('"').next())
}
