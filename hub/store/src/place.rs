//! Where a database is: a file of this machine, or a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, postgres::PgSslMode};

use crate::error::OpenFault;

/// Every statement in few sizes, and the dynamic ones, stay prepared.
pub(crate) const PREPARED: usize = 250;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A database on a PostgreSQL server.
    Server(Server),
}

impl Place {
    /// Takes `postgres://…` for a server and everything else for a file.
    pub fn parse(text: &str) -> Result<Self, OpenFault> {
        if is_url(text) {
            return Ok(Self::Server(Server::parse(text)?));
        }
        Ok(Self::File(PathBuf::from(text)))
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl From<&Server> for Place {
    fn from(server: &Server) -> Self {
        Self::Server(server.clone())
    }
}

/// What a person may see of it: never the password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

/// A database on a PostgreSQL server, and the role that goes there.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    url: String,
}

impl Server {
    /// Takes `postgres://role:password@host:port/database`.  Where it names no
    /// password, PGPASSWORD or a password file serves, as for every client.
    pub fn parse(url: &str) -> Result<Self, OpenFault> {
        let wrong = |problem: String| OpenFault::Url { problem };
        if !is_url(url) {
            return Err(wrong("it does not begin with postgres://".to_owned()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
        if options.get_database().is_none() {
            return Err(wrong("it names no database".to_owned()));
        }
        Ok(Self {
            url: url.to_owned(),
        })
    }

    pub(crate) fn options(&self) -> Result<PgConnectOptions, OpenFault> {
        let options = PgConnectOptions::from_str(&self.url).map_err(|error| OpenFault::Url {
            problem: error.to_string(),
        })?;
        let options = options
            .statement_cache_capacity(PREPARED)
            .disable_statement_logging();
        // An operator may tell hubs apart, in the address or by PGAPPNAME.
        Ok(match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("concord"),
        })
    }

    /// The name of the role that goes there.
    pub fn role(&self) -> Result<String, OpenFault> {
        Ok(self.options()?.get_username().to_owned())
    }

    /// Whether the way there is open to whoever listens on it.
    pub fn is_in_the_clear(&self) -> bool {
        self.options().is_ok_and(|options| {
            let here = ["localhost", "127.0.0.1", "::1", "[::1]"];
            let local = options.get_socket().is_some()
                || options.get_host().starts_with('/')
                || here.contains(&options.get_host());
            let weak = matches!(
                options.get_ssl_mode(),
                PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer
            );
            !local && weak
        })
    }

    /// The password that the URL itself carries.
    pub(crate) fn password(&self) -> Option<String> {
        let (_, rest) = self.url.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (_, password) = user.split_once(':')?;
        percent_encoding::percent_decode_str(password)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = self.options() else {
            return f.write_str("a PostgreSQL server");
        };
        write!(
            f,
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        )
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_its_password_is_not_shown() {
        let text = "postgres://hub:p%40ss@db.example:5433/concord?sslmode=require";
        let place = Place::parse(text).unwrap();
        assert_eq!(place.to_string(), "postgres://hub@db.example:5433/concord");
        assert_eq!(format!("{place:?}").find("p%40ss"), None);
        let Place::Server(server) = place else {
            panic!("a file");
        };
        assert_eq!(server.password().as_deref(), Some("p@ss"));
        assert!(!server.is_in_the_clear());
        let open = Server::parse("postgres://hub@db.example/concord").unwrap();
        assert!(open.is_in_the_clear());
        assert_eq!(open.password(), None);
        assert_eq!(
            Place::parse("hub.db").unwrap(),
            Place::File("hub.db".into())
        );
    }

    #[test]
    fn the_server_is_told_who_comes() {
        let name = |url: &str| {
            let options = Server::parse(url).unwrap().options().unwrap();
            options.get_application_name().map(str::to_owned)
        };
        let url = "postgres://hub@db.example/concord";
        assert_eq!(name(url).as_deref(), Some("concord"));
        let named = format!("{url}?application_name=hub-7");
        assert_eq!(name(&named).as_deref(), Some("hub-7"));
    }

    #[test]
    fn a_url_without_a_database_is_refused() {
        let error = Server::parse("postgres://hub@localhost").unwrap_err();
        assert!(error.to_string().contains("no database"), "{error}");
    }
}
