//! `cargo xtask ci`: the same as `test`, so that nothing passes here that
//! fails there, and then the demo, which is the tour of the README.

use anyhow::Result;

use crate::{demo, test};

pub(crate) fn run() -> Result<()> {
    test::run(&test::Arguments::default())?;
    demo::run(&demo::Arguments {
        exit: true,
        json: false,
    })
}
