//! Keys in lines that are shown again: a log that holds one is bad enough, and a report of it goes further.

/// How the API's keys and tokens begin.
const BEGINS: &str = "sk-ant-";

/// A text with nothing of its keys but how they begin.
#[must_use]
pub fn without_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGINS) {
        let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        rest = after.trim_start_matches(of_key);
        out.push_str(before);
        out.push_str(BEGINS);
        if rest.len() < after.len() {
            out.push('…');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_beginning_of_a_key_is_left() {
        for (text, shown) in [
            ("no key at all, 一行", "no key at all, 一行"),
            ("x-api-key: sk-ant-api03-Ab_c-9, next", "x-api-key: sk-ant-…, next"),
            (
                "{\"key\":\"sk-ant-fake\",\"other\":\"sk-ant-oat01-x\"}",
                "{\"key\":\"sk-ant-…\",\"other\":\"sk-ant-…\"}",
            ),
            ("a key begins with sk-ant-", "a key begins with sk-ant-"),
            ("sk-ant-a密钥", "sk-ant-…密钥"),
        ] {
            assert_eq!(without_keys(text), shown);
        }
    }
}
