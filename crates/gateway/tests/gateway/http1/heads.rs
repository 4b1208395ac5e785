//! The form of a head: its lines, names and values (RFC 9112, sections 2.2 and 5), and how large it may be.

use crate::common::raw;

use super::table::{BAD, Bench, INNER, Must, Row, arrives, hold, pass, refuse, refuse_as};

fn get(headers: &str) -> Vec<u8> {
    with(headers.as_bytes())
}

/// These bytes as lines of a head.
fn with(headers: &[u8]) -> Vec<u8> {
    [b"GET /v1/x HTTP/1.1\r\nhost: localhost\r\n", headers, b"\r\n"].concat()
}

#[tokio::test]
async fn lines_end_in_crlf() {
    let lf = |text: &str| text.replace("\r\n", "\n").into_bytes();
    let whole = "GET /v1/x HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n\r\n";
    // LF alone in the place of the nth CRLF.
    let only = |n: usize| {
        let parts: Vec<&str> = whole.split("\r\n").collect();
        format!("{}\n{}", parts[..=n].join("\r\n"), parts[n + 1..].join("\r\n"))
    };
    hold(vec![
        pass("CRLF", whole, arrives("GET /v1/x").has(&["x-a: b"])),
        refuse("LF alone", lf(whole)),
        refuse("LF alone and a request behind it", [lf(whole), INNER.into()].concat()),
        refuse("LF behind the request line", only(0)),
        refuse("LF behind the first header", only(1)),
        refuse("LF behind the last header", only(2)),
        refuse("LF as the empty line", only(3)),
        refuse("CR alone", whole.replace("\r\n", "\r")),
        refuse("CR behind the request line", whole.replacen("\r\n", "\r", 1)),
        refuse("CR and CRLF", whole.replacen("\r\n", "\r\r\n", 1)),
        refuse("CR and CRLF behind a header", get("x-a: b\r\r\n")),
        refuse("LF and CR", whole.replacen("\r\n", "\n\r", 1)),
        refuse("LF before the CRLF of a header", get("x-a: b\n\r\n")),
        refuse("LF inside a value", get("x-a: b\nx-c: d\r\n")),
        refuse("CR inside a value", get("x-a: b\rx-c: d\r\n")),
        refuse("CR before the name", get("\rx-a: b\r\n")),
        refuse("CR behind the name", get("x-a\r: b\r\n")),
        refuse("CR behind the colon", get("x-a:\rb\r\n")),
        refuse("a head of nothing but its first line", b"GET /v1/x HTTP/1.1\r\n\r\n".to_vec()),
        refuse("a folded line", get("x-a: b\r\n c\r\n")),
        refuse("a folded line with a tab", get("x-a: b\r\n\tc\r\n")),
        refuse("a folded line with a colon", get("x-a: b\r\n x-c: d\r\n")),
        refuse("an empty folded line", get("x-a: b\r\n \r\n")),
        refuse("a folded length", get("content-length:\r\n 0\r\n")),
        refuse("a folded host", "GET /v1/x HTTP/1.1\r\nhost:\r\n localhost\r\n\r\n"),
        refuse("a blank before the first header", "GET /v1/x HTTP/1.1\r\n host: localhost\r\n\r\n"),
        refuse("a tab before the first header", "GET /v1/x HTTP/1.1\r\n\thost: localhost\r\n\r\n"),
        refuse("blanks as the first line", "GET /v1/x HTTP/1.1\r\n  \r\nhost: localhost\r\n\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn names_are_tokens() {
    let named = |name: &[u8]| with(&[name, b": b\r\n"].concat());
    let mut rows: Vec<Row> = vec![
        pass("every other sign of a token", get("!#$%&'*+-.^_`|~09aZ: b\r\n"), arrives("GET /v1/x")),
        pass("case", get("X-aB: b\r\n"), arrives("GET /v1/x").has(&["x-ab: b"])),
        refuse("a blank before the colon", get("x-a : b\r\n")),
        refuse("a tab before the colon", get("x-a\t: b\r\n")),
        refuse("a blank inside", get("x a: b\r\n")),
        refuse("no name", get(": b\r\n")),
        refuse("no colon", get("x-a\r\n")),
        refuse("no colon and a blank", get("x-a b\r\n")),
        refuse("a colon alone", get(":\r\n")),
    ];
    let no_token = b"\x00\x01\x08\x0b\x0c\x0e\x1b\x1f\"(),/;<=>?@[\\]{}\x7f\x80\xa0\xe9\xff";
    for byte in no_token {
        let name: &'static str = format!("{:?} in a name", char::from(*byte)).leak();
        rows.push(refuse(name, named(&[b'x', *byte, b'a'])));
        let name: &'static str = format!("{:?} before a name", char::from(*byte)).leak();
        rows.push(refuse(name, named(&[*byte, b'x', b'a'])));
    }
    hold(rows).await;
}

#[tokio::test]
async fn values_have_no_controls() {
    let mut rows: Vec<Row> = vec![
        pass("nothing", get("x-a:\r\n"), arrives("GET /v1/x").has(&["x-a: "])),
        pass("blanks around it", get("x-a: \t b c \t \r\n"), arrives("GET /v1/x").has(&["x-a: b c"])),
        pass("a tab inside", get("x-a: b\tc\r\n"), arrives("GET /v1/x").has(&["x-a: b\tc"])),
        pass("a colon", get("x-a:b:c\r\n"), arrives("GET /v1/x").has(&["x-a: b:c"])),
        pass("UTF-8", get("x-a: \u{e9}\u{4e2d}\r\n"), arrives("GET /v1/x").has(&["x-a: \u{e9}\u{4e2d}"])),
        pass(
            "the same name twice",
            get("x-a: b\r\nX-A: c\r\n"),
            arrives("GET /v1/x").has(&["x-a: b", "x-a: c"]),
        ),
    ];
    for byte in (0..32_u8).chain([127]).filter(|b| *b != b'\t') {
        let name: &'static str = format!("{:?} in a value", char::from(byte)).leak();
        rows.push(refuse(name, with(&[b"x-a: b", &[byte][..], b"c\r\n"].concat())));
        let name: &'static str = format!("{:?} before a value", char::from(byte)).leak();
        rows.push(refuse(name, with(&[b"x-a:", &[byte][..], b"c\r\n"].concat())));
        // Behind the value CR is the line's end, and LF is one that is too short.
        if byte != b'\r' {
            let name: &'static str = format!("{:?} behind a value", char::from(byte)).leak();
            rows.push(refuse(name, with(&[b"x-a: b", &[byte][..], b"\r\n"].concat())));
        }
    }
    hold(rows).await;
}

/// Some callers send an empty line behind the body of the request before.
#[tokio::test]
async fn empty_lines_before_a_request_are_left_out() {
    let lines = |lines: &str| format!("{lines}GET /v1/x HTTP/1.1\r\nhost: localhost\r\n\r\n");
    hold(vec![
        pass("one", lines("\r\n"), arrives("GET /v1/x")),
        pass("three", lines("\r\n\r\n\r\n"), arrives("GET /v1/x")),
        pass(
            "behind a body",
            "POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}\r\n",
            arrives("POST /v1/x").body("{}"),
        ),
        refuse("LF", lines("\n")),
        refuse("CR", lines("\r")),
        refuse("two CR", lines("\r\r\n")),
        refuse("a blank", lines(" \r\n")),
        refuse("a blank before the request", lines(" ")),
        refuse("a tab before the request", lines("\t")),
        refuse("a zero before the request", lines("\0")),
        refuse("without end", "\r\n".repeat(20_000)),
    ])
    .await;
}

#[tokio::test]
async fn a_head_has_its_bounds() {
    const LARGE: &[u16] = &[431];
    let filler = |n: usize| format!("x-filler: {}\r\n", "a".repeat(n));
    let many = |n: usize| get(&(1..n).map(|n| format!("x-{n}: b\r\n")).collect::<String>());
    Bench::new(|o| o.headers_max = 50)
        .await
        .hold(vec![
            pass("a large one", get(&filler(15_000)), arrives("GET /v1/x")),
            refuse_as("a value that is too large", LARGE, get(&filler(17_000))),
            refuse_as("a value of 64 KB", LARGE, get(&filler(64 << 10))),
            refuse_as("a name that is too large", LARGE, get(&format!("x-{}: b\r\n", "a".repeat(17_000)))),
            refuse_as("values that are too large together", LARGE, get(&filler(1_000).repeat(17))),
            refuse_as(
                "one that never ends",
                LARGE,
                format!("GET /v1/x HTTP/1.1\r\nhost: localhost\r\n{}", filler(100).repeat(1_000)),
            ),
            refuse_as(
                "a name without end",
                LARGE,
                format!("GET /v1/x HTTP/1.1\r\nhost: localhost\r\n{}", "a".repeat(100_000)),
            ),
            pass("as many lines as may be", many(50), arrives("GET /v1/x")),
            refuse_as("one more", LARGE, many(51)),
            refuse_as("a thousand", LARGE, many(1_000)),
            refuse_as(
                "a target that is too large",
                &[414],
                format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(17_000)),
            ),
            refuse_as("a target without end", &[414], format!("GET /{}", "a".repeat(100_000))),
            refuse_as("a method without end", &[414, 501, 400], "A".repeat(100_000)),
        ])
        .await;
    // Where heads may be larger, a target may not be much longer (hyper reads 65,534 bytes of it).
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(70_000));
    Bench::new(|o| o.header_max = 1 << 20)
        .await
        .hold(vec![refuse_as("a very long target", &[414], long)])
        .await;
}

/// What is no HTTP at all.
#[tokio::test]
async fn other_protocols_get_an_end() {
    let hello: &[u8] = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    hold(vec![
        ("nothing", Vec::new(), Must::Close),
        ("empty lines", b"\r\n\r\n".to_vec(), Must::Close),
        ("TLS", hello.into(), Must::Refuse(BAD)),
        refuse("SSH", "SSH-2.0-OpenSSH_9.2\r\n"),
        refuse("SMTP", "EHLO localhost\r\nMAIL FROM:<a@b>\r\n"),
        refuse(
            "the PROXY protocol",
            "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ),
        refuse("zeros", vec![0; 1_000]),
        refuse(
            "noise",
            (0..4_000_u32)
                .map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap())
                .collect::<Vec<_>>(),
        ),
    ])
    .await;
}

/// What never became a request is counted as well as what was refused as one.
#[tokio::test]
async fn refusals_are_counted() {
    let mut bench = Bench::new(|_| ()).await;
    let rows = vec![
        refuse("no HTTP", "nonsense\r\n\r\n"),
        refuse("a name that is none", get("x a: b\r\n")),
        refuse("LF alone", get("x-a: b\n")),
        refuse("another host", INNER.replace("localhost", "evil.example")),
    ];
    let most = rows.len();
    bench.hold(rows).await;
    let ask = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let text = raw(bench.served.admin, ask).await;
    let line = format!("clearline_refused_total{{cause=\"request.invalid\"}} {most}");
    assert!(text.lines().any(|l| l == line), "{text}");
}
