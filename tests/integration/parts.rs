//! What several layers of tests need.

use std::path::PathBuf;

use async_trait::async_trait;
use concord_core::ports::{Busy, HttpResponse, Permit, Quota};

/// A component that `cargo xtask plugins` has built.  It puts them beside the
/// build, and test binaries lie two folders below that.
pub fn component(name: &str) -> PathBuf {
    let path = plugins().join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask plugins` first",
        path.display()
    );
    path
}

/// The folder of the built components.
pub fn plugins() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("plugins")
}

/// The program itself.  Cargo builds it for no other crate's tests.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let name = format!("concord{}", std::env::consts::EXE_SUFFIX);
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo build -p concord` first",
        path.display()
    );
    path
}

/// A quota that never makes anybody wait.
pub struct Unlimited;

#[async_trait]
impl Quota for Unlimited {
    async fn take(&self, _class: &str) -> Result<Box<dyn Permit>, Busy> {
        Ok(Box::new(Self))
    }
}

impl Permit for Unlimited {
    fn answered(self: Box<Self>, _response: &HttpResponse) {}
}
