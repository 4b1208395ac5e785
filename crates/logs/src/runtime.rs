//! Which program printed a text: what to type next depends on it.

/// What a program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Runtime {
    /// The text does not tell.
    #[default]
    Unknown,
    /// Claude Code.
    ClaudeCode,
    /// Python.
    Python,
    /// Bun.
    Bun,
    /// Deno.
    Deno,
    /// Node.js.
    Node,
    /// Java, Kotlin and what else runs on the JVM.
    Java,
    /// .NET, `PowerShell` too.
    DotNet,
    /// Go.
    Go,
    /// Ruby.
    Ruby,
    /// PHP.
    Php,
    /// Rust.
    Rust,
}

/// What only one of them prints, in a normal text that holds stack traces; the finer first.
const MARKS: [(Runtime, &[&str]); 11] = [
    (
        Runtime::ClaudeCode,
        &["claude code", "api error (", "api error: ", "run /login", "· retrying in", "run /model"],
    ),
    (
        Runtime::Python,
        &[
            "traceback (most recent call last)",
            ".py\"",
            "httpx.",
            "httpcore.",
            "urllib3.",
            "requests.exc",
            "aiohttp.",
            "anthropic.api",
            "botocore.",
            "litellm.",
            "[errno ",
        ],
    ),
    (
        Runtime::Bun,
        &["is the computer able to access the url", "pass `verbose: true`", "pass 'verbose: true'", "bun v"],
    ),
    (Runtime::Deno, &["error: uncaught (in promise)", "deno "]),
    (
        Runtime::Node,
        &[
            "node:internal",
            "(node:",
            "node_modules",
            "typeerror: fetch failed",
            "und_err_",
            "axioserror",
            "syscall: '",
            ".mjs:",
            "code: 'e",
        ],
    ),
    (Runtime::Java, &["java.", "javax.", "okhttp3.", "io.netty.", ".java:", ".kt:"]),
    (
        Runtime::DotNet,
        &["system.net.", "system.io.", "invoke-restmethod", "invoke-webrequest", "system.threading."],
    ),
    (Runtime::Go, &["dial tcp", "proxyconnect tcp", "net/http: ", "tls: failed to verify", "x509: "]),
    (Runtime::Ruby, &["net::opentimeout", "net::readtimeout", "faraday::", ".rb:", "errno::e"]),
    (Runtime::Php, &["guzzlehttp", "curl error ", ".php("]),
    (Runtime::Rust, &["reqwest::", "hyper::", "client error (", "(os error "]),
];

/// What printed a text.
pub(crate) fn of(traced: &str) -> Runtime {
    let holds = |marks: &[&str]| marks.iter().any(|mark| traced.contains(mark));
    MARKS.iter().find(|(_, marks)| holds(marks)).map_or(Runtime::Unknown, |(runtime, _)| *runtime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::explain;

    #[test]
    fn a_text_tells_what_printed_it() {
        for (text, runtime) in [
            ("API Error (Connection error.) · Retrying in 5 seconds… (attempt 4/10)", Runtime::ClaudeCode),
            ("httpx.ConnectError: [Errno 111] Connection refused", Runtime::Python),
            ("TypeError: fetch failed\n    at node:internal/deps/undici/undici:13502:13", Runtime::Node),
            ("error: Unable to connect. Is the computer able to access the url?", Runtime::Bun),
            ("java.net.ConnectException: Connection refused", Runtime::Java),
            ("System.Net.Http.HttpRequestException: Connection refused (localhost:1)", Runtime::DotNet),
            ("dial tcp 10.0.0.1:443: i/o timeout", Runtime::Go),
            ("Faraday::ConnectionFailed: execution expired", Runtime::Ruby),
            ("cURL error 28: Resolving timed out after 5000 milliseconds", Runtime::Php),
            ("tcp connect error: Connection refused (os error 111)", Runtime::Rust),
            ("Connection refused", Runtime::Unknown),
        ] {
            assert_eq!(explain(text).runtime, runtime, "{text}");
        }
    }
}
