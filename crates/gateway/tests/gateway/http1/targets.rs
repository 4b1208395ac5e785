//! The request line, and whom a request names as its receiver (RFC 9112, section 3).

use super::table::{Bench, Row, arrives, hold, pass, refuse, refuse_as};

/// A request with this first line.
fn line(line: &str) -> String {
    format!("{line}\r\nhost: localhost\r\n\r\n")
}

fn target(target: &str) -> String {
    line(&format!("GET {target} HTTP/1.1"))
}

#[tokio::test]
async fn a_request_line_has_one_form() {
    hold(vec![
        refuse("two blanks behind the method", line("GET  /v1/x HTTP/1.1")),
        refuse("two blanks before the version", line("GET /v1/x  HTTP/1.1")),
        refuse("a blank at the end", line("GET /v1/x HTTP/1.1 ")),
        refuse("a tab behind the method", line("GET\t/v1/x HTTP/1.1")),
        refuse("a tab before the version", line("GET /v1/x\tHTTP/1.1")),
        refuse("a vertical tab", line("GET\x0b/v1/x HTTP/1.1")),
        refuse("a form feed", line("GET /v1/x\x0cHTTP/1.1")),
        refuse("a CR as a blank", line("GET\r/v1/x HTTP/1.1")),
        refuse("a blank in the target", line("GET /v1/ x HTTP/1.1")),
        refuse("no version", line("GET /v1/x")),
        refuse("no version, and a blank", line("GET /v1/x ")),
        refuse("HTTP/0.9", "GET /v1/x\r\n"),
        refuse("HTTP/0.9 and nothing else", "GET /v1/x\r\n\r\n"),
        refuse("no target", line("GET HTTP/1.1")),
        refuse("no target, and two blanks", line("GET  HTTP/1.1")),
        refuse("no method", line("/v1/x HTTP/1.1")),
        refuse("no method, and a blank", line(" /v1/x HTTP/1.1")),
        refuse("nothing but a method", line("GET")),
        refuse("HTTP/1.2", line("GET /v1/x HTTP/1.2")),
        refuse("HTTP/1.10", line("GET /v1/x HTTP/1.10")),
        refuse("HTTP/1.01", line("GET /v1/x HTTP/1.01")),
        refuse("HTTP/01.1", line("GET /v1/x HTTP/01.1")),
        refuse("HTTP/1", line("GET /v1/x HTTP/1")),
        refuse("HTTP/1.", line("GET /v1/x HTTP/1.")),
        refuse("HTTP/1,1", line("GET /v1/x HTTP/1,1")),
        refuse("HTTP/0.9 in words", line("GET /v1/x HTTP/0.9")),
        refuse("HTTP/2.0", line("GET /v1/x HTTP/2.0")),
        refuse("HTTP/3", line("GET /v1/x HTTP/3")),
        refuse("http/1.1", line("GET /v1/x http/1.1")),
        refuse("HTTPS/1.1", line("GET /v1/x HTTPS/1.1")),
        refuse("HTTP 1.1", line("GET /v1/x HTTP 1.1")),
        refuse("ICY/1.1", line("GET /v1/x ICY/1.1")),
        refuse("something behind the version", line("GET /v1/x HTTP/1.1x")),
    ])
    .await;
}

