//! A proxy that the admin names, for a network that lets nothing else out.

use concord_core::ports::Secret;
use url::Url;

use crate::NetError;

pub struct Proxy {
    pub(crate) url: Url,
    /// User name and password (RFC 7617), where it asks for them.
    credentials: Option<(Secret, Secret)>,
}

impl Proxy {
    /// `text` is a URL like `http://proxy.example.com:3128`.  Credentials have no
    /// place in it: it stands in the configuration, which is no secret.
    pub fn new(text: &str, credentials: Option<(Secret, Secret)>) -> Result<Self, NetError> {
        let wrong = |problem: &str| NetError::Proxy {
            problem: problem.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "its user name and password are the secrets 'proxy_username' and 'proxy_password'",
            ));
        }
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("it is neither http nor https"));
        }
        Ok(Self { url, credentials })
    }

    pub(crate) fn for_client(&self) -> Result<reqwest::Proxy, NetError> {
        let proxy = reqwest::Proxy::all(self.url.clone()).map_err(|error| NetError::Proxy {
            problem: error.to_string(),
        })?;
        Ok(match &self.credentials {
            Some((name, password)) => proxy.basic_auth(name.expose(), password.expose()),
            None => proxy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_without_credentials() {
        assert!(Proxy::new("http://proxy.example.com:3128", None).is_ok());
        for (text, part) in [
            ("http://ann:s3cret@proxy.example.com", "'proxy_username'"),
            ("proxy.example.com:3128", "neither http"),
            ("socks5://proxy.example.com", "neither http"),
            ("not a proxy", "http://host:port"),
        ] {
            let error = Proxy::new(text, None).err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
