//! Those who wait for one allowance, in lanes.
//!
//! One of them leads: it waits until the next request may leave, and only then
//! is it decided whose request that is.  So a person who comes while a backfill
//! waits goes before it.
//!
//! The guarantee: the first of a lane goes at the latest after as many others as
//! [`PATIENCE`] says, and two more where other lanes have lost patience as well.
//! Among themselves those of a lane keep their order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concord_core::ports::Urgency;
use tokio::sync::Notify;

/// How many others may go before the first of a lane.  A person is only ever
/// passed over by those who have lost patience: less than half of the time.
const PATIENCE: [u32; LANES] = [u32::MAX, 3, 7, 15];

const LANES: usize = Urgency::ALL.len();

pub(super) struct Line<T>(Mutex<State<T>>);

struct State<T> {
    lanes: [VecDeque<Arc<Seat<T>>>; LANES],
    /// Requests that left since the first of each lane could have.
    passed_over: [u32; LANES],
    led: bool,
}

struct Seat<T> {
    given: Mutex<Option<Given<T>>>,
    bell: Notify,
}

enum Given<T> {
    /// It may send.
    Turn(T),
    /// It is to wait for the next turn, whoever will get it.
    Lead,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self(Mutex::new(State {
            lanes: Default::default(),
            passed_over: [0; LANES],
            led: false,
        }))
    }
}

impl<T: Send> Line<T> {
    /// Waits for a turn.  `admit` waits until the next one may be given to
    /// somebody; its error is the leader's alone.
    pub async fn pass<E, F>(&self, urgency: Urgency, admit: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut place = self.join(urgency);
        loop {
            if !place.leads {
                place.seat.bell.notified().await;
                let given = locked(&place.seat.given).take();
                match given {
                    Some(Given::Turn(turn)) => return Ok(turn),
                    Some(Given::Lead) => place.leads = true,
                    None => {}
                }
                continue;
            }
            let turn = admit().await?;
            let chosen = locked(&self.0).choose();
            match chosen {
                Some(seat) if !Arc::ptr_eq(&seat, &place.seat) => {
                    seat.give(Given::Turn(turn));
                }
                _ => return Ok(turn),
            }
        }
    }

    fn join(&self, urgency: Urgency) -> Place<'_, T> {
        let seat = Arc::new(Seat {
            given: Mutex::new(None),
            bell: Notify::new(),
        });
        let lane = urgency as usize;
        let mut state = locked(&self.0);
        state.lanes[lane].push_back(Arc::clone(&seat));
        let leads = !state.led;
        state.led = true;
        Place {
            line: self,
            lane,
            seat,
            leads,
        }
    }
}

impl<T> State<T> {
    /// Takes out of the line who goes next.
    fn choose(&mut self) -> Option<Arc<Seat<T>>> {
        let waits = |lane: &usize| !self.lanes[*lane].is_empty();
        let overdue = |lane: &usize| self.passed_over[*lane].checked_sub(PATIENCE[*lane]);
        let impatient = (0..LANES).filter(waits).filter(|l| overdue(l).is_some());
        // The most overdue; of those the highest.
        let next = impatient
            .rev()
            .max_by_key(overdue)
            .or_else(|| (0..LANES).find(waits))?;
        let seat = self.lanes[next].pop_front();
        for lane in 0..LANES {
            self.passed_over[lane] = if lane == next || self.lanes[lane].is_empty() {
                0
            } else {
                self.passed_over[lane].saturating_add(1)
            };
        }
        seat
    }
}

impl<T> Seat<T> {
    fn give(&self, given: Given<T>) {
        *locked(&self.given) = Some(given);
        self.bell.notify_one();
    }
}

