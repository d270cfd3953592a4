//! Exit codes.  They are part of the interface: scripts rely on them.

use std::process::ExitCode;

/// How a command ended, where it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Fine,
    /// `plan`, `doctor`, `secrets doctor`: there is something to do.
    SomethingToDo,
    /// `verify`: a record differs from the canonical one and nothing excuses it.
    /// `replay`: something is not as it was recorded.
    Diverged,
    /// `sync`: a connection was stopped, the rest went on.
    PartlyStopped,
    /// A person pressed Ctrl-C; what was done is kept.
    Interrupted,
}

pub const FAILED: u8 = 1;
/// `EX_USAGE` of sysexits.h; clap's own 2 means something else here.
pub const USAGE: u8 = 64;

impl Ending {
    pub fn code(self) -> u8 {
        match self {
            Ending::Fine => 0,
            Ending::SomethingToDo => 2,
            Ending::Diverged => 3,
            Ending::PartlyStopped => 4,
            // 128 + SIGINT, as shells count.
            Ending::Interrupted => 130,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        ExitCode::from(ending.code())
    }
}

/// The end of `concord --help`.
pub const HELP: &str = "\
Exit codes:
    0  done
    1  failed; the error says what to do next
    2  plan, secrets doctor: there is something to do
    3  verify: something differs that should not; replay: it departs
    4  sync: a connection was stopped, the others went on
   64  the command line is wrong
  130  ended by Ctrl-C; what was done is kept";
