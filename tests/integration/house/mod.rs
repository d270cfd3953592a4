//! The rules of the house, held by tests: who may depend on whom, which
//! licences come in, and what no file may say.

mod graph;
mod licences;
mod words;
