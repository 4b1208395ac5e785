//! The body of a request: complete before it is sent, so that it can be sent again. A large one waits in a file that has
//! no name any more, and goes when its last holder does, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use tokio::task::{JoinHandle, spawn_blocking};

/// How much of a file is read at a time, bytes.
const PIECE: u64 = 128 << 10;

/// A body in a file without a name.
#[derive(Debug)]
pub struct Spill {
    file: Arc<File>,
    length: u64,
}

/// The names of files, which exist for a moment.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Spill {
    /// An empty file in a folder; nobody else can open it, and its name is gone at once.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub async fn create(folder: &Path) -> io::Result<Self> {
        let name = format!(".clearline-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = folder.join(name);
        let made = spawn_blocking(move || {
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        });
        let file = made.await.map_err(io::Error::other).and_then(|file| file)?;
        Ok(Self { file: Arc::new(file), length: 0 })
    }

    /// Writes a piece behind what is there.
    ///
    /// # Errors
    /// It cannot be written: the disk is full, for example.
    pub async fn append(&mut self, piece: Bytes) -> io::Result<()> {
        let (file, at) = (Arc::clone(&self.file), self.length);
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let wrote = spawn_blocking(move || file.write_all_at(&piece, at));
        wrote.await.map_err(io::Error::other).and_then(|wrote| wrote)?;
        self.length += length;
        Ok(())
    }

    /// How long the body is, bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The body with a change.
    #[must_use]
    pub fn with(&self, change: Change) -> ReqBody {
        let at = change.at.min(self.length);
        let change = Change { at, cut: change.cut.min(self.length - at), ..change };
        let file = Arc::clone(&self.file);
        ReqBody(Kind::Stored(Stored { file, at: 0, end: self.length, change: Some(change), reading: None }))
    }
}

/// What goes out of a file otherwise than it stands there.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Before which byte.
    pub at: u64,
    /// So many bytes from there on are left out.
    pub cut: u64,
    /// And these go out.
    pub text: Bytes,
}

impl Change {
    /// How long a body of this length is with it, bytes.
    #[must_use]
    pub fn length(&self, length: u64) -> u64 {
        let text = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
        length.saturating_sub(self.cut).saturating_add(text)
    }
}

/// What an exchange sends as its body.
#[derive(Debug)]
pub struct ReqBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Full<Bytes>),
    Stored(Stored),
}

/// A file on its way out.
#[derive(Debug)]
struct Stored {
    file: Arc<File>,
    at: u64,
    end: u64,
    /// Until it has gone out.
    change: Option<Change>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl From<Bytes> for ReqBody {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Full::new(bytes)))
    }
}

impl From<Full<Bytes>> for ReqBody {
    fn from(full: Full<Bytes>) -> Self {
        Self(Kind::Whole(full))
    }
}

impl From<&Spill> for ReqBody {
    fn from(spill: &Spill) -> Self {
        spill.with(Change::default())
    }
}

impl Stored {
    fn left(&self) -> u64 {
        let left = self.end - self.at;
        self.change.as_ref().map_or(left, |change| change.length(left))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(change) = self.change.take_if(|change| change.at == self.at) {
            self.at += change.cut;
            if !change.text.is_empty() {
                return Poll::Ready(Some(Ok(change.text)));
            }
        }
        if self.at >= self.end {
            return Poll::Ready(None);
        }
        let until = self.change.as_ref().map_or(self.end, |change| change.at);
        let (at, left) = (self.at, until - self.at);
        let file = &self.file;
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            spawn_blocking(move || {
                let mut piece = BytesMut::zeroed(usize::try_from(left.min(PIECE)).unwrap_or(0));
                file.read_exact_at(&mut piece, at)?;
                Ok(piece.freeze())
            })
        });
        let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).and_then(|read| read);
        self.reading = None;
        if let Ok(piece) = &read {
            self.at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Poll::Ready(Some(read))
    }
}

impl http_body::Body for ReqBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Kind::Whole(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Kind::Stored(stored) => stored.poll_piece(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(full) => full.is_end_stream(),
            Kind::Stored(stored) => stored.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(full) => full.size_hint(),
            Kind::Stored(stored) => SizeHint::with_exact(stored.left()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_in_a_file_is_read_again_and_again_and_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("clearline-upload-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut spill = Spill::create(&folder).await.unwrap();
        assert!(spill.is_empty());
        let pieces: Vec<Bytes> = (0..5_u8).map(|n| Bytes::from(vec![n; 70_000])).collect();
        for piece in &pieces {
            spill.append(piece.clone()).await.unwrap();
        }
        assert_eq!(spill.len(), 350_000);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "the file has no name");
        for _ in 0..2 {
            let body = ReqBody::from(&spill);
            assert_eq!(body.size_hint().exact(), Some(350_000));
            assert_eq!(body.collect().await.unwrap().to_bytes(), pieces.concat());
        }
        let more = Bytes::from_static(b"more");
        for at in [0, 1, 70_000, 131_072, 349_999, 350_000] {
            for (cut, text) in
                [(0, more.clone()), (5, more.clone()), (5, Bytes::new()), (400_000, more.clone())]
            {
                let body = spill.with(Change { at: at as u64, cut: cut as u64, text: text.clone() });
                let behind = (at + cut).min(350_000);
                let expected = [&pieces.concat()[..at], &text, &pieces.concat()[behind..]].concat();
                assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
                assert!(body.collect().await.unwrap().to_bytes() == expected, "{at} {cut}");
            }
        }
        std::fs::remove_dir(&folder).unwrap();
        assert!(Spill::create(&folder).await.is_err(), "a folder that is not there");
    }
}
