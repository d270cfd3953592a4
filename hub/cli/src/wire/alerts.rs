//! The ways on which alerts leave, as the configuration names them.

use std::sync::Arc;

use concord_core::ConnectionId;
use concord_core::alert::Messenger;
use concord_core::ports::Secret;
use concord_engine::alerts::Hook;
use concord_engine::config::{
    AddressSource, AlertHookConfig, AlertsConfig, MailConfig, SecretSource,
};
use concord_net::{ConnectionHttp, EgressPolicy, Mail, MailError, MailOptions, NetError, Tls};
use url::Url;

use super::problem::Problems;
use super::secrets::{self, SecretError};
use super::vault::Vault;

#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    #[error("alerts.mail: {0}")]
    Mail(#[from] MailError),
    #[error("alerts.webhook: {0}")]
    Net(#[from] NetError),
    #[error("alerts: {0}")]
    Secret(#[from] SecretError),
    #[error("alerts: {} cannot be read: {source}", path.display())]
    Ca {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("alerts.webhook: its address is none; it is like https://chat.example.com/hooks/…")]
    Address,
}

/// What is wrong with what was written, as far as it can be seen without reading a
/// secret.
pub fn check(config: &AlertsConfig, problems: &mut Problems) {
    if let Some(mail) = &config.mail {
        if let Err(error) = Mail::new(options(mail, None, None)) {
            problems.add("alerts.mail", error);
        }
        if mail.username.is_some() != mail.password.is_some() {
            problems.add(
                "alerts.mail",
                "give both 'username' and 'password', or neither",
            );
        }
        sealed("alerts.mail.password", mail.password.as_ref(), problems);
    }
    if let Some(hook) = &config.webhook {
        match &hook.url {
            AddressSource::Open(url) if address(url).is_err() => {
                problems.add("alerts.webhook.url", AlertsError::Address);
            }
            AddressSource::Open(_) => {}
            AddressSource::Secret(source) => sealed("alerts.webhook.url", Some(source), problems),
        }
        sealed("alerts.webhook.secret", hook.secret.as_ref(), problems);
    }
}

/// The database keeps secrets of connections only.
fn sealed(place: &str, source: Option<&SecretSource>, problems: &mut Problems) {
    if source == Some(&SecretSource::Sealed) {
        problems.add(
            place,
            "sealed secrets belong to connections: write `env: VARIABLE` or `file: PATH`",
        );
    }
}

pub fn messengers(config: &AlertsConfig) -> Result<Vec<Box<dyn Messenger>>, AlertsError> {
    let mut all: Vec<Box<dyn Messenger>> = Vec::new();
    if let Some(mail) = &config.mail {
        all.push(Box::new(by_mail(mail)?));
    }
    if let Some(webhook) = &config.webhook {
        all.push(Box::new(by_webhook(webhook)?));
    }
    Ok(all)
}

fn read(name: &str, source: &SecretSource) -> Result<Secret, SecretError> {
    secrets::read_one(ConnectionId(0), name, source, &Vault::default())
}

fn by_mail(config: &MailConfig) -> Result<Mail, AlertsError> {
    let password = config.password.as_ref();
    let password = password
        .map(|source| read("password", source))
        .transpose()?;
    let ca = config.ca.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| AlertsError::Ca {
            path: path.clone(),
            source,
        })
    });
    let ca = ca.transpose()?;
    Ok(Mail::new(options(config, password, ca.as_deref()))?)
}

fn options<'a>(
    config: &'a MailConfig,
    password: Option<Secret>,
    ca: Option<&'a [u8]>,
) -> MailOptions<'a> {
    MailOptions {
        server: &config.server,
        from: &config.from,
        to: &config.to,
        credentials: config.username.clone().zip(password),
        ca,
    }
}

fn address(text: &str) -> Result<Url, AlertsError> {
    let url = Url::parse(text).map_err(|_| AlertsError::Address)?;
    match matches!(url.scheme(), "http" | "https") && url.has_host() {
        true => Ok(url),
        false => Err(AlertsError::Address),
    }
}

fn by_webhook(config: &AlertHookConfig) -> Result<Hook, AlertsError> {
    let url = match &config.url {
        AddressSource::Open(text) => text.clone(),
        AddressSource::Secret(source) => read("url", source)?.expose().to_owned(),
    };
    // It goes there and nowhere else, into the admin's own network as well.
    let policy = EgressPolicy {
        hosts: vec![address(&url)?.origin().ascii_serialization().parse()?],
        allow_private: true,
    };
    let secret = config.secret.as_ref();
    Ok(Hook {
        url,
        http: Arc::new(ConnectionHttp::new(&Tls::new(&[])?, policy, None)?),
        secret: secret.map(|source| read("secret", source)).transpose()?,
    })
}
