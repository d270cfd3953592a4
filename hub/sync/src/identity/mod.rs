//! Who is who, where no key says it: a probabilistic matcher after Fellegi and
//! Sunter, that learns its weights from the records themselves.
//!
//! [`feature`] says what of a record is compared and how it is prepared,
//! [`likeness`] how alike two values are.  A [`Corpus`] holds the records,
//! [`Blocks`] say which pairs are looked at, [`learn`] finds what each level of
//! a comparison is worth ([`Weights`]), and a [`Judge`] puts each pair into one
//! of three bands and explains it field by field.  [`clusters`] and
//! [`one_to_one`] make of the pairs who is who.
//!
//! In the hub, a [`Subject`] reads the features off a schema, and [`Knowledge`]
//! is what was learned and is kept.
//!
//! Everything is the same for the same input: chance comes in as a parameter.

mod blocking;
mod cluster;
mod corpus;
mod explain;
pub mod feature;
mod judge;
mod knowledge;
mod learn;
pub mod likeness;
mod subject;
mod vocabulary;
mod weights;

pub use blocking::{Blocks, CAP, skeleton};
pub use cluster::{Clusters, clusters, one_to_one};
pub use corpus::{Corpus, Form, MOST_FEATURES, Pattern};
pub use explain::{Explanation, FieldWeight};
pub use feature::{Feature, Kind, Level};
pub use judge::{Band, Bands, Judge, Pair};
pub use knowledge::Knowledge;
pub use learn::learn;
pub use subject::Subject;
pub use weights::{Frequencies, Learned, Rival, Weights};

#[cfg(test)]
mod tests;
