//! The people of the story: 200 in the address book, 150 in the accounting, 100
//! of them the same.
//!
//! The same seed gives the same people everywhere.  All addresses end in
//! `.test` (RFC 2606), and all numbers are of the range 555-0100 to 555-0199,
//! which nobody has.

use std::ops::Range;

pub const IN_CARDS: Range<usize> = 0..200;
pub const IN_BOOKS: Range<usize> = 100..250;
/// So many of both ends share a mailbox with somebody of the other system who
/// is somebody else.
pub const HOUSEHOLDS: usize = 3;
pub const SEED: u64 = 42;

/// One human being, as everybody should know them in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// National digits: nobody shares them, so they say who it is.
    pub phone: String,
    pub given: String,
    pub family: String,
    pub email: String,
    pub city: Option<String>,
}

impl Person {
    pub fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }
}

#[rustfmt::skip]
const GIVEN: [&str; 20] = [
    "Adelheid", "Benedikt", "Charlotte", "Dominique", "Eleonora", "Ferdinand", "Gwendolyn",
    "Hyacinth", "Isidora", "Joséphine", "Konstantin", "Leopoldine", "Margarethe", "Nikolaus",
    "Ottoline", "Penelope", "Quintus", "Rosalind", "Søren", "Theodora",
];

#[rustfmt::skip]
const FAMILY: [&str; 25] = [
    "Abernathy", "Bergström", "Castellano", "Dąbrowski", "Eriksson", "Featherstone", "Grünwald",
    "Holloway", "Iglesias", "Jankowska", "Kirchhoff", "Lindqvist", "Montgomery", "Novotný",
    "O'Callaghan", "Pemberton", "Quesada", "Rasmussen", "Szymański", "Thistlewood", "Underhill",
    "Vasconcelos", "Whitcombe", "Yamamoto-Reyes", "Zimmermann",
];

const CITIES: [&str; 4] = ["Bern", "Basel", "Chur", "Thun"];

/// Everybody by their number.  The 20 given and 25 family names are combined so
/// that no two of 250 are called the same.
pub fn everybody() -> Vec<Person> {
    (0..IN_BOOKS.end)
        .map(|number| {
            let given = GIVEN[number % GIVEN.len()].to_owned();
            let family = FAMILY[(number / GIVEN.len() + number) % FAMILY.len()].to_owned();
            let mailbox = match IN_BOOKS.end - number {
                from_end @ 1..=HOUSEHOLDS => from_end - 1,
                _ => number,
            };
            Person {
                phone: format!(
                    "{}55501{:02}",
                    ["212", "303", "415"][number / 100],
                    number % 100
                ),
                given,
                family,
                email: format!("p{mailbox}@people.test"),
                city: (number >= IN_BOOKS.start && number % 3 == 0)
                    .then(|| CITIES[number % CITIES.len()].to_owned()),
            }
        })
        .collect()
}

/// How the address book knows somebody: whom the accounting knows too is
/// misspelt there by one edit, in one half of the name or in both.
pub fn in_cards(number: usize, person: &Person) -> Person {
    let mut known = person.clone();
    if IN_BOOKS.contains(&number) {
        let mut chance = Chance(SEED ^ (number as u64) << 20);
        let halves = chance.below(3);
        if halves != 0 {
            known.given = misspelt(&person.given, &mut chance);
        }
        if halves != 1 {
            known.family = misspelt(&person.family, &mut chance);
        }
        known.city = None;
    }
    known
}

/// One letter dropped, doubled, replaced, or changed with the next.
fn misspelt(name: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    // The first letter stays, as it does when people misspell.
    let at = 1 + chance.below(letters.len() as u64 - 2) as usize;
    let different = letters[at] != letters[at + 1];
    match chance.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters[at] = if letters[at] == 'x' { 'k' } else { 'x' },
        2 if different => letters.swap(at, at + 1),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

/// SplitMix64: the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_can_be_taken_for_somebody_else() {
        let people = everybody();
        let distinct = |of: fn(&Person) -> String| people.iter().map(of).collect::<BTreeSet<_>>();
        assert_eq!(distinct(Person::name).len(), 250);
        assert_eq!(distinct(|p| p.phone.clone()).len(), 250);
        assert_eq!(distinct(|p| p.email.clone()).len(), 250 - HOUSEHOLDS);
    }

    #[test]
    fn a_hundred_are_misspelt() {
        let people = everybody();
        let wrong = |n: &usize| in_cards(*n, &people[*n]).name() != people[*n].name();
        let misspelt: Vec<usize> = IN_CARDS.filter(wrong).collect();
        assert_eq!(misspelt, (100..200).collect::<Vec<_>>());
    }
}
