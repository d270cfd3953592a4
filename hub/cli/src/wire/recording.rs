//! A recording as a file: three parts, each packed with gzip by itself, and all of
//! it sealed where there is a key.
//!
//! 1. one line that says what the run was given;
//! 2. the books that it began with, as a backup holds them, without any secret;
//! 3. what happened, line by line ([`concord_engine::recorder`]).

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::chance::Seeded;
use concord_core::ports::{Rng as _, StoreError};
use concord_engine::clock::SystemRng;
use concord_engine::recorder::{
    Connected, Ended, Event, FORMAT, Header, Recorder, Tape, TapeError, TapeReader, TapeWriter,
    Witness as _,
};
use concord_engine::run::{Report, Request};
use concord_engine::{EngineError, Hub};
use concord_store::{ArchiveError, SqlStore};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::archive::{Out, private};
use super::flight::Recording;
use super::hub::held;
use super::key::{KeyError, KeySource, Keyring};
use super::seal::{OpenError, Opener, is_sealed};

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("{} is there already, and a recording overwrites nothing: name another file", .0.display())]
    Exists(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is sealed: name the key that it was sealed with, --key FILE", .0.display())]
    Sealed(PathBuf),
    #[error("{} cannot be opened with the key in {key}: {problem}", path.display())]
    WrongKey {
        path: PathBuf,
        key: KeySource,
        problem: OpenError,
    },
    #[error(
        "the recording ends within the books that its run began with, so nothing can be replayed"
    )]
    CutShort,
    #[error(transparent)]
    Tape(#[from] TapeError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Events on their way into the file.
struct Packed(GzEncoder<Out>);

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Tape for Packed {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.0.finish()?.finish()?.sync_all()
    }
}

/// Makes the file, which is not there yet, and writes everything that is known
/// before the run.
async fn begin(
    path: &Path,
    key: Option<&KeySource>,
    header: &Header,
    store: &SqlStore,
) -> Result<TapeWriter, RecordingError> {
    if path.exists() {
        return Err(RecordingError::Exists(path.to_owned()));
    }
    let unwritten = |source| RecordingError::Write {
        path: path.to_owned(),
        source,
    };
    let ring = key.map(Keyring::read).transpose()?;
    let line = serde_json::to_string(header).map_err(|error| unwritten(error.into()))?;
    let file = BufWriter::new(private(path, false).map_err(unwritten)?);
    let out = Out::new(file, ring.as_ref().map(Keyring::current)).map_err(unwritten)?;
    let mut first = GzEncoder::new(out, Compression::fast());
    let said = writeln!(first, "{line}").and_then(|()| first.finish());
    let mut books = GzEncoder::new(said.map_err(unwritten)?, Compression::fast());
    store
        .write_books(&mut books, &header.version, header.made)
        .await?;
    let out = books.finish().map_err(unwritten)?;
    let events = GzEncoder::new(out, Compression::fast());
    Ok(TapeWriter::new(&line, Box::new(Packed(events))))
}

/// A recording of a run that is under way.
pub struct Recorded {
    recorder: Arc<Recorder>,
}

impl Recorded {
    /// To be called right before the run.
    pub async fn begin(
        path: &Path,
        key: Option<&KeySource>,
        recording: &Recording,
        hub: &mut Hub,
        request: &Request,
        store: &SqlStore,
        now: Timestamp,
    ) -> Result<Self, RecordingError> {
        let seed = SystemRng::default().next_u64();
        hub.rng = Arc::new(Seeded::new(seed));
        let options = &hub.options;
        let lease = match &options.sharing {
            Some(sharing) => sharing.terms().claim,
            None => options.lease,
        };
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let mut connections = recording.connected();
        connections.extend(held(hub).into_iter().map(|(connection, reason)| Connected {
            connection,
            held: Some(reason),
            ..Connected::default()
        }));
        let header = Header {
            concord: "recording".to_owned(),
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made: now,
            seed,
            owner: options.owner.clone(),
            shared: options.sharing.is_some(),
            lease_ms: millis(lease),
            request_timeout_ms: millis(options.request_timeout),
            request: request.clone(),
            connections,
        };
        let tape = begin(path, key, &header, store).await?;
        recording.recorder.begin(tape);
        Ok(Self {
            recorder: Arc::clone(&recording.recorder),
        })
    }

    /// None where it was told to end.  What the run did stays done, whatever became
    /// of the recording.
    pub fn end(self, ended: Option<&Result<Report, EngineError>>) {
        let ended = ended.map_or(Ended::Interrupted, |result| Ended::of(result.as_ref()));
        self.recorder.note(Event::End(ended));
        if let Err(error) = self.recorder.end() {
            tracing::error!("the recording of this run is not whole: {error}");
        }
    }
}

/// What a gzip member begins with (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A recording whose header was read.
pub struct Opened {
    pub header: Header,
    line: String,
    rest: Box<dyn BufRead + Send>,
}

pub fn open(path: &Path, key: Option<&KeySource>) -> Result<Opened, RecordingError> {
    let unread = |source| RecordingError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unread)?);
    let mut rest: Box<dyn BufRead + Send> = if is_sealed(file.fill_buf().map_err(unread)?) {
        let Some(at) = key else {
            return Err(RecordingError::Sealed(path.to_owned()));
        };
        let opened = Opener::new(file, &Keyring::read(at)?);
        Box::new(BufReader::new(opened.map_err(|problem| {
            RecordingError::WrongKey {
                path: path.to_owned(),
                key: at.clone(),
                problem,
            }
        })?))
    } else {
        Box::new(file)
    };
    // Whatever is packed otherwise, or not at all, is another file.
    if !rest.fill_buf().map_err(unread)?.starts_with(&GZIP) {
        return Err(TapeError::Foreign.into());
    }
    let mut line = String::new();
    GzDecoder::new(&mut rest)
        .read_to_string(&mut line)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => RecordingError::CutShort,
            _ => TapeError::Foreign.into(),
        })?;
    let line = line.trim_end().to_owned();
    let header = Header::parse(&line)?;
    Ok(Opened { header, line, rest })
}

impl Opened {
    /// Takes the books into an empty database; what happened comes behind them.
    pub async fn books(mut self, store: &SqlStore) -> Result<(Header, TapeReader), RecordingError> {
        let read = store
            .read_books(&mut BufReader::new(GzDecoder::new(&mut self.rest)))
            .await;
        match read {
            Err(ArchiveError::CutShort { .. } | ArchiveError::Foreign) => {
                return Err(RecordingError::CutShort);
            }
            read => read?,
        };
        Ok(self.events())
    }

    /// Passes over the books.
    pub fn without_books(mut self) -> Result<(Header, TapeReader), RecordingError> {
        let mut books = GzDecoder::new(&mut self.rest);
        io::copy(&mut books, &mut io::sink()).map_err(|_| RecordingError::CutShort)?;
        Ok(self.events())
    }

    fn events(self) -> (Header, TapeReader) {
        let events = BufReader::new(GzDecoder::new(self.rest));
        (self.header, TapeReader::new(&self.line, Box::new(events)))
    }
}
