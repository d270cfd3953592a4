//! The only things a connector can reach.

use crate::bindings::concord::connector::host as imports;
use crate::{Fault, HttpError, Level, Request, Response};

/// The world outside.  In a component it is the hub; in a test it is
/// [`crate::testing::FakeHost`].
pub trait Host {
    fn send(&self, request: Request) -> Result<Response, HttpError>;
    fn log(&self, level: Level, message: &str);
    /// The hub's clock in microseconds since 1970.  It stands still during one
    /// call.
    fn now(&self) -> i64;
    /// A value of the connection's configuration; never a secret.
    fn config(&self, key: &str) -> Option<String>;
}

impl dyn Host + '_ {
    /// Sends and gives any answer, whatever its status.  That no answer came is
    /// a fault, sorted by [`Fault::from_http`].
    pub fn call(&self, request: Request) -> Result<Response, Fault> {
        let repeatable = request.repeatable;
        self.send(request)
            .map_err(|error| Fault::from_http(error, repeatable))
    }

    /// Sends and gives a 2xx answer; any other status is the fault that
    /// [`Response::fault`] makes of it.
    pub fn call_ok(&self, request: Request) -> Result<Response, Fault> {
        self.call_judged(request, |_| None)
    }

    /// Like [`Self::call_ok`], where the system has error bodies of its own:
    /// `judge` sees each answer that is not 2xx first, and what it does not
    /// know falls to the defaults.
    pub fn call_judged(
        &self,
        request: Request,
        judge: impl FnOnce(&Response) -> Option<Fault>,
    ) -> Result<Response, Fault> {
        let repeatable = request.repeatable;
        let response = self.call(request)?;
        if response.is_success() {
            return Ok(response);
        }
        Err(judge(&response).unwrap_or_else(|| response.fault(self.now(), repeatable)))
    }

    /// A configuration value without which the connector cannot work.
    pub fn config_or_fault(&self, key: &str) -> Result<String, Fault> {
        self.config(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                Fault::Forbidden(format!(
                    "the connection's configuration lacks '{key}': set it and run again"
                ))
            })
    }
}

/// The host's imports.
pub(crate) struct RealHost;

impl Host for RealHost {
    fn send(&self, request: Request) -> Result<Response, HttpError> {
        imports::send(&request)
    }

    fn log(&self, level: Level, message: &str) {
        imports::log(level, message);
    }

    fn now(&self) -> i64 {
        imports::now()
    }

    fn config(&self, key: &str) -> Option<String> {
        imports::config(key)
    }
}
