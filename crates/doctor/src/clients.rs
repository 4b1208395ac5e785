//! Which clients beside the reference client are set up here: their own variables are present; and what the variables say that
//! clients read in different ways.

use clearline_model::Fact;

use crate::collect::state;
use crate::world::shown;

/// A client, and the beginnings of the names of its variables.
const CLIENTS: [(&str, &[&str]); 5] = [
    (
        "node",
        &[
            "NODE_EXTRA_CA_CERTS",
            "NODE_OPTIONS",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "NODE_USE_ENV_PROXY",
            "NODE_USE_SYSTEM_CA",
        ],
    ),
    ("requests", &["REQUESTS_CA_BUNDLE"]),
    ("curl", &["CURL_CA_BUNDLE", "CURL_HOME", "CURL_SSL_BACKEND"]),
    ("openssl", &["OPENSSL_CONF", "OPENSSL_MODULES"]),
    ("bun", &["BUN_CONFIG_VERBOSE_FETCH", "BUN_CONFIG_MAX_HTTP_REQUESTS"]),
];

/// Their names.
pub(crate) fn present(set: &dyn Fn(&str) -> Option<String>) -> Vec<&'static str> {
    let is_there = |(_, names): &&(&str, &[&str])| names.iter().any(|name| set(name).is_some());
    CLIENTS.iter().filter(is_there).map(|(client, _)| *client).collect()
}

/// Variables that name a proxy.
const PROXIES: [&str; 6] =
    ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables that are written down as they are: lists of names, files, switches.
const PLAIN: [&str; 11] = [
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_USE_ENV_PROXY",
    "NODE_USE_SYSTEM_CA",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "CLAUDE_CODE_CERT_STORE",
];
/// The longest value that is written down, bytes.
const VALUE_MAX: usize = 1 << 10;

/// The variables that clients read in different ways: proxies without their credentials, of the base URL the scheme alone.
pub(crate) fn environment(lookup: &dyn Fn(&str) -> Option<String>, facts: &mut Vec<Fact>) {
    facts.push(state("env", "read"));
    let mut note = |name: &str, value: &str| {
        let end = value.floor_char_boundary(VALUE_MAX);
        facts.push(state(&format!("env.{name}"), value.get(..end).unwrap_or_default()));
    };
    for name in PROXIES {
        let Some(value) = lookup(name) else { continue };
        let proxy = clearline_net::parse_proxy(&value).ok();
        match proxy {
            Some(proxy) => note(name, &shown(&proxy)),
            None if value.is_empty() => note(name, ""),
            None => note(name, "unreadable"),
        }
    }
    for name in PLAIN {
        if let Some(value) = lookup(name) {
            note(name, &value);
        }
    }
    // What a Java program is started with may name a proxy, and a password: that it is there is enough.
    if lookup("JAVA_TOOL_OPTIONS").is_some_and(|v| v.contains("proxyHost")) {
        note("JAVA_TOOL_OPTIONS", "proxyHost");
    }
    if let Some((scheme, _)) = lookup("ANTHROPIC_BASE_URL").as_deref().and_then(|url| url.split_once("://")) {
        note("ANTHROPIC_BASE_URL", &scheme.to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use clearline_model::Seen;

    use super::*;

    #[test]
    fn what_is_written_down_holds_no_secret_and_no_novel() {
        let long = "x".repeat(1 << 16);
        let set = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://user:secret@proxy.example:3128".to_owned()),
            "https_proxy" => Some(String::new()),
            "ALL_PROXY" => Some("ftp://user:secret@x".to_owned()),
            "NO_PROXY" => Some(long.clone()),
            "ANTHROPIC_BASE_URL" => Some("HTTPS://user:secret@gw.example/v1".to_owned()),
            "JAVA_TOOL_OPTIONS" => Some("-Dhttps.proxyHost=p -Dhttps.proxyPassword=secret".to_owned()),
            _ => None,
        };
        let mut facts = Vec::new();
        environment(&set, &mut facts);
        let said: Vec<(String, String)> = facts
            .into_iter()
            .map(|f| match f.saw {
                Ok(Seen::State(name, value)) => (name, value.raw().to_owned()),
                other => panic!("{other:?}"),
            })
            .collect();
        let get = |name: &str| said.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("env.HTTPS_PROXY"), Some("http://proxy.example:3128"));
        assert_eq!((get("env.https_proxy"), get("env.ALL_PROXY")), (Some(""), Some("unreadable")));
        assert_eq!(get("env.ANTHROPIC_BASE_URL"), Some("https"));
        assert_eq!(get("env.NO_PROXY").map(str::len), Some(VALUE_MAX));
        assert!(!format!("{said:?}").contains("secret"), "{said:?}");
    }
}
