//! Which lines of a text speak of the call: places in the code do not, nor do other programs that wrote into the same log.

use std::ops::Range;

/// A text, taken apart by lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// What may speak of the call.
    pub(crate) call: String,
    /// The same without what another vendor's service answered: its limits and keys are not the API's.
    pub(crate) answer: String,
    /// The same as the first, with the places in the code as stack traces print them.
    pub(crate) traced: String,
}

/// Takes a text apart.
pub(crate) fn said(text: &str) -> Said {
    let mut said = Said::default();
    let mut frame = None;
    // In a line of JSON, a stack trace's lines are divided by an escape.
    for line in text.lines().flat_map(|line| line.split("\\n")) {
        let trimmed = line.trim_start();
        // Python shows the code of a frame beneath it, further in.
        frame = python_frame(line).or_else(|| frame.filter(|margin| is_further_in(line, margin)));
        if frame.is_some() || is_code(trimmed) || is_frame(trimmed) {
            push(&mut said.traced, line);
            continue;
        }
        let words = trimmed.to_lowercase();
        let is_ours = OURS.iter().any(|word| words.contains(word));
        // A port says it, whoever wrote the line.
        let is_other = names_port(&words) && !words.contains("http");
        if is_other || (!is_ours && is_other_program(&words)) {
            continue;
        }
        push(&mut said.call, line);
        push(&mut said.traced, line);
        if is_ours || !is_other_answer(&words) {
            push(&mut said.answer, line);
        }
    }
    said
}

/// Whether some lines tell of another service or program alone.
pub(crate) fn is_anothers(lines: &str) -> bool {
    let words = lines.to_lowercase();
    !OURS.iter().any(|word| words.contains(word)) && (is_other_program(&words) || is_other_answer(&words))
}

fn push(to: &mut String, line: &str) {
    to.push_str(line);
    to.push('\n');
}

/// The margin before a frame of Python, and one more column. Before the margin may stand what a log puts before each line.
fn python_frame(line: &str) -> Option<Range<usize>> {
    let at =
        line.find("File \"").filter(|at| line.get(*at..).is_some_and(|rest| rest.contains("\", line ")))?;
    Some(line.get(..at)?.trim_end().len()..at + 1)
}

fn is_further_in(line: &str, margin: &Range<usize>) -> bool {
    line.as_bytes().get(margin.clone()).is_some_and(|margin| margin.iter().all(u8::is_ascii_whitespace))
}

/// The line of carets beneath a frame's code.
fn is_marker(line: &str) -> bool {
    !line.is_empty() && line.chars().all(|c| matches!(c, '^' | '~' | ' '))
}

/// A frame of JavaScript, Java, .NET, Rust, Go, Ruby or PHP.
fn is_frame(line: &str) -> bool {
    // Before the margin may stand what a log puts before each line.
    let inside = ["  at ", "\tat "].iter().find_map(|margin| line.split_once(margin)).map(|(_, rest)| rest);
    let at = line.strip_prefix("at ").or(inside).is_some_and(|rest| {
        let place = rest.split_whitespace().next().unwrap_or_default();
        let is_place = place.contains(['.', ':', '(', '<']) || matches!(place, "async" | "new");
        let ends = rest.trim_end().chars().next_back();
        (is_place && (rest.contains('(') || ends.is_some_and(|c| c.is_ascii_digit())))
            || rest.contains("(node:")
    });
    let ruby = line.contains(".rb:") && line.contains(":in ");
    let go = line.contains(".go:") && line.contains(" +0x");
    let php = line
        .strip_prefix('#')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(".php"));
    at || ruby || go || php
}

/// A line of a program rather than of its output.
fn is_code(line: &str) -> bool {
    let ends = |with: &[&str]| with.iter().any(|end| line.trim_end().ends_with(end));
    let python = line.starts_with("except ") && ends(&[":"]);
    let raised = line.starts_with("raise ") && (line.contains('(') || line.contains(" from "));
    let caught = (line.starts_with("catch") || line.starts_with("} catch")) && ends(&["{"]);
    python || raised || caught || is_marker(line)
}

