//! Invented customers, as several systems would hold them: people of one
//! household who share an address, a telephone and sometimes a mail address,
//! colleagues behind one switchboard and one `info@`, sons named after their
//! fathers, and one to four records of each person, with slips, moves and gaps.
//!
//! Every rate here is an assumption, made before the matcher saw the data; none
//! was fitted to anything.  What is asked of the matcher is said by the truth,
//! which is known: the number of the person behind each record.

use std::collections::HashSet;
use std::iter::zip;

use concord_core::ports::Rng;
use concord_sync::identity::Kind;

/// The columns of a record.
pub(crate) const COLUMNS: [(&str, Kind); 11] = [
    ("given_name", Kind::GivenName),
    ("family_name", Kind::FamilyName),
    ("email", Kind::Email),
    ("phone", Kind::Phone),
    ("birthday", Kind::BirthDate),
    ("company", Kind::Company),
    ("house_number", Kind::HouseNumber),
    ("street", Kind::Street),
    ("city", Kind::Locality),
    ("postal_code", Kind::PostalCode),
    ("region", Kind::Region),
];

pub(crate) type Record = [String; COLUMNS.len()];

const GIVEN: usize = 0;
const FAMILY: usize = 1;
const EMAIL: usize = 2;
const PHONE: usize = 3;
const BIRTHDAY: usize = 4;
const COMPANY: usize = 5;
const ADDRESS: std::ops::Range<usize> = 6..11;

/// How often a field is not filled in, in percent.
const MISSING: [u64; COLUMNS.len()] = [3, 2, 20, 40, 60, 60, 30, 30, 30, 30, 30];

/// How many names of each sort there are.
const GIVEN_NAMES: u64 = 3_000;
const FAMILY_NAMES: u64 = 60_000;
const STREETS: u64 = 8_000;
const CITIES: u64 = 4_000;
const COMPANIES: u64 = 40_000;

/// Draws people, a household at a time.
pub(crate) struct Town<'a> {
    rng: &'a dyn Rng,
    people: u32,
    phones: u64,
    /// Addresses that somebody has.
    taken: HashSet<String>,
    /// Records that are made and not yet taken.
    waiting: Vec<(u32, Record)>,
}

impl<'a> Town<'a> {
    pub(crate) fn new(rng: &'a dyn Rng) -> Self {
        Self {
            rng,
            people: 0,
            phones: 0,
            taken: HashSet::new(),
            waiting: Vec::new(),
        }
    }

    /// The next record, and the person behind it.
    pub(crate) fn record(&mut self) -> (u32, Record) {
        loop {
            if let Some(record) = self.waiting.pop() {
                return record;
            }
            self.household();
        }
    }

    fn below(&self, end: u64) -> u64 {
        ((u128::from(self.rng.next_u64()) * u128::from(end)) >> 64) as u64
    }

    fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// Few of many are common, as with names: the product of two draws is often
    /// small.
    fn common(&self, end: u64) -> u64 {
        self.below(end) * self.below(end) / end
    }

    fn household(&mut self) {
        let size = [1, 1, 2, 2, 3, 4][self.below(6) as usize];
        let family = word(1, self.common(FAMILY_NAMES));
        let landline = self.phone();
        let mailbox = format!("{family}.family{}@mail.example", self.below(1_000));
        let address = self.address();
        let mut elder: Option<String> = None;
        for _ in 0..size {
            let given = match &elder {
                Some(elder) if self.percent(1) => elder.clone(),
                _ => word(0, self.common(GIVEN_NAMES)),
            };
            elder.get_or_insert_with(|| given.clone());
            let mut person: Record = Default::default();
            person[FAMILY] = if self.percent(85) {
                family.clone()
            } else {
                word(1, self.common(FAMILY_NAMES))
            };
            person[PHONE] = if self.percent(40) {
                landline.clone()
            } else {
                self.phone()
            };
            person[BIRTHDAY] = self.birthday();
            let company = self.common(COMPANIES);
            person[COMPANY] = format!(
                "{} {}",
                word(2, company),
                ["GmbH", "Ltd", "Inc."][company as usize % 3]
            );
            person[EMAIL] = if self.percent(10) {
                mailbox.clone()
            } else if self.percent(5) {
                format!("info@{}.example", word(2, company))
            } else {
                {
                    let family = person[FAMILY].clone();
                    self.own_address(&given, &family)
                }
            };
            if self.percent(5) {
                // The switchboard.
                person[PHONE] = format!("+4930{:07}", company);
            }
            person[GIVEN] = given;
            person[ADDRESS].clone_from_slice(&address);
            self.records_of(&person);
        }
    }

