//! What is wrong with a mapping, and where.

use concord_core::Value;

use super::document::At;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MappingError {
    /// The text is no mapping; the message names the place.
    #[error("{0}")]
    Document(String),
    #[error("version {found} of the mapping format is not known; this hub reads version 1")]
    Version { found: u32 },
    #[error("{at}stream '{stream}': {problem}")]
    Stream {
        at: At,
        stream: String,
        problem: String,
    },
    #[error("{at}stream '{stream}', field '{field}': {problem}")]
    Field {
        at: At,
        stream: String,
        field: String,
        problem: String,
    },
}

/// A law that every lens keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Getting after a put gives the value that was put.
    PutGet,
    /// Putting back what was got changes nothing.
    GetPut,
    /// A put changes nothing that another lens reads.
    Apart,
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Law::PutGet => "put-get",
            Law::GetPut => "get-put",
            Law::Apart => "apart",
        })
    }
}

/// A mapping would lose or change values on their way there and back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "stream '{stream}', field '{field}' breaks the law {law}: {story}. Change the lens, declare \
     how the system rewrites the value, or set 'direction: read' or 'write'"
)]
pub struct LawBroken {
    pub stream: String,
    pub field: String,
    pub law: Law,
    /// The canonical value that shows it.
    pub counter_example: Value,
    /// What happened to it.
    pub story: String,
}

/// The names that could have been written, the likeliest first.
pub fn expected(wrong: &str, names: &[&str]) -> String {
    let near = names
        .iter()
        .map(|name| (strsim::osa_distance(wrong, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3));
    let all = names.join(", ");
    match near {
        Some((_, name)) => format!("did you mean '{name}'? There are: {all}"),
        None => format!("there are: {all}"),
    }
}
