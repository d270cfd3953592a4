//! Very many webhooks, each on a connection of its own, all open at once.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::sender::{Sender, headers};

const PATH: &str = "/webhooks/hubspot";

/// The status of each answer.
pub fn send(port: u16, secret: &str, bodies: Vec<String>) -> Vec<u16> {
    let at = Sender::new(port, secret).now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        // Nobody sends before all are connected.
        let all = Arc::new(Barrier::new(bodies.len()));
        let mut sending = JoinSet::new();
        for body in bodies {
            let signed = headers(&format!("https://hub.example{PATH}"), &body, at, secret);
            sending.spawn(one(port, body, signed, Arc::clone(&all)));
        }
        sending.join_all().await
    })
}

async fn one(
    port: u16,
    body: String,
    headers: [(&'static str, String); 2],
    all: Arc<Barrier>,
) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    all.wait().await;
    let mut request = format!("POST {PATH} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[9..12]).parse().unwrap()
}
