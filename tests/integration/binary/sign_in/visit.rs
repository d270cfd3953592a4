//! `connection login` under way, and the browser of the person who is asked.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::binary::program::{Ended, Program, Running};

pub struct Visit {
    running: Running,
    /// The vendor's page.
    pub page: String,
}

impl Visit {
    pub fn begin(program: &Program, line: &str) -> Self {
        let mut running = program.start_asking(line);
        let page = running.told("http");
        let start = page.find("http").unwrap();
        Self {
            page: page[start..].trim().to_owned(),
            running,
        }
    }

    /// Pastes the address that the browser ended at.
    pub fn paste(&mut self, address: &str) {
        self.running.type_in(address);
    }

    /// As Ctrl-C does.
    pub fn interrupt(&self) {
        self.running.signal(rustix::process::Signal::INT);
    }

    pub fn end(self) -> Ended {
        self.running.end()
    }
}

/// A port for one test's browser to come back to.  Tests of other processes take
/// theirs from the system.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 18_500 + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn agent(redirects: u32) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(redirects)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(30)));
    config.build().into()
}

/// Opens a page and goes where it leads: the last page's status and text.
pub fn open(page: &str) -> (u16, String) {
    let mut answer = agent(5).get(page).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), text)
}

/// Where a page leads to, without going there.
pub fn leads_to(page: &str) -> String {
    let answer = agent(0).get(page).call().unwrap();
    let location = answer.headers().get("location").unwrap();
    location.to_str().unwrap().to_owned()
}