    fn records_of(&mut self, person: &Record) {
        let number = self.people;
        self.people += 1;
        let copies = [1, 1, 1, 1, 1, 1, 2, 2, 3, 4][self.below(10) as usize];
        for copy in 0..copies {
            let mut record = person.clone();
            if copy > 0 {
                self.age(&mut record);
            }
            for (at, value) in record.iter_mut().enumerate() {
                // An address is given as a whole or not at all.
                let follows = ADDRESS.contains(&at) && at > ADDRESS.start;
                if !follows && self.percent(MISSING[at]) {
                    value.clear();
                } else if self.percent(4) {
                    *value = self.slip(value);
                }
            }
            if record[ADDRESS.start].is_empty() {
                record[ADDRESS].iter_mut().for_each(String::clear);
            }
            if self.percent(1) {
                record.swap(GIVEN, FAMILY);
            }
            if self.percent(3) {
                record[GIVEN].truncate(1);
            }
            self.waiting.push((number, record));
        }
    }

    /// What changes in the years between two records of one person.
    fn age(&mut self, record: &mut Record) {
        if self.percent(12) {
            let address = self.address();
            record[ADDRESS].clone_from_slice(&address);
        }
        if self.percent(25) {
            let (given, family) = (record[GIVEN].clone(), record[FAMILY].clone());
            record[EMAIL] = self.own_address(&given, &family);
        }
        if self.percent(20) {
            record[PHONE] = self.phone();
        }
        if self.percent(25) {
            record[COMPANY] = word(2, self.common(COMPANIES));
        }
        if self.percent(3) {
            record[FAMILY] = word(1, self.common(FAMILY_NAMES));
        }
        let date = &record[BIRTHDAY];
        if self.percent(2) && &date[8..] <= "12" {
            record[BIRTHDAY] = format!("{}{}-{}", &date[..5], &date[8..], &date[5..7]);
        }
    }

    /// Nobody has another's.
    fn own_address(&mut self, given: &str, family: &str) -> String {
        loop {
            let host = ["mail", "post", "inbox", "web"][self.below(4) as usize];
            let address = match self.below(3) {
                0 => format!("{given}.{family}@{host}.example"),
                1 => format!("{given}{}@{host}.example", self.below(100_000)),
                _ => format!(
                    "{}{family}{}@{host}.example",
                    &given[..1],
                    self.below(1_000)
                ),
            };
            if self.taken.insert(address.clone()) {
                return address;
            }
        }
    }

    /// No two are alike.
    fn phone(&mut self) -> String {
        self.phones += 1;
        // An odd factor reaches every number of ten million before it repeats.
        format!("+4917{}", 10_000_000 + self.phones * 7_654_321 % 90_000_000)
    }

    fn birthday(&self) -> String {
        let (year, month, day) = (
            1935 + self.below(70),
            1 + self.below(12),
            1 + self.below(28),
        );
        format!("{year}-{month:02}-{day:02}")
    }

    fn address(&self) -> [String; 5] {
        let city = self.common(CITIES);
        [
            (1 + self.common(300)).to_string(),
            format!("{} street", word(3, self.common(STREETS))),
            word(4, city),
            (10_000 + city * 17 + self.below(5)).to_string(),
            word(5, city % 16),
        ]
    }

    /// One letter left out, doubled, changed or exchanged with the next.
    fn slip(&self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        if letters.len() < 2 {
            return text.to_owned();
        }
        let at = self.below(letters.len() as u64 - 1) as usize;
        match self.below(4) {
            0 => {
                letters.remove(at);
            }
            1 => letters.insert(at, letters[at]),
            2 if letters[at].is_ascii_digit() => {
                letters[at] = char::from(b'0' + self.below(10) as u8);
            }
            2 => letters[at] = char::from(b'a' + self.below(26) as u8),
            _ => letters.swap(at, at + 1),
        }
        letters.into_iter().collect()
    }
}

/// A word out of syllables, another for every number and sort.
fn word(sort: u64, number: u64) -> String {
    const HEADS: &[u8; 16] = b"bdfgklmnprstvwzh";
    const HEARTS: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "ei", "ou"];
    const TAILS: [&str; 8] = ["", "n", "r", "s", "l", "ck", "t", "nd"];
    let mut rest = number * 6 + sort;
    // Neighbours in number are no neighbours in sound.
    rest = rest.wrapping_mul(2_654_435_761) % (1 << 32);
    let mut text = String::new();
    for (turn, bits) in zip(0.., [10, 10, 10]) {
        let part = rest & ((1 << bits) - 1);
        rest >>= bits;
        text.push(char::from(HEADS[part as usize % 16]));
        text.push_str(HEARTS[part as usize / 16 % 8]);
        if turn != 1 || part >> 9 == 1 {
            text.push_str(TAILS[part as usize / 128 % 8]);
        }
        if turn == 1 && sort == 0 {
            break;
        }
    }
    text
}
