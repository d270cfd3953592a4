//! A data set like the ones that real companies have: one population, of which
//! two systems each know a part.
//!
//! The same seed gives the same people on every machine.  What is wrong with
//! them is wrong on purpose: misspelt duplicates, e-mail addresses shared by a
//! household, role addresses, company suffixes, phone numbers in five formats,
//! names in several scripts and with particles, gaps.  All domains end in
//! `.test`, which RFC 2606 reserves.

mod draw;
mod names;

use concord_core::Timestamp;

use draw::Draw;
use names::{COMPANIES, Locale, STREETS, SUFFIXES, TITLES, locale};

/// 2025-01-06T08:00:00Z: the first of these people became known then.
const FIRST_KNOWN_MS: i64 = 1_736_150_400_000;
/// People are imported in lots that share one moment, as from a spreadsheet.
const LOT: usize = 40;
const LOT_MS: i64 = 20 * 60 * 1_000;
const LAST_LOT: i64 = 40_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The place in the population, from 0; the same in both systems.
    pub number: usize,
    pub given: String,
    pub family: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    /// The domain of the company, where there is a company.
    pub company_domain: Option<String>,
    pub title: Option<String>,
    pub street: Option<String>,
    pub city: Option<String>,
    pub postcode: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// The country's English name.
    pub country_name: &'static str,
    /// ISO 639-1.
    pub language: &'static str,
    /// `1980-02-29`.
    pub birthday: Option<String>,
    pub consent: Consent,
    pub known_since: Timestamp,
    /// The number of the person that this one is, entered a second time.
    pub duplicate_of: Option<usize>,
}

/// Whether the person agreed to be written to, and when that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    Unknown,
    Given(Timestamp),
    Withdrawn(Timestamp),
}

/// Which of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    First,
    Second,
}

/// A whole population.
pub fn people(seed: u64, count: usize) -> Vec<Person> {
    let mut all: Vec<Person> = Vec::with_capacity(count);
    for number in 0..count {
        let mut draw = Draw::new(seed, number as u64);
        let person = match all.last() {
            // Every 30th is somebody who is there already, typed in again.
            Some(last) if draw.one_in(30) => duplicate(last, number, &mut draw),
            Some(last) if draw.one_in(25) => relative(last, number, &mut draw),
            _ => stranger(number, &mut draw),
        };
        all.push(person);
    }
    all
}

/// The people that one system knows: exactly `count`, of whom two thirds are
/// known to the other side too, there with another spelling now and then.
pub fn known_to(side: Side, seed: u64, count: usize) -> Vec<Person> {
    // Of every four, two are known to both, one to each side alone.
    let population = people(seed, count.div_ceil(3) * 4);
    let known = population.into_iter().filter(|person| {
        matches!(
            (person.number % 4, side),
            (0 | 1, _) | (2, Side::First) | (3, Side::Second)
        )
    });
    known
        .take(count)
        .map(|person| match side {
            Side::First => person,
            Side::Second => retold(person, seed),
        })
        .collect()
}

fn stranger(number: usize, draw: &mut Draw) -> Person {
    let locale = locale(draw);
    let (given, given_latin) = *draw.pick(locale.given);
    let (family, family_latin) = *draw.pick(locale.family);
    let family = match locale.particles {
        [] => family.to_owned(),
        particles if draw.one_in(3) => format!("{} {family}", draw.pick(particles)),
        _ => family.to_owned(),
    };
    let company = draw.chance(70).then(|| *draw.pick(COMPANIES));
    let domain = company.map(company_domain);
    let known_since = known_since(number);
    let mut person = Person {
        number,
        given: given.to_owned(),
        family,
        email: email(
            number,
            given_latin,
            family_latin,
            domain.as_deref(),
            locale,
            draw,
        ),
        phone: draw.chance(85).then(|| phone(locale, draw)),
        company: company.map(|name| with_suffix(name, draw)),
        company_domain: domain,
        title: draw.chance(50).then(|| (*draw.pick(TITLES)).to_owned()),
        street: draw
            .chance(80)
            .then(|| format!("{} {}", draw.pick(STREETS), draw.below(180) + 1)),
        city: Some((*draw.pick(locale.cities)).to_owned()),
        postcode: draw
            .chance(80)
            .then(|| format!("{:05}", 10_000 + draw.below(80_000))),
        country: locale.country,
        country_name: locale.country_name,
        language: locale.language,
        birthday: draw.chance(40).then(|| birthday(draw)),
        consent: consent(known_since, draw),
        known_since,
        duplicate_of: None,
    };
    // Nobody can be reached neither way.
    if person.email.is_none() && person.phone.is_none() {
        person.phone = Some(phone(locale, draw));
    }
    person
}

/// The same person again: one edit in the name, the same number, no address or
/// another one.
fn duplicate(of: &Person, number: usize, draw: &mut Draw) -> Person {
    let mut again = of.clone();
    again.number = number;
    again.duplicate_of = Some(of.duplicate_of.unwrap_or(of.number));
    again.known_since = known_since(number);
    again.email = None;
    again.family = misspelt(&of.family, draw);
    again.title = None;
    if again.phone.is_none() {
        again.email = Some(format!("p{number}@freepost.test"));
    }
    again
}

