//! The matcher as a whole, on a small town that is made up here.

use std::sync::atomic::{AtomicU64, Ordering};

use concord_core::ports::Rng;

use super::*;

/// Numbers that only look drawn: the same every time.
struct Counted(AtomicU64);

impl Rng for Counted {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let seen = self.0.fetch_add(STEP, Ordering::Relaxed);
        blocking::mix(seen, STEP)
    }
}

const GIVEN: usize = 0;
const FAMILY: usize = 1;
const EMAIL: usize = 2;
const PHONE: usize = 3;
const BIRTHDAY: usize = 4;
const STREET: usize = 5;
const CITY: usize = 6;

fn form() -> Form {
    let kinds = [
        Kind::GivenName,
        Kind::FamilyName,
        Kind::Email,
        Kind::Phone,
        Kind::BirthDate,
        Kind::Street,
        Kind::Locality,
    ];
    let name = |kind: &Kind| format!("{kind:?}");
    Form::new(
        kinds
            .iter()
            .map(|kind| Feature::new(&name(kind), *kind))
            .collect(),
    )
}

type Row = [String; 7];

/// Couples who share a house, a telephone and a family name; of every fourth
/// person there is a second record.  Gives the rows and the person of each.
fn town(couples: u64) -> (Vec<Row>, Vec<u64>) {
    let draw = Counted(AtomicU64::new(3));
    let word = |of: u64, number: u64| {
        let mut z = blocking::mix(of, number);
        let mut text = String::new();
        for _ in 0..3 {
            text.push(char::from(b"bdfgklmnprst"[(z % 12) as usize]));
            text.push(char::from(b"aeiou"[(z / 12 % 5) as usize]));
            z /= 60;
        }
        text
    };
    let (mut rows, mut who) = (Vec::new(), Vec::new());
    for couple in 0..couples {
        for half in 0..2 {
            let person = 2 * couple + half;
            let given = word(1, draw.next_u64() % 400);
            let row: Row = [
                given.clone(),
                word(2, couple % 900),
                format!("{given}{person}@mail.example"),
                format!("+4930{:07}", 1_000_000 + couple),
                format!(
                    "19{:02}-0{}-1{}",
                    person % 83,
                    person % 9 + 1,
                    person / 9 % 10
                ),
                word(3, couple),
                word(4, couple % 40),
            ];
            rows.push(row.clone());
            who.push(person);
            if person % 4 == 0 {
                let mut again = row;
                match person % 3 {
                    0 => again[EMAIL].clear(),
                    1 => again[BIRTHDAY].clear(),
                    _ => again.swap(GIVEN, FAMILY),
                }
                again[STREET].insert(2, 'x');
                rows.push(again);
                who.push(person);
            }
        }
    }
    (rows, who)
}

fn corpus(rows: &[Row]) -> Corpus {
    let mut corpus = Corpus::new(form());
    for row in rows {
        corpus.add(0, row.iter().map(String::as_str).enumerate());
    }
    corpus
}

fn learned(corpus: &Corpus) -> (Blocks, Weights) {
    let blocks = Blocks::of(corpus, false);
    let weights = learn(corpus, &blocks, false, &Counted(AtomicU64::new(1)));
    (blocks, weights)
}

#[test]
fn couples_stay_two_and_second_records_are_found() {
    let (rows, who) = town(1_500);
    let corpus = corpus(&rows);
    let (blocks, weights) = learned(&corpus);
    let judge = Judge::new(&corpus, &weights);
    let bands = Bands::default();
    let found = clusters(&judge, &judge.candidates(&blocks, bands), bands);
    let groups = found.groups();
    for group in &groups {
        let people: Vec<u64> = group.iter().map(|at| who[*at as usize]).collect();
        assert!(people.windows(2).all(|two| two[0] == two[1]), "{people:?}");
    }
    // 750 of 3,000 people have a second record.
    assert!(groups.len() > 740, "{} of 750", groups.len());
}

#[test]
fn the_same_input_gives_the_same_weights() {
    let (rows, _) = town(200);
    let corpus = corpus(&rows);
    assert_eq!(learned(&corpus).1, learned(&corpus).1);
}

#[test]
fn a_decision_is_told_field_by_field_and_adds_up() {
    let (rows, who) = town(1_500);
    let corpus = corpus(&rows);
    let (_, weights) = learned(&corpus);
    let judge = Judge::new(&corpus, &weights);
    let second = (1..who.len()).find(|at| who[*at] == who[at - 1]).unwrap() as u32;
    let explained = judge.explain(second - 1, second, Bands::default());
    assert_eq!(explained.band, Band::Link);
    let sum: f64 = explained.fields.iter().map(|field| field.bits).sum();
    assert!((explained.prior + sum - judge.weigh(second - 1, second)).abs() < 1e-9);
    // Of a couple everything agrees that a house has in common, and that is said.
    let wife = (0..who.len())
        .find(|at| who[*at] == who[second as usize] + 1)
        .unwrap();
    let couple = judge.explain(second, wife as u32, Bands::default());
    assert_eq!((couple.band, couple.rival), (Band::Apart, Rival::Place));
    let words = couple.words();
    assert!(words.contains("Phone equal"), "{words}");
    assert!(words.contains("one household"), "{words}");
}

