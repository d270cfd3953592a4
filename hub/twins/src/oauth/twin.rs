//! A twin that is nothing but an authorization server, such as a company has for
//! all its systems.

use concord_core::Timestamp;

use super::{AuthorizationServer, Options};
use crate::control::{Control, Fate, refused};
use crate::{Request, Response, Twin};

#[derive(Debug)]
pub struct OAuth {
    server: AuthorizationServer,
    control: Control,
}

impl OAuth {
    pub fn new(seed: u64) -> Self {
        Self {
            server: AuthorizationServer::new("oauth", seed, Options::default()),
            control: Control::default(),
        }
    }

    fn answer(&mut self, now: Timestamp, request: &Request) -> Response {
        self.server
            .handle(now, request)
            .unwrap_or_else(|| no_such_path(request))
    }
}

impl Twin for OAuth {
    fn handle(&mut self, now: Timestamp, request: Request) -> Response {
        if request.path.starts_with("/_twin/") {
            let answer = self.control.handle(&request);
            return answer
                .or_else(|| self.server.screen(now, &request))
                .unwrap_or_else(|| no_such_path(&request));
        }
        match self.control.fate(&request) {
            Fate::Normal => self.answer(now, &request),
            Fate::Refused(answer) => answer,
            Fate::AnswerLost => {
                self.answer(now, &request);
                Response::lost()
            }
        }
    }

    /// Its clients come without a token, to get one.
    fn is_open(&self, _request: &Request) -> bool {
        true
    }
}

fn no_such_path(request: &Request) -> Response {
    refused(
        404,
        &format!("there is no {} {} here", request.method, request.path),
    )
}
