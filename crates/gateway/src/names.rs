//! Which bytes names and texts of a head are made of (RFC 9110, section 5.6.2), and which names nobody may take out of a
//! request or add behind it.

/// Names that say what a request is, whom it is for or whose it is. `Connection` may not take them out, and a trailer may
/// not bring them (RFC 9110, sections 6.5.1 and 7.6.1).
const MATTERING: [&str; 15] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "origin",
    "trailer",
    "transfer-encoding",
    "x-api-key",
    "x-forwarded-for",
    "x-request-id",
];
/// The API's own, whatever they are.
const OF_THE_API: &[u8] = b"anthropic-";
/// No name that matters is longer, but for those of the API.
pub(crate) const NAME_MAX: usize = 32;
/// The longest method, bytes; none that is registered has more than 17.
const METHOD_MAX: usize = 32;

/// Whether a header of this name changes what the request is.
pub(crate) fn matters(name: &[u8]) -> bool {
    let of_the_api = name
        .split_at_checked(OF_THE_API.len())
        .is_some_and(|(start, _)| start.eq_ignore_ascii_case(OF_THE_API));
    of_the_api || MATTERING.iter().any(|m| name.eq_ignore_ascii_case(m.as_bytes()))
}

/// Whether a byte is one of a token.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether a byte may be in a value: anything but controls.
pub(crate) const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Whether a method is one that somebody could serve: capital letters, as all that are registered are.
pub(crate) fn is_method(method: &str) -> bool {
    method.len() <= METHOD_MAX && method.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_matter() {
        for name in ["host", "Content-Length", "ANTHROPIC-VERSION", "anthropic-", "x-api-key"] {
            assert!(matters(name.as_bytes()), "{name}");
        }
        for name in ["", "close", "keep-alive", "te", "upgrade", "x-host", "content-lengths", "anthropic"] {
            assert!(!matters(name.as_bytes()), "{name}");
        }
        assert!(MATTERING.iter().all(|name| name.len() <= NAME_MAX));
    }

    #[test]
    fn bytes_of_tokens_and_texts() {
        assert!(b"aZ09!#$%&'*+-.^_`|~".iter().all(|b| is_token(*b)));
        assert!(!b" \t\r\n\0\x7f\x80\"(),/:;<=>?@[\\]{}".iter().any(|b| is_token(*b)));
        assert!(b"\t ~\x80\xff".iter().all(|b| is_text(*b)));
        assert!(!b"\r\n\0\x0b\x1f\x7f".iter().any(|b| is_text(*b)));
    }

    #[test]
    fn methods() {
        for method in ["GET", "M-SEARCH", "VERSION-CONTROL", "A_B"] {
            assert!(is_method(method), "{method}");
        }
        for method in ["get", "Get", "GET2", "G.T", "G!T", &"A".repeat(33)] {
            assert!(!is_method(method), "{method}");
        }
    }
}
