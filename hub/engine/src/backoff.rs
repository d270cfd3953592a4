//! How long a passing failure is waited out.

use std::time::Duration;

/// How often a passing failure is tried again before the connection's part of
/// the run ends.
pub(crate) const TRIES: u32 = 4;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(16);

/// Doubles with each try.  Half of it is left to chance, so that those who were
/// turned away together do not come back together.
pub(crate) fn backoff(tries: u32, chance: u64) -> Duration {
    let whole = FIRST.saturating_mul(1 << tries.min(10)).min(LONGEST);
    let half = whole / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(chance % (micros + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_up_to_a_bound_and_half_of_it_is_chance() {
        let check = |tries, least: u64, most: u64| {
            let (low, high) = (Duration::from_millis(least), Duration::from_millis(most));
            for chance in [0, 1, 12_345_678_901, u64::MAX] {
                let wait = backoff(tries, chance);
                assert!(low <= wait && wait <= high, "{tries} {chance}: {wait:?}");
            }
            assert_eq!(backoff(tries, 0), low);
            assert_ne!(backoff(tries, 1_000), backoff(tries, 2_000));
        };
        check(1, 250, 500);
        check(2, 500, 1_000);
        check(6, 8_000, 16_000);
        check(4_000_000_000, 8_000, 16_000);
    }
}
