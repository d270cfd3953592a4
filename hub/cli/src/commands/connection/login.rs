//! `concord connection login`

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use concord_engine::oauth::{Begun, Grant, SignIn, SignInError, Standing, Tenant};
use concord_server::callback::{Arrival, Callback, Lands, lands};
use concord_store::SqlStore;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::awaited;
use super::signed::{self, Signed};
use super::tenant;
use crate::exit::Ending;
use crate::interrupt::told;
use crate::invocation::Invocation;
use crate::typed;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord --key concord.key connection login crm
  concord --key concord.key connection login crm --device
  concord --key concord.key connection login crm --paste
  concord --key concord.key connection login crm --through-server

Opens the vendor's page in a browser and waits until it comes back. On a server
without a browser: --device gives a code to enter on any machine, where the vendor
knows that; otherwise open the address that is shown on any machine, agree there,
and give the address that the browser ends at with --paste. Where 'redirect-uri' is
that of a hub, like https://hub.example.com/oauth/callback, or with --through-server,
`concord serve --listen` takes the browser back.

Where a sign-in reaches several accounts, --tenant says which one the connection is;
without it a terminal is asked. A choice is kept, also for the next sign-in.

What comes of it is sealed and kept in the database; the next sync goes on where it
stopped.")]
pub struct Arguments {
    /// The connection's name
    name: String,
    /// Show a code that is entered at the vendor's page on any machine
    #[arg(long, conflicts_with_all = ["paste", "no_browser"])]
    device: bool,
    /// Read the address that the browser ended at, in place of waiting for it
    #[arg(long)]
    paste: bool,
    /// Let the hub that serves take the browser back, also at an address of this
    /// machine
    #[arg(long, conflicts_with_all = ["device", "paste"])]
    through_server: bool,
    /// Show the address of the vendor's page without opening it
    #[arg(long)]
    no_browser: bool,
    /// The account that the connection is, by its id or name, of those that the
    /// sign-in reaches
    #[arg(long, value_name = "ID-OR-NAME")]
    tenant: Option<String>,
    /// After how many minutes without an answer it ends
    #[arg(long, value_name = "MINUTES", default_value_t = 10)]
    wait: u32,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let signed = signed::look(cli, &store, &arguments.name).await?;
    if signed.plan.by_itself() {
        bail!(
            "'{}' signs in by itself with its client_secret: `concord connection check {0}` \
             shows whether it can",
            arguments.name
        );
    }
    // Whoever has no key is not sent to a page first.
    signed
        .vault
        .ring(|| "what comes of a sign-in is sealed".into())?;
    if arguments.tenant.is_some() && signed.plan.tenant_key().is_none() {
        bail!(
            "which account '{}' is does not come with its sign-in: leave --tenant out",
            arguments.name
        );
    }
    if let Some(key) = signed.plan.tenant_key()
        && tenant::is_all_that_is_missing(&signed)
    {
        match chosen(cli, arguments, &store, &signed, key).await {
            Err(error) if tenant::is_over(&error) => {
                eprintln!("the sign-in that was kept is over ({error}): sign in anew");
            }
            ended => return ended,
        }
    }
    let sign_in = SignIn::new(signed.app()?, signed.transport()?, Arc::clone(&cli.clock))?;
    let wait = Duration::from_secs(60 * u64::from(arguments.wait));
    let is_somewhere = !arguments.device && !arguments.paste;
    if is_somewhere && lands(signed.plan.redirect(), arguments.through_server)? == Lands::Hub {
        let begun = sign_in.begin()?;
        let pending = awaited::leave(cli, &store, &signed, &begun, wait).await?;
        show_page(cli, arguments, &begun);
        let Some(grant) = awaited::grant(cli, &store, &signed, pending, wait).await? else {
            return ended(cli);
        };
        return finished(cli, arguments, &store, &signed, &grant).await;
    }
    let (grant, browser) = tokio::select! {
        came = person(cli, arguments, &signed, &sign_in) => came?,
        () = told() => return ended(cli),
        () = cli.clock.sleep(wait) => {
            bail!("nobody signed in within {} min: begin again", arguments.wait)
        }
    };
    let kept = signed.keep(cli, &store, grant).await;
    if let Some(browser) = browser {
        let problem = kept.as_ref().err().map(ToString::to_string);
        browser.told(problem.as_deref()).await;
    }
    finished(cli, arguments, &store, &signed, &kept?).await
}

/// What is left when the grant is kept.
async fn finished(
    cli: &Invocation,
    arguments: &Arguments,
    store: &Arc<SqlStore>,
    signed: &Signed,
    grant: &Grant,
) -> Result<Ending> {
    match signed.plan.tenant_key() {
        Some(key) => chosen(cli, arguments, store, signed, key).await,
        None => show(cli, &arguments.name, grant, None),
    }
}

