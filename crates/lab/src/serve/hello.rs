//! The first record of a TLS connection, read and not understood: its bytes are enough.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest that is waited for, bytes.
const LONGEST: usize = 20 << 10;

/// Reads the first record whole, or whatever comes in its place.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 || bytes.first() != Some(&22) {
            return Ok(bytes);
        }
        let wanted = match bytes.get(3..5) {
            Some(&[high, low]) => 5 + usize::from(u16::from_be_bytes([high, low])),
            _ => 5,
        };
        if bytes.len() >= wanted.min(LONGEST) {
            return Ok(bytes);
        }
    }
}

/// Whether a name stands in a hello.
pub(crate) fn names(hello: &[u8], name: &str) -> bool {
    !name.is_empty() && hello.windows(name.len()).any(|w| w == name.as_bytes())
}

/// A fatal alert as a record.
pub(crate) const fn alert(number: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, number]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hello_is_read_to_its_end_and_nothing_else_is_waited_for() {
        let (mut far, mut near) = tokio::io::duplex(64);
        let write = async {
            for part in [&[22, 3, 1, 0][..], &[4, b'a', b'.'], b"b!rest"] {
                tokio::io::AsyncWriteExt::write_all(&mut far, part).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (got, ()) = tokio::join!(read(&mut near), write);
        let got = got.unwrap();
        assert!(got.starts_with(&[22, 3, 1, 0, 4, b'a', b'.', b'b', b'!']), "{got:?}");
        assert!(names(&got, "a.b") && !names(&got, "b.a") && !names(&got, ""));
        let mut plain = &b"GET / HTTP/1.1\r\n"[..];
        assert_eq!(read(&mut plain).await.unwrap(), b"GET / HTTP/1.1\r\n");
    }
}
