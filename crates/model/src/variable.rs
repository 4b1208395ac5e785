//! The variables of the environment that decide where a call goes and how.

/// Where calls go.
pub const BASE_URL: [&str; 1] = ["ANTHROPIC_BASE_URL"];
/// What they are paid with.
pub const CREDENTIALS: [&str; 2] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"];
/// Through which proxy they go, in both spellings.
pub const PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];
/// Whom they trust.
pub const CA_FILES: [&str; 4] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
/// How OpenSSL speaks TLS.
pub const TLS_POLICY: [&str; 1] = ["OPENSSL_CONF"];
/// Which other cloud a client is switched to.
pub const ROUTES: [&str; 3] =
    ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];

/// All of them, group by group.
pub const ALL: [&[&str]; 6] = [&BASE_URL, &CREDENTIALS, &PROXIES, &CA_FILES, &TLS_POLICY, &ROUTES];

/// Whether a variable is one of them.
#[must_use]
pub fn decides(name: &str) -> bool {
    ALL.iter().any(|group| group.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_stands_in_one_group() {
        let mut all: Vec<&str> = ALL.concat();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(decides("no_proxy") && decides("OPENSSL_CONF") && !decides("PATH"));
    }
}
