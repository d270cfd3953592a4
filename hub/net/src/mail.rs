//! Alerts by mail, through the admin's own mail server.

use std::time::Duration;

use async_trait::async_trait;
use concord_core::alert::{Alert, Messenger, MessengerError};
use concord_core::ports::Secret;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use url::{Host, Url};

const TIMEOUT: Duration = Duration::from_secs(20);

/// How mail leaves, as an admin writes it.
pub struct MailOptions<'a> {
    /// `smtps://host:465`, or `smtp://host:587` for STARTTLS.
    pub server: &'a str,
    pub from: &'a str,
    pub to: &'a [String],
    pub credentials: Option<(String, Secret)>,
    /// One more certificate authority, as PEM.
    pub ca: Option<&'a [u8]>,
}

#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("'{0}' is no mail server: write smtps://host:465, or smtp://host:587 for STARTTLS")]
    Server(String),
    #[error("'{0}' is no mail address: write ops@example.com or Ops <ops@example.com>")]
    Address(String),
    #[error("nobody is to be told: name at least one address under 'to'")]
    Nobody,
    #[error("the way to the mail server cannot be set up: {0}")]
    Transport(String),
}

pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub fn new(options: MailOptions<'_>) -> Result<Self, MailError> {
        let mailbox = |text: &str| -> Result<Mailbox, MailError> {
            text.parse()
                .map_err(|_| MailError::Address(text.to_owned()))
        };
        let to: Result<Vec<_>, _> = options.to.iter().map(|text| mailbox(text)).collect();
        let to = to?;
        if to.is_empty() {
            return Err(MailError::Nobody);
        }
        let from = mailbox(options.from)?;
        let no_server = || MailError::Server(options.server.to_owned());
        let url = Url::parse(options.server).map_err(|_| no_server())?;
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let host = url.host_str().filter(|_| bare).ok_or_else(no_server)?;
        let broken =
            |error: lettre::transport::smtp::Error| MailError::Transport(error.to_string());
        let parameters = || {
            let mut builder = TlsParameters::builder(host.to_owned());
            if let Some(pem) = options.ca {
                builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(broken)?);
            }
            builder.build().map_err(broken)
        };
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::Wrapper(parameters()?), 465),
            // Nobody listens between a machine and itself.
            "smtp" if is_here(&url) => (Tls::None, 25),
            "smtp" => (Tls::Required(parameters()?), 587),
            _ => return Err(no_server()),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let Some((name, word)) = options.credentials {
            builder = builder.credentials(Credentials::new(name, word.expose().to_owned()));
        }
        Ok(Self {
            transport: builder.build(),
            from,
            to,
        })
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name == "127.0.0.1" || name == "[::1]",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[async_trait]
impl Messenger for Mail {
    fn name(&self) -> String {
        let to: Vec<String> = self.to.iter().map(|to| to.email.to_string()).collect();
        format!("mail to {}", to.join(", "))
    }

    async fn send(&self, alerts: &[Alert]) -> Result<(), MessengerError> {
        let unsent = |error: &dyn std::error::Error| MessengerError(error.to_string());
        let subject = match alerts {
            [one] => format!("Concord: {}", one.headline()),
            all => format!("Concord: {} things to know", all.len()),
        };
        let words: Vec<String> = alerts.iter().map(Alert::words).collect();
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            // Nobody's holiday notice comes back.
            .header(AutoSubmitted);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message
            .body(words.join("\n\n") + "\n")
            .map_err(|error| unsent(&error))?;
        let sent = self.transport.send(message).await;
        sent.map(drop).map_err(|error| unsent(&error))
    }
}

/// RFC 3834, 5: `auto-generated`.
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