#[tokio::test]
async fn a_method_is_a_name_in_capitals() {
    let method = |method: &str| format!("{method} /v1/x HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut rows: Vec<Row> = Vec::new();
    for name in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "A_B"] {
        rows.push(pass(name, method(name), arrives(&format!("{name} /v1/x"))));
    }
    for name in ["get", "Get", "GeT", "GET2", "G.T", "G!T", "G~T", "gET"] {
        rows.push(refuse(name, method(name)));
    }
    for byte in
        ["\0", "\x01", "\x7f", "\u{e9}", "(", ")", "/", ":", ";", "<", "=", "?", "@", "[", "{", "\"", ","]
    {
        rows.push(refuse(byte, method(&format!("G{byte}T"))));
        rows.push(refuse(byte, method(&format!("{byte}GET"))));
    }
    rows.push(pass("a long one", method(&"A".repeat(32)), arrives(&format!("{} /v1/x", "A".repeat(32)))));
    rows.push(refuse_as("one that is too long", &[501], method(&"A".repeat(33))));
    rows.push(refuse_as("one that is far too long", &[501], method(&"A".repeat(9_000))));
    // It sends the request back, with the key in it.
    rows.push(refuse_as("TRACE", &[405], method("TRACE")));
    rows.push(refuse_as(
        "TRACE with a bound",
        &[405],
        "TRACE /v1/x HTTP/1.1\r\nhost: localhost\r\nmax-forwards: 0\r\n\r\n",
    ));
    rows.push(refuse_as("CONNECT", &[405], "CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n"));
    rows.push(refuse("CONNECT with a path", method("CONNECT")));
    rows.push(refuse("CONNECT with a tunnel's first bytes", "CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    hold(rows).await;
}

#[tokio::test]
async fn a_target_is_a_path_in_ascii() {
    let mut rows: Vec<Row> = Vec::new();
    // What may mean something else to somebody else passes as it is.
    for path in [
        "/",
        "/?",
        "/?a=b&c=%20d",
        "//v1//x",
        "/v1/../x",
        "/./x/.",
        "/v1/%2e%2e/x",
        "/v1/a//../x",
        "/v1/x?%zz%00%",
        "/v1%2Fx",
        "/v1%5cx",
        "/v1/%0d%0aX:%20y",
        "/v1/x;a=b",
        "/v1/x?y?z",
        "/v1/x?/../y",
        "/~!$&'()*+,;=:@-._",
        "/http://evil.example/",
        "/@evil.example/",
    ] {
        rows.push(pass(path, target(path), arrives(&format!("GET {path}"))));
    }
    for (what, path) in [
        ("a fragment", "/v1/x#y"),
        ("a fragment behind a query", "/v1/x?a=b#c"),
        ("a fragment alone", "#"),
        ("an empty fragment", "/v1/x#"),
        ("a relative path", "v1/x"),
        ("a query alone", "?a=b"),
        ("an asterisk", "*"),
        ("an asterisk and more", "*/v1/x"),
        ("a backslash", "\\v1\\x"),
        ("braces and quotes", "/v1/x?{\"a\":1}"),
        ("a name and a port", "localhost:80"),
        ("a scheme alone", "http:"),
        ("a scheme without a name", "http://"),
        ("a scheme and a path", "http:/v1/x"),
        ("a scheme without slashes", "http:localhost/v1/x"),
        ("another scheme", "ftp://localhost/v1/x"),
        ("a file", "file:///etc/passwd"),
        ("javascript", "javascript:alert(1)"),
        ("a way out of the root", "/../../x"),
        ("a way out further down", "/v1/../../x"),
        ("a way out in percent", "/%2e%2e/x"),
        ("a way out with slashes in percent", "/v1%2f..%2f..%2fx"),
        ("a way out behind two slashes", "/v1//../../x"),
        ("a zero in percent", "/v1/%00"),
        ("an escape that is none", "/v1/%zz"),
        ("an escape with a sign", "/v1/%+1"),
        ("half an escape", "/v1/%4"),
        ("a percent sign alone", "/v1/%"),
        ("letters beyond ASCII", "/v1/\u{e9}"),
        ("letters beyond ASCII in a query", "/v1/x?a=\u{4e2d}"),
    ] {
        rows.push(refuse(what, target(path)));
    }
    for byte in (0..=32_u8).chain([127]) {
        let name: &'static str = format!("{:?} in a target", char::from(byte)).leak();
        rows.push(refuse(
            name,
            [b"GET /v1/", &[byte][..], b"x HTTP/1.1\r\nhost: localhost\r\n\r\n"].concat(),
        ));
    }
    for bytes in [&[0x80][..], &[0xff], &[0xc3], &[0xc0, 0xae], &[0xed, 0xa0, 0x80]] {
        let name: &'static str = format!("{bytes:x?} in a target").leak();
        rows.push(refuse(name, [b"GET /v1/", bytes, b"x HTTP/1.1\r\nhost: localhost\r\n\r\n"].concat()));
    }
    rows.push(refuse("OPTIONS for the server", line("OPTIONS * HTTP/1.1")));
    hold(rows).await;
}

/// The upstream comes from the settings alone.
#[tokio::test]
async fn a_target_never_chooses_the_upstream() {
    let mut bench = Bench::new(|_| ()).await;
    let addr = bench.served.addr;
    let both = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let own = format!("http://{addr}");
    let port = addr.port();
    bench
        .hold(vec![
            pass("its own address", both(&format!("{own}/v1/x"), &addr.to_string()), arrives("GET /v1/x")),
            pass(
                "in capitals",
                both(&format!("HTTP://{addr}/v1/x"), &addr.to_string()),
                arrives("GET /v1/x"),
            ),
            pass("without a path", both(&own, &addr.to_string()), arrives("GET /")),
            refuse("without a path and with a query", both(&format!("{own}?a=b"), &addr.to_string())),
            pass(
                "another name of it",
                both(&format!("http://localhost:{port}/v1/x"), &format!("LOCALHOST:{port}")),
                arrives("GET /v1/x"),
            ),
            refuse("another host", both("http://evil.example/v1/x", "localhost")),
            refuse("another host in both", both("http://evil.example/v1/x", "evil.example")),
            refuse("its own with another Host", both(&format!("{own}/v1/x"), "evil.example")),
            refuse(
                "its own with one that is its own too",
                both(&format!("{own}/v1/x"), &format!("localhost:{port}")),
            ),
            refuse("another port", both("http://127.0.0.1:1/v1/x", "127.0.0.1:1")),
            refuse("another port than in Host", both("http://127.0.0.1:1/v1/x", &addr.to_string())),
            refuse("no port", both("http://127.0.0.1/v1/x", "127.0.0.1")),
            refuse("a user", both(&format!("http://user@{addr}/v1/x"), &addr.to_string())),
            refuse("a user in both", both(&format!("http://user@{addr}/v1/x"), &format!("user@{addr}"))),
            refuse(
                "a user that looks like its own",
                both(&format!("http://{addr}@evil.example/v1/x"), "localhost"),
            ),
            refuse("a fragment", both(&format!("{own}/v1/x#y"), &addr.to_string())),
            refuse("a backslash", both(&format!("http://{addr}\\@evil.example/"), &addr.to_string())),
            refuse("two slashes for a name", both("///evil.example/v1/x HTTP/1.1", "localhost")),
            refuse("a name as CONNECT has it", both("evil.example:443", "localhost")),
        ])
        .await;
}

#[tokio::test]
async fn a_host_is_one_of_the_gateways() {
    const NO: &[u16] = &[400];
    const FOREIGN: &[u16] = &[421];
    let host = |value: &str| format!("GET /v1/x HTTP/1.1\r\nhost:{value}\r\n\r\n");
    let fine = |what: &'static str, value: &str| {
        pass(what, host(value), arrives("GET /v1/x").lacks(&["localhost", "gateway.test"]))
    };
    Bench::new(|o| o.hosts = vec!["gateway.test".to_owned()])
        .await
        .hold(vec![
            fine("a name", " localhost"),
            fine("in another case", " LocalHost"),
            fine("a name and a port", " localhost:8787"),
            fine("a name that was set", " GATEWAY.test:443"),
            fine("an address", " 127.0.0.1"),
            fine("another address of loopback", " 127.1.2.3:80"),
            fine("an address of IPv6", " [::1]"),
            fine("an address of IPv6 and a port", " [::1]:8787"),
            fine("blanks around it", "   localhost   "),
            refuse_as("a tab before it", NO, host("\tlocalhost")),
            refuse_as("a tab behind it", NO, host(" localhost\t")),
            refuse_as("none", NO, "GET /v1/x HTTP/1.1\r\n\r\n"),
            refuse_as("none in HTTP/1.0", NO, "GET /v1/x HTTP/1.0\r\n\r\n"),
            refuse_as("nothing", NO, host("")),
            refuse_as("blanks", NO, host("  ")),
            refuse_as("two", NO, "GET /v1/x HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n"),
            refuse_as(
                "two that differ",
                NO,
                "GET /v1/x HTTP/1.1\r\nhost: localhost\r\nHost: evil.example\r\n\r\n",
            ),
            refuse_as("two in one", NO, host(" localhost, localhost")),
            refuse_as("a blank inside", NO, host(" localhost evil.example")),
            refuse_as("a user", NO, host(" user@localhost")),
            refuse_as("a user and a password", NO, host(" user:pass@localhost:80")),
            refuse_as("an empty user", NO, host(" @localhost")),
            refuse_as("a port that is no number", NO, host(" localhost:http")),
            refuse_as("a port that is too large", NO, host(" localhost:65536")),
            refuse_as("a port with a sign", NO, host(" localhost:+80")),
            refuse_as("a negative port", NO, host(" localhost:-1")),
            refuse_as("a port that is empty", NO, host(" localhost:")),
            refuse_as("two ports", NO, host(" localhost:80:81")),
            refuse_as("a scheme", NO, host(" http://localhost")),
            refuse_as("a path", NO, host(" localhost/v1")),
            refuse_as("a query", NO, host(" localhost?a")),
            refuse_as("a fragment", NO, host(" localhost#a")),
            refuse_as("a backslash", NO, host(" localhost\\evil")),
            refuse_as("a zero in percent", NO, host(" localhost%00")),
            refuse_as("a port alone", NO, host(" :80")),
            refuse_as("half of IPv6", NO, host(" [::1")),
            refuse_as("IPv6 without brackets", NO, host(" ::1")),
            refuse_as("something behind IPv6", NO, host(" [::1]evil")),
            refuse_as("letters beyond ASCII", NO, host(" localhost\u{e9}")),
            refuse_as("another name", FOREIGN, host(" evil.example")),
            refuse_as("one that begins with its own", FOREIGN, host(" localhost.evil.example")),
            refuse_as("one that ends with its own", FOREIGN, host(" evil-localhost")),
            refuse_as("a dot at the end", FOREIGN, host(" localhost.")),
            refuse_as("an address that begins with its own", FOREIGN, host(" 127.0.0.1.evil.example")),
            refuse_as("another address", FOREIGN, host(" 192.0.2.1")),
            refuse_as("any address", FOREIGN, host(" 0.0.0.0")),
            refuse_as("an address in short", FOREIGN, host(" 127.1")),
            refuse_as("an address as a number", FOREIGN, host(" 2130706433")),
            refuse_as("an address in octal", FOREIGN, host(" 0177.0.0.1")),
        ])
        .await;
}

/// Who does not know the prefix reaches nothing, however the path is written.
#[tokio::test]
async fn a_prefix_is_not_escaped() {
    let mut rows: Vec<Row> = vec![
        pass("the prefix", target("/s3cret/v1/x"), arrives("GET /v1/x")),
        pass("the prefix alone", target("/s3cret"), arrives("GET /")),
        pass("dots behind it", target("/s3cret/v1/../x"), arrives("GET /v1/../x")),
        refuse_as("a way out of it", &[400], target("/s3cret/../v1/x")),
        pass("two slashes behind it", target("/s3cret//v1/x"), arrives("GET //v1/x")),
        pass("a slash in percent behind it", target("/s3cret/%2fv1"), arrives("GET /%2fv1")),
    ];
    for path in [
        "/v1/x",
        "/",
        "//s3cret/v1/x",
        "/./s3cret/v1/x",
        "/x/../s3cret/v1/x",
        "/%73%33cret/v1/x",
        "/s3cret%2fv1/x",
        "/s3cret%00/v1/x",
        "/s3cret;a/v1/x",
        "/S3CRET/v1/x",
        "/s3cre/v1/x",
        "/s3crett/v1/x",
        "/?/s3cret/v1/x",
        "/%2e%2e/s3cret/v1/x",
        "/..",
        "/s3cret\\v1",
    ] {
        rows.push(refuse_as(path, &[400, 404], target(path)));
    }
    let mut bench = Bench::new(|o| o.prefix = Some("s3cret".to_owned())).await;
    bench.prefix = "/s3cret";
    bench.hold(rows).await;
}
