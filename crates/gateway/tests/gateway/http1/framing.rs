//! Where a body ends: `Content-Length`, `Transfer-Encoding` and chunks (RFC 9112, sections 6 and 7).

use super::table::{Bench, INNER, Must, Row, arrives, hold, pass, refuse, refuse_as};

/// A request with these lines in its head.
fn post(headers: &str, body: &str) -> String {
    format!("POST /v1/x HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{body}")
}

/// One whose body is in chunks.
fn chunked(body: &str) -> String {
    post("transfer-encoding: chunked\r\n", body)
}

/// A body in chunks that ends at once, and a request behind it.
fn hidden() -> String {
    format!("0\r\n\r\n{INNER}")
}

#[tokio::test]
async fn a_length_is_said_once_and_in_digits() {
    let two = |a: &str, b: &str| post(&format!("content-length: {a}\r\ncontent-length: {b}\r\n"), "12345");
    let one = |value: &str| post(&format!("content-length:{value}\r\n"), "12345");
    hold(vec![
        pass("a length", one(" 5"), arrives("POST /v1/x").body("12345")),
        pass("blanks around it", one("   5   "), arrives("POST /v1/x").body("12345")),
        pass("no blank", one("5"), arrives("POST /v1/x").body("12345")),
        pass("leading zeros", one(" 0005"), arrives("POST /v1/x").body("12345")),
        pass("nothing said and nothing sent", post("", ""), arrives("POST /v1/x")),
        pass("zero", post("content-length: 0\r\n", ""), arrives("POST /v1/x")),
        pass(
            "a body of a GET",
            "GET /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}",
            arrives("GET /v1/x").body("{}"),
        ),
        // Blanks as well (RFC 9110, section 5.6.3), and yet nginx takes them for a part of the number.
        refuse("a tab before it", one("\t5")),
        refuse("a tab behind it", one(" 5\t")),
        refuse("the same twice", two("5", "5")),
        refuse("two that differ", two("5", "0")),
        refuse("two that differ, the smaller first", two("0", "5")),
        refuse("in another case", post("content-length: 5\r\nCONTENT-LENGTH: 5\r\n", "12345")),
        refuse("a list of the same", one(" 5, 5")),
        refuse("a list", one(" 5, 0")),
        refuse("a plus", one(" +5")),
        refuse("a minus", one(" -5")),
        refuse("a blank inside", one(" 0 5")),
        refuse("hex", one(" 0x5")),
        refuse("a letter", one(" 5a")),
        refuse("a fraction", one(" 5.0")),
        refuse("an exponent", one(" 5e0")),
        refuse("quotes", one(" \"5\"")),
        refuse("nothing", one("")),
        refuse("blanks alone", one("  ")),
        refuse("an underscore", one(" 5_0")),
        refuse("digits that are not ASCII", one(" \u{0665}")),
        refuse("the largest number", one(" 18446744073709551615")),
        refuse("one more", one(" 18446744073709551616")),
        refuse("far more", one(" 99999999999999999999999999999999999999")),
        refuse_as("more than is taken", &[413], one(" 10001")),
        refuse_as("far more than is taken", &[413], one(" 9223372036854775807")),
        refuse_as("less than was said", &[400, 408], one(" 6")),
    ])
    .await;
}

