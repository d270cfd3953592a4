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
use url::{Position, Url, form_urlencoded};

use super::answer::{Answer, Refusal};
use super::grant::Grant;
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
    /// Where the accounts that a sign-in reaches are listed.
    pub tenants: Option<String>,
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
    #[error(
        "the accounts server '{server}' is no address like https://accounts.example.com, so \
         nothing was sent to it: begin again at the page that `concord connection login` shows"
    )]
    AccountsServer { server: String },
}

/// A grant could not be given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevokeError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Troubled(#[from] Troubled),
}

impl App {
    /// The app at the server that an account lives at, if it lives at one of its
    /// own.  Which servers there may be is for the way out to say, which lets
    /// nothing go to another.
    pub fn at(&self, server: Option<&str>) -> Result<Self, AppError> {
        let mut app = self.clone();
        let (Some(_), Some(server)) = (&self.manifest.accounts_server, server) else {
            return Ok(app);
        };
        let origin = plain_origin(server).ok_or_else(|| AppError::AccountsServer {
            server: server.to_owned(),
        })?;
        let Endpoints { token, revoke, .. } = &mut app.endpoints;
        *token = moved("token-url", token, &origin)?;
        if let Some(revoke) = revoke {
            *revoke = moved("revoke-url", revoke, &origin)?;
        }
        Ok(app)
    }

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

    /// Gives a grant back to the vendor (RFC 7009).  False where it has no place
    /// for that.  By hand, since the library refuses every address without TLS,
    /// which is for the egress policy to say.
    pub async fn revoke(&self, transport: &Transport, grant: &Grant) -> Result<bool, RevokeError> {
        let Some(address) = self.at(grant.accounts_server())?.endpoints.revoke else {
            return Ok(false);
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", grant.to_revoke());
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
        let answer = transport.post(address, vec![kind], auth, body).await?;
        if (200..300).contains(&answer.status) {
            return Ok(true);
        }
        let troubled = Troubled::Busy {
            status: answer.status,
            wait: None,
        };
        Err(troubled.into())
    }

    /// What a person does next, where a sign-in is missing or over.
    pub(super) fn advice(&self) -> String {
        format!("run `concord connection login {}`", self.connection)
    }
}

/// Scheme, host and port of a text that has nothing else: what a user name or a
/// path would be for is not known here.
fn plain_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_plain = url[Position::BeforeUsername..Position::BeforeHost].is_empty()
        && matches!(&url[Position::BeforePath..], "" | "/");
    let origin = url.origin();
    (is_plain && origin.is_tuple()).then(|| origin.ascii_serialization())
}

/// The same URL at another server.
fn moved(what: &'static str, text: &str, origin: &str) -> Result<String, AppError> {
    let old = url(what, text, |text| Url::parse(&text))?;
    Ok(format!("{origin}{}", &old[Position::BeforePath..]))
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
