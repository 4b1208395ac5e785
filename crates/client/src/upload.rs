//! The body of a request while it is collected: in memory while it is small, in a file without a name once it is large or
//! the memory for bodies is full.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use clearline_net::{Change, ReqBody, Spill};
use clearline_wire::{Peek, Scan};

/// How much is written to a file at a time, bytes.
const PIECE: u64 = 256 << 10;

/// A body that is smaller may share its buffer with a head, bytes.
const COMPACT_MAX: usize = 8 << 10;

/// Where the bodies of requests wait, and how much of them in memory.
#[derive(Debug)]
pub struct Store {
    over: u64,
    memory_max: u64,
    folder: PathBuf,
    in_memory: AtomicU64,
}

impl Store {
    /// Bodies over `over` bytes go to a file in `folder`, and smaller ones as well while the bodies in memory together
    /// hold `memory_max` bytes.
    #[must_use]
    pub fn new(over: u64, memory_max: u64, folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { over, memory_max, folder, in_memory: AtomicU64::new(0) })
    }

    /// How much memory the bodies take together, bytes.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        self.in_memory.load(Ordering::Relaxed)
    }
}

/// A share of the memory for bodies, given back when it is dropped.
#[derive(Debug)]
struct Share {
    store: Arc<Store>,
    bytes: u64,
}

impl Share {
    fn grow(&mut self, by: u64) {
        self.store.in_memory.fetch_add(by, Ordering::Relaxed);
        self.bytes += by;
    }

    /// Whether the bodies in memory have room there, all together.
    fn has_room(&self) -> bool {
        self.store.in_memory() <= self.store.memory_max
    }

    fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.store.in_memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A body that arrives.
pub struct Collect {
    share: Share,
    scan: Scan,
    /// A small body is one piece, which is kept without a copy.
    first: Bytes,
    rest: BytesMut,
    spill: Option<Spill>,
    /// There can be no file: it stays in memory as long as that has room.
    no_file: bool,
    /// A piece was on its way to the file when that failed, or was given up: nobody knows what of it is there.
    torn: bool,
    length: u64,
}

/// Without what is in it.
impl fmt::Debug for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Collect {
    /// A body without a byte so far.
    #[must_use]
    pub fn new(store: &Arc<Store>) -> Self {
        Self {
            share: Share { store: Arc::clone(store), bytes: 0 },
            scan: Scan::new(),
            first: Bytes::new(),
            rest: BytesMut::new(),
            spill: None,
            no_file: false,
            torn: false,
            length: 0,
        }
    }

    /// What has arrived so far, bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing has arrived so far.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes the next piece, and says whether it may stay in memory: where not, [`Self::write`] comes next.
    #[must_use]
    pub fn push(&mut self, piece: Bytes) -> bool {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.length = self.length.saturating_add(length);
        self.scan.push(&piece);
        self.share.grow(length);
        let fits = self.share.has_room() && (self.no_file || self.share.bytes <= self.share.store.over);
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
        } else {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            self.rest.extend_from_slice(&piece);
        }
        let waits = u64::try_from(self.first.len() + self.rest.len()).unwrap_or(u64::MAX);
        if self.spill.is_some() { waits < self.share.store.over.min(PIECE) } else { fits }
    }

