//! Every different value once: a record holds numbers, and two equal values
//! are two equal numbers.

use std::hash::{BuildHasher, BuildHasherDefault};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::likeness::{Letters, Value};

/// The number of a value; 0 where there is none.
pub type ValueId = u32;

#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    text: String,
    ends: Vec<u32>,
    letters: Vec<Letters>,
    ids: HashTable<ValueId>,
}

fn hash(text: &str) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(text)
}

fn slice<'a>(text: &'a str, ends: &[u32], id: ValueId) -> &'a str {
    let at = id as usize - 1;
    let start = if at == 0 { 0 } else { ends[at - 1] };
    &text[start as usize..ends[at] as usize]
}

impl Vocabulary {
    /// The number of a value, a new one where it was not seen before; 0 for
    /// the empty text.
    pub fn number(&mut self, value: &str) -> ValueId {
        if value.is_empty() {
            return 0;
        }
        let Self {
            text,
            ends,
            letters,
            ids,
        } = self;
        let hash = hash(value);
        if let Some(known) = ids.find(hash, |id| slice(text, ends, *id) == value) {
            return *known;
        }
        text.push_str(value);
        ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        letters.push(Letters::of(value));
        let id = ValueId::try_from(ends.len()).unwrap_or(ValueId::MAX);
        ids.insert_unique(hash, id, |id| self::hash(slice(text, ends, *id)));
        id
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A value by its number, which is not 0.
    pub fn value(&self, id: ValueId) -> Value<'_> {
        Value {
            text: slice(&self.text, &self.ends, id),
            letters: self.letters[id as usize - 1],
        }
    }
}