#[test]
fn a_desk_is_nobody_and_a_common_value_makes_no_block() {
    let mut corpus = Corpus::new(form());
    for number in 0..2 * CAP {
        let mail = "info@acme.example";
        let phone = format!("+4940{number:07}");
        corpus.add(0, [(EMAIL, mail), (PHONE, phone.as_str()), (CITY, "Bonn")]);
    }
    assert_eq!(corpus.values(0, EMAIL), [0]);
    let mut met = 0;
    Blocks::of(&corpus, false).pairs(&corpus, |_, _| met += 1);
    assert_eq!(met, 0, "nothing but a city in common");
}

#[test]
fn a_pair_of_many_blocks_is_met_once_and_only_across_files() {
    let mut corpus = Corpus::new(form());
    let ann = [(GIVEN, "Ann"), (FAMILY, "Lee"), (PHONE, "+12025550101")];
    let swapped = [(GIVEN, "Lee"), (FAMILY, "Ann")];
    corpus.add(0, ann);
    corpus.add(0, ann);
    corpus.add(1, swapped);
    let met = |across| {
        let mut met = Vec::new();
        Blocks::of(&corpus, across).pairs(&corpus, |a, b| met.push((a, b)));
        met.sort_unstable();
        met
    };
    assert_eq!(met(false), [(0, 1), (0, 2), (1, 2)]);
    assert_eq!(met(true), [(0, 2), (1, 2)]);
    assert_eq!(corpus.compare(0, 2)[GIVEN], Level::Crossed);
    assert_eq!(Blocks::of(&corpus, false).company(2), [0, 1]);
}

#[test]
fn one_that_two_could_be_is_left_to_a_person() {
    let bands = Bands::default();
    for (others, together, asked) in [(1, true, 0), (2, false, 2)] {
        let (rows, _) = town(1_500);
        let mut corpus = corpus(&rows);
        let row = [
            (GIVEN, "Gero"),
            (FAMILY, "Nafi"),
            (BIRTHDAY, "1903-11-30"),
            (PHONE, "+4940123456"),
        ];
        let one = corpus.add(0, row);
        let other = corpus.add(1, row);
        for _ in 1..others {
            corpus.add(1, row);
        }
        let (_, weights) = learned(&corpus);
        let judge = Judge::new(&corpus, &weights);
        let blocks = Blocks::of(&corpus, true);
        let found = one_to_one(&judge, &judge.candidates(&blocks, bands), bands);
        assert_eq!(found.of[one as usize] == found.of[other as usize], together);
        assert_eq!(found.review.len(), asked);
    }
}

fn canonical(values: serde_json::Value) -> concord_core::Entity {
    let mut entity = concord_core::Entity::new(concord_core::EntityId::new("person", 1));
    for (name, value) in values.as_object().unwrap() {
        let cell = concord_core::state::Cell {
            value: value.clone(),
            origin: concord_core::state::Origin::Person("eve".into()),
            after: concord_core::Timestamp::ZERO,
            until: concord_core::Timestamp::ZERO,
            changes: 0,
            fight_since: concord_core::Timestamp::ZERO,
        };
        entity
            .cells
            .insert(concord_core::FieldName::new(name), cell);
    }
    entity
}

#[test]
fn a_record_is_in_two_blocks_at_most() {
    use serde_json::json;
    let schemas = crate::schemas::builtin();
    let subject = Subject::of(schemas.get("person").unwrap()).unwrap();
    let whole = json!({
        "given_name": "Ann", "family_name": "Meyer", "birthday": "1970-03-12",
        "email": "ann@example.com", "phone": "+12025550101", "company": "Acme",
        "address": {"street": "Hauptstr. 5a", "postal_code": "10115", "city": "Berlin"},
    });
    let blocks = |values| subject.blocks(&canonical(values));
    assert_eq!(blocks(whole.clone()), ["name:an mr", "born:19700312 m"]);
    // Swapped, and written as it sounds.
    let heard = json!({"given_name": "Maier", "family_name": "Anne"});
    assert_eq!(blocks(heard), ["name:an mr"]);
    let mut ageless = whole;
    ageless["birthday"] = json!("--03-12");
    assert_eq!(blocks(ageless)[1], "at:10115 5a m");
    assert_eq!(blocks(json!({"email": "ann@example.com"})), [""; 0]);
    // Orders have numbers and no names.
    assert!(Subject::of(schemas.get("order").unwrap()).is_none());
}
