//! `cargo xtask ci`: the same as `test`, so that nothing passes here that
//! fails there.

use anyhow::Result;

use crate::test;

pub(crate) fn run() -> Result<()> {
    test::run(&test::Arguments::default())
}
