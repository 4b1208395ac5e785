//! Paths that mean the same to everybody who reads them.

use std::borrow::Cow;

/// Whether a path, with its query, is in ASCII, its escapes are whole and none of them a zero, and it stays below its root
/// wherever its dots and slashes are written as escapes. What is behind `?` is only to be in ASCII.
pub(crate) fn is_sound(target: &str) -> bool {
    let path = clearline_wire::without_query(target);
    target.is_ascii() && decoded(path).is_some_and(|path| stays_below(&path))
}

/// With its escapes as bytes; `None` where one is broken or a zero.
fn decoded(path: &str) -> Option<Cow<'_, [u8]>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path.as_bytes()));
    }
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| is_hex && *byte != 0)?;
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(Cow::Owned(bytes))
}

/// Whether no `..` leads out; some take several slashes for one.
fn stays_below(path: &[u8]) -> bool {
    let mut depth = 0_usize;
    path.split(|b| *b == b'/').all(|segment| {
        let next = match segment {
            b"" | b"." => Some(depth),
            b".." => depth.checked_sub(1),
            _ => Some(depth + 1),
        };
        depth = next.unwrap_or(0);
        next.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_one_thing() {
        for path in [
            "/",
            "/v1/x?a=%zz%00#",
            "/v1/../x",
            "/a/b/../../c",
            "/./.",
            "/.../..a/a..",
            "/%41%7e%2F%5c",
            "//a//b",
            "/a/%2e%2e/b",
            "/x?/../../..",
        ] {
            assert!(is_sound(path), "{path}");
        }
        for path in [
            "/..",
            "/../x",
            "/a/../../x",
            "/a//../../x",
            "/./../x",
            "/%2e%2E/x",
            "/.%2e",
            "/a%2f..%2f..%2fx",
            "/%",
            "/%4",
            "/%4g",
            "/%+1",
            "/%zz",
            "/a%00",
            "/\u{e9}",
            "/x?\u{e9}",
        ] {
            assert!(!is_sound(path), "{path}");
        }
    }
}
