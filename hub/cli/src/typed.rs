//! What a person types.

use std::io::{self, BufRead as _};

use tokio::sync::oneshot;

/// The next line with its end; empty at the end of the input.
pub async fn line() -> io::Result<String> {
    let (sender, line) = oneshot::channel();
    // A thread of its own: the program ends without waiting for a person who types
    // nothing.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).map(|_| line);
        // Whoever waited for it may have given up.
        let _ = sender.send(read);
    });
    line.await.map_err(io::Error::other)?
}
