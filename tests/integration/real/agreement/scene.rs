//! The two servers, the program, and what everybody knows about whom.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::program::Program;
use super::super::proxy::{Protocol, Proxy};
use super::super::radicale::{self, Radicale};
use super::super::tryton::{self, Tryton};
use super::cards;
use super::crowd::{self, IN_BOOKS, IN_CARDS, Person};

/// People by their number.
pub type People = BTreeMap<usize, Person>;

pub struct Scene {
    pub radicale: Radicale,
    pub tryton: Tryton,
    /// Between the hub and Radicale, and between the hub and Tryton.
    pub to_cards: Proxy,
    pub to_books: Proxy,
    pub concord: Program,
    /// The ids of parties by the number of the person.
    pub parties: BTreeMap<usize, i64>,
    /// What each system should hold in the end.
    pub in_cards: People,
    pub in_books: People,
}

/// One record as the two systems can be compared: phone, name, e-mail, city.
type Seen = (String, String, String, Option<String>);

/// So many parties get an invoice; all of them are known to the address book.
const INVOICES: usize = 5;

impl Scene {
    /// Both servers with their people, and a configuration for both.
    pub fn set() -> Self {
        let radicale = Radicale::start().unwrap();
        let tryton = Tryton::start().unwrap();
        let everybody: People = crowd::everybody().into_iter().enumerate().collect();
        for number in IN_CARDS {
            let known = crowd::in_cards(number, &everybody[&number]);
            let (file, card) = (cards::file(number), cards::card(number, &known));
            cards::done(&radicale, "PUT", &file, &card);
        }
        let parties: Vec<Value> = IN_BOOKS
            .map(|number| party(number, &everybody[&number]))
            .collect();
        let ids = tryton.people("add", &json!(parties)).unwrap();
        let ids: Vec<i64> = serde_json::from_value(ids).unwrap();
        let scene = Self {
            to_cards: Proxy::to(radicale.server.port(), Protocol::WebDav).unwrap(),
            to_books: Proxy::to(tryton.server.port(), Protocol::JsonRpc).unwrap(),
            concord: Program::new(),
            parties: IN_BOOKS.zip(ids).collect(),
            in_cards: everybody.clone(),
            in_books: everybody,
            radicale,
            tryton,
        };
        scene.invoice();
        scene.configure();
        scene
    }

    fn invoice(&self) {
        let bills: Vec<Value> = self.invoiced().map(|party| bill(*party)).collect();
        let numbers = self.tryton.people("invoice", &json!(bills)).unwrap();
        assert_eq!(numbers.as_array().unwrap().len(), INVOICES);
    }

    /// The parties with an invoice, which wants an address.
    pub fn invoiced(&self) -> impl Iterator<Item = &i64> {
        let with_address = |(number, _): &(&usize, &i64)| self.in_books[number].city.is_some();
        let parties = self.parties.iter().filter(with_address);
        parties.map(|(_, party)| party).take(INVOICES)
    }

    fn configure(&self) {
        let folder = self.concord.folder();
        for (file, secret) in [
            ("cards-user", radicale::USER),
            ("cards-password", radicale::PASSWORD),
            ("books-user", tryton::USER),
            ("books-password", tryton::PASSWORD),
        ] {
            std::fs::write(folder.join(file), secret).unwrap();
        }
        // Names are the accounting's business, addresses the address book's.
        let config = json!({
            "rules": {"person": {
                "given_name": {"owner": ["books", "cards"]},
                "family_name": {"owner": ["books", "cards"]},
                "email": {"owner": ["cards", "books"]},
            }},
            "connections": {
                "cards": {
                    "connector": "carddav",
                    "config": {"base_url": format!("http://127.0.0.1:{}/{}/contacts/", self.to_cards.port(), radicale::USER)},
                    "secrets": {"username": {"file": "cards-user"}, "password": {"file": "cards-password"}},
                    "network": {"allow-private": true},
                },
                "books": {
                    "connector": "tryton",
                    "config": {"base_url": format!("http://127.0.0.1:{}", self.to_books.port()), "database": tryton::DATABASE},
                    "secrets": {"username": {"file": "books-user"}, "password": {"file": "books-password"}},
                    "network": {"allow-private": true},
                },
            },
        });
        std::fs::write(folder.join("concord.yaml"), config.to_string()).unwrap();
    }

