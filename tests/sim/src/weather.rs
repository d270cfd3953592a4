//! What goes wrong between a hub and a system, each for a number of calls.

use std::fmt;
use std::time::Duration;

use crate::town::Town;

/// What befalls the next push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PushWeather {
    /// It is done, and the answer is lost or says 500.
    AnswerLost,
    /// It is not done, and nobody says so.
    NeverArrives,
    /// It arrives when its hub has stopped waiting.
    ArrivesLate(Duration),
    /// The first half is done, and the answer is lost.
    HalfDone,
    Refused429(u64),
    Passing,
    SignInExpired,
    Forbidden,
}

/// What befalls the next pull or direct read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PullWeather {
    Passing,
    Refused429(u64),
    CursorExpired,
    /// Half of the list is missing, and it says that it is all.
    Truncated,
    SignInExpired,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Push(PushWeather),
    Pull(PullWeather),
    /// Lists are empty and say that they are complete.
    Blind(bool),
    Forbidden(bool),
}

impl Weather {
    pub(crate) fn come(&self, town: &Town, system: usize) {
        let system = &town.systems()[system % town.systems().len()];
        town.tell(|| format!("{}: {self}", system.name));
        let mut state = system.state();
        match self {
            Weather::Push(push) => state.pushes.push(push.clone()),
            Weather::Pull(pull) => state.pulls.push(pull.clone()),
            Weather::Blind(blind) => state.blind = *blind,
            Weather::Forbidden(forbidden) => state.forbidden = *forbidden,
        }
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weather::Push(PushWeather::AnswerLost) => {
                f.write_str("the next write is done and its answer lost")
            }
            Weather::Push(PushWeather::NeverArrives) => {
                f.write_str("the next write never arrives, and no answer says so")
            }
            Weather::Push(PushWeather::ArrivesLate(late)) => {
                write!(f, "the next write arrives {} s late", late.as_secs())
            }
            Weather::Push(PushWeather::HalfDone) => {
                f.write_str("the first half of the next batch is done, and its answer lost")
            }
            Weather::Push(PushWeather::Refused429(wait)) => {
                write!(f, "the next write is to wait {wait} s")
            }
            Weather::Push(other) => write!(f, "the next write meets {other:?}"),
            Weather::Pull(PullWeather::Truncated) => {
                f.write_str("the next list lacks its second half and says that it is complete")
            }
            Weather::Pull(PullWeather::Refused429(wait)) => {
                write!(f, "the next read is to wait {wait} s")
            }
            Weather::Pull(other) => write!(f, "the next read meets {other:?}"),
            Weather::Blind(true) => f.write_str("lists come empty and say that they are complete"),
            Weather::Blind(false) => f.write_str("lists are whole again"),
            Weather::Forbidden(true) => f.write_str("the account may do nothing any more"),
            Weather::Forbidden(false) => f.write_str("the account may do everything again"),
        }
    }
}
