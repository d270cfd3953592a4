//! What is to be struck out of texts: the app's secret and the tokens, also those
//! before the present ones, which a system may still quote.

use std::sync::{Mutex, PoisonError};

use concord_core::ports::Secret;

use super::grant::Grant;

/// Two access tokens with their refresh tokens.
const MOST_TOKENS: usize = 4;

pub(super) struct Hidden {
    app: Option<Secret>,
    tokens: Mutex<Vec<Secret>>,
}

impl Hidden {
    pub(super) fn beside(app: Option<Secret>) -> Self {
        Self {
            app,
            tokens: Mutex::default(),
        }
    }

    pub(super) fn add(&self, grant: &Grant) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let both = [Some(grant.access()), grant.refresh()];
        for text in both.into_iter().flatten() {
            if !tokens.iter().any(|known| known.expose() == text) {
                tokens.push(Secret::new(text));
            }
        }
        let too_many = tokens.len().saturating_sub(MOST_TOKENS);
        tokens.drain(..too_many);
    }

    pub(super) fn all(&self) -> Vec<Secret> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        self.app.iter().chain(tokens.iter()).cloned().collect()
    }
}