/// Somebody else of the same household, with the same address and mailbox.
fn relative(of: &Person, number: usize, draw: &mut Draw) -> Person {
    let locale = Locale::of(of.country);
    let mut other = stranger(number, draw);
    other.given = draw.pick(locale.given).0.to_owned();
    other.family.clone_from(&of.family);
    other.email.clone_from(&of.email);
    other.phone = Some(phone(locale, draw));
    other.street.clone_from(&of.street);
    other.city.clone_from(&of.city);
    other.postcode.clone_from(&of.postcode);
    other.country = of.country;
    other.country_name = of.country_name;
    other.language = of.language;
    other
}

/// How the other system heard of the same person.
fn retold(mut person: Person, seed: u64) -> Person {
    let draw = &mut Draw::new(seed ^ 0x7e11, person.number as u64);
    if draw.one_in(4) {
        if draw.one_in(2) {
            person.given = misspelt(&person.given, draw);
        } else {
            person.family = misspelt(&person.family, draw);
        }
    }
    if let Some(text) = &person.email
        && draw.one_in(5)
    {
        person.email = Some(capitalised(text));
    }
    if let Some(number) = &person.phone {
        person.phone = Some(rewritten(number, Locale::of(person.country), draw));
    }
    if draw.one_in(6) {
        person.company = person.company.map(|name| without_suffix(&name));
    }
    if draw.one_in(8) {
        person.street = None;
        person.postcode = None;
    }
    person
}

fn known_since(number: usize) -> Timestamp {
    // Three lots an hour bring the first 100,000 people in within five weeks, and
    // the last moment of any population lies in July 2026.
    let lot = i64::try_from(number / LOT)
        .unwrap_or(LAST_LOT)
        .min(LAST_LOT);
    Timestamp::from_millis(FIRST_KNOWN_MS + lot * LOT_MS)
}

fn email(
    number: usize,
    given: &str,
    family: &str,
    company: Option<&str>,
    locale: &Locale,
    draw: &mut Draw,
) -> Option<String> {
    if !draw.chance(92) {
        return None;
    }
    if let Some(domain) = company {
        if draw.one_in(30) {
            let role = draw.pick(&["info", "office", "sales", "support", "hello"]);
            return Some(format!("{role}@{domain}"));
        }
        if draw.one_in(2) {
            return Some(format!("{given}.{family}{number}@{domain}"));
        }
    }
    Some(format!("{given}.{family}{number}@{}", locale.mail))
}

fn birthday(draw: &mut Draw) -> String {
    let year = 1945 + draw.below(60);
    format!("{year}-{:02}-{:02}", draw.below(12) + 1, draw.below(28) + 1)
}

fn consent(known_since: Timestamp, draw: &mut Draw) -> Consent {
    let later = Timestamp(known_since.0 + draw.below(20) as i64 * 86_400_000_000);
    match draw.below(10) {
        0..5 => Consent::Given(later),
        5 => Consent::Withdrawn(later),
        _ => Consent::Unknown,
    }
}

fn with_suffix(name: &str, draw: &mut Draw) -> String {
    match draw.pick(SUFFIXES) {
        &"" => name.to_owned(),
        suffix => format!("{name} {suffix}"),
    }
}

fn without_suffix(name: &str) -> String {
    let found = SUFFIXES
        .iter()
        .filter(|suffix| !suffix.is_empty())
        .find_map(|suffix| name.strip_suffix(suffix));
    found.unwrap_or(name).trim_end().to_owned()
}

fn company_domain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let slug: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    format!("{slug}.test")
}

/// One edit away: a letter dropped or doubled.
/// The first letter stays, as it does when people misspell.
fn misspelt(name: &str, draw: &mut Draw) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    if letters.len() < 3 {
        let last = letters.last().copied().unwrap_or('e');
        letters.push(last);
        return letters.into_iter().collect();
    }
    let at = 1 + draw.below(letters.len() as u64 - 2) as usize;
    if draw.one_in(2) || letters[at] == ' ' || letters[at + 1] == ' ' {
        let letter = letters[at];
        letters.insert(at, letter);
    } else {
        letters.remove(at);
    }
    letters.into_iter().collect()
}

fn capitalised(email: &str) -> String {
    let parts: Vec<String> = email
        .split('.')
        .map(|part| {
            let mut letters = part.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        })
        .collect();
    parts.join(".")
}

/// A number in one of five ways to write it.
fn phone(locale: &Locale, draw: &mut Draw) -> String {
    let digits: String = locale
        .number
        .chars()
        .map(|c| match c {
            'x' => char::from(b'0' + draw.below(10) as u8),
            fixed => fixed,
        })
        .collect();
    written(&digits, locale, draw)
}

fn written(digits: &str, locale: &Locale, draw: &mut Draw) -> String {
    let (code, trunk) = (locale.calling_code, locale.trunk);
    let (area, rest) = digits.split_at(3);
    let (middle, end) = rest.split_at(rest.len() / 2);
    match draw.below(5) {
        0 => format!("+{code}{digits}"),
        1 => format!("+{code} {area} {rest}"),
        2 => format!("00{code} {area} {middle} {end}"),
        3 => format!("{trunk}{area} {rest}"),
        _ => format!("({trunk}{area}) {middle}-{end}"),
    }
}

/// The same number, written by somebody else.
fn rewritten(number: &str, locale: &Locale, draw: &mut Draw) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    // Counted from the end, a number is the same in all five ways.
    let national = &digits[digits.len() - locale.number.len()..];
    written(national, locale, draw)
}

#[cfg(test)]
mod tests;
