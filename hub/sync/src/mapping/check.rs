//! A mapping against the streams and fields that an account really has.

use concord_core::record::StreamInfo;

use super::document::At;
use super::error::expected;
use super::{MappingError, StreamMapping};

pub(super) fn against(mapping: &StreamMapping, streams: &[StreamInfo]) -> Vec<MappingError> {
    let Some(info) = streams.iter().find(|s| s.name == mapping.stream.as_str()) else {
        let names: Vec<&str> = streams.iter().map(|s| s.name.as_str()).collect();
        return vec![MappingError::Stream {
            at: At::default(),
            stream: mapping.stream.to_string(),
            problem: format!(
                "the system has no such stream; {}",
                expected(mapping.stream.as_str(), &names)
            ),
        }];
    };
    let names: Vec<&str> = info.fields.iter().map(|f| f.name.as_str()).collect();
    let mut errors = Vec::new();
    for lens in &mapping.lenses {
        let mut wrong = |problem: String| {
            errors.push(MappingError::Field {
                at: At::default(),
                stream: mapping.stream.to_string(),
                field: lens.field.to_string(),
                problem,
            });
        };
        for remote in lens.remote_fields() {
            match info.fields.iter().find(|field| field.name == *remote) {
                None => wrong(format!(
                    "the system has no field '{remote}'; {}",
                    expected(remote, &names)
                )),
                Some(field) if field.read_only && lens.written_fields().any(|f| f == remote) => {
                    wrong(format!(
                        "the system's field '{remote}' is read-only: say 'direction: read'"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    errors
}
