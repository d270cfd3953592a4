//! `concord twin`

mod guard;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use concord_twins::{HttpsOptions, NAMES, Request, ServeOptions, Twin, by_name, serve};
use serde_json::json;

use crate::exit::Ending;
use crate::interrupt::told;
use crate::invocation::Invocation;

use guard::GuardArguments;
use webhooks::WebhookArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord twin hubspot --port 7101
  concord twin mailchimp --port 7102 --people 500 --seed 7
  concord twin oauth --port 7103
  concord twin hubspot --introspect http://127.0.0.1:7103/introspect \\
    --introspect-client concord --introspect-secret-env TWIN_SECRET
  concord twin hubspot --webhooks-to http://127.0.0.1:7100/hooks/hubspot \\
    --webhook-secret-env TWIN_SECRET

Answers on loopback until Ctrl-C and forgets everything when it ends. It takes
any token that is none of its own OAuth server, unless --introspect names
another server that knows better; 'oauth' is such a server. Below /_twin/ a twin
does what a person would at the vendor's own screen. Webhooks go to this machine
only; Mailchimp's are made by its API.")]
pub struct Arguments {
    /// Whose API it stands in for
    #[arg(value_parser = PossibleValuesParser::new(NAMES))]
    name: String,
    /// The port for HTTP; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Answer HTTPS as well, on this port; 0 takes a free one
    #[arg(long, value_name = "PORT", requires = "ca_file")]
    tls: Option<u16>,
    /// Where to write the certificate that HTTPS clients have to trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_file: Option<PathBuf>,
    /// How many people the whole data set has; a twin knows its share of them
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    people: usize,
    /// Another number makes other people
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Answer without the vendor's rate limits
    #[arg(long)]
    no_limits: bool,
    /// How long every answer is held back
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    latency: u64,
    #[command(flatten)]
    guard: GuardArguments,
    #[command(flatten)]
    webhooks: WebhookArguments,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let mut twin =
        by_name(&arguments.name, arguments.seed, arguments.people).with_context(|| {
            format!(
                "there is no twin '{}'; there are: {}",
                arguments.name,
                NAMES.join(", ")
            )
        })?;
    if arguments.no_limits {
        lift_limits(cli, twin.as_mut());
    }
    arguments
        .webhooks
        .set(cli, &arguments.name, twin.as_mut())?;
    let https = arguments.tls.zip(arguments.ca_file.clone());
    let options = ServeOptions {
        port: arguments.port,
        https: https.map(|(port, ca_file)| HttpsOptions { port, ca_file }),
        latency: Duration::from_millis(arguments.latency),
        guard: arguments.guard.guard()?,
        webhooks: Some(arguments.webhooks.way_out()?),
    };
    let running = serve(twin, options, Arc::clone(&cli.clock)).await?;
    let http = format!("http://{}", running.http);
    let https = running.https.map(|address| format!("https://{address}"));
    let document = json!({
        "twin": arguments.name,
        "http": http,
        "https": https,
        "list_id": (arguments.name == "mailchimp").then_some(concord_twins::mailchimp::LIST_ID),
        "people": arguments.people,
        "seed": arguments.seed,
    });
    cli.output.show(&document, |_| {
        let https = https
            .iter()
            .map(|address| format!(" and {address}"))
            .collect::<String>();
        let list = document["list_id"]
            .as_str()
            .map_or_else(String::new, |id| format!(", list_id {id}"));
        format!(
            "the {} twin answers at {http}{https}{list}; Ctrl-C ends it",
            arguments.name
        )
    })?;
    told().await;
    running.stop().await;
    Ok(Ending::Fine)
}

/// As a test would, through the twin's own screen.
fn lift_limits(cli: &Invocation, twin: &mut dyn Twin) {
    let wish = Request::json("POST", "/_twin/limits", &json!({ "on": false }));
    twin.handle(cli.clock.now(), wish);
}
