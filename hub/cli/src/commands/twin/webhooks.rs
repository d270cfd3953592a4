//! The webhooks of `concord twin`: who is told of changes, and the way there.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use concord_core::ports::Http;
use concord_net::{LoopbackHttp, Tls};
use concord_twins::{Request, Twin};
use serde_json::{Value, json};

use crate::invocation::Invocation;

#[derive(Debug, Args)]
pub struct WebhookArguments {
    /// Tell this address on loopback of every change, as HubSpot tells an app
    #[arg(long, value_name = "URL", requires = "webhook_secret_env")]
    webhooks_to: Option<String>,
    /// The environment variable that holds the app's client secret, which signs
    #[arg(long, value_name = "VARIABLE", requires = "webhooks_to")]
    webhook_secret_env: Option<String>,
    /// Name the events as older apps do: contact.creation, not object.creation
    #[arg(long, requires = "webhooks_to")]
    webhook_legacy: bool,
    /// How long every webhook is held back
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    webhook_delay_ms: u64,
    /// A certificate to trust when sending webhooks, beside the system's
    #[arg(long, value_name = "FILE")]
    webhook_ca: Option<PathBuf>,
}

impl WebhookArguments {
    /// Sets the twin's webhooks as a test would, through its own screen.
    pub fn set(&self, cli: &Invocation, name: &str, twin: &mut dyn Twin) -> Result<()> {
        let mut ask = |path: &str, wish: &Value| {
            let request = Request::json("POST", path, wish);
            match twin.handle(cli.clock.now(), request).status {
                200 => Ok(()),
                _ => bail!("the {name} twin has no webhooks of this kind"),
            }
        };
        if self.webhook_delay_ms > 0 {
            let wish = json!({"delay_ms": self.webhook_delay_ms});
            ask("/_twin/webhooks", &wish)?;
        }
        let target = self
            .webhooks_to
            .as_ref()
            .zip(self.webhook_secret_env.as_ref());
        let Some((url, variable)) = target else {
            return Ok(());
        };
        let secret = std::env::var(variable)
            .with_context(|| format!("the variable {variable} has no client secret"))?;
        let form = if self.webhook_legacy {
            "legacy"
        } else {
            "generic"
        };
        let wish = json!({"url": url, "secret": secret, "form": form});
        ask("/_twin/webhooks/target", &wish)
    }

    /// Twins reach receivers on this machine and nobody else.
    pub fn way_out(&self) -> Result<Arc<dyn Http>> {
        let roots: Vec<PathBuf> = self.webhook_ca.iter().cloned().collect();
        Ok(Arc::new(LoopbackHttp::new(Tls::new(&roots)?)))
    }
}