/// What a line says that speaks of the API, wherever it runs.
const OURS: [&str; 11] = [
    "anthropic",
    "claude",
    "sk-ant-",
    "x-api-key",
    "\"type\":\"error\"",
    "'type': 'error'",
    "bedrock",
    "invokemodel",
    "converse",
    "/v1/messages",
    "aiplatform",
];

/// Ports at which databases, queues and other services listen, and no API.
const PORTS: [&str; 21] = [
    "389", "636", "1883", "8883", "22", "25", "465", "587", "993", "1433", "1521", "2181", "3306", "5432",
    "5672", "6379", "6432", "9092", "9200", "11211", "27017",
];

/// Programs and failures that speak of servers of their own, or of tests.
const PROGRAMS: [&str; 42] = [
    "psql:",
    "psycopg",
    "postgresql",
    "postgres://",
    "redis.exceptions",
    "redis://",
    "rediserror",
    "redis connection",
    "mysql server",
    "mysql://",
    "mysqlconnector",
    "pymysql",
    "mariadb server",
    "mongoserver",
    "mongonetwork",
    "pymongo",
    "mongodb://",
    "smtp",
    "ssh:",
    "sshd",
    "git@",
    "amqp",
    "rabbitmq:",
    "kafka.errors",
    "kafkaerror",
    "org.apache.kafka",
    "org.apache.zookeeper",
    "memcached:",
    "elasticsearch.exceptions",
    "elastic_transport",
    "hikaripool",
    "org.hibernate",
    "java.sql.",
    "sqlalchemy",
    "ldap",
    "mqtt",
    "readiness probe",
    "liveness probe",
    "startup probe",
    "address already in use",
    "eaddrinuse",
    "assertionerror",
];

/// A line of another program, which does not speak of a call over HTTP.
fn is_other_program(words: &str) -> bool {
    PROGRAMS.iter().any(|name| words.contains(name)) || names_port(words)
}

/// Whether a line names the port of another service, as `:5432` or `port 5432`.
fn names_port(words: &str) -> bool {
    PORTS.iter().any(|port| {
        words.match_indices(port).any(|(at, _)| {
            let before = words.get(..at).unwrap_or_default();
            let mut after = words.get(at + port.len()..).unwrap_or_default().chars();
            let is_port = before.ends_with("port ") || is_host_before(before, port.len() > 3);
            let is_over = match after.next() {
                // The end of a sentence, and not of a number's first part.
                Some('.') => after.next().is_none_or(|c| !c.is_ascii_digit()),
                Some(c) => !c.is_ascii_alphanumeric() && c != ':',
                None => true,
            };
            is_port && is_over
        })
    })
}

/// Whether a host and a colon stand at the end: `db:`, `10.0.0.1:`, `[::1]:`, and not a time or a place in a file. Before a small
/// number any other name may be a module, and the number a line.
fn is_host_before(before: &str, is_large: bool) -> bool {
    let Some(before) = before.strip_suffix(':') else { return false };
    let host = before.rsplit(|c: char| c.is_whitespace() || matches!(c, '/' | '(' | '\'' | '"' | '=' | '@'));
    let host = host.into_iter().next().unwrap_or_default();
    let is_numeric = host.chars().all(|c| c.is_ascii_digit() || c == ':');
    let is_address = host.split('.').filter(|part| part.parse::<u8>().is_ok()).count() == 4;
    let is_file = [".c", ".h", ".py", ".rs", ".js", ".ts", ".go", ".java", ".cpp", ".kt", ".rb"]
        .iter()
        .any(|end| host.ends_with(end));
    let is_known = is_address || host.ends_with(']') || host == "localhost";
    !host.is_empty() && !is_file && (is_known || (is_large && !is_numeric))
}

/// Services of others that answer over HTTP, and models of theirs.
const VENDORS: [&str; 31] = [
    "gmail",
    "youtube",
    "sheets.googleapis",
    "drive.googleapis",
    "fatal: unable to access",
    "werkzeug",
    "favicon",
    "azure openai",
    "githubusercontent.com",
    "openai.com",
    " gpt-",
    "`gpt-",
    "'gpt-",
    "generativelanguage",
    "gemini-",
    "mistral.ai",
    "cohere.",
    "api.github.com",
    "huggingface.co",
    "registry.npmjs.org",
    "npm err!",
    "pypi.org",
    "crates.io",
    "docker.io",
    "stripe.",
    "sk-proj-",
    "sk_test_",
    "sk_live_",
    "twilio",
    "sendgrid",
    "slack.com",
];

