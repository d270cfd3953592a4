//! Does the connector know its account and its streams?

use concord_core::record::PullMode;
use concord_core::{Fault, Selection, StreamName};

use crate::Bed;
use crate::report::{Checked, ensure, fail};
use crate::suite::{Suite, unexpected};

/// The field names that `discover` gives for the stream.
pub(super) async fn discovered(bed: &dyn Bed) -> Checked<Vec<String>> {
    let streams = bed
        .connector()
        .discover()
        .await
        .map_err(|fault| unexpected("discover", &fault))?;
    let name = bed.stream();
    let Some(stream) = streams.into_iter().find(|s| s.name == name.as_str()) else {
        return fail(format!("discover does not list the stream '{name}'"));
    };
    ensure(!stream.fields.is_empty(), || {
        format!("discover gives no fields for '{name}'")
    })?;
    Ok(stream.fields.into_iter().map(|field| field.name).collect())
}

/// The hub recognises an account that is connected twice by its id.
pub(super) async fn has_an_id(suite: &Suite<'_>) -> Checked {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let description = suite
            .bed
            .connector()
            .check()
            .await
            .map_err(|fault| unexpected("check", &fault))?;
        ids.push(description.account_id);
    }
    ensure(!ids[0].is_empty(), || {
        "check gives an empty account id".into()
    })?;
    ensure(ids[0] == ids[1], || {
        format!(
            "two checks give two account ids, '{}' and '{}'",
            ids[0], ids[1]
        )
    })
}

pub(super) async fn unknown_stream(suite: &Suite<'_>) -> Checked {
    let selection = Selection {
        mode: PullMode::Full,
        fields: suite.fields.clone(),
        page_size: 10,
        window: None,
    };
    let stream = StreamName::new("concord-no-such-stream");
    match suite.bed.connector().pull(&stream, &selection, None).await {
        Err(Fault::NotFound(_) | Fault::Bug(_) | Fault::Invalid(_)) => Ok(()),
        Err(fault) => fail(format!(
            "a fault that does not speak of the stream: {fault}"
        )),
        Ok(page) => fail(format!("a page of {} changes", page.changes.len())),
    }
}
