//! Where a field of a JSON object stands, so that a request can be changed in one place and stay byte for byte elsewhere.

use std::ops::Range;

use serde::de::{DeserializeOwned, IgnoredAny};

/// Where the value of a field of the outermost object stands. `None` where the body is no object that can be read to its
/// end, or has the field not at all or twice.
pub(crate) fn value(body: &[u8], name: &str) -> Option<Range<usize>> {
    let mut places = values(body, name)?.into_iter();
    places.next().filter(|_| places.next().is_none())
}

/// Where the values of all fields of a name stand. `None` where the body is no object that can be read to its end.
pub(crate) fn values(body: &[u8], name: &str) -> Option<Vec<Range<usize>>> {
    let mut at = after(body, 0, b'{')?;
    let mut found = Vec::new();
    if after(body, at, b'}').is_some() {
        return None;
    }
    loop {
        let (key, colon) = read::<String>(body, at)?;
        let start = skip(body, after(body, colon, b':')?);
        let (_, end) = read::<IgnoredAny>(body, start)?;
        if key == name {
            found.push(start..end);
        }
        match after(body, end, b',') {
            Some(next) => at = next,
            None => {
                let end = after(body, end, b'}')?;
                return (skip(body, end) == body.len()).then_some(found);
            }
        }
    }
}

/// The place behind the first byte that is not blank, where it is this one.
fn after(body: &[u8], at: usize, byte: u8) -> Option<usize> {
    let at = skip(body, at);
    (body.get(at) == Some(&byte)).then_some(at + 1)
}

fn skip(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// The value that stands there, and where it ends.
fn read<T: DeserializeOwned>(body: &[u8], at: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_slice(body.get(at..)?).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, at + values.byte_offset()))
}

/// The body with `text` in the place of these bytes.
pub(crate) fn replaced(body: &[u8], place: Range<usize>, text: &[u8]) -> Option<Vec<u8>> {
    Some([body.get(..place.start)?, text, body.get(place.end..)?].concat())
}

/// The body of a request with a stream asked for; the rest of it stays byte for byte. `None` where it says something else of
/// that, or cannot be read.
#[must_use]
pub fn streamed(body: &[u8]) -> Option<Vec<u8>> {
    match values(body, "stream")?.as_slice() {
        [] => {
            let open = after(body, 0, b'{')?;
            replaced(body, open..open, b"\"stream\":true,")
        }
        [place] if body.get(place.clone())? == b"false" => replaced(body, place.clone(), b"true"),
        [_, ..] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (body, name, expected) in [
            (r#"{"a":1,"b":[{"a":2}]}"#, "a", Some("1")),
            (r#"{"a":1,"b":[{"a":2}]}"#, "b", Some(r#"[{"a":2}]"#)),
            (" { \"\\u0061\" : \"x\" , \"b\" : true } \n", "a", Some("\"x\"")),
            (r#"{"a":1,"a":2}"#, "a", None),
            (r#"{"a":1}"#, "b", None),
            (r#"{"a":1"#, "a", None),
            (r#"{"a":1} x"#, "a", None),
            (r#"{"a":1,}"#, "a", None),
            (r#"{}"#, "a", None),
            ("[]", "a", None),
            ("", "a", None),
        ] {
            let found = value(body.as_bytes(), name).and_then(|range| body.get(range));
            assert_eq!(found, expected, "{body}");
        }
        for (body, expected) in [
            (r#"{"messages":[],"x":1}"#, Some(r#"{"stream":true,"messages":[],"x":1}"#)),
            (r#"{"stream": false ,"messages":[]}"#, Some(r#"{"stream": true ,"messages":[]}"#)),
            (r#"{"stream":true,"messages":[]}"#, None),
            (r#"{"stream":null,"messages":[]}"#, None),
            (r#"{"stream":false,"stream":false,"messages":[]}"#, None),
            (r#"{"x":1}"#, Some(r#"{"stream":true,"x":1}"#)),
            ("[]", None),
        ] {
            let made = streamed(body.as_bytes()).map(|b| String::from_utf8(b).unwrap());
            assert_eq!(made.as_deref(), expected, "{body}");
        }
        let body = br#"{"a": 1 ,"b":2}"#;
        let place = value(body, "a").unwrap();
        assert_eq!(replaced(body, place, b"[]").unwrap(), br#"{"a": [] ,"b":2}"#);
    }
}
