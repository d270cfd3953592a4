//! Additive increase, multiplicative decrease: a limit that nobody states is
//! found by going a little faster until a refusal, and then at half of that.

use std::time::Duration;

/// How often the value grows by its step while nothing is refused.
const GROWS_EACH: Duration = Duration::from_secs(1);

/// By how much the value grows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Of(f64),
    /// Of what a refusal left of it: at the earliest after twenty steps it is
    /// refused again.
    Twentieth,
}

#[derive(Clone, Debug)]
pub(super) struct Aimd {
    value: f64,
    step: Step,
    by: f64,
    floor: f64,
    ceiling: f64,
    moved_at: Duration,
    cut_at: Option<Duration>,
}

impl Aimd {
    pub fn new(value: f64, step: Step, floor: f64, ceiling: f64, now: Duration) -> Self {
        Self {
            value: value.clamp(floor, ceiling),
            step,
            by: step.by(value),
            floor,
            ceiling,
            moved_at: now,
            cut_at: None,
        }
    }

    pub fn value(&self) -> f64 {
        self.value
    }

    /// After an answer that is no refusal.  True where it moved.
    pub fn grow(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.moved_at) < GROWS_EACH || self.value >= self.ceiling {
            return false;
        }
        self.value = (self.value + self.by).min(self.ceiling);
        self.moved_at = now;
        true
    }

    /// After the refusal of a request that left then.  Requests that were under
    /// way together are refused together, which is one refusal.
    pub fn cut(&mut self, left_at: Duration, now: Duration) -> bool {
        if self.cut_at.is_some_and(|cut| left_at <= cut) {
            return false;
        }
        self.value = (self.value / 2.0).max(self.floor);
        self.by = self.step.by(self.value);
        self.moved_at = now;
        self.cut_at = Some(now);
        true
    }
}

impl Step {
    fn by(self, value: f64) -> f64 {
        match self {
            Self::Of(step) => step,
            Self::Twentieth => value / 20.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_once_for_those_refused_together_and_grows_by_steps() {
        let at = Duration::from_secs;
        let mut limit = Aimd::new(10.0, Step::Of(1.0), 1.0, 10.0, at(0));
        assert!(!limit.grow(at(5)), "at the ceiling");
        assert!(limit.cut(at(4), at(5)));
        assert!(!limit.cut(at(4), at(6)), "it was under way at the cut");
        assert_eq!(limit.value(), 5.0);
        assert!(limit.grow(at(6)) && !limit.grow(at(6)) && limit.grow(at(7)));
        assert_eq!(limit.value(), 7.0);
        for second in 8..20 {
            limit.cut(at(second), at(second));
        }
        assert_eq!(limit.value(), 1.0);
        for second in 20..40 {
            limit.grow(at(second));
        }
        assert_eq!(limit.value(), 10.0);
    }
}
