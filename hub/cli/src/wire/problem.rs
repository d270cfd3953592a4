//! What is wrong with a configuration: everything at once, each with its place.

use std::fmt;

/// One mistake, and where in the document it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `connections.crm.streams.contacts`
    pub place: String,
    pub what: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub fn add(&mut self, place: impl Into<String>, what: impl fmt::Display) {
        self.0.push(Problem {
            place: place.into(),
            what: what.to_string(),
        });
    }

    pub fn join(&mut self, other: Problems) {
        self.0.extend(other.0);
    }

    /// The value, where nothing is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {}", problem.place, problem.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
