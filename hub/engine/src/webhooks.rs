//! Webhooks: a system says by itself that something changed.  Nothing that it says
//! is believed; the records that it names are read.

pub mod intake;
pub mod proof;
mod work;

pub use work::Hinted;

use sha2::{Digest as _, Sha256};

/// Names what was sent: the same again has the same name.
pub fn digest(headers: &[(String, String)], body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for (name, value) in headers {
        for text in [name, value] {
            // The length first, so that no two lists run together as one.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    hash.update(body);
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
