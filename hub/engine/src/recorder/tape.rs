//! Writes and reads the events of a recording, one a line.

use std::io::{self, BufRead, Write};

use super::event::Event;
use super::format::{Entry, TapeError};

/// Where events go; the end of it may have to be written as well (what it is
/// packed and sealed in).
pub trait Tape: Write + Send {
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// What stands behind each line: 16 of the 64 digits, which is enough against
/// chance, and nobody is kept from writing a recording of their own.
const DIGITS: usize = 16;

fn checksum(sum: &blake3::Hasher) -> String {
    let mut digits = sum.finalize().to_hex().to_string();
    digits.truncate(DIGITS);
    digits
}

/// Checksums begin with the header, so that events belong to it.
fn begun(header: &str) -> blake3::Hasher {
    let mut sum = blake3::Hasher::new();
    sum.update(header.as_bytes());
    sum
}

pub struct TapeWriter {
    out: Box<dyn Tape>,
    sum: blake3::Hasher,
}

impl TapeWriter {
    pub fn new(header: &str, out: Box<dyn Tape>) -> Self {
        let sum = begun(header);
        Self { out, sum }
    }

    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let line = serde_json::to_string(entry)?;
        self.sum.update(line.as_bytes());
        writeln!(self.out, "{line}\t{}", checksum(&self.sum))?;
        // What happened so far can be read even if the hub dies in what comes next:
        // a call that does not come back, a write.
        match entry.event {
            Event::Call(_) | Event::Commit(_) => self.out.flush(),
            _ => Ok(()),
        }
    }

    pub fn end(self) -> io::Result<()> {
        self.out.end()
    }
}

pub struct TapeReader {
    input: Box<dyn BufRead + Send>,
    sum: blake3::Hasher,
    line: u64,
}

impl TapeReader {
    pub fn new(header: &str, input: Box<dyn BufRead + Send>) -> Self {
        Self {
            input,
            sum: begun(header),
            line: 1,
        }
    }

    /// The next event; none where the recording ends, be it in the middle of a line.
    pub fn entry(&mut self) -> Result<Option<Entry>, TapeError> {
        let mut bytes = Vec::new();
        match self.input.read_until(b'\n', &mut bytes) {
            Ok(_) => {}
            // Of what was packed the end is missing: the hub was killed.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                ) =>
            {
                return Err(self.damaged(error));
            }
            Err(error) => return Err(TapeError::Read(error)),
        }
        if bytes.pop() != Some(b'\n') {
            return Ok(None);
        }
        self.line += 1;
        let text = String::from_utf8(bytes).map_err(|error| self.damaged(error))?;
        let (line, sum) = text
            .rsplit_once('\t')
            .ok_or_else(|| self.damaged("it has no checksum"))?;
        self.sum.update(line.as_bytes());
        if sum != checksum(&self.sum) {
            return Err(self.damaged("its checksum is wrong"));
        }
        let entry = serde_json::from_str(line).map_err(|error| self.damaged(error))?;
        Ok(Some(entry))
    }

    fn damaged(&self, problem: impl ToString) -> TapeError {
        TapeError::Damaged {
            line: self.line,
            problem: problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::event::Ended;
    use super::super::format::Header;
    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Tape for Memory {
        fn end(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    const HEADER: &str = "a header";

    fn tape() -> Vec<u8> {
        let memory = Memory::default();
        let mut writer = TapeWriter::new(HEADER, Box::new(memory.clone()));
        for event in [
            Event::Document {
                name: "a".into(),
                text: "tab\t and line\n".into(),
            },
            Event::Dirty("person".into()),
            Event::End(Ended::Interrupted),
        ] {
            let (now, mono) = (vec![1_000, 5], vec![7]);
            writer.write(&Entry { now, mono, event }).unwrap();
        }
        writer.end().unwrap();
        memory.0.lock().unwrap().clone()
    }

    fn read(header: &str, bytes: &[u8]) -> Result<usize, TapeError> {
        let input = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut reader = TapeReader::new(header, input);
        let mut count = 0;
        while reader.entry()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn what_was_written_is_read_and_a_part_of_it_as_far_as_it_goes() {
        let bytes = tape();
        assert_eq!(read(HEADER, &bytes).unwrap(), 3);
        let mut before = 0;
        for end in 0..bytes.len() {
            let count = read(HEADER, &bytes[..end]).unwrap();
            assert!(count >= before && count < 3, "{end}: {count}");
            before = count;
        }
    }

    #[test]
    fn a_changed_byte_a_missing_line_and_a_foreign_header_are_seen() {
        let bytes = tape();
        let last = bytes.len() - 1;
        for at in 0..last {
            let mut turned = bytes.clone();
            turned[at] ^= 1;
            // A line break that is lost or made leaves a line without its checksum.
            assert!(read(HEADER, &turned).is_err(), "{at}");
        }
        let text = String::from_utf8(bytes.clone()).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let without = [lines[0], lines[2]].concat();
        let error = read(HEADER, without.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("checksum"),
            "{error}"
        );
        let swapped = [lines[1], lines[0], lines[2]].concat();
        assert!(read(HEADER, swapped.as_bytes()).is_err());
        assert!(read("another header", &bytes).is_err());
    }

    #[test]
    fn other_files_and_newer_forms_are_refused_with_the_next_step() {
        let check = |line: &str, part: &str| {
            let error = Header::parse(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        };
        check("hello", "sync --record");
        check(r#"{"concord":"backup","format":1}"#, "sync --record");
        check(r#"{"concord":"recording","format":2}"#, "newer");
        check(r#"{"concord":"recording","format":1}"#, "missing field");
    }
}