#[tokio::test]
async fn a_body_has_one_framing() {
    let with = |headers: &str| post(headers, &hidden());
    let encoded = |line: &str| with(&format!("{line}\r\n"));
    let old = |headers: &str| format!("POST /v1/x HTTP/1.0\r\nhost: localhost\r\n{headers}\r\n{}", hidden());
    hold(vec![
        pass(
            "chunks",
            chunked("5\r\n12345\r\n0\r\n\r\n"),
            arrives("POST /v1/x").body("12345").lacks(&["chunked"]),
        ),
        pass(
            "in another case",
            post("Transfer-Encoding: Chunked\r\n", "5\r\n12345\r\n0\r\n\r\n"),
            arrives("POST /v1/x").body("12345").has(&["content-length: 5"]),
        ),
        refuse("a length and chunks", with("content-length: 5\r\ntransfer-encoding: chunked\r\n")),
        refuse("chunks and a length", with("transfer-encoding: chunked\r\ncontent-length: 5\r\n")),
        refuse("apart", with("content-length: 5\r\nx-a: b\r\ntransfer-encoding: chunked\r\n")),
        refuse("a length of nothing and chunks", with("content-length: 0\r\ntransfer-encoding: chunked\r\n")),
        refuse(
            "a length that is none and chunks",
            with("content-length: x\r\ntransfer-encoding: chunked\r\n"),
        ),
        refuse(
            "a length and an encoding that is none",
            with("content-length: 5\r\ntransfer-encoding: x\r\n"),
        ),
        refuse("chunks twice", with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n")),
        refuse("chunks and identity", with("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")),
        refuse("chunks twice in one line", encoded("transfer-encoding: chunked, chunked")),
        refuse("identity in the list", encoded("transfer-encoding: chunked, identity")),
        refuse("identity before it", encoded("transfer-encoding: identity, chunked")),
        refuse("identity alone", encoded("transfer-encoding: identity")),
        refuse("gzip", encoded("transfer-encoding: gzip, chunked")),
        refuse("gzip alone", encoded("transfer-encoding: gzip")),
        refuse("an x before it", encoded("transfer-encoding: xchunked")),
        refuse("an x behind it", encoded("transfer-encoding: chunkedx")),
        refuse("a comma before it", encoded("transfer-encoding: ,chunked")),
        refuse("a comma behind it", encoded("transfer-encoding: chunked,")),
        refuse("a parameter", encoded("transfer-encoding: chunked;a=b")),
        refuse("quotes", encoded("transfer-encoding: \"chunked\"")),
        refuse("nothing", encoded("transfer-encoding:")),
        refuse("a blank before the colon", encoded("transfer-encoding : chunked")),
        refuse("a tab before the colon", encoded("transfer-encoding\t: chunked")),
        refuse("a blank before the name", encoded(" transfer-encoding: chunked")),
        refuse("a folded line", encoded("transfer-encoding:\r\n chunked")),
        refuse("a line folded behind it", encoded("transfer-encoding: chunked\r\n , identity")),
        refuse("a vertical tab", encoded("transfer-encoding: \x0bchunked")),
        refuse("a form feed", encoded("transfer-encoding: chunked\x0c")),
        refuse("a zero", encoded("transfer-encoding: chunked\0")),
        refuse("a CR behind it", encoded("transfer-encoding: chunked\r")),
        refuse("a no-break space", encoded("transfer-encoding: \u{a0}chunked")),
        refuse("an underscore in the name", with("transfer_encoding: chunked\r\ncontent-length: x\r\n")),
        refuse("in HTTP/1.0", old("transfer-encoding: chunked\r\n")),
        refuse(
            "in HTTP/1.0 that stays open",
            old("connection: keep-alive\r\ntransfer-encoding: chunked\r\n"),
        ),
        refuse("a tab before the value", encoded("transfer-encoding:\tchunked")),
        refuse("a tab behind the value", encoded("transfer-encoding: chunked\t")),
    ])
    .await;
}

#[tokio::test]
async fn chunks_are_what_they_say() {
    let size = |size: &str| chunked(&format!("{size}\r\n12345\r\n0\r\n\r\n{INNER}"));
    let fine = |body: &str| pass("", chunked(body), arrives("POST /v1/x").body("12345"));
    let named = |what: &'static str, (_, sent, must): Row| (what, sent, must);
    hold(vec![
        named("one", fine("5\r\n12345\r\n0\r\n\r\n")),
        named("two", fine("2\r\n12\r\n3\r\n345\r\n0\r\n\r\n")),
        named("leading zeros", fine("0005\r\n12345\r\n000\r\n\r\n")),
        named("an extension", fine("5;a=b\r\n12345\r\n0;c\r\n\r\n")),
        named("an extension in quotes", fine("5;a=\"b;c\"\r\n12345\r\n0\r\n\r\n")),
        pass(
            "letters of either case",
            chunked(&format!("a\r\n{}\r\nB\r\n{}\r\n0\r\n\r\n", "x".repeat(10), "x".repeat(11))),
            arrives("POST /v1/x").body(&"x".repeat(21)),
        ),
        pass("nothing", chunked("0\r\n\r\n"), arrives("POST /v1/x")),
        refuse("no size", size("")),
        refuse("a blank alone", size(" ")),
        refuse("an extension alone", size(";a=b")),
        refuse("a minus", size("-5")),
        refuse("a plus", size("+5")),
        refuse("0x", size("0x5")),
        refuse("h", size("5h")),
        refuse("a letter that is no digit", size("g")),
        refuse("a blank before it", size(" 5")),
        refuse("a tab before it", size("\t5")),
        refuse("a blank inside", size("0 5")),
        refuse("a comma", size("5,")),
        refuse("an underscore", size("0_5")),
        refuse("a zero byte", size("5\0")),
        refuse("a CR behind it", size("5\r")),
        refuse("2^64 and 5", size("10000000000000005")),
        refuse("the largest", size("ffffffffffffffff")),
        refuse("as large as a sign", size("8000000000000005")),
        refuse("digits without end", size(&"0".repeat(5_000))),
        refuse("seventeen digits", size("00000000000000005")),
        refuse_as("more than is taken", &[413], chunked(&format!("3000\r\n{}", "x".repeat(0x3000)))),
        refuse_as(
            "more than is taken in small ones",
            &[413],
            chunked(&format!("64\r\n{}\r\n", "x".repeat(100)).repeat(101)),
        ),
        refuse("LF alone", chunked(&format!("5\n12345\r\n0\r\n\r\n{INNER}"))),
        refuse("LF behind the data", chunked(&format!("5\r\n12345\n0\r\n\r\n{INNER}"))),
        refuse("LF behind the last", chunked(&format!("5\r\n12345\r\n0\n\r\n{INNER}"))),
        refuse("LF as the end", chunked(&format!("5\r\n12345\r\n0\r\n\n{INNER}"))),
        refuse("LF in every place", chunked(&format!("5\n12345\n0\n\n{INNER}"))),
        refuse("CR alone", chunked(&format!("5\r12345\r\n0\r\n\r\n{INNER}"))),
        refuse("nothing behind the data", chunked(&format!("5\r\n123450\r\n\r\n{INNER}"))),
        refuse("longer than it says", chunked(&format!("4\r\n12345\r\n0\r\n\r\n{INNER}"))),
        refuse("shorter than it says", chunked(&format!("6\r\n12345\r\n0\r\n\r\n{INNER}"))),
        refuse("an extension with LF", chunked(&format!("5;a\n12345\r\n0\r\n\r\n{INNER}"))),
        refuse("an extension with CR", chunked(&format!("5;a\rb\r\n12345\r\n0\r\n\r\n{INNER}"))),
        refuse("an extension with a zero", chunked(&format!("5;a\0b\r\n12345\r\n0\r\n\r\n{INNER}"))),
        refuse("an extension without end", chunked(&format!("5;{}", "a".repeat(20_000)))),
        refuse(
            "extensions that are long together",
            chunked(&format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(100)),
        ),
        refuse("no end", chunked("5\r\n12345\r\n")),
        refuse("half an end", chunked("5\r\n12345\r\n0\r\n")),
    ])
    .await;
}

#[tokio::test]
async fn trailers_are_read_and_left_out() {
    let with = |trailers: &str| chunked(&format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n"));
    let hides = |trailers: &str| format!("{}{INNER}", with(trailers));
    let fine = arrives("POST /v1/x").body("{}").lacks(&["x-late", "smuggled"]);
    Bench::new(|o| o.headers_max = 16)
        .await
        .hold(vec![
            pass("one", with("x-late: 1\r\n"), fine.clone()),
            pass("three", with("x-late: 1\r\nx-late: 2\r\nx-late-too: 3\r\n"), fine.clone()),
            pass(
                "one that was announced",
                post(
                    "trailer: x-late\r\ntransfer-encoding: chunked\r\n",
                    "2\r\n{}\r\n0\r\nx-late: 1\r\n\r\n",
                ),
                fine.clone().lacks(&["trailer"]),
            ),
            // What would change the request if it were taken for a part of the head.
            refuse("a length", hides("content-length: 50\r\n")),
            refuse("an encoding", hides("Transfer-Encoding: chunked\r\n")),
            refuse("a host", hides("host: evil.example\r\n")),
            refuse("a credential", hides("authorization: Bearer x\r\n")),
            refuse("a key", hides("x-api-key: x\r\n")),
            refuse("LF alone", hides("x-late: 1\n")),
            refuse("LF and a request", with(&format!("x-late: 1\n\r\n{INNER}"))),
            refuse("LF as the first byte", with("\nx-late: 1\r\n")),
            refuse("a CR inside", hides("x-late: a\rb\r\n")),
            refuse("a zero", hides("x-late: a\0b\r\n")),
            refuse("no colon", hides("x-late\r\n")),
            refuse("no name", hides(": 1\r\n")),
            refuse("a blank before the colon", hides("x-late : 1\r\n")),
            refuse("a folded line", hides("x-late: 1\r\n 2\r\n")),
            refuse("a blank before the first", hides(" x-late: 1\r\n")),
            refuse("too many", with(&"x-late: 1\r\n".repeat(20))),
            refuse("too long", with(&format!("x-late: {}\r\n", "a".repeat(20_000)))),
            refuse("too long together", with(&format!("x-late: {}\r\n", "a".repeat(2_000)).repeat(10))),
            refuse("no end", chunked("2\r\n{}\r\n0\r\nx-late: 1\r\n")),
        ])
        .await;
}

/// In a request of HTTP/1.0 a length means the same.
#[tokio::test]
async fn http_1_0_has_lengths() {
    let old =
        |headers: &str, body: &str| format!("POST /v1/x HTTP/1.0\r\nhost: localhost\r\n{headers}\r\n{body}");
    hold(vec![
        (
            "a length",
            old("content-length: 2\r\n", "{}").into(),
            Must::PassAndClose(arrives("POST /v1/x").body("{}")),
        ),
        ("none", old("", "").into(), Must::PassAndClose(arrives("POST /v1/x"))),
        pass(
            "one that stays",
            old("connection: keep-alive\r\ncontent-length: 2\r\n", "{}"),
            arrives("POST /v1/x").body("{}"),
        ),
    ])
    .await;
}
