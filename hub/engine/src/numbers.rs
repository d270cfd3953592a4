//! Numbers for entities, intents and events, taken from the store in blocks so
//! that a page needs no statement for them.  What is left of a block when the
//! process ends is never used; numbers only have to be unique.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use concord_core::ports::{Sequence, Store, StoreError};
use tokio::sync::Mutex;

const BLOCK: u32 = 500;

pub struct Numbers {
    store: Arc<dyn Store>,
    blocks: Mutex<BTreeMap<Sequence, Range<i64>>>,
}

impl Numbers {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            blocks: Mutex::default(),
        }
    }

    pub async fn next(&self, sequence: &Sequence) -> Result<i64, StoreError> {
        let mut blocks = self.blocks.lock().await;
        if let Some(block) = blocks.get_mut(sequence)
            && let Some(number) = block.next()
        {
            return Ok(number);
        }
        let first = self.store.reserve(sequence, BLOCK).await?;
        blocks.insert(sequence.clone(), first + 1..first + i64::from(BLOCK));
        Ok(first)
    }
}
