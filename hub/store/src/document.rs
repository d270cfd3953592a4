//! Documents: values kept as compact JSON text, and enums kept as one word.

use concord_core::ports::StoreError;
use concord_core::state::{ConflictKind, IntentAction, IntentState, LinkState, Winner};
use serde::Serialize;

/// The text of a document.
pub(crate) fn write(value: &(impl Serialize + ?Sized)) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(Box::new(error)))
}

/// The text of a document that may be absent.
pub(crate) fn write_optional(value: Option<&impl Serialize>) -> Result<Option<String>, StoreError> {
    value.map(write).transpose()
}

/// A digest of fixed length that stands for a text in a key.
pub(crate) fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// An enum that a column holds as one word.
pub(crate) trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, word)| word)
    }

    fn from_word(text: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(_, word)| *word == text)
            .map(|(value, _)| *value)
    }
}

impl Word for LinkState {
    const WORDS: &'static [(Self, &'static str)] = &[
        (LinkState::Live, "live"),
        (LinkState::Hidden, "hidden"),
        (LinkState::Gone, "gone"),
        (LinkState::Deleted, "deleted"),
        (LinkState::Merged, "merged"),
        (LinkState::OutOfScope, "out-of-scope"),
        (LinkState::Excluded, "excluded"),
    ];
}

impl Word for IntentAction {
    const WORDS: &'static [(Self, &'static str)] = &[
        (IntentAction::Create, "create"),
        (IntentAction::Update, "update"),
        (IntentAction::Delete, "delete"),
        (IntentAction::Restore, "restore"),
        (IntentAction::Withdraw, "withdraw"),
    ];
}

impl Word for IntentState {
    const WORDS: &'static [(Self, &'static str)] = &[
        (IntentState::New, "new"),
        (IntentState::Sent, "sent"),
        (IntentState::InDoubt, "in-doubt"),
        (IntentState::Done, "done"),
        (IntentState::Dropped, "dropped"),
        (IntentState::Failed, "failed"),
    ];
}

impl Word for ConflictKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (ConflictKind::Edit, "edit"),
        (ConflictKind::FirstContact, "first-contact"),
        (ConflictKind::Delete, "delete"),
        (ConflictKind::Lost, "lost"),
    ];
}

impl Word for Winner {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Winner::Canonical, "canonical"),
        (Winner::Remote, "remote"),
        (Winner::Held, "held"),
    ];
}
