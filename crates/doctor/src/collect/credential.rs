//! The shape of a credential, told without it.

use clearline_model::{Fact, Secret};

use super::{Environment, state};

/// What the keys of other providers begin with.
const OTHERS: [&str; 9] =
    ["sk-proj-", "sk-or-", "sk-svcacct-", "gsk_", "AIza", "AKIA", "xai-", "hf_", "pplx-"];
/// What programs write where there is no value.
const NOTHING: [&str; 4] = ["none", "null", "nil", "undefined"];
/// What every key and token of the API begins with.
const OWN: &str = "sk-ant-";
/// Words of examples that were copied with the rest.
const PLACEHOLDERS: [&str; 7] =
    ["your-api-key", "your_api_key", "your-key", "your_key", "xxxx", "changeme", "replace-me"];

/// The credential that an SDK would send: the key, else the token (the Python SDK 2 sends one of them, and the key wins).
/// `elsewhere` is where it would find one that no variable of these holds.
pub(super) fn credential(
    set: Environment<'_>,
    (is_default, elsewhere): (bool, Option<&str>),
    facts: &mut Vec<Fact>,
) -> Option<Secret> {
    const KEY: &str = "ANTHROPIC_API_KEY";
    const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
    let (key, token) = (set(KEY), set(TOKEN));
    if let (Some(key), Some(token)) = (&key, &token)
        && key != token
    {
        facts.push(state("credential.second", TOKEN));
        let strange = strange(token).or_else(|| foreign(token, is_default));
        facts.extend(strange.map(|why| state("credential.second.why", why)));
    }
    let variable = if key.is_some() { KEY } else { TOKEN };
    let Some(value) = key.or(token) else {
        facts.push(state("credential", elsewhere.unwrap_or("missing")));
        return None;
    };
    facts.push(state("credential.variable", variable));
    facts.push(state("credential.kind", kind(&value)));
    let strange = strange(&value);
    facts.extend(strange.map(|why| state("credential.why", why)));
    // What cannot stand in a header is never sent. A gateway may take keys of any other form.
    let is_malformed = strange.is_some_and(|why| is_default || !fits_a_header(&value) || why == "quotes");
    let shape = if is_malformed {
        "malformed"
    } else if foreign(&value, is_default).is_some() {
        "other-provider"
    } else {
        "well"
    };
    facts.push(state("credential", shape));
    (shape == "well").then(|| Secret::new(value.into_bytes()))
}

/// What kind of credential it is by how it begins.
fn kind(value: &str) -> &'static str {
    let kinds = [("sk-ant-api", "api-key"), ("sk-ant-admin", "admin-key"), ("sk-ant-oat", "oauth-token")];
    kinds.into_iter().find(|(prefix, _)| value.starts_with(prefix)).map_or("unknown", |(_, kind)| kind)
}

fn fits_a_header(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_graphic())
}

/// What does not belong into a credential, in a word.
fn strange(value: &str) -> Option<&'static str> {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`' | '“' | '”' | '‘' | '’');
    if value.contains(['\n', '\r']) {
        Some("newline")
    } else if value.starts_with(is_quote) || value.ends_with(is_quote) {
        Some("quotes")
    } else if value.starts_with('$') || value.contains("${") || value.contains("$(") {
        Some("unexpanded")
    } else if value.contains(char::is_whitespace) {
        Some("blank")
    } else if !value.is_ascii() {
        Some("non-ascii")
    } else if value.contains(|c: char| c.is_ascii_control()) {
        Some("control")
    } else {
        instead(value).or_else(|| is_placeholder(value).then_some("placeholder"))
    }
}

/// What stands where a credential should, in a word.
fn instead(value: &str) -> Option<&'static str> {
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if NOTHING.iter().any(|word| value.eq_ignore_ascii_case(word)) {
        Some("nothing")
    } else if value.split_once('=').is_some_and(|(name, _)| is_name(name)) {
        Some("assignment")
    } else if value.contains("://") {
        Some("reference")
    } else if value.contains("***") {
        Some("masked")
    } else {
        (value.matches(OWN).count() > 1).then_some("several")
    }
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|p| lower.contains(p)) || value.contains(['<', '>']) || value.contains("...")
}

fn foreign(value: &str, is_default: bool) -> Option<&'static str> {
    (is_default && OTHERS.iter().any(|prefix| value.starts_with(prefix))).then_some("other-provider")
}

#[cfg(test)]
mod tests {
    use clearline_model::Seen;

    use super::*;

    fn said(value: &str, is_default: bool) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        let set = |name: &str| (name == "ANTHROPIC_API_KEY").then(|| value.to_owned());
        credential(&set, (is_default, None), &mut facts);
        let said = |f: Fact| match f.saw {
            Ok(Seen::State(name, value)) => (name, value.raw().to_owned()),
            other => panic!("{other:?}"),
        };
        facts.into_iter().map(said).collect()
    }

    #[test]
    fn the_shape_of_a_credential_is_told_without_it() {
        for (value, is_default, shape, why) in [
            ("sk-ant-api03-fake-1", true, "well", None),
            ("sk-ant-fake-1\n", true, "malformed", Some("newline")),
            ("sk-ant-fake-1\n", false, "malformed", Some("newline")),
            ("\"sk-ant-fake-1\"", true, "malformed", Some("quotes")),
            ("“sk-ant-fake-1”", true, "malformed", Some("quotes")),
            ("$ANTHROPIC_API_KEY", true, "malformed", Some("unexpanded")),
            ("${KEY}", false, "well", Some("unexpanded")),
            ("sk-ant fake", true, "malformed", Some("blank")),
            ("sk-ant-фake", false, "malformed", Some("non-ascii")),
            ("<your key>", true, "malformed", Some("blank")),
            ("<key>", true, "malformed", Some("placeholder")),
            ("sk-ant-api03-XXXX", true, "malformed", Some("placeholder")),
            ("sk-ant-api03-a$b'c", true, "well", None),
            ("dummy-xxxx", false, "well", Some("placeholder")),
            ("None", true, "malformed", Some("nothing")),
            ("ANTHROPIC_API_KEY=sk-ant-fake-1", true, "malformed", Some("assignment")),
            ("op://vault/api/key", true, "malformed", Some("reference")),
            ("sk-ant-api03-***fake", true, "malformed", Some("masked")),
            ("sk-ant-fake-1,sk-ant-fake-2", true, "malformed", Some("several")),
            ("sk-ant-fake-1sk-ant-fake-1", true, "malformed", Some("several")),
            ("sk-ant-fake-none==", true, "well", None),
            ("none", false, "well", Some("nothing")),
            ("sk-proj-fake", true, "other-provider", None),
            ("sk-proj-fake", false, "well", None),
        ] {
            let said = said(value, is_default);
            let get = |name: &str| said.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            assert_eq!((get("credential"), get("credential.why")), (Some(shape), why), "{value:?}");
            assert!(!said.iter().any(|(_, v)| v.contains(value)), "{value:?} stands in a fact");
        }
    }

    #[test]
    fn the_kinds_are_known_by_their_beginnings() {
        assert_eq!(kind("sk-ant-admin01-fake"), "admin-key");
        assert_eq!(kind("sk-ant-oat01-fake"), "oauth-token");
        assert_eq!(kind("sk-ant-api03-fake"), "api-key");
        assert_eq!(kind("gateway-token"), "unknown");
    }
}
