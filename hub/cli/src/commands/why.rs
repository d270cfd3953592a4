//! `concord why`

use anyhow::Result;
use clap::Args;
use concord_core::EntityId;
use concord_core::state::{Conflict, IntentState, Winner};
use concord_engine::why::{Holding, Step, Story, Write};

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{section, whole};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord why person/42 email")]
pub struct Arguments {
    /// The record, written kind/number
    #[arg(value_name = "ENTITY")]
    entity: EntityId,
    /// One of its fields
    field: String,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let hub = cli.records().await?;
    let story = hub.why(&arguments.entity, &arguments.field).await?;
    cli.output.show(&story, words)?;
    Ok(Ending::Fine)
}

pub fn words(story: &Story) -> String {
    let mut text = format!(
        "{} {} is {}\n",
        story.entity,
        story.field,
        whole(&story.value)
    );
    if let Some(by) = &story.put_by {
        let until = story.edited_until.as_deref().unwrap_or("an unknown time");
        text += &match &story.edited_after {
            Some(after) => format!("put there by {by}, between {after} and {until}\n"),
            None => format!("put there by {by}, not after {until}\n"),
        };
    }
    text += &section("Who holds it:", &lines(&story.holdings, holding));
    text += &section("What happened:", &lines(&story.steps, step));
    text += &section("Conflicts:", &lines(&story.conflicts, conflict));
    let holds: Vec<String> = story
        .holds
        .iter()
        .map(|hold| format!("since {}: {}", hold.at, hold.reason))
        .collect();
    text += &section("Held:", &holds);
    text + &section("Writes:", &lines(&story.writes, write))
}

fn write(write: &Write) -> String {
    let state = match write.state {
        IntentState::New => "not sent yet",
        IntentState::Sent => "on its way",
        IntentState::InDoubt => "in doubt",
        IntentState::Done => "done",
        IntentState::Dropped => "dropped",
        IntentState::Failed => "refused",
    };
    let reason = match write.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!(
        "{} #{} to {}/{}: {} → {}, {state}{reason}",
        write.time,
        write.intent,
        write.connection,
        write.stream,
        whole(&write.from),
        whole(&write.to)
    )
}

fn lines<T>(items: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    items.iter().map(line).collect()
}

fn holding(holding: &Holding) -> String {
    let Holding {
        connection,
        stream,
        remote_id,
        ..
    } = holding;
    let refused = if holding.refused {
        ", the present value is kept from it (refused there, or undone)"
    } else {
        ""
    };
    let unread = if holding.unread {
        ", which cannot be understood and is not written over: mend it there"
    } else {
        ""
    };
    let seen = match (&holding.written, holding.echoed) {
        (Some(written), true) => format!("written {written}, and seen so since"),
        (Some(written), false) => format!("written {written}"),
        (None, _) => format!("read {}", holding.read),
    };
    format!(
        "{connection}/{stream} {remote_id}: holds {}{unread}, agreed on {}{refused}; {seen}",
        whole(&holding.stored),
        whole(&holding.sent)
    )
}

fn step(step: &Step) -> String {
    let Step {
        event,
        time,
        by,
        what,
        ..
    } = step;
    if step.from.is_null() && step.to.is_null() {
        return format!("{time} #{event} {by}: {what}");
    }
    format!(
        "{time} #{event} {by}: {what}, {} → {}",
        whole(&step.from),
        whole(&step.to)
    )
}

fn conflict(conflict: &Conflict) -> String {
    let winner = match (&conflict.decision, conflict.winner) {
        (Some(decision), _) => format!("{} decided for {}", decision.by, whole(&decision.value)),
        (None, Winner::Canonical) => "the canonical value stood".into(),
        (None, Winner::Remote) => "the system's value was taken".into(),
        (None, Winner::Held) => "waits for a person".into(),
    };
    format!(
        "{} #{}: {} against {} (rule {}): {winner}",
        conflict.at,
        conflict.id,
        whole(&conflict.canonical),
        whole(&conflict.remote),
        conflict.rule
    )
}