    /// Writes what is in memory to the file; where there can be none, it stays there while there is room. Whoever drops the future before its end gives the body up.
    ///
    /// # Errors
    /// It cannot be written, or a piece before it could not.
    pub async fn write(&mut self) -> io::Result<()> {
        if self.spill.is_none() {
            match Spill::create(&self.share.store.folder).await {
                Ok(spill) => self.spill = Some(spill),
                // A folder that cannot be written to is no reason to refuse what memory has room for.
                Err(_) if self.share.has_room() => {
                    self.no_file = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.sound()?;
        let piece = self.take();
        if let Some(spill) = &mut self.spill {
            self.torn = true;
            spill.append(piece).await?;
            self.torn = false;
        }
        self.share.give_back();
        Ok(())
    }

    fn sound(&self) -> io::Result<()> {
        if self.torn {
            Err(io::Error::other("a piece of the body was lost on its way to the file"))
        } else {
            Ok(())
        }
    }

    fn take(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        if self.rest.is_empty() { first } else { std::mem::take(&mut self.rest).freeze() }
    }

    /// The whole body, where nothing of it went to a file.
    ///
    /// # Errors
    /// Itself: [`Self::finish`] writes the rest.
    pub fn whole(self) -> Result<Body, Box<Self>> {
        if self.spill.is_some() { Err(Box::new(self)) } else { Ok(self.end()) }
    }

    /// The whole body, wherever it is.
    ///
    /// # Errors
    /// The rest of it cannot be written.
    pub async fn finish(mut self) -> io::Result<Body> {
        if self.spill.is_some() {
            self.write().await?;
        }
        self.sound()?;
        Ok(self.end())
    }

    fn end(mut self) -> Body {
        let peek = Some(std::mem::take(&mut self.scan).finish());
        let length = self.length;
        let kind = match self.spill.take() {
            Some(spill) => Kind::Spilled(Arc::new(spill)),
            None => {
                let bytes = self.take();
                Kind::Shared(bytes, Arc::new(self.share))
            }
        };
        Body { kind, peek, length }
    }
}

/// The body of a request, whole. Its clones share it.
#[derive(Clone)]
pub struct Body {
    kind: Kind,
    peek: Option<Peek>,
    length: u64,
}

#[derive(Clone)]
enum Kind {
    Bytes(Bytes),
    /// With its share of the memory for bodies.
    Shared(Bytes, Arc<Share>),
    Spilled(Arc<Spill>),
    Changed(Arc<Spill>, Change),
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { kind: Kind::Bytes(bytes), peek: None, length }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

/// Without what is in it.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, spilled) = (&self.length, &self.is_spilled());
        f.debug_struct("Body").field("length", length).field("spilled", spilled).finish_non_exhaustive()
    }
}

impl Body {
    /// How long it is, bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it waits in a file.
    #[must_use]
    pub const fn is_spilled(&self) -> bool {
        matches!(self.kind, Kind::Spilled(_) | Kind::Changed(..))
    }

    /// What it says of itself.
    #[must_use]
    pub fn peek(&self) -> Cow<'_, Peek> {
        match (&self.peek, &self.kind) {
            (Some(peek), _) => Cow::Borrowed(peek),
            (None, Kind::Bytes(bytes) | Kind::Shared(bytes, _)) => Cow::Owned(clearline_wire::peek(bytes)),
            (None, Kind::Spilled(_) | Kind::Changed(..)) => Cow::Owned(Peek::default()),
        }
    }

    /// The same in a buffer of its own size, where it is small enough to be a part of a larger one.
    pub(crate) fn compact(&self) -> Self {
        let own = |bytes: &Bytes| {
            if bytes.len() < COMPACT_MAX { Bytes::copy_from_slice(bytes) } else { bytes.clone() }
        };
        let kind = match &self.kind {
            Kind::Bytes(bytes) => Kind::Bytes(own(bytes)),
            Kind::Shared(bytes, share) => Kind::Shared(own(bytes), Arc::clone(share)),
            Kind::Spilled(_) | Kind::Changed(..) => self.kind.clone(),
        };
        Self { kind, peek: self.peek.clone(), length: self.length }
    }

    /// Its bytes, where they are in memory.
    pub(crate) const fn bytes(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Bytes(bytes) | Kind::Shared(bytes, _) => Some(bytes),
            Kind::Spilled(_) | Kind::Changed(..) => None,
        }
    }

    /// The same with more messages, where it waits in a file and says where they would stand.
    pub(crate) fn with_messages(&self, more: Bytes) -> Option<Self> {
        let at = self.peek.as_ref()?.messages_end?;
        self.changed(Change { at, cut: 0, text: more })
    }

    /// The same with a stream asked for, where nothing else is said of that.
    pub(crate) fn streamed(&self) -> Option<Self> {
        if let Some(bytes) = self.bytes() {
            return Some(Bytes::from(clearline_wire::streamed(bytes)?).into());
        }
        let (at, cut, text) = self.peek.as_ref()?.unstreamed?.change();
        self.changed(Change { at, cut, text: Bytes::from_static(text) })
    }

    /// The same with a change, where it waits in a file as it came.
    fn changed(&self, change: Change) -> Option<Self> {
        let Kind::Spilled(spill) = &self.kind else { return None };
        let length = change.length(self.length);
        Some(Self { kind: Kind::Changed(Arc::clone(spill), change), peek: self.peek.clone(), length })
    }

