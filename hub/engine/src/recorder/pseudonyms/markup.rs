//! XML, whose tags say what something is and not of whom.

use super::Pseudonyms;

const CDATA: &str = "<![CDATA[";

impl Pseudonyms {
    pub(super) fn markup(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            masked += &self.scan(&rest[..start], true);
            rest = &rest[start..];
            let end = if rest.starts_with(CDATA) {
                masked += CDATA;
                CDATA.len()
            } else if let Some(end) = tag_end(rest) {
                self.tag(&rest[..end], &mut masked);
                end
            } else {
                masked.push('<');
                1
            };
            rest = &rest[end..];
        }
        masked + &self.scan(rest, true)
    }

    /// Its name and its namespaces stay; what else it is told may be somebody's.
    fn tag(&mut self, tag: &str, masked: &mut String) {
        let about_the_document = tag.starts_with("<?") || tag.starts_with("<!");
        for (at, part) in tag.split_inclusive(char::is_whitespace).enumerate() {
            if about_the_document || at == 0 || part.starts_with("xmlns") {
                *masked += part;
            } else if let Some((name, value)) = part.split_once('=') {
                *masked += name;
                masked.push('=');
                *masked += &self.scan(value, true);
            } else {
                *masked += &self.scan(part, true);
            }
        }
    }
}

/// Where a tag ends; none where `<` begins none.
fn tag_end(text: &str) -> Option<usize> {
    let is_one = text[1..].starts_with(|char: char| char.is_ascii_alphabetic())
        || ["/", "?", "!D"]
            .iter()
            .any(|mark| text[1..].starts_with(mark));
    let end = text[1..].find(['<', '>'])? + 2;
    (is_one && text[..end].ends_with('>')).then_some(end)
}
