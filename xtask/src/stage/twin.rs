//! A twin in a process of its own, and what people do at the vendor's screen.

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Stage;

pub(crate) struct Twin {
    pub name: &'static str,
    pub address: String,
    agent: ureq::Agent,
}

/// What a twin says when it starts to answer.
#[derive(serde::Deserialize)]
struct Started {
    http: String,
}

/// How many records clients of the vendor's API created and updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub created: u64,
    pub updated: u64,
}

impl Twin {
    pub(crate) fn start(
        stage: &Stage,
        name: &'static str,
        people: usize,
        seed: u64,
    ) -> Result<Self> {
        let line = format!("--json twin {name} --people {people} --seed {seed}");
        Self::start_with(stage, name, &line)
    }

    /// One with a command line of the caller's.
    pub(crate) fn start_with(stage: &Stage, name: &'static str, line: &str) -> Result<Self> {
        let output = stage.children.start(&mut stage.command(line))?;
        let mut text = String::new();
        BufReader::new(output)
            .read_line(&mut text)
            .with_context(|| format!("the {name} twin says nothing"))?;
        let started: Started = serde_json::from_str(&text)
            .with_context(|| format!("the {name} twin did not start; it says: {text}"))?;
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Ok(Self {
            name,
            address: started.http,
            agent: config.build().into(),
        })
    }

    /// Does what a person would at the vendor's screen.
    pub(crate) fn act(&self, what: &str, wish: &Value) -> Result<Value> {
        let url = self.url(what);
        let answer = self.agent.post(&url).send_json(wish);
        self.understand(what, answer)
    }

    pub(crate) fn dump(&self, what: &str) -> Result<Value> {
        self.look(&format!("dump/{what}"))
    }

    /// How many requests to write came in since the count was last started anew.
    pub(crate) fn write_requests(&self) -> Result<u64> {
        let books = self.look("writes")?;
        books["requests"]
            .as_u64()
            .context("the twin does not say how many writes there were")
    }

    pub(crate) fn count_anew(&self) -> Result<()> {
        self.act("writes", &json!({ "reset": true })).map(|_| ())
    }

    pub(crate) fn written(&self) -> Result<Written> {
        let log = self.look("log?after=0")?;
        Ok(count(log["lines"].as_array().map_or(&[], Vec::as_slice)))
    }

    /// What the vendor's API answers.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.address);
        let answer = self.agent.get(&url).header("authorization", "Bearer any");
        self.understand(path, answer.call())
    }

    fn look(&self, what: &str) -> Result<Value> {
        let url = self.url(what);
        let answer = self.agent.get(&url).call();
        self.understand(what, answer)
    }

    fn url(&self, what: &str) -> String {
        format!("{}/_twin/{what}", self.address)
    }

    fn understand(
        &self,
        what: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value> {
        let mut answer =
            answer.with_context(|| format!("the {} twin does not answer {what}", self.name))?;
        let status = answer.status();
        let body: Value = answer
            .body_mut()
            .with_config()
            // A dump holds everybody.
            .limit(64 * 1024 * 1024)
            .read_json()
            .with_context(|| format!("the {} twin's answer to {what} is not JSON", self.name))?;
        if !status.is_success() {
            bail!(
                "the {} twin refuses {what} with {status}: {body}",
                self.name
            );
        }
        Ok(body)
    }
}

fn count(lines: &[Value]) -> Written {
    let mut written = Written::default();
    for line in lines.iter().filter(|line| line["actor"] == "api") {
        match line["verb"].as_str() {
            Some("create") => written.created += 1,
            Some("update") => written.updated += 1,
            _ => {}
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_clients_of_the_api_did_is_counted() {
        let line = |actor: &str, verb: &str| json!({ "actor": actor, "verb": verb });
        let lines = [
            line("person", "create"),
            line("api", "create"),
            line("api", "update"),
            line("api", "update"),
            line("api", "archive"),
        ];
        let expect = Written {
            created: 1,
            updated: 2,
        };
        assert_eq!(count(&lines), expect);
    }
}
