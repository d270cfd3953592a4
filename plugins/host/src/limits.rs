//! What one call may use, and the words for having used more.

use std::time::Duration;

/// Bounds of one call of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the instance.  The host's own bound holds where it is lower.
    pub memory_bytes: usize,
    /// How long the guest may compute without calling the host.
    pub call_deadline: Duration,
    /// HTTP requests of one call.
    pub requests: u32,
    /// Calls of any host function.
    pub host_calls: u32,
    /// Time for one HTTP request, from the first byte to the last.
    pub http_timeout: Duration,
    /// Size of one HTTP answer, unpacked.
    pub response_bytes: u64,
    /// Bytes that may cross from the guest to the host at once: a page, a
    /// request with its body.
    pub transfer_bytes: usize,
    /// Changes in one page.
    pub page_changes: usize,
    /// Pages in a row that hold nothing and still promise more.
    pub empty_pages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            call_deadline: Duration::from_secs(10),
            requests: 200,
            host_calls: 20_000,
            http_timeout: Duration::from_secs(30),
            response_bytes: 16 << 20,
            transfer_bytes: 32 << 20,
            page_changes: 20_000,
            empty_pages: 1_000,
        }
    }
}

/// Why the host ended a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("ran longer than {} without calling the host", span(.0))]
    TooLong(Duration),
    #[error("wanted more than {} of memory", size(*.0))]
    Memory(usize),
    #[error("wanted a table of more than {0} elements")]
    Table(usize),
    #[error("called the host more than {0} times in one call")]
    HostCalls(u32),
}

fn span(span: &Duration) -> String {
    if span.subsec_millis() == 0 {
        format!("{} s", span.as_secs())
    } else {
        format!("{} ms", span.as_millis())
    }
}

/// Bytes as a person reads them.
pub(crate) fn size(bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    if bytes >= MIB && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_reads_as_a_sentence() {
        let cases = [
            (
                Stop::TooLong(Duration::from_secs(10)),
                "ran longer than 10 s without calling the host",
            ),
            (
                Stop::TooLong(Duration::from_millis(250)),
                "ran longer than 250 ms without calling the host",
            ),
            (Stop::Memory(64 << 20), "wanted more than 64 MiB of memory"),
            (Stop::Memory(1000), "wanted more than 1000 bytes of memory"),
        ];
        for (stop, expected) in cases {
            assert_eq!(stop.to_string(), expected);
        }
    }
}
