//! Words in place of customers' words, for recorded calls that others may read.
//!
//! A word is replaced by one of its shape: as long, letters for letters, digits for
//! digits, small for small.  The same word gets the same one wherever it stands, in
//! a record, a path or an answer, so that what belongs together still does.  What
//! says nothing about anybody stays: names of fields, moments, and words that the
//! connector itself consists of, unless they stand in a record.

mod markup;
mod scan;
mod shapes;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use concord_core::Timestamp;
use concord_core::ports::Rng;
use serde_json::{Map, Number, Value};

/// How often another word is drawn where one is taken; short ones run out.
const DRAWS: usize = 20;

/// What stands for the letters that not every alphabet has.
const ACCENTED: [char; 8] = ['ä', 'é', 'ö', 'ñ', 'ü', 'ç', 'å', 'ø'];

/// Headers that say how an answer is to be read, and nothing of a record.
const PLAIN_HEADERS: [&str; 3] = ["content-type", "date", "retry-after"];

/// Words that belong to a connector and to nobody's record.
pub struct Vocabulary {
    /// What it says about itself: a field that is one of these is a choice.
    stated: HashSet<String>,
    /// All texts of its component, one after another.
    contained: String,
}

impl Vocabulary {
    /// Of the texts that a connector comes with, and its component.
    pub fn new<'a>(stated: impl IntoIterator<Item = &'a str>, component: &[u8]) -> Self {
        let words = stated.into_iter().flat_map(scan::words);
        let mut contained = String::new();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        for run in component.split(|byte| !plain(byte)) {
            // What is plain ASCII is UTF-8; single letters are in every component.
            if let (2.., Ok(run)) = (run.len(), std::str::from_utf8(run)) {
                contained.push_str(run);
                contained.push('\n');
            }
        }
        Self {
            stated: words.map(str::to_owned).collect(),
            contained,
        }
    }

    fn states(&self, text: &str) -> bool {
        self.stated.contains(text)
    }

    fn has(&self, word: &str) -> bool {
        self.states(word) || self.contained.contains(word)
    }
}

/// Gives each word its other one, by chance and for good.
pub struct Pseudonyms {
    rng: Arc<dyn Rng>,
    vocabulary: Vocabulary,
    /// Where the systems are: `https://api.example`.
    origins: BTreeSet<String>,
    now: Timestamp,
    /// Words of records, in small letters.
    private: HashSet<String>,
    /// Whether a word that is in no record belongs to the connector.
    known: HashMap<String, bool>,
    given: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Pseudonyms {
    /// `now` is when it was recorded: a number that is a moment near it stays.
    pub fn new(vocabulary: Vocabulary, now: Timestamp, rng: Arc<dyn Rng>) -> Self {
        Self {
            rng,
            vocabulary,
            origins: BTreeSet::new(),
            now,
            private: HashSet::new(),
            known: HashMap::new(),
            given: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    /// A system is at this address; links to it still lead there.
    pub fn reaches(&mut self, url: &str) {
        self.origins.extend(scan::origin(url).map(str::to_owned));
    }

    /// Finds the records in what a connector is given or answers: their words are
    /// private from then on.
    pub fn learn(&mut self, value: &Value) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.learn(one)),
            Value::Object(all) => {
                for (name, part) in all {
                    match (name.as_str(), part) {
                        ("fields" | "values", Value::Object(_)) => self.learn_fields(part),
                        _ => self.learn(part),
                    }
                }
            }
            _ => {}
        }
    }

