//! Many connections that each send a webhook at moments that are fixed before.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::PUBLIC_URL;

/// How long the hub may take to start.
const START: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct Load {
    pub address: String,
    pub path: String,
    pub secret: &'static str,
    /// Bytes of each.
    pub body: usize,
    /// A second.
    pub rate: u32,
    pub span: Duration,
    pub connections: u32,
}

#[derive(Default)]
pub(super) struct Done {
    /// From the moment at which each was to be sent to its answer, in
    /// milliseconds.
    pub waits: Vec<f64>,
    /// Those that were not answered with 200.
    pub refused: u64,
    pub took: Duration,
}

impl Load {
    #[expect(clippy::disallowed_methods, reason = "a load generator measures time")]
    pub(super) fn send(&self) -> Result<Done> {
        // All begin together, a moment from now.
        let start = Instant::now() + Duration::from_millis(200);
        let senders: Vec<_> = (0..self.connections)
            .map(|number| {
                let load = self.clone();
                thread::spawn(move || load.send_over_one(number, start))
            })
            .collect();
        let mut all = Done::default();
        for sender in senders {
            let Ok(done) = sender.join() else {
                bail!("a sender failed");
            };
            let done = done?;
            all.waits.extend(done.waits);
            all.refused += done.refused;
        }
        all.took = start.elapsed();
        Ok(all)
    }

    #[expect(clippy::disallowed_methods, reason = "a load generator measures time")]
    fn send_over_one(&self, number: u32, start: Instant) -> Result<Done> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let mut done = Done::default();
        let between = Duration::from_secs(1) * self.connections / self.rate;
        let mut due = start + between * number / self.connections;
        let mut count = 0_u64;
        while due < start + self.span {
            let request = self.request(u64::from(number) << 32 | count);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            stream.write_all(&request)?;
            if answer(&mut stream)? == 200 {
                done.waits.push(due.elapsed().as_secs_f64() * 1e3);
            } else {
                done.refused += 1;
            }
            count += 1;
            due += between;
        }
        Ok(done)
    }

    #[expect(clippy::disallowed_methods, reason = "a signature is of its moment")]
    fn request(&self, id: u64) -> Vec<u8> {
        let now = jiff::Timestamp::now().as_millisecond();
        let mut body = format!(
            r#"[{{"eventId":{id},"subscriptionType":"contact.propertyChange","objectId":{id},"propertyValue":""#
        );
        body += &"x".repeat((self.body - 3).saturating_sub(body.len()));
        body += r#""}]"#;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .expect("HMAC takes keys of every length");
        mac.update(format!("POST{PUBLIC_URL}{}{body}{now}", self.path).as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        format!(
            "POST {} HTTP/1.1\r\nHost: hub.example.com\r\nContent-Type: application/json\r\n\
             X-HubSpot-Signature-v3: {signature}\r\nX-HubSpot-Request-Timestamp: {now}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.path,
            body.len()
        )
        .into_bytes()
    }
}

/// The status of the next answer, which is read to its end.
fn answer(stream: &mut TcpStream) -> Result<u16> {
    let mut read = Vec::with_capacity(256);
    let head = loop {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece)?;
        if length == 0 {
            bail!("the hub closed a connection");
        }
        read.extend_from_slice(&piece[..length]);
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(Ok(0), |length| length.trim().parse::<usize>())?;
    let mut rest = vec![0; (head + length).saturating_sub(read.len())];
    stream.read_exact(&mut rest)?;
    let status = text.get(9..12).context("an answer has no status")?;
    Ok(status.parse()?)
}

#[expect(clippy::disallowed_methods, reason = "a load generator measures time")]
pub(super) fn wait_until_ready(address: &str) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < START {
        if let Ok(answer) = ureq::get(format!("http://{address}/readyz")).call()
            && answer.status() == 200
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("the hub does not answer at {address}");
}
