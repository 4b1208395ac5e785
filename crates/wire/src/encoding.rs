//! Compressed bodies, looked into and never changed: what passes to the caller is what the upstream sent.

use std::fmt;
use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use clearline_model::Framing;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};

/// How much is fed to a decoder at a time, bytes. A small piece bounds what comes out of it at once.
const PIECE: usize = 1 << 10;
/// The most that may come out of one piece, bytes. Honest bodies stay a thousand times below.
const OUT_MAX: usize = 8 << 20;
/// The buffer of the decoder of brotli, bytes.
const BROTLI_BUFFER: usize = 4096;

/// What a decoder writes into.
#[derive(Debug, Default)]
struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUT_MAX {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Kind {
    Plain,
    Gzip(Box<MultiGzDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
}

/// Reads a body in the encoding that its head names.
pub struct Decode(Kind);

impl fmt::Debug for Decode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Plain => "Decode(plain)",
            Kind::Gzip(_) => "Decode(gzip)",
            Kind::Brotli(_) => "Decode(br)",
        })
    }
}

impl Decode {
    /// A decoder for these headers; nothing where the encoding, or a row of several, is none that is read here.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(header::CONTENT_ENCODING).iter();
        let (first, None) = (all.next(), all.next()) else { return None };
        let name = first.map_or(Some(""), |v| v.to_str().ok())?.trim().to_ascii_lowercase();
        Some(Self(match name.as_str() {
            "" | "identity" => Kind::Plain,
            "gzip" | "x-gzip" => Kind::Gzip(Box::new(MultiGzDecoder::new(Sink::default()))),
            "br" => Kind::Brotli(Box::new(DecompressorWriter::new(Sink::default(), BROTLI_BUFFER))),
            _ => return None,
        }))
    }

    /// Whether the body is as it is.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain)
    }

    /// Reads the next bytes and hands over what they mean, in pieces.
    ///
    /// # Errors
    /// [`Framing::Encoding`]: they are not in this encoding, or grow beyond reason.
    pub fn push(&mut self, bytes: &[u8], mut f: impl FnMut(&[u8])) -> Result<(), Framing> {
        for piece in bytes.chunks(PIECE) {
            let (wrote, sink) = match &mut self.0 {
                Kind::Plain => {
                    f(bytes);
                    return Ok(());
                }
                // What it has understood so far comes out at once: an event may be complete.
                Kind::Gzip(decoder) => {
                    (decoder.write_all(piece).and_then(|()| decoder.flush()), decoder.get_mut())
                }
                Kind::Brotli(decoder) => (decoder.write_all(piece), decoder.get_mut()),
            };
            wrote.map_err(|_| Framing::Encoding)?;
            if !sink.0.is_empty() {
                f(&sink.0);
                sink.0.clear();
            }
        }
        Ok(())
    }

    /// The body has ended: hands over what is left.
    ///
    /// # Errors
    /// [`Framing::Encoding`]: it ended too early.
    pub fn finish(self, mut f: impl FnMut(&[u8])) -> Result<(), Framing> {
        let rest = match self.0 {
            Kind::Plain => return Ok(()),
            Kind::Gzip(decoder) => decoder.finish().map_err(|_| Framing::Encoding)?.0,
            Kind::Brotli(decoder) => {
                let mut decoder = *decoder;
                decoder.close().map_err(|_| Framing::Encoding)?;
                std::mem::take(&mut decoder.get_mut().0)
            }
        };
        f(&rest);
        Ok(())
    }
}

/// A whole body as it is meant; nothing where its encoding is none that is read here, or it means more than `most` bytes.
///
/// # Errors
/// [`Framing::Encoding`]: it is not in the encoding that its head names.
pub fn decoded(headers: &HeaderMap, body: &[u8], most: usize) -> Result<Option<Vec<u8>>, Framing> {
    let Some(mut decode) = Decode::of(headers) else { return Ok(None) };
    let (mut out, mut fits) = (Vec::new(), true);
    let mut take = |piece: &[u8]| {
        fits &= out.len() + piece.len() <= most;
        if fits {
            out.extend_from_slice(piece);
        }
    };
    decode.push(body, &mut take)?;
    decode.finish(&mut take)?;
    Ok(fits.then_some(out))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn map(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// "hello" as brotli keeps it uncompressed: a meta-block of five bytes, and an empty last one (RFC 7932 section 9.2).
    const BROTLI: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    #[test]
    fn what_is_said_is_checked() {
        let whole = gzip(b"hello");
        for (encoding, body, expected) in [
            ("gzip", whole.as_slice(), Ok(Some(b"hello".to_vec()))),
            (" X-GZIP", &whole, Ok(Some(b"hello".to_vec()))),
            ("gzip", &whole[..whole.len() - 1], Err(Framing::Encoding)),
            ("gzip", b"hello, this is no gzip at all", Err(Framing::Encoding)),
            ("gzip", b"", Err(Framing::Encoding)),
            ("br", BROTLI, Ok(Some(b"hello".to_vec()))),
            ("br", &BROTLI[..6], Err(Framing::Encoding)),
            ("br", b"\xff\xff\xff\xff\xff\xff", Err(Framing::Encoding)),
            ("identity", b"x", Ok(Some(b"x".to_vec()))),
            ("zstd", b"x", Ok(None)),
            ("gzip, br", b"x", Ok(None)),
        ] {
            assert_eq!(decoded(&map(encoding), body, 100), expected, "{encoding} {body:?}");
        }
        assert_eq!(decoded(&HeaderMap::new(), b"x", 100), Ok(Some(b"x".to_vec())));
        assert_eq!(decoded(&map("gzip"), &gzip(&[b'x'; 101]), 100), Ok(None));
    }

    #[test]
    fn what_is_understood_comes_out_at_once() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"event: ping\n\n").unwrap();
        encoder.flush().unwrap();
        let mut decode = Decode::of(&map("gzip")).unwrap();
        let mut out = Vec::new();
        decode.push(encoder.get_ref(), |p| out.extend_from_slice(p)).unwrap();
        assert_eq!(out, b"event: ping\n\n");
        let mut decode = Decode::of(&map("br")).unwrap();
        let mut out = Vec::new();
        decode.push(&BROTLI[..8], |p| out.extend_from_slice(p)).unwrap();
        assert_eq!(out, b"hello");
    }

    #[test]
    fn a_bomb_costs_no_more_than_its_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let mut decode = Decode::of(&map("gzip")).unwrap();
        let mut largest = 0;
        decode.push(&bomb, |piece| largest = largest.max(piece.len())).unwrap();
        assert!(largest <= OUT_MAX, "{largest}");
        assert_eq!(decoded(&map("gzip"), &bomb, 1 << 20), Ok(None));
    }

    proptest! {
        #[test]
        fn any_pieces_mean_the_same(text in "(?s).{0,3000}", cuts in proptest::collection::vec(1_usize..700, 1..9)) {
            let body = gzip(text.as_bytes());
            let mut decode = Decode::of(&map("gzip")).unwrap();
            let (mut out, mut rest) = (Vec::new(), body.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                decode.push(piece, |p| out.extend_from_slice(p)).unwrap();
                rest = after;
            }
            decode.finish(|p| out.extend_from_slice(p)).unwrap();
            prop_assert_eq!(out, text.into_bytes());
        }

        #[test]
        fn total(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any = (decoded(&map("gzip"), &body, 1 << 20), decoded(&map("br"), &body, 1 << 20));
        }
    }
}
