use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn the_same_seed_gives_the_same_people_and_another_gives_others() {
    assert_eq!(people(7, 300), people(7, 300));
    assert_ne!(people(7, 300), people(8, 300));
    assert_eq!(people(7, 300)[..100], people(7, 100)[..]);
}

#[test]
fn the_population_is_as_dirty_as_it_says() {
    let all = people(1, 4_000);
    let count = |test: &dyn Fn(&Person) -> bool| all.iter().filter(|p| test(p)).count();
    let email = |p: &Person| p.email.clone().unwrap_or_default();

    assert!(count(&|p| p.duplicate_of.is_some()) > 60);
    assert!(count(&|p| email(p).starts_with("info@")) > 5);
    assert!(count(&|p| p.company.as_deref().is_some_and(|c| c.ends_with("GmbH"))) > 50);
    assert!(count(&|p| !p.family.is_ascii()) > 500);
    assert!(count(&|p| p.family.starts_with("van der ")) > 10);
    assert!(count(&|p| p.family.starts_with("de la ")) > 10);
    for absent in [
        count(&|p| p.email.is_none()),
        count(&|p| p.phone.is_none()),
        count(&|p| p.company.is_none()),
        count(&|p| p.street.is_none()),
    ] {
        assert!(absent > 100, "{absent}");
    }
    assert!(all.iter().all(|p| p.email.is_some() || p.phone.is_some()));

    let mut households: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for person in all.iter().filter(|p| p.email.is_some()) {
        households
            .entry(email(person))
            .or_default()
            .insert(&person.given);
    }
    assert!(households.values().filter(|names| names.len() > 1).count() > 40);
}

#[test]
fn phones_come_in_five_formats() {
    let shape = |text: &str| -> &str {
        match text {
            t if t.starts_with('(') => "brackets",
            t if t.starts_with("00") => "double zero",
            t if t.starts_with('+') && t.contains(' ') => "international",
            t if t.starts_with('+') => "E.164",
            _ => "national",
        }
    };
    let all = people(1, 500);
    let shapes: BTreeSet<&str> = all
        .iter()
        .filter_map(|p| p.phone.as_deref())
        .map(shape)
        .collect();
    assert_eq!(shapes.len(), 5, "{shapes:?}");
}

#[test]
fn two_systems_know_overlapping_parts() {
    let (first, second) = (
        known_to(Side::First, 3, 300),
        known_to(Side::Second, 3, 300),
    );
    assert_eq!((first.len(), second.len()), (300, 300));
    let numbers = |side: &[Person]| side.iter().map(|p| p.number).collect::<BTreeSet<_>>();
    let shared = numbers(&first).intersection(&numbers(&second)).count();
    assert_eq!(shared, 200);
}

#[test]
fn what_the_second_system_heard_is_the_same_person_within_one_edit() {
    let population = people(5, 400);
    for heard in known_to(Side::Second, 5, 300) {
        let known = &population[heard.number];
        let edits = distance(&known.given, &heard.given) + distance(&known.family, &heard.family);
        assert!(edits <= 1, "{known:?} {heard:?}");
        assert_eq!(lower(&known.email), lower(&heard.email));
        assert_eq!(known.phone.is_some(), heard.phone.is_some());
    }
}

fn lower(email: &Option<String>) -> Option<String> {
    email.as_ref().map(|text| text.to_lowercase())
}

/// Levenshtein's distance, over whole characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = corner + usize::from(from != *to);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[test]
fn a_number_rewritten_is_the_same_number() {
    // ITU-T E.164 and E.123: the national number is what follows the country code or the trunk prefix.
    let digits = |text: &str| {
        text.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    for person in people(9, 300) {
        let Some(number) = &person.phone else {
            continue;
        };
        let locale = Locale::of(person.country);
        let mut draw = Draw::new(1, person.number as u64);
        let other = digits(&rewritten(number, locale, &mut draw));
        let national = &digits(number)[digits(number).len() - locale.number.len()..];
        assert!(other.ends_with(national), "{number} {other}");
    }
}