    fn learn_fields(&mut self, value: &Value) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.learn_fields(one)),
            Value::Object(all) => all.values().for_each(|one| self.learn_fields(one)),
            Value::String(text) if self.vocabulary.states(text) => {}
            Value::String(text) => match document(text) {
                Some(inner) => self.learn_fields(&inner),
                None => self.learn_text(text),
            },
            _ => {}
        }
    }

    fn learn_text(&mut self, text: &str) {
        let is_one = |word: &&str| match shapes::all_digits(word) {
            true => word.len() > 3,
            false => !matches!(*word, "http" | "https"),
        };
        let words = scan::words(shapes::without_moment(text));
        self.private
            .extend(words.filter(is_one).map(str::to_lowercase));
    }

    /// Everything in a document but the names of its fields.
    pub fn json(&mut self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.number(number),
            Value::String(text) => *text = self.text(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.json(one)),
            Value::Object(all) => {
                let named = std::mem::take(all).into_iter().map(|(name, mut part)| {
                    self.json(&mut part);
                    // Some systems list people by their addresses.
                    match name.contains('@') {
                        true => (self.text(&name), part),
                        false => (name, part),
                    }
                });
                *all = named.collect::<Map<_, _>>();
            }
        }
    }

    /// One value, however it is written.
    pub fn text(&mut self, text: &str) -> String {
        if self.vocabulary.states(text) && !self.is_private(text) {
            return text.to_owned();
        }
        match document(text) {
            Some(mut inner) => {
                self.json(&mut inner);
                inner.to_string()
            }
            // A sentence or an address is somebody's, whatever words it consists of.
            None => {
                let is_name = |char: char| !char.is_whitespace() && char != '@';
                self.scan(text, text.chars().all(is_name))
            }
        }
    }

    /// The body of an answer: JSON, XML, or lines of text.
    pub fn body(&mut self, text: &str) -> String {
        if let Ok(mut value) = serde_json::from_str::<Value>(text) {
            self.json(&mut value);
            return value.to_string();
        }
        match text.trim_start().starts_with('<') {
            true => self.markup(text),
            false => self.scan(text, true),
        }
    }

    /// A header of an answer; none where it would not be true any more.
    pub fn header(&mut self, name: &str, value: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        if name == "content-length" || name == "set-cookie" {
            return None;
        }
        let plain = PLAIN_HEADERS.contains(&name.as_str()) || name.contains("limit");
        Some(match plain {
            true => value.to_owned(),
            false => self.scan(value, true),
        })
    }

    fn number(&mut self, number: &mut Number) {
        let text = number.to_string();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits < shapes::LONG || shapes::is_moment_number(&text, self.now, true) {
            return;
        }
        let mut masked = String::with_capacity(text.len());
        self.number_in_groups(&text, &mut masked);
        // A number of so many digits may not fit any more.
        *number = masked.parse().unwrap_or_else(|_| Number::from(0));
    }

    fn is_private(&self, word: &str) -> bool {
        self.private.contains(&word.to_lowercase())
    }

    /// Whether a word that stands alone is the connector's, and nobody's.
    fn is_known(&mut self, word: &str) -> bool {
        if self.is_private(word) {
            return false;
        }
        if let Some(known) = self.known.get(word) {
            return *known;
        }
        let known = self.vocabulary.has(word);
        self.known.insert(word.to_owned(), known);
        known
    }

    /// The other word for this one.
    fn other(&mut self, word: &str) -> String {
        let plain = word.to_lowercase();
        if let Some(given) = self.given.get(&plain) {
            return shapes::cased(word, given);
        }
        let mut other = self.draw(&plain);
        for _ in 1..DRAWS {
            if other != plain && !self.taken.contains(&other) {
                break;
            }
            other = self.draw(&plain);
        }
        let cased = shapes::cased(word, &other);
        self.taken.insert(other.clone());
        self.given.insert(plain, other);
        cased
    }

    fn draw(&self, word: &str) -> String {
        let letters: &[u8] = match shapes::is_hexadecimal(word) {
            true => b"abcdef",
            false => b"abcdefghijklmnopqrstuvwxyz",
        };
        let mut first = true;
        let other = word.chars().map(|char| {
            let first = std::mem::take(&mut first);
            match char {
                '0' if first => '0',
                '1'..='9' if first => char::from(b'1' + self.below(9)),
                '0'..='9' => char::from(b'0' + self.below(10)),
                'a'..='z' => {
                    let count = u8::try_from(letters.len()).unwrap_or(u8::MAX);
                    char::from(letters[usize::from(self.below(count))])
                }
                char if char.is_alphabetic() => ACCENTED[usize::from(self.below(8))],
                char => char,
            }
        });
        other.collect()
    }

    fn below(&self, bound: u8) -> u8 {
        let drawn = self.rng.next_u64() % u64::from(bound.max(1));
        u8::try_from(drawn).unwrap_or_default()
    }
}

/// A document within a text.
fn document(text: &str) -> Option<Value> {
    let value = serde_json::from_str::<Value>(text).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

#[cfg(test)]
mod tests;