/// A line in which another service answers.
fn is_other_answer(words: &str) -> bool {
    VENDORS.iter().any(|name| words.contains(name)) || is_other_operation(words) || is_other_path(words)
}

/// botocore names the operation; those of models are named by [`OURS`].
fn is_other_operation(words: &str) -> bool {
    let named = words.split_once("when calling the ").and_then(|(_, rest)| rest.split_once(" operation"));
    named.is_some_and(|(name, _)| !name.is_empty() && !name.contains(' '))
}

/// A web server's own log: a request for a path that the API does not have.
fn is_other_path(words: &str) -> bool {
    const METHODS: [&str; 6] = ["\"get /", "\"head /", "\"post /", "\"put /", "\"delete /", "\"options /"];
    const PATHS: [&str; 6] = ["v1/", "v2/", "model/", "api/", "complet", "messages"];
    let path = METHODS.iter().find_map(|method| words.split_once(method)).map(|(_, rest)| rest);
    path.and_then(|rest| rest.split_once(" http/"))
        .is_some_and(|(path, _)| !PATHS.iter().any(|own| path.contains(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_code_are_set_apart() {
        for frame in [
            "    at TLSSocket.onConnectSecure (node:_tls_wrap:1674:34) {",
            "    at node:internal/deps/undici/undici:13502:13",
            "    at async Anthropic.makeRequest (file:///app/client.mjs:341:19)",
            "\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:328)",
            "   at System.Net.Http.HttpConnection.SendAsync(HttpRequestMessage request)",
            "             at /build/src/stream.rs:12:5",
            "/usr/lib/ruby/3.3.0/net/protocol.rb:237:in `rbuf_fill'",
            "\t/usr/local/go/src/net/http/client.go:725 +0x5a",
            "#0 /srv/vendor/guzzle/Stream.php(12): read()",
            "except anthropic.RateLimitError as e:",
            "} catch (ConnectionRefusedException e) {",
        ] {
            let said = said(frame);
            assert_eq!((said.call.as_str(), said.traced.trim_end()), ("", frame), "{frame}");
        }
        let trace = "  File \"a.py\", line 3, in f\n    raise ReadTimeout(x) from e\n          ^^^^^\nX: read timed out";
        assert_eq!(said(trace).call, "X: read timed out\n");
        for line in
            ["at the end of the stream", "Caused by: java.net.ConnectException: refused", "raise your limit"]
        {
            assert_eq!(said(line).call.trim_end(), line);
        }
    }

    #[test]
    fn other_programs_and_other_services_say_nothing_of_the_call() {
        for line in [
            "connect ECONNREFUSED 127.0.0.1:27017",
            "connection to server at \"localhost\", port 5432 failed: Connection refused",
            "ssh: connect to host build.example port 22: Connection timed out",
            "connection to queue:5672 failed",
            "[claude-worker] connect ECONNREFUSED 127.0.0.1:6379",
        ] {
            assert_eq!(said(line), Said::default(), "{line}");
        }
        for line in [
            "Error code: 429 - see https://platform.openai.com/account",
            "An error occurred (ThrottlingException) when calling the DescribeInstances operation: Rate exceeded",
            "\"GET /admin/ HTTP/1.1\" 500 59",
        ] {
            let said = said(line);
            assert_eq!((said.call.trim_end(), said.answer.as_str()), (line, ""), "{line}");
        }
        for line in [
            r#"401 {"type":"error","error":{"type":"authentication_error"}} key=sk-proj-fake"#,
            "connect ECONNREFUSED 127.0.0.1:3128",
            "2026-11-20 10:00:22 ERROR connection refused",
            "kafka-worker-1  | httpx.ConnectError: [Errno 111] Connection refused",
            "main.py:22: connection refused",
            "[10:00:00 - app.worker:389 - ERROR] connection refused",
            "anthropic call failed while postgres was up: connection refused",
            "An error occurred (ThrottlingException) when calling the InvokeModel operation",
            "\"POST /v1/messages HTTP/1.1\" 529 0",
        ] {
            assert_eq!(said(line).answer.trim_end(), line);
        }
    }
}