/// Somebody's place in the line, given up however the waiting ends.
struct Place<'l, T> {
    line: &'l Line<T>,
    lane: usize,
    seat: Arc<Seat<T>>,
    leads: bool,
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let unread = {
            let mut state = locked(&self.line.0);
            state.lanes[self.lane].retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            let unread = locked(&self.seat.given).take();
            if self.leads || matches!(unread, Some(Given::Lead)) {
                let next = state.lanes.iter().find_map(VecDeque::front);
                match next {
                    Some(seat) => seat.give(Given::Lead),
                    None => state.led = false,
                }
            }
            unread
        };
        // A turn that nobody took ends here, outside of the lock.
        drop(unread);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seat() -> Arc<Seat<()>> {
        Arc::new(Seat {
            given: Mutex::new(None),
            bell: Notify::new(),
        })
    }

    proptest! {
        /// Whatever comes and in whatever order: nobody is passed over more often
        /// than the guarantee says, and the order within a lane is kept.
        #[test]
        fn no_lane_starves(steps in proptest::collection::vec((0..LANES, 0..3_usize), 1..400)) {
            let line: Line<()> = Line::default();
            let mut waiting: [VecDeque<(Arc<Seat<()>>, u32)>; LANES] = Default::default();
            for (lane, goes) in steps {
                let new = seat();
                locked(&line.0).lanes[lane].push_back(Arc::clone(&new));
                waiting[lane].push_back((new, 0));
                for _ in 0..goes {
                    let Some(chosen) = locked(&line.0).choose() else { break };
                    let of = (0..LANES)
                        .find(|l| waiting[*l].front().is_some_and(|w| Arc::ptr_eq(&w.0, &chosen)))
                        .expect("the first of a lane");
                    waiting[of].pop_front();
                    for other in (0..LANES).filter(|l| *l != of) {
                        if let Some((_, passed)) = waiting[other].front_mut() {
                            *passed += 1;
                            let most = PATIENCE[other].saturating_add(2);
                            prop_assert!(*passed <= most, "lane {} passed over {}", other, passed);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_higher_lane_goes_first_and_has_more_than_half() {
        let line: Line<()> = Line::default();
        let mut served = [0; LANES];
        let mut seats: Vec<(usize, Arc<Seat<()>>)> = Vec::new();
        let join = |lane: usize, seats: &mut Vec<_>| {
            let new = seat();
            locked(&line.0).lanes[lane].push_back(Arc::clone(&new));
            seats.push((lane, new));
        };
        for lane in (0..LANES).rev() {
            join(lane, &mut seats);
        }
        for turn in 0..1_000 {
            let chosen = locked(&line.0).choose().unwrap();
            let at = seats
                .iter()
                .position(|(_, s)| Arc::ptr_eq(s, &chosen))
                .unwrap();
            let (lane, _) = seats.swap_remove(at);
            assert!(turn > 0 || lane == 0, "a person goes first");
            served[lane] += 1;
            join(lane, &mut seats);
        }
        assert!(served.is_sorted_by(|a, b| a > b), "{served:?}");
        assert!(served[0] > 500 && served[3] >= 55, "{served:?}");
    }

    /// A leader that is dropped leaves the others somebody who leads.
    #[tokio::test]
    async fn whoever_gives_up_keeps_nobody_waiting() {
        let line: Line<u32> = Line::default();
        let gate = Notify::new();
        let admit = || async {
            gate.notified().await;
            Ok::<u32, ()>(7)
        };
        let mut first = Box::pin(line.pass(Urgency::Backfill, admit));
        let mut second = Box::pin(line.pass(Urgency::Person, admit));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        gate.notify_one();
        assert_eq!(second.await, Ok(7));
        // And the line is as it was.
        gate.notify_one();
        assert_eq!(line.pass(Urgency::Backfill, admit).await, Ok(7));
    }

    /// The turn that a backfill has waited for goes to the person who came later.
    #[tokio::test]
    async fn the_turn_is_given_when_it_is_there() {
        let line: Line<u32> = Line::default();
        let gate = Notify::new();
        let admit = || async {
            gate.notified().await;
            Ok::<u32, ()>(7)
        };
        let mut first = Box::pin(line.pass(Urgency::Backfill, admit));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(line.pass(Urgency::Person, admit));
        assert!(futures::poll!(&mut second).is_pending());
        gate.notify_one();
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_ready());
        gate.notify_one();
        assert!(futures::poll!(&mut first).is_ready());
    }
}
