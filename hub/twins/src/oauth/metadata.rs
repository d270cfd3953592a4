//! What a client can learn of the server by itself (RFC 8414).

use serde_json::json;

use super::AuthorizationServer;
use crate::{Request, Response};

pub(super) const PATH: &str = "/.well-known/oauth-authorization-server";

impl AuthorizationServer {
    /// The issuer is the address by which the server was asked, which is the one
    /// the client compares it with (section 3.3).
    pub(super) fn metadata(&self, request: &Request) -> Response {
        let issuer = request.origin();
        let methods = ["client_secret_basic", "client_secret_post"];
        Response::json(
            200,
            &json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "device_authorization_endpoint": format!("{issuer}/device"),
                "revocation_endpoint": format!("{issuer}/revoke"),
                "introspection_endpoint": format!("{issuer}/introspect"),
                "response_types_supported": ["code"],
                "grant_types_supported": self.options.grant_types,
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": [methods[0], methods[1], "none"],
                "revocation_endpoint_auth_methods_supported": [methods[0], methods[1], "none"],
                "introspection_endpoint_auth_methods_supported": methods,
            }),
        )
    }
}
