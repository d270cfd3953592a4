//! The checks, and the order in which they run.

mod account;
mod batch;
mod change;
mod fetch;
mod trouble;
mod walk;
mod write;

use crate::Bed;
use crate::report::{Checked, Line, Report, fail};
use crate::suite::Suite;

pub(crate) async fn run(bed: &dyn Bed) -> Report {
    let connector = bed.connector();
    let manifest = connector.manifest();
    let stream = bed.stream();
    let mut report = Report {
        connector: manifest.id.clone(),
        version: manifest.version.clone(),
        stream: stream.to_string(),
        lines: Vec::new(),
    };
    let discovered = match account::discovered(bed).await {
        Ok(fields) => fields,
        Err(stop) => {
            report
                .lines
                .push(Line::of("discover-gives-the-stream", Err(stop)));
            return report;
        }
    };
    let Some(declared) = manifest.stream(stream.as_str()).cloned() else {
        let why: Checked = fail("the manifest does not declare the stream");
        report
            .lines
            .push(Line::of("manifest-declares-the-stream", why));
        return report;
    };
    let suite = Suite::new(bed, declared, discovered);
    let mut add = |name, checked| report.lines.push(Line::of(name, checked));

    add("discover-gives-the-stream", Ok(()));
    add("account-has-an-id", account::has_an_id(&suite).await);
    add(
        "unknown-stream-is-a-fault",
        account::unknown_stream(&suite).await,
    );

    add(
        "full-walk-lists-everything",
        walk::lists_everything(&suite).await,
    );
    add("small-pages-list-the-same", walk::small_pages(&suite).await);
    add("a-page-can-be-read-again", walk::repeats(&suite).await);
    add(
        "foreign-cursor-is-expired",
        walk::foreign_cursor(&suite).await,
    );

    add(
        "fetch-agrees-with-pull",
        fetch::agrees_with_pull(&suite).await,
    );
    add("fetch-answers-for-every-id", fetch::every_id(&suite).await);
    add(
        "fetch-of-an-unknown-id-is-gone",
        fetch::unknown_id(&suite).await,
    );

    add("a-new-record-is-a-change", change::created(&suite).await);
    add("an-edit-is-a-change", change::edited(&suite).await);
    add("modified-at-is-exact", change::exact_modified(&suite).await);
    add(
        "versions-move-and-are-ordered",
        change::versions(&suite).await,
    );
    add("unicode-is-read", change::unicode(&suite).await);
    add(
        "a-delete-is-seen-as-declared",
        change::deleted(&suite).await,
    );
    add(
        "a-merge-names-the-record-kept",
        change::merged(&suite).await,
    );

    add("a-create-is-stored", write::creates(&suite).await);
    add("a-create-can-be-found", write::found(&suite).await);
    add("a-create-happens-once", write::creates_once(&suite).await);
    add(
        "an-update-changes-its-fields-only",
        write::updates(&suite).await,
    );
    add("an-id-moves-as-declared", write::moves(&suite).await);
    add("unicode-is-written", write::unicode(&suite).await);
    add(
        "the-answer-is-the-record",
        write::answer_is_record(&suite).await,
    );
    add(
        "a-stale-version-is-a-conflict",
        write::stale_version(&suite).await,
    );
    add(
        "an-update-of-nothing-is-a-fault",
        write::updates_nothing(&suite).await,
    );
    add("a-delete-is-done", write::deletes(&suite).await);
    add(
        "undeclared-writes-are-refused",
        write::undeclared_writes(&suite).await,
    );

    add("outcomes-come-in-order", batch::in_order(&suite).await);
    add("a-bad-op-fails-as-declared", batch::bad_op(&suite).await);

    add("a-rate-limit-is-typed", trouble::rate_limit(&suite).await);
    add(
        "a-server-error-is-transient",
        trouble::server_error(&suite).await,
    );
    add(
        "refused-credentials-are-typed",
        trouble::unauthorised(&suite).await,
    );
    add(
        "a-lost-answer-is-unknown",
        trouble::lost_answer(&suite).await,
    );
    report
}
