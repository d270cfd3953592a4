//! The accounts that a token reaches, as Xero lists them: `GET /connections`
//! (developer.xero.com/documentation/guides/oauth2/auth-flow, "Check the tenants
//! you're authorized to access").

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AuthorizationServer, Standing};
use crate::control::{done, read};
use crate::{Request, Response};

pub(super) const PATH: &str = "/connections";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tenant {
    tenant_id: String,
    tenant_name: String,
}

impl AuthorizationServer {
    pub(super) fn tenants(&self, now: Timestamp, request: &Request) -> Response {
        let header = request.header("authorization").unwrap_or_default();
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        if self.standing(now, token) != Standing::Live {
            return Response::json(401, &json!({ "Title": "Unauthorized", "Status": 401 }));
        }
        let all = self.tenants.iter().enumerate().map(|(number, tenant)| {
            json!({
                "id": format!("00000000-0000-0000-0000-{number:012}"),
                "authEventId": "d99ecdfe-391d-43d2-b834-17636ba90e8d",
                "tenantId": tenant.tenant_id,
                "tenantType": "ORGANISATION",
                "tenantName": tenant.tenant_name,
                "createdDateUtc": "2019-07-09T23:40:30.1833130",
                "updatedDateUtc": "2020-05-15T01:35:13.8491980",
            })
        });
        Response::json(200, &all.collect::<Vec<Value>>())
    }

    pub(super) fn set_tenants(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            tenants: Vec<Tenant>,
        }
        let wish: Wish = read(request)?;
        self.tenants = wish.tenants;
        Ok(done())
    }
}