    /// As an exchange sends it.
    pub(crate) fn to_send(&self) -> ReqBody {
        match &self.kind {
            Kind::Bytes(bytes) | Kind::Shared(bytes, _) => ReqBody::from(bytes.clone()),
            Kind::Spilled(spill) => ReqBody::from(&**spill),
            Kind::Changed(spill, change) => spill.with(change.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn collected(store: &Arc<Store>, pieces: &[Bytes]) -> Body {
        let mut collect = Collect::new(store);
        for piece in pieces {
            if !collect.push(piece.clone()) {
                collect.write().await.unwrap();
            }
            assert!(store.in_memory() <= 3_000 + 1_000, "{}", store.in_memory());
        }
        match collect.whole() {
            Ok(body) => body,
            Err(spilled) => spilled.finish().await.unwrap(),
        }
    }

    #[tokio::test]
    async fn the_memory_for_bodies_is_bounded_and_given_back() {
        let store = Store::new(2_000, 3_000, std::env::temp_dir());
        let piece = Bytes::from(vec![b' '; 1_000]);
        let start = Bytes::from_static(br#"{"model":"claude-x","stream":true}"#);
        for (pieces, spilled) in [(1, false), (3, true), (600, true)] {
            let all: Vec<_> = std::iter::once(start.clone()).chain(vec![piece.clone(); pieces]).collect();
            let body = collected(&store, &all).await;
            assert_eq!((body.is_spilled(), body.len()), (spilled, 34 + 1_000 * pieces as u64));
            assert_eq!(body.peek().model.as_ref().map(clearline_model::Foreign::raw), Some("claude-x"));
            assert_eq!(body.to_send().collect().await.unwrap().to_bytes(), all.concat());
            let own = body.compact();
            assert_eq!(own.to_send().collect().await.unwrap().to_bytes(), all.concat());
            assert_eq!((own.is_spilled(), own.peek()), (body.is_spilled(), body.peek()));
        }
        assert_eq!(store.in_memory(), 0);
        // Each is small, and together they are not.
        let small = [piece.clone()];
        let held = [
            collected(&store, &small).await,
            collected(&store, &small).await,
            collected(&store, &small).await,
        ];
        assert!(held.iter().all(|b| !b.is_spilled()));
        assert!(collected(&store, &small).await.is_spilled());
        drop(held);
        assert_eq!(store.in_memory(), 0);
    }

    /// Polls a write once while nothing can be written, and gives it up.
    async fn given_up(collect: &mut Collect) {
        use std::future::Future as _;
        use std::task::{Context, Waker};

        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || wait.recv());
        assert!(std::pin::pin!(collect.write()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(go);
        assert!(busy.await.unwrap().is_err());
    }

    async fn loses_a_piece() {
        let store = Store::new(10, 1_000, std::env::temp_dir());
        let (mut collect, piece) = (Collect::new(&store), Bytes::from(vec![b'x'; 100]));
        assert!(!collect.push(piece.clone()));
        // Given up before there is a file, nothing is lost.
        given_up(&mut collect).await;
        collect.write().await.unwrap();
        assert!(!collect.push(piece));
        given_up(&mut collect).await;
        assert!(collect.write().await.is_err());
        let spilled = collect.whole().unwrap_err();
        assert!(spilled.finish().await.is_err(), "half a body");
        assert_eq!(store.in_memory(), 0);
    }

    #[tokio::test]
    async fn where_no_file_can_be_a_body_stays_in_memory_as_long_as_that_has_room() {
        let nowhere = Store::new(10, 1_000, PathBuf::from("/nowhere/at/all"));
        let piece = Bytes::from(vec![b'x'; 300]);
        let mut collect = Collect::new(&nowhere);
        assert!(!collect.push(piece.clone()));
        collect.write().await.unwrap();
        assert!(collect.push(piece.clone()) && collect.push(piece.clone()));
        let mut other = Collect::new(&nowhere);
        assert!(!other.push(piece.clone()));
        assert!(other.write().await.is_err(), "there is no room for another");
        drop(other);
        let body = collect.whole().unwrap();
        assert_eq!((body.len(), body.is_spilled(), nowhere.in_memory()), (900, false, 900));
        assert_eq!(body.to_send().collect().await.unwrap().to_bytes(), piece.repeat(3));
        drop(body);
        assert_eq!(nowhere.in_memory(), 0);
    }

    #[test]
    fn a_body_that_lost_a_piece_is_none() {
        let one = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        one.block_on(loses_a_piece());
    }
}
