//! The parameters of an OAuth request, from its query or its body.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use crate::Request;

/// Parameters by name.  One without a value counts as left out, and none may
/// come twice (RFC 6749 sections 3.1 and 3.2); one that does has no value here,
/// so that nobody can act on either of the two.
#[derive(Debug, Default)]
pub(crate) struct Form {
    values: BTreeMap<String, String>,
    repeated: Vec<String>,
}

impl Form {
    pub(crate) fn of_query(request: &Request) -> Self {
        Self::parse(request.query.as_bytes())
    }

    /// The body of a request to the token endpoint and its like.
    pub(crate) fn of_body(request: &Request) -> Result<Self, Refusal> {
        let kind = request.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::NotAForm);
        }
        let form = Self::parse(&request.body);
        form.check()?;
        Ok(form)
    }

    fn parse(text: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(text) {
            if value.is_empty() {
                continue;
            }
            let before = form.values.insert(name.to_string(), value.into_owned());
            if before.is_some() {
                form.repeated.push(name.into_owned());
            }
        }
        for name in &form.repeated {
            form.values.remove(name);
        }
        form
    }

    /// Refuses a parameter that came twice.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match self.repeated.first() {
            Some(name) => Err(Refusal::Repeated(name.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(crate) fn need(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::Missing(name))
    }

    /// The scope that is asked for, in the characters of RFC 6749 section 3.3.
    pub(crate) fn scope(&self) -> Result<Option<&str>, Refusal> {
        let fits = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
        match self.get("scope") {
            Some(scope)
                if !scope
                    .split(' ')
                    .all(|s| !s.is_empty() && s.chars().all(fits)) =>
            {
                Err(Refusal::Scope)
            }
            scope => Ok(scope),
        }
    }
}