/// The end of a sign-in that reaches several accounts.
async fn chosen(
    cli: &Invocation,
    arguments: &Arguments,
    store: &Arc<SqlStore>,
    signed: &Signed,
    key: &str,
) -> Result<Ending> {
    let word = arguments.tenant.as_deref();
    let (grant, tenant) = tokio::select! {
        settled = tenant::settle(cli, store, signed, key, word) => settled?,
        () = told() => {
            let document = json!({ "interrupted": true, "connection": arguments.name });
            cli.output.show(&document, |_| {
                format!(
                    "the sign-in is kept, and no account is chosen yet\n\
                     Next: `concord connection login {}`",
                    arguments.name
                )
            })?;
            return Ok(Ending::Interrupted);
        }
    };
    show(cli, &arguments.name, &grant, Some(&tenant))
}

fn ended(cli: &Invocation) -> Result<Ending> {
    let document = json!({ "interrupted": true });
    cli.output
        .show(&document, |_| "nothing was changed".into())?;
    Ok(Ending::Interrupted)
}

async fn person(
    cli: &Invocation,
    arguments: &Arguments,
    signed: &Signed,
    sign_in: &SignIn,
) -> Result<(Grant, Option<Browser>)> {
    if arguments.device {
        return Ok((with_code(sign_in).await?, None));
    }
    let begun = sign_in.begin()?;
    if arguments.paste {
        tell_page(&begun);
        let query = pasted().await?;
        return Ok((sign_in.finish(begun, &query).await?, None));
    }
    let callback = Callback::open(signed.plan.redirect()).await?;
    show_page(cli, arguments, &begun);
    let (grant, browser) = in_browser(sign_in, begun, callback).await?;
    Ok((grant, Some(browser)))
}

/// One that came back, and is told how it went when that is known.
struct Browser {
    arrival: Arrival,
    callback: Callback,
}

impl Browser {
    /// That it is signed in, or what went wrong.
    async fn told(self, problem: Option<&str>) {
        match problem {
            None => self.arrival.accept("Signed in. This page can be closed."),
            Some(problem) => self.arrival.refuse(problem),
        }
        self.callback.close().await;
    }
}

async fn with_code(sign_in: &SignIn) -> Result<Grant> {
    let code = sign_in.device().await?;
    eprintln!("enter the code {} at {}", code.user_code(), code.page());
    if let Some(page) = code.whole_page() {
        eprintln!("or open {page}");
    }
    Ok(sign_in.entered(&code).await?)
}

/// On standard error, as every question to a person: the other has the result.
fn tell_page(begun: &Begun) {
    eprintln!("agree at this page:\n{}", begun.url);
}

/// The same, and opens it where somebody sits before a screen.
fn show_page(cli: &Invocation, arguments: &Arguments, begun: &Begun) {
    tell_page(begun);
    if !arguments.no_browser && !cli.output.json && std::io::stdout().is_terminal() {
        // A machine without a browser shows the address, which is enough.
        let _ = open::that_detached(&begun.url);
    }
}

/// Waits for the browser that belongs to this sign-in; others are told so.
async fn in_browser(
    sign_in: &SignIn,
    begun: Begun,
    mut callback: Callback,
) -> Result<(Grant, Browser)> {
    let arrival = loop {
        let arrival = callback.next().await?;
        match SignIn::check(&begun, &arrival.query) {
            Ok(()) => break arrival,
            Err(error) => {
                tracing::warn!("a browser came back, but {error}");
                arrival.refuse(error.to_string());
            }
        }
    };
    let finished = sign_in.finish(begun, &arrival.query).await;
    let browser = Browser { arrival, callback };
    match finished {
        Ok(grant) => Ok((grant, browser)),
        Err(error) => {
            browser.told(Some(&error.to_string())).await;
            Err(error.into())
        }
    }
}

/// The query of the address that a person pastes.
async fn pasted() -> Result<BTreeMap<String, String>> {
    if std::io::stdin().is_terminal() {
        eprintln!("\nthen paste the whole address that the browser ended at:");
    }
    let line = typed::line().await.context("the address was not read")?;
    let url = Url::parse(line.trim()).map_err(|_| SignInError::NoCode)?;
    let query = url.query().unwrap_or_default();
    Ok(form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect())
}

fn show(cli: &Invocation, name: &str, grant: &Grant, tenant: Option<&Tenant>) -> Result<Ending> {
    let until = match grant.standing() {
        Standing::SignedIn { until, .. } => until,
        Standing::NeedsSignIn { .. } => None,
    };
    let told = tenant.map(|tenant| json!({ "id": tenant.id, "name": tenant.name }));
    let document = json!({ "connection": name, "signed_in": true, "until": until, "tenant": told });
    cli.output.show(&document, |_| {
        let until = until.map_or_else(String::new, |until| {
            format!("; the vendor wants a new sign-in by {until}")
        });
        let tenant = tenant.map_or_else(String::new, |tenant| format!(" to {tenant}"));
        format!("'{name}' is signed in{tenant}{until}\nNext: `concord connection check {name}`")
    })?;
    Ok(Ending::Fine)
}
