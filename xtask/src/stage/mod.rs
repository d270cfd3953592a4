//! Where a demo or a bench plays: a folder of its own with the program, its
//! plugins and its twins, and everything that is said about it.

pub(crate) mod children;
pub(crate) mod twin;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use children::Children;

/// The variable with the secret of an app at the twin of HubSpot, and that secret.
pub(crate) const APP: (&str, &str) = ("HUBSPOT_APP", "the-secret-of-an-app-0123456789abcdef");

pub(crate) struct Stage {
    /// The program `concord`.
    pub program: PathBuf,
    pub plugins: PathBuf,
    pub folder: PathBuf,
    /// Standard output is for one JSON object alone.
    pub json: bool,
    pub children: Children,
}

impl Stage {
    /// An empty folder of this name, for a program that is built already.  Two
    /// runs at once do not meet.
    pub(crate) fn make(
        workspace: &Workspace,
        name: &str,
        profile: &str,
        json: bool,
        children: Children,
    ) -> Result<Self> {
        let id = std::process::id().to_string();
        let folder = workspace.target().join(name).join(id);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let program = format!("concord{}", std::env::consts::EXE_SUFFIX);
        Ok(Self {
            program: workspace.target().join(profile).join(program),
            plugins: workspace.plugins(),
            folder,
            json,
            children,
        })
    }

    pub(crate) fn say(&self, text: &str) {
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }

    pub(crate) fn headline(&self, text: &str) {
        self.say(&format!("\n── {text}"));
    }

    /// Runs a command as a user would and shows what it prints.
    pub(crate) fn concord(&self, line: &str) -> Result<()> {
        self.concord_ending(line, &[0])
    }

    /// The same for one that may end with other exit codes as well.
    pub(crate) fn concord_ending(&self, line: &str, fine: &[i32]) -> Result<()> {
        self.say(&format!("\n$ concord {line}"));
        let text = self.output(line, fine)?;
        for printed in text.lines() {
            self.say(&format!("  {printed}"));
        }
        Ok(())
    }

    /// What a command says as a JSON document, without showing it.
    pub(crate) fn ask(&self, line: &str, fine: &[i32]) -> Result<Value> {
        let text = self.output(&format!("--json {line}"), fine)?;
        serde_json::from_str(&text)
            .with_context(|| format!("`concord --json {line}` did not print a JSON document"))
    }

    /// A command in this folder; none of its arguments has a space.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(line.split_whitespace())
            .current_dir(&self.folder)
            .env("CONCORD_PLUGINS", &self.plugins)
            .env("CONCORD_DB", self.folder.join("concord.db"))
            // Twins take any token.
            .env(APP.0, APP.1)
            .env("HUBSPOT_TOKEN", "token-of-the-twin")
            .env("MAILCHIMP_TOKEN", "token-of-the-twin");
        command
    }

    fn output(&self, line: &str, fine: &[i32]) -> Result<String> {
        let ended = self.children.run(&mut self.command(line))?;
        let (status, text) = (ended.status, ended.output);
        if status.code().is_some_and(|code| fine.contains(&code)) {
            return Ok(text);
        }
        for printed in text.lines() {
            eprintln!("  {printed}");
        }
        bail!(
            "`concord {line}` ended with {status}; its database is {}",
            self.folder.join("concord.db").display()
        )
    }
}
