//! One content line of a vCard (RFC 6350 §3.3, RFC 2426 §2.4.2), kept as it
//! came.  A card is edited line by line, so that what is not mapped (photos,
//! `X-` properties, parameters, groups, the folding) leaves as it was read.

/// Where RFC 6350 §3.2 asks to fold: 75 octets without the line break.
const FOLD_AT: usize = 75;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As read, with its folds (`\r\n` and a blank), without the last break.
    raw: String,
    pub group: Option<String>,
    /// In capitals.
    pub name: String,
    pub params: Vec<Param>,
    /// Unfolded, still escaped.
    pub value: String,
    /// Unfolded text up to and with the colon.
    head: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// In capitals; empty for the bare types of older cards (`TEL;HOME:`).
    pub name: String,
    pub values: Vec<String>,
}

impl Line {
    /// Reads one logical line; `raw` may hold folds.
    pub fn parse(raw: &str) -> Option<Line> {
        let text = unfold(raw);
        let colon = outside_quotes(&text, ':')?;
        let head = text[..=colon].to_owned();
        let value = text[colon + 1..].to_owned();
        let mut parts = split_outside_quotes(&text[..colon], ';').into_iter();
        let full_name = parts.next()?;
        let (group, name) = match full_name.rsplit_once('.') {
            Some((group, name)) => (Some(group.to_owned()), name),
            None => (None, full_name),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        let params = parts.map(param).collect();
        let name = name.to_ascii_uppercase();
        Some(Line {
            raw: raw.to_owned(),
            group,
            name,
            params,
            value,
            head,
        })
    }

    /// A new line without parameters.  `value` is already escaped.
    pub fn new(name: &str, value: &str) -> Line {
        let head = format!("{name}:");
        Line {
            raw: fold(&format!("{head}{value}")),
            group: None,
            name: name.to_owned(),
            params: Vec::new(),
            value: value.to_owned(),
            head,
        }
    }

    /// A new line with one `TYPE`.
    pub fn typed(name: &str, kind: &str, value: &str) -> Line {
        let head = format!("{name};TYPE={}:", kind.to_ascii_uppercase());
        Line {
            raw: fold(&format!("{head}{value}")),
            group: None,
            name: name.to_owned(),
            params: vec![Param {
                name: "TYPE".into(),
                values: vec![kind.to_owned()],
            }],
            value: value.to_owned(),
            head,
        }
    }

    /// Replaces the value; name, group and parameters stay as they were.
    pub fn set_value(&mut self, value: &str) {
        if self.value != value {
            self.value = value.to_owned();
            self.raw = fold(&format!("{}{value}", self.head));
        }
    }

    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The types of the line in small letters: `TYPE=a,b`, `TYPE="a,b"` and
    /// the bare form.
    pub fn types(&self) -> impl Iterator<Item = String> + '_ {
        self.params
            .iter()
            .filter(|p| p.name == "TYPE" || p.name.is_empty())
            .flat_map(|p| p.values.iter())
            .flat_map(|v| v.split(','))
            .map(|t| t.trim().to_ascii_lowercase())
            .filter(|t| !t.is_empty())
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|p| p.name == name)?
            .values
            .first()
            .map(String::as_str)
    }
}

/// Splits a card into its logical lines, folds kept inside each.
pub fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for physical in text.split('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        match lines.last_mut() {
            Some(last) if physical.starts_with([' ', '\t']) => {
                last.push_str("\r\n");
                last.push_str(physical);
            }
            _ if physical.is_empty() => {}
            _ => lines.push(physical.to_owned()),
        }
    }
    lines
}

fn unfold(raw: &str) -> String {
    if !raw.contains('\n') {
        return raw.to_owned();
    }
    let mut text = String::with_capacity(raw.len());
    for (i, part) in raw.split("\r\n").enumerate() {
        text.push_str(if i == 0 {
            part
        } else {
            part.get(1..).unwrap_or_default()
        });
    }
    text
}

fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + text.len() / 32);
    let mut width = 0;
    for c in text.chars() {
        if width + c.len_utf8() > FOLD_AT {
            folded.push_str("\r\n ");
            width = 1;
        }
        folded.push(c);
        width += c.len_utf8();
    }
    folded
}

