//! Which clients beside the reference client are set up here: their own variables are present.

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
