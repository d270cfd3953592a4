//! What several layers of tests need.

use std::path::PathBuf;

use async_trait::async_trait;
use concord_core::ports::{HttpResponse, Quota};

/// A component that `cargo xtask plugins` has built.  It puts them beside the
/// build, and test binaries lie two folders below that.
pub fn component(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let path = target.join("plugins").join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask plugins` first",
        path.display()
    );
    path
}

/// A quota that never makes anybody wait.
pub struct Unlimited;

#[async_trait]
impl Quota for Unlimited {
    async fn take(&self, _class: &str) {}

    fn observe(&self, _class: &str, _response: &HttpResponse) {}
}