    /// The write requests to both since this was last asked.
    pub fn writes(&self) -> (usize, usize) {
        let parties = self.to_books.take_writes();
        for method in &parties {
            assert!(
                method.starts_with("model.party.party."),
                "only parties are written, not {method}"
            );
        }
        (self.to_cards.take_writes().len(), parties.len())
    }

    /// Reads both systems with clients that are not ours, and compares all that
    /// they hold with what they should.
    pub fn assert_agreement(&self) {
        assert_eq!(self.seen_in_cards(), wanted(&self.in_cards), "address book");
        assert_eq!(self.seen_in_books(), wanted(&self.in_books), "accounting");
    }

    /// The address book, as vobject understands it.
    fn seen_in_cards(&self) -> Vec<Seen> {
        let cards = self.radicale.people("list", &json!([])).unwrap();
        sorted(cards.as_array().unwrap().iter().map(|card| {
            let name = format!("{} {}", text(&card["given"]), text(&card["family"]));
            assert_eq!(text(&card["fn"]), name, "what is shown is what is meant");
            seen(card, name)
        }))
    }

    /// The accounting, as proteus sees it.
    fn seen_in_books(&self) -> Vec<Seen> {
        let parties = self.tryton.people("list", &json!([])).unwrap();
        let parties = parties.as_array().unwrap().iter();
        sorted(parties.map(|party| seen(party, text(&party["name"]))))
    }

    /// An edit in both lists of what should be held.
    pub fn expect(&mut self, number: usize, edit: impl Fn(&mut Person)) {
        for people in [&mut self.in_cards, &mut self.in_books] {
            if let Some(person) = people.get_mut(&number) {
                edit(person);
            }
        }
    }

    /// What somebody does in the accounting.
    pub fn edit_books(&self, changes: impl IntoIterator<Item = (usize, Value)>) {
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|(number, mut change)| {
                change["id"] = json!(self.parties[&number]);
                change
            })
            .collect();
        self.tryton.people("edit", &json!(changes)).unwrap();
    }

    /// What somebody does in the address book.
    pub fn edit_cards(&self, changes: impl IntoIterator<Item = (usize, Value)>) {
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|(number, mut change)| {
                change["uid"] = json!(format!("card-{number}"));
                change
            })
            .collect();
        self.radicale.people("edit", &json!(changes)).unwrap();
    }
}

/// How the accounting knows somebody.  Of those whom the address book knows
/// too, the first half has no number here, so that only the e-mail address says
/// who it is, and of the second half only the number does.
fn party(number: usize, person: &Person) -> Value {
    let mut party = json!({"name": person.name(), "email": person.email});
    if !(100..150).contains(&number) {
        party["phone"] = json!(format!("+1 {}", person.phone));
    }
    if let Some(city) = &person.city {
        party["city"] = json!(city);
        party["country"] = json!("CH");
    }
    party
}

fn bill(party: i64) -> Value {
    json!({"party": party, "amount": format!("{party}.50")})
}

fn wanted(people: &People) -> Vec<Seen> {
    sorted(people.values().map(|person| {
        let Person {
            phone, email, city, ..
        } = person.clone();
        (phone, person.name(), email, city)
    }))
}

/// The one e-mail address and number of a record, the number as its last ten
/// digits: how it is written is each system's own.
fn seen(record: &Value, name: String) -> Seen {
    let only = |list: &str| {
        let list = record[list].as_array().unwrap();
        assert!(list.len() <= 1, "{record}");
        list.first().map(text).unwrap_or_default()
    };
    let digits: String = only("phones")
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let national = digits[digits.len().saturating_sub(10)..].to_owned();
    let city = record["city"].as_str().filter(|city| !city.is_empty());
    (national, name, only("emails"), city.map(str::to_owned))
}

fn sorted(records: impl Iterator<Item = Seen>) -> Vec<Seen> {
    let mut records: Vec<Seen> = records.collect();
    records.sort();
    records
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