fn param(text: &str) -> Param {
    let unquote = |v: &str| v.trim().trim_matches('"').to_owned();
    match text.split_once('=') {
        Some((name, values)) => Param {
            name: name.trim().to_ascii_uppercase(),
            values: split_outside_quotes(values, ',')
                .into_iter()
                .map(unquote)
                .collect(),
        },
        None => Param {
            name: String::new(),
            values: vec![unquote(text)],
        },
    }
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(i, c)| {
        quoted ^= c == '"';
        (c == wanted && !quoted).then_some(i)
    })
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = outside_quotes(rest, separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len_utf8()..];
    }
    parts.push(rest);
    parts
}

/// Splits an escaped value at a separator that is not escaped itself.
pub fn split_escaped(value: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (i, c) in value.char_indices() {
        if !escaped && c == separator {
            parts.push(&value[start..i]);
            start = i + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&value[start..]);
    parts
}

/// The text behind an escaped value (RFC 6350 §3.4).
pub fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'N') => text.push('\n'),
            Some(escaped @ ('\\' | ',' | ';' | ':')) => text.push(escaped),
            // Not an escape that the RFC knows: both characters were meant.
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

/// A text as a value, safe in single, list and structured properties alike.
pub fn escape(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ',' | ';' => value.extend(['\\', c]),
            '\n' => value.push_str("\\n"),
            // A bare control character would break the line or the XML around it.
            c if c.is_control() && c != '\t' => {}
            c => value.push(c),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(raw: &str) -> Line {
        Line::parse(raw).unwrap()
    }

    #[test]
    fn the_parts_of_a_line_are_told_apart() {
        // RFC 6350 §3.3 and §6.4.1; Apple's grouped labels.
        let l = line("item1.TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+1-555-555-5555;ext=5555");
        assert_eq!(l.group.as_deref(), Some("item1"));
        assert_eq!(l.name, "TEL");
        assert_eq!(l.types().collect::<Vec<_>>(), ["voice", "home"]);
        assert_eq!(l.param("PREF"), Some("1"));
        assert_eq!(l.value, "tel:+1-555-555-5555;ext=5555");
        // RFC 2426 and older: bare types; a colon inside a quoted parameter.
        assert_eq!(
            line("tel;HOME;Cell:1").types().collect::<Vec<_>>(),
            ["home", "cell"]
        );
        assert_eq!(line("ADR;LABEL=\"a:b;c\":;;x").value, ";;x");
        for wrong in ["no colon here", ":value", "A B:x", ""] {
            assert_eq!(Line::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn escapes_are_those_of_the_rfc() {
        let cases = [
            ("a\\, b\\; c\\\\ d\\ne\\Nf", "a, b; c\\ d\ne\nf"),
            ("plain", "plain"),
            ("\\x\\", "\\x\\"),
        ];
        for (value, text) in cases {
            assert_eq!(unescape(value), text);
        }
        assert_eq!(escape("a,b;c\\d\ne\u{7}"), "a\\,b\\;c\\\\d\\ne");
        assert_eq!(split_escaped("a\\;b;c\\\\;d", ';'), ["a\\;b", "c\\\\", "d"]);
    }

    #[test]
    fn what_is_not_changed_keeps_its_folds() {
        let text = "NOTE:This is a lo\r\n ng description\r\nX-A:1\n\n\tfolded\n";
        let lines = logical_lines(text);
        assert_eq!(
            lines,
            ["NOTE:This is a lo\r\n ng description", "X-A:1\r\n\tfolded"]
        );
        let mut note = line(&lines[0]);
        assert_eq!(note.value, "This is a long description");
        note.set_value("This is a long description");
        assert_eq!(note.raw(), lines[0]);
    }

    #[test]
    fn a_fold_never_cuts_a_character_and_no_line_passes_75_octets() {
        let text = "名前ä".repeat(40);
        let mut l = line("item1.NOTE;LANGUAGE=ja:x");
        l.set_value(&text);
        assert!(l.raw().split("\r\n").all(|p| p.len() <= 75));
        assert!(l.raw().starts_with("item1.NOTE;LANGUAGE=ja:"));
        assert_eq!(line(l.raw()).value, text);
    }
}
