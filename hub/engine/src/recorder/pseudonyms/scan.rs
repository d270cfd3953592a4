//! Goes through a text and says which parts of it are words.

use super::Pseudonyms;
use super::shapes::{self, LONG};

/// What a number of several groups is written with, as `+43 (660) 123-45.67`.
const BETWEEN: [char; 6] = [' ', '-', '.', '(', ')', '+'];

/// The words of a text: letters and digits without anything between them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|char: char| !char.is_alphanumeric());
    words.filter(|word| !word.is_empty())
}

/// `https://api.example:8080`
pub(super) fn origin(url: &str) -> Option<&str> {
    let scheme = url.find("://")? + 3;
    let rest = &url[scheme..];
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(&url[..scheme + authority])
}

impl Pseudonyms {
    /// Replaces the words of a text; with `keeps`, not those that the connector
    /// itself knows.
    pub(super) fn scan(&mut self, text: &str, keeps: bool) -> String {
        let mut masked = String::with_capacity(text.len());
        if shapes::is_telephone(text) {
            self.number_in_groups(text, &mut masked);
            return masked;
        }
        let mut rest = text;
        if let Some(origin) = origin(text)
            && self.origins.contains(origin)
        {
            masked += origin;
            rest = &text[origin.len()..];
        }
        while let Some(char) = rest.chars().next() {
            let stays = shapes::escape(rest).or_else(|| shapes::moment(rest));
            let end = if let Some(end) = stays {
                masked += &rest[..end];
                end
            } else if let Some(end) = shapes::day(rest) {
                masked += &self.other_day(&rest[..end]);
                end
            } else if let Some(end) = long_number(rest) {
                self.number_in_groups(&rest[..end], &mut masked);
                end
            } else if char.is_alphanumeric() {
                let end = word_end(rest);
                masked += &self.word(&rest[..end], keeps);
                end
            } else {
                masked.push(char);
                char.len_utf8()
            };
            rest = &rest[end..];
        }
        masked
    }

    fn word(&mut self, word: &str, keeps: bool) -> String {
        let stays = match shapes::all_digits(word) {
            true => !self.is_private(word),
            false => keeps && self.is_known(word),
        };
        match stays {
            true => word.to_owned(),
            false => self.other(word),
        }
    }

    pub(super) fn number_in_groups(&mut self, text: &str, masked: &mut String) {
        if shapes::is_moment_number(text, self.now, false) {
            *masked += text;
            return;
        }
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let end = word_end(rest);
            if end > 0 {
                *masked += &self.other(&rest[..end]);
                rest = &rest[end..];
            } else {
                masked.push(char);
                rest = &rest[char.len_utf8()..];
            }
        }
    }

    /// Another day for a day, which may be somebody's birthday.
    fn other_day(&mut self, day: &str) -> String {
        if let Some(given) = self.given.get(day) {
            return given.clone();
        }
        let year: u16 = day[..4].parse().unwrap_or(1970);
        let (year, month, of_month) = (
            year - 3 + u16::from(self.below(7)),
            1 + self.below(12),
            1 + self.below(28),
        );
        let dash = if day.contains('-') { "-" } else { "" };
        let other = format!("{year:04}{dash}{month:02}{dash}{of_month:02}");
        self.given.insert(day.to_owned(), other.clone());
        other
    }
}

/// Where the word ends with which a text begins.
fn word_end(text: &str) -> usize {
    text.find(|char: char| !char.is_alphanumeric())
        .unwrap_or(text.len())
}

/// Where a number ends that is long enough to be somebody's, in groups or not.
fn long_number(text: &str) -> Option<usize> {
    let (mut end, mut digits, mut at) = (0, 0, 0);
    loop {
        let word = &text[at..at + word_end(&text[at..])];
        // The groups before a moment are no part of it.
        if !shapes::all_digits(word) || (at > 0 && shapes::moment(&text[at..]).is_some()) {
            break;
        }
        digits += word.len();
        end = at + word.len();
        let between = text[end..].find(|char| !BETWEEN.contains(&char));
        match between {
            Some(gap @ 1..=3) => at = end + gap,
            _ => break,
        }
    }
    (digits >= LONG).then_some(end)
}
