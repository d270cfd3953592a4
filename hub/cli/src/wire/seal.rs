//! Seals a stream of bytes: XChaCha20-Poly1305 in chunks, numbered and with the
//! last one marked (the construction STREAM), so that a chunk that is changed,
//! left out, moved or cut off is seen before a byte of it is used.
//!
//! ```text
//! concord-sealed/1 0123456789abcdef\n   the key's id
//! 19 random bytes
//! chunks of 64 KiB and their tags
//! ```

use std::io::{self, BufRead, Read, Write};

use chacha20poly1305::aead::Payload;
use chacha20poly1305::aead::stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::{Key as Sealing, KeyInit as _, XChaCha20Poly1305};

use super::key::{Key, Keyring};

const MARK: &str = "concord-sealed/1 ";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const NONCE: usize = 19;

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Sealing::from(*key.for_backups()))
}

fn header(key: &Key) -> String {
    format!("{MARK}{}\n", key.id())
}

/// Whether a file that begins with these bytes is sealed.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK.as_bytes())
}

pub struct Sealer<W> {
    out: W,
    header: String,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    chunk: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    pub fn new(mut out: W, key: &Key) -> io::Result<Self> {
        let header = header(key);
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        out.write_all(header.as_bytes())?;
        out.write_all(&nonce)?;
        Ok(Self {
            out,
            header,
            stream: EncryptorBE32::from_aead(cipher(key), nonce.as_slice().into()),
            chunk: Vec::with_capacity(CHUNK),
        })
    }

    /// Writes the last chunk.
    pub fn finish(mut self) -> io::Result<W> {
        let payload = Payload {
            msg: &self.chunk,
            aad: self.header.as_bytes(),
        };
        let sealed = self.stream.encrypt_last(payload);
        let sealed = sealed.map_err(|_| io::Error::other("the last chunk cannot be sealed"))?;
        self.out.write_all(&sealed)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk leaves when more is to come: the last one is another.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            let payload = Payload {
                msg: &self.chunk,
                aad: self.header.as_bytes(),
            };
            let sealed = self.stream.encrypt_next(payload);
            let sealed = sealed.map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
            self.out.write_all(&sealed)?;
            self.chunk.clear();
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// What is in a chunk leaves with the whole of it.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Why something sealed is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("it was sealed with the key {wants}, and here is {has}")]
    OtherKey { wants: String, has: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub struct Opener<R> {
    input: R,
    header: String,
    /// None once the last chunk was read.
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    chunk: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Opener<R> {
    pub fn new(mut input: R, ring: &Keyring) -> Result<Self, OpenError> {
        let mut line = String::new();
        input.by_ref().take(64).read_line(&mut line)?;
        let Some(key) = ring.all().find(|key| header(key) == line) else {
            let wants = line.trim_end().strip_prefix(MARK).unwrap_or("?").to_owned();
            let has = ring.ids();
            return Err(OpenError::OtherKey { wants, has });
        };
        let mut nonce = [0; NONCE];
        input.read_exact(&mut nonce)?;
        Ok(Self {
            input,
            header: line,
            stream: Some(DecryptorBE32::from_aead(
                cipher(key),
                nonce.as_slice().into(),
            )),
            chunk: Vec::new(),
            at: 0,
        })
    }

    fn next(&mut self) -> io::Result<()> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(());
        };
        let mut sealed = Vec::with_capacity(CHUNK + TAG);
        let most = (CHUNK + TAG) as u64;
        self.input.by_ref().take(most).read_to_end(&mut sealed)?;
        let payload = Payload {
            msg: &sealed,
            aad: self.header.as_bytes(),
        };
        let is_last = self.input.fill_buf()?.is_empty();
        let opened = if is_last {
            stream.decrypt_last(payload)
        } else {
            let opened = stream.decrypt_next(payload);
            self.stream = Some(stream);
            opened
        };
        self.chunk = opened.map_err(|_| {
            let problem = "its seal is broken: it was changed or cut short";
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })?;
        self.at = 0;
        Ok(())
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && self.stream.is_some() {
            self.next()?;
        }
        let left = &self.chunk[self.at..];
        let count = left.len().min(out.len());
        out[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::key::KeySource;

    fn key(folder: &tempfile::TempDir, name: &str) -> Keyring {
        let path = folder.path().join(name);
        let made = Key::make(&path).unwrap();
        let read = Keyring::read(&KeySource::File(path)).unwrap();
        assert_eq!(made.id(), read.ids());
        read
    }

    fn sealed(ring: &Keyring, bytes: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), ring.current()).unwrap();
        // In pieces that do not fit the chunks.
        bytes
            .chunks(10_007)
            .for_each(|piece| sealer.write_all(piece).unwrap());
        sealer.finish().unwrap()
    }

    fn opened(key: &Keyring, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut out = Vec::new();
        Opener::new(sealed, key)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn what_is_sealed_is_opened_at_every_length_around_a_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(&folder, "key");
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 200_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let sealed = sealed(&key, &bytes);
            assert!(is_sealed(&sealed));
            assert!(opened(&key, &sealed).unwrap() == bytes, "{length}");
        }
    }

    #[test]
    fn what_was_changed_cut_or_moved_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(&folder, "key");
        let whole = sealed(&key, &vec![7; 3 * CHUNK]);
        let start = MARK.len() + 17 + NONCE;
        let block = CHUNK + TAG;
        assert_eq!(whole.len(), start + 3 * block);
        for end in [
            start,
            start + 5,
            start + block,
            start + 2 * block,
            whole.len() - 1,
        ] {
            assert!(opened(&key, &whole[..end]).is_err(), "{end}");
        }
        for at in [start - 1, start, start + block - 1, whole.len() - 1] {
            let mut turned = whole.clone();
            turned[at] ^= 1;
            assert!(opened(&key, &turned).is_err(), "{at}");
        }
        let mut swapped = whole.clone();
        swapped[start..start + 2 * block].rotate_left(block);
        assert!(opened(&key, &swapped).is_err());
    }

    #[test]
    fn another_key_is_told_apart_by_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (key(&folder, "one"), key(&folder, "other"));
        let error = opened(&other, &sealed(&one, b"x")).unwrap_err().to_string();
        assert!(
            error.contains(&one.ids()) && error.contains(&other.ids()),
            "{error}"
        );
        let path = folder.path().join("one");
        assert!(Key::make(&path).is_err(), "written over");
        // A file that has a new key opens what the one before has sealed.
        let renewed = Keyring::renew(&KeySource::File(path)).unwrap();
        assert_eq!(opened(&renewed, &sealed(&one, b"x")).unwrap(), b"x");
    }
}
