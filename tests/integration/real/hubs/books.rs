//! Address books on a real CardDAV server, which refuses a write whose
//! precondition does not hold, and keeps each card in a file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::real::proxy::{Protocol, Proxy};
use crate::real::radicale::{PASSWORD, Radicale, USER};

pub struct Books {
    radicale: Radicale,
    proxy: Proxy,
    names: Vec<String>,
}

impl Books {
    /// So many empty ones.
    pub fn open(count: usize) -> Self {
        let radicale = Radicale::start().unwrap();
        let proxy = Proxy::to(radicale.server.port(), Protocol::WebDav).unwrap();
        let names: Vec<String> = (0..count).map(|number| format!("book{number}")).collect();
        for name in &names {
            radicale.add_book(name).unwrap();
        }
        Self {
            radicale,
            proxy,
            names,
        }
    }

    pub const fn secrets() -> [(&'static str, &'static str); 2] {
        [("BOOK_USER", USER), ("BOOK_PASSWORD", PASSWORD)]
    }

    /// The connection to one of them, as the configuration has it.
    pub fn connection(&self, number: usize) -> String {
        let (port, name) = (self.proxy.port(), &self.names[number]);
        format!(
            "    connector: carddav\n    \
             config: {{ base_url: \"http://127.0.0.1:{port}/{USER}/{name}/\" }}\n    \
             secrets: {{ username: {{ env: BOOK_USER }}, password: {{ env: BOOK_PASSWORD }} }}\n    \
             network: {{ allow-private: true }}\n"
        )
    }

    /// The writes that arrived since the last look, and how many of them were
    /// refused by their precondition.
    pub fn take_writes(&self) -> (usize, usize) {
        (self.proxy.take_writes().len(), self.proxy.take_refused())
    }

    /// The files of a book with what is in them.
    fn files(&self, number: usize) -> Vec<(String, String)> {
        let folder = self.radicale.folder(&self.names[number]);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !name.starts_with('.') && entry.file_type().unwrap().is_file() {
                files.push((name, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
        files.sort();
        files
    }

    /// Somebody gives a person of a book another employer; says whom.
    pub fn hire(&self, number: usize, which: usize, company: &str) -> String {
        let mut files = self.files(number);
        files.retain(|(_, card)| !Card::read(card).value("EMAIL").is_empty());
        files.sort_by_key(|(_, card)| Card::read(card).value("EMAIL"));
        let (file, card) = &files[which % files.len()];
        let kept = unfolded(card)
            .lines()
            .filter(|line| Card::name(line) != "ORG" && *line != "END:VCARD")
            .map(|line| format!("{line}\r\n"))
            .collect::<String>();
        let body = format!("{kept}ORG:{company}\r\nEND:VCARD\r\n");
        let path = format!("{}/{file}", self.names[number]);
        let (status, answer) = self.radicale.ask("PUT", &path, &body);
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        Card::read(card).value("EMAIL").to_lowercase()
    }

    /// What a book holds of each person: values by address, as an account of
    /// HubSpot's says them.
    pub fn holdings(&self, number: usize) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (_, text) in self.files(number) {
            let card = Card::read(&text);
            let address = card.value("EMAIL").to_lowercase();
            if address.is_empty() {
                continue;
            }
            let values = json!([
                address,
                card.part("N", 1),
                card.part("N", 0),
                card.value("TITLE"),
                card.part("ORG", 0),
                card.part("ADR", 3),
                card.value("URL"),
            ]);
            let twice = all.insert(address.clone(), values);
            assert_eq!(twice, None, "{address} is twice in book {number}");
        }
        all
    }
}

/// The properties of a vCard (RFC 6350, 3.3) by name, their values still
/// escaped.
struct Card(BTreeMap<String, String>);

impl Card {
    fn read(text: &str) -> Self {
        let properties = unfolded(text);
        let property = |line: &str| {
            let (_, value) = line.split_once(':')?;
            Some((Self::name(line), value.to_owned()))
        };
        Self(properties.lines().filter_map(property).collect())
    }

    /// The name of a line's property, without group and parameters.
    fn name(line: &str) -> String {
        let end = line.find([';', ':']).unwrap_or(line.len());
        let name = line[..end].rsplit('.').next().unwrap_or_default();
        name.to_uppercase()
    }

    fn value(&self, name: &str) -> String {
        unescaped(self.0.get(name).map_or("", String::as_str))
    }

    /// One of the parts of a value that semicolons divide.
    fn part(&self, name: &str, number: usize) -> String {
        let value = self.0.get(name).map_or("", String::as_str);
        unescaped(value.split(';').nth(number).unwrap_or_default())
    }
}

/// Long lines go on after a line break and a space.
fn unfolded(text: &str) -> String {
    text.replace("\r\n", "\n").replace("\n ", "")
}

/// No value of these people has a backslash of its own, and no part of one a
/// semicolon.
fn unescaped(text: &str) -> String {
    text.replace('\\', "")
}
