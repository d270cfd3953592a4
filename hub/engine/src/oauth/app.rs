//! The app that an admin registered with a vendor, and the vendor's servers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_core::manifest::{ClientAuth, OAuth};
use concord_core::ports::Secret;
use oauth2::basic::BasicTokenIntrospectionResponse;
use oauth2::{
    AuthType, AuthUrl, Client, ClientId, ClientSecret, DeviceAuthorizationUrl, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, RedirectUrl, StandardRevocableToken, TokenUrl,
};
use url::form_urlencoded;

use super::answer::{Answer, Refusal};
use super::transport::{Transport, Troubled};

/// The library's client, with answers of our own.
pub(super) type Library = Client<
    Refusal,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    Refusal,
    EndpointMaybeSet,
    EndpointMaybeSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Where everything is, with nothing left to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub authorize: Option<String>,
    pub token: String,
    pub device: Option<String>,
    pub revoke: Option<String>,
    /// Where the browser comes back to.
    pub redirect: String,
}

/// What signs in, and where.
#[derive(Clone, Debug)]
pub struct App {
    /// The connection's name, for what a person is told.
    pub connection: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub endpoints: Endpoints,
    pub scopes: Vec<String>,
    /// It signs in as itself, without a person (RFC 6749 §4.4).
    pub by_itself: bool,
    pub manifest: OAuth,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppError {
    #[error("the {what} '{url}' is no URL: {problem}")]
    Url {
        what: &'static str,
        url: String,
        problem: String,
    },
}

impl App {
    pub(super) fn library(&self) -> Result<Library, AppError> {
        let Endpoints {
            authorize,
            token,
            device,
            redirect,
            ..
        } = &self.endpoints;
        let authorize = authorize
            .as_ref()
            .map(|text| url("authorize-url", text, AuthUrl::new))
            .transpose()?;
        let device = device
            .as_ref()
            .map(|text| url("device-url", text, DeviceAuthorizationUrl::new))
            .transpose()?;
        let mut library = Client::new(ClientId::new(self.client_id.clone()))
            .set_token_uri(url("token-url", token, TokenUrl::new)?)
            .set_redirect_uri(url("redirect-uri", redirect, RedirectUrl::new)?)
            .set_auth_uri_option(authorize)
            .set_device_authorization_url_option(device)
            .set_auth_type(match self.manifest.client_auth {
                ClientAuth::Basic => AuthType::BasicAuth,
                ClientAuth::Body => AuthType::RequestBody,
            });
        if let Some(secret) = &self.client_secret {
            library = library.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        Ok(library)
    }

    /// Gives a token back to the vendor (RFC 7009).  False where it has no place
    /// for that.  By hand, since the library refuses every address without TLS,
    /// which is for the egress policy to say.
    pub async fn revoke(&self, transport: &Transport, token: &str) -> Result<bool, Troubled> {
        let Some(address) = &self.endpoints.revoke else {
            return Ok(false);
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token);
        let mut auth = None;
        match (&self.client_secret, self.manifest.client_auth) {
            (Some(secret), ClientAuth::Basic) => {
                let part = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = format!("{}:{}", part(&self.client_id), part(secret.expose()));
                auth = Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))));
            }
            (secret, _) => {
                form.append_pair("client_id", &self.client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret.expose());
                }
            }
        }
        let kind = (
            "content-type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        );
        let body = form.finish().into_bytes();
        let answer = transport
            .post(address.clone(), vec![kind], auth, body)
            .await?;
        if (200..300).contains(&answer.status) {
            return Ok(true);
        }
        Err(Troubled::Busy {
            status: answer.status,
            wait: None,
        })
    }

    /// What a person does next, where a sign-in is missing or over.
    pub(super) fn advice(&self) -> String {
        format!("run `concord connection login {}`", self.connection)
    }
}

fn url<T>(
    what: &'static str,
    text: &str,
    make: impl Fn(String) -> Result<T, url::ParseError>,
) -> Result<T, AppError> {
    make(text.to_owned()).map_err(|error| AppError::Url {
        what,
        url: text.to_owned(),
        problem: error.to_string(),
    })
}
