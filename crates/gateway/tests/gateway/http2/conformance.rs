//! What RFC 9113 and RFC 7541 demand of who listens, tried frame by frame. Each row: the section, what is sent behind the
//! preface and the settings, and what may come of it.
//!
//! Where a request is malformed (section 8.1.1), its stream alone is reset: what h2 would end the connection for it does not get to
//! see (`crates/gateway/src/http2/frames.rs`). So it is for what comes behind a stream's end (5.1).

use clearline_model::Dur;

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GET, GOAWAY, HEADERS, PADDED, PING, PREFACE,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, WITH_PRIORITY, Wire, block, field,
    frame, get, post, text,
};
use crate::common::{BODY, QUICK, Served, keyed, serve, sim};

const PROTOCOL: u32 = 1;
const FLOW: u32 = 3;
const CLOSED: u32 = 5;
const SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;
const CALM: u32 = 11;

/// What comes of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The connection ends with this code.
    End(u32),
    /// A stream ends with this code.
    Reset(u32),
    /// A stream is answered.
    Answer,
    /// The connection ends without a word.
    Gone,
    /// It goes on: the ping behind it is answered.
    On,
}

use Outcome::{Answer, End, Gone, On, Reset};

const MARK: &[u8] = b"the mark";

impl Outcome {
    fn of(frame: &Frame) -> Option<Self> {
        match frame.kind {
            GOAWAY => Some(End(frame.code())),
            RST_STREAM => Some(Reset(frame.code())),
            HEADERS => Some(Answer),
            PING if frame.flags == ACK && frame.content == MARK => Some(On),
            _ => None,
        }
    }
}

type Row = (&'static str, &'static str, Vec<u8>, &'static [Outcome]);

/// Sends and waits for one of what may come, or for what may not.
async fn outcome(mut wire: Wire, sent: &[u8], allowed: &[Outcome]) -> Outcome {
    let mark = frame(PING, 0, 0, MARK);
    wire.send(&[sent, &mark].concat()).await;
    let mut marks = 0;
    while let Some(frame) = wire.next().await {
        match Outcome::of(&frame) {
            // An answer comes from further away than a ping's.
            Some(On) if allowed.contains(&Answer) => {}
            // h2 answers a ping before it says what is wrong with a stream, but not a second one.
            Some(On) if marks == 0 => {
                marks += 1;
                wire.send(&mark).await;
            }
            // An answer to a stream beside the one that is meant.
            Some(Answer) if !allowed.contains(&Answer) => {}
            Some(outcome) => return outcome,
            None => {}
        }
    }
    Gone
}

async fn gateway() -> (clearline_sim::Sim, Served) {
    let api = sim(QUICK).await;
    // What nothing comes of ends when the connection is idle for so long.
    let served = serve(&api.base_url(), &[], |o| o.header_timeout = Dur::secs(3)).await;
    (api, served)
}

async fn hold(rows: Vec<Row>) {
    let (_api, served) = gateway().await;
    let mut wrong = Vec::new();
    for (section, what, sent, allowed) in rows {
        let came = outcome(Wire::ready(served.addr).await, &sent, allowed).await;
        if !allowed.contains(&came) {
            wrong.push(format!("{section} {what}: {came:?}, allowed {allowed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let content: Vec<u8> =
        pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &content)
}

fn all(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

/// A request without END_STREAM: its stream stays open.
fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &post(&[]))
}

fn asked(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(&[]))
}

const END: &[Outcome] = &[End(PROTOCOL), Gone];
const BROKEN_SIZE: &[Outcome] = &[End(SIZE)];
const BROKEN_TABLE: &[Outcome] = &[End(COMPRESSION)];
/// A request that breaks a rule ends alone.
const BAD: &[Outcome] = &[Reset(PROTOCOL)];
/// A stream that goes on behind its end is reset.
const OVER: &[Outcome] = &[Reset(CLOSED)];

#[tokio::test]
async fn a_connection_begins_with_its_preface() {
    let (_api, served) = gateway().await;
    for (what, sent) in [
        ("a wrong one", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
        ("settings on a stream", [PREFACE, &frame(SETTINGS, 0, 1, &[])].concat()),
    ] {
        let came = outcome(Wire::open(served.addr).await, &sent, END).await;
        assert!(END.contains(&came), "3.4 {what}: {came:?}");
    }
    let mut wire = Wire::ready(served.addr).await;
    let first = wire.next().await.unwrap();
    assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0), "its own settings come first");
    let mut acked = false;
    wire.send(&frame(PING, 0, 0, MARK)).await;
    while let Some(frame) = wire.next().await {
        acked |= frame.kind == SETTINGS && frame.flags == ACK;
        if Outcome::of(&frame) == Some(On) {
            break;
        }
    }
    assert!(acked, "6.5.3: settings are acknowledged");
}

/// However its bytes come (RFC 9113, section 3.4): TCP keeps none of their bounds.
#[tokio::test]
async fn a_connection_is_one_of_http_2_byte_by_byte() {
    let (_api, served) = gateway().await;
    for at in 1..6 {
        let sent = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &asked(1)].concat();
        let (first, rest) = sent.split_at(at);
        let mut wire = Wire::open(served.addr).await;
        wire.trickle(first).await;
        wire.trickle(rest).await;
        wire.until(HEADERS).await;
    }
    // POST begins as the preface does.
    let mut wire = Wire::open(served.addr).await;
    wire.trickle(&keyed(BODY)).await;
    let answer = wire.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn frames_keep_their_form() {
    let large = vec![0; 16_385];
    hold(vec![
        ("4.1", "an unknown type", frame(0x16, 0, 0, b"anything"), &[On]),
        ("4.1", "unknown flags", frame(PING, 0xfe, 0, &[1; 8]), &[On]),
        ("4.1", "the reserved bit", all(&[frame(HEADERS, WHOLE, 1 | 1 << 31, &get(&[]))]), &[Answer]),
        ("4.2", "the largest frame", all(&[open(1), frame(DATA, END_STREAM, 1, &large[1..])]), &[Answer]),
        ("4.2", "data too large", all(&[open(1), frame(DATA, END_STREAM, 1, &large)]), BROKEN_SIZE),
        ("4.2", "a head too large for a frame", frame(HEADERS, WHOLE, 1, &large), BROKEN_SIZE),
        ("4.3", "a broken block", frame(HEADERS, WHOLE, 1, &[0xff; 9]), BROKEN_TABLE),
        (
            "4.3",
            "another frame in a block",
            all(&[frame(HEADERS, END_STREAM, 1, &get(&[])), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 15])]),
            END,
        ),
        ("4.3", "another stream in a block", all(&[frame(HEADERS, END_STREAM, 1, &get(&[])), asked(3)]), END),
        (
            "5.5",
            "an unknown type in a block",
            all(&[frame(HEADERS, END_STREAM, 1, &get(&[])), frame(0x16, 0, 0, &[])]),
            END,
        ),
        ("6.1", "data without a stream", frame(DATA, END_STREAM, 0, b"x"), END),
        (
            "6.1",
            "padding longer than the frame",
            all(&[open(1), frame(DATA, PADDED | END_STREAM, 1, &[9, 1, 2])]),
            END,
        ),
        ("6.2", "a head without a stream", frame(HEADERS, WHOLE, 0, &get(&[])), END),
        ("6.2", "padding longer than the head", frame(HEADERS, PADDED | WHOLE, 1, &[200, 0x82]), END),
        (
            "6.2",
            "a padded head with a priority",
            frame(
                HEADERS,
                PADDED | WITH_PRIORITY | WHOLE,
                1,
                &[&[2, 0, 0, 0, 0, 15][..], &get(&[]), &[0, 0]].concat(),
            ),
            &[Answer],
        ),
        ("6.3", "a priority without a stream", frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 15]), END),
        ("6.3", "a priority of four bytes", all(&[open(1), frame(PRIORITY, 0, 1, &[0; 4])]), BROKEN_SIZE),
        ("6.4", "a reset without a stream", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), END),
        ("6.4", "a reset of three bytes", all(&[open(1), frame(RST_STREAM, 0, 1, &[0; 3])]), BROKEN_SIZE),
    ])
    .await;
}

#[tokio::test]
async fn frames_of_the_connection_keep_their_form() {
    hold(vec![
        ("6.5", "an acknowledgement with content", frame(SETTINGS, ACK, 0, &[0; 6]), BROKEN_SIZE),
        ("6.5", "settings on a stream", frame(SETTINGS, 0, 1, &[]), END),
        ("6.5", "settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), BROKEN_SIZE),
        (
            "6.6",
            "a promise from a client",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get(&[])].concat()),
            END,
        ),
        ("6.7", "a ping on a stream", frame(PING, 0, 1, &[0; 8]), END),
        ("6.7", "a ping of six bytes", frame(PING, 0, 0, &[0; 6]), BROKEN_SIZE),
        ("6.7", "an answer to no ping", frame(PING, ACK, 0, &[7; 8]), &[On]),
        ("6.8", "a farewell on a stream", frame(GOAWAY, 0, 1, &[0; 8]), END),
        ("6.9", "a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), END),
        ("6.9", "a stream's window of nothing", all(&[open(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])]), BAD),
        ("6.9", "a window of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), BROKEN_SIZE),
        (
            "6.10",
            "a block in three frames",
            all(&[
                frame(HEADERS, END_STREAM, 1, &get(&[])[..9]),
                frame(CONTINUATION, 0, 1, &get(&[])[9..20]),
                frame(CONTINUATION, END_HEADERS, 1, &get(&[])[20..]),
            ]),
            &[Answer],
        ),
        (
            "6.10",
            "data in a block",
            all(&[frame(HEADERS, 0, 1, &get(&[])), frame(DATA, END_STREAM, 1, b"x")]),
            END,
        ),
        (
            "6.10",
            "a continuation without a stream",
            all(&[frame(HEADERS, END_STREAM, 1, &get(&[])), frame(CONTINUATION, END_HEADERS, 0, &[])]),
            END,
        ),
        (
            "6.10",
            "a continuation of a whole head",
            all(&[open(1), frame(CONTINUATION, END_HEADERS, 1, &[])]),
            END,
        ),
        (
            "6.10",
            "a continuation behind data",
            all(&[open(1), frame(DATA, 0, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, &[])]),
            END,
        ),
    ])
    .await;
}

#[tokio::test]
async fn streams_keep_their_states() {
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    hold(vec![
        ("5.1", "data on an idle stream", frame(DATA, END_STREAM, 1, b"x"), END),
        ("5.1", "a reset of an idle stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), END),
        ("5.1", "a window of an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]), END),
        ("5.1", "a continuation of an idle stream", frame(CONTINUATION, END_HEADERS, 1, &get(&[])), END),
        ("5.1", "data behind the end", all(&[asked(1), frame(DATA, END_STREAM, 1, b"x")]), OVER),
        ("5.1", "a head behind the end", all(&[asked(1), asked(1)]), OVER),
        (
            "5.1",
            "a continuation behind the end",
            all(&[asked(1), frame(CONTINUATION, END_HEADERS, 1, &[])]),
            END,
        ),
        (
            "5.1",
            "a window behind the end",
            all(&[asked(1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9])]),
            &[Answer],
        ),
        // HAProxy resets that stream as well, and so the connection goes on.
        (
            "5.1",
            "data behind a reset",
            all(&[open(1), reset.clone(), frame(DATA, END_STREAM, 1, b"x")]),
            &[Reset(CLOSED)],
        ),
        (
            "5.1",
            "data behind trailers",
            all(&[
                open(1),
                frame(HEADERS, WHOLE, 1, &block(&[("x-test", "ok")])),
                frame(DATA, END_STREAM, 1, b"x"),
            ]),
            OVER,
        ),
        (
            "5.1",
            "a head behind trailers",
            all(&[open(1), frame(HEADERS, WHOLE, 1, &block(&[("x-test", "ok")])), asked(1)]),
            OVER,
        ),
        ("5.1.1", "a malformed head of an even number", frame(HEADERS, WHOLE, 2, &get(&[("X", "y")])), END),
        ("5.1", "a head behind a reset", all(&[open(1), reset.clone(), asked(1)]), OVER),
        ("5.1.1", "an even number", asked(2), END),
        // That stream was never there: HAProxy calls it closed, and this section says PROTOCOL_ERROR.
        ("5.1.1", "a smaller number than before", all(&[asked(5), asked(3)]), END),
        (
            "5.3",
            "a stream that depends on itself",
            all(&[frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &[&[0, 0, 0, 1, 15][..], &get(&[])].concat())]),
            BAD,
        ),
        ("7", "an unknown code", all(&[open(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 255])]), &[On]),
    ])
    .await;
}

#[tokio::test]
async fn settings_and_windows_have_their_bounds() {
    hold(vec![
        ("6.5.2", "push is neither on nor off", settings(&[(2, 2)]), END),
        ("6.5.2", "a window beyond its bound", settings(&[(4, 1 << 31)]), &[End(FLOW)]),
        ("6.5.2", "frames below their bound", settings(&[(5, 16_383)]), END),
        ("6.5.2", "frames beyond their bound", settings(&[(5, 1 << 24)]), END),
        ("6.5.2", "an unknown setting", settings(&[(0xff, 1)]), &[On]),
        ("6.5.3", "the last of two holds", all(&[settings(&[(4, 1), (4, 1 << 20)]), asked(1)]), &[Answer]),
        (
            "6.9.1",
            "a connection's window beyond its bound",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            &[End(FLOW), Gone],
        ),
        (
            "6.9.1",
            "a stream's window beyond its bound",
            all(&[open(1), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])]),
            &[Reset(FLOW), End(FLOW), Gone],
        ),
        (
            "6.9.2",
            "settings that take a window beyond its bound",
            all(&[open(1), frame(WINDOW_UPDATE, 0, 1, &[0, 1, 0, 0]), settings(&[(4, 0x7fff_ffff)])]),
            &[End(FLOW), Reset(FLOW), Gone],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_head_means_one_thing() {
    let with = |fields: &[(&str, &str)]| frame(HEADERS, WHOLE, 1, &get(fields));
    let only = |fields: &[(&str, &str)]| frame(HEADERS, WHOLE, 1, &block(fields));
    let [method, scheme, path, authority] = GET;
    let bytes =
        |name: &[u8], value: &[u8]| frame(HEADERS, WHOLE, 1, &[get(&[]), field(name, value)].concat());
    // A block of more than one frame holds.
    let large = |name: &[u8]| {
        let fields = [get(&[]), field(name, b"ok"), field(b"x-filler", &[b'x'; 17_000])].concat();
        let (first, rest) = fields.split_at(16_384);
        [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)].concat()
    };
    let cut = |name: &[u8]| {
        let fields = [get(&[]), field(name, b"ok"), field(b"x-filler", b"xxxx")].concat();
        let (first, rest) = fields.split_at(fields.len() - 5);
        [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)].concat()
    };
    hold(vec![
        ("8.2.1", "upper case", with(&[("X-Test", "ok")]), BAD),
        ("8.2.1", "a space in a name", with(&[("x test", "ok")]), BAD),
        ("8.2.1", "a colon in a name", with(&[("x:test", "ok")]), BAD),
        ("8.2.1", "no name", with(&[("", "ok")]), BAD),
        ("8.2.1", "neither name nor value", with(&[("", "")]), BAD),
        (
            "8.2.1",
            "neither, for the table",
            frame(HEADERS, WHOLE, 1, &[&get(&[])[..], &[0x40, 0, 0]].concat()),
            BAD,
        ),
        ("8.2.1", "upper case in a block beyond a frame", large(b"X-Test"), BAD),
        ("8.2.1", "a large block that is well", large(b"x-test"), &[Answer]),
        ("8.2.2", "connection in a block of two frames", cut(b"connection"), BAD),
        ("8.3.1", "no method at all", only(&[(":method", ""), scheme, path, authority]), BAD),
        ("8.3.1", "a method of two words", only(&[(":method", "G T"), scheme, path, authority]), BAD),
        ("8.3", "one of answers that is no status", with(&[(":status", "2")]), BAD),
        ("8.3.1", "a path that is no text", bytes(b":path", b"/\xff"), BAD),
        ("8.2.1", "a line end in a value", bytes(b"x-test", b"a\r\nx-smuggled: 1"), BAD),
        ("8.2.1", "a line feed in a value", bytes(b"x-test", b"a\nb"), BAD),
        ("8.2.1", "a zero in a value", bytes(b"x-test", b"a\0b"), BAD),
        (
            "8.2.1",
            "a line end in the path",
            only(&[method, scheme, (":path", "/v1/models HTTP/1.1\r\nx: y"), authority]),
            BAD,
        ),
        ("8.2.2", "connection", with(&[("connection", "keep-alive")]), BAD),
        ("8.2.2", "proxy-connection", with(&[("proxy-connection", "keep-alive")]), BAD),
        ("8.2.2", "keep-alive", with(&[("keep-alive", "timeout=5")]), BAD),
        ("8.2.2", "upgrade", with(&[("upgrade", "h2c")]), BAD),
        (
            "8.2.2",
            "transfer-encoding",
            frame(HEADERS, END_HEADERS, 1, &post(&[("transfer-encoding", "chunked")])),
            BAD,
        ),
        ("8.2.2", "te that is not trailers", with(&[("te", "gzip")]), BAD),
        ("8.2.2", "te that is", with(&[("te", "trailers")]), &[Answer]),
        ("8.3", "an unknown one", with(&[(":test", "ok")]), BAD),
        ("8.3", "one of answers", with(&[(":status", "200")]), BAD),
        ("8.3", "behind a field", only(&[method, scheme, ("x-test", "ok"), path, authority]), BAD),
        ("8.3.1", "an empty path", only(&[method, scheme, (":path", ""), authority]), BAD),
        ("8.3.1", "no method", only(&[scheme, path, authority]), BAD),
        ("8.3.1", "no scheme", only(&[method, path, authority]), BAD),
        ("8.3.1", "no path", only(&[method, scheme, authority]), BAD),
        ("8.3.1", "two methods", only(&[method, method, scheme, path, authority]), BAD),
        ("8.3.1", "two schemes", only(&[method, scheme, scheme, path, authority]), BAD),
        ("8.3.1", "two paths", only(&[method, scheme, path, path, authority]), BAD),
        ("8.3.1", "two authorities", only(&[method, scheme, path, authority, authority]), BAD),
    ])
    .await;
}

/// Whatever is wrong with it, and however its bytes come: the others go on, and read the same table of fields.
#[tokio::test]
async fn a_malformed_request_ends_no_other() {
    let (_api, served) = gateway().await;
    let [method, scheme, path, authority] = GET;
    let with_path = |stream, path: &[u8]| {
        let fields = [&block(&[method, scheme]), path, &block(&[authority])].concat();
        frame(HEADERS, WHOLE, stream, &fields)
    };
    // Each of these puts a field into the table.
    let put = |name: &str| [&get(&[])[..], &[0x40], &text(name.as_bytes()), &text(b"ok")].concat();
    let of_itself = [&[0, 0, 0, 5, 15][..], &put("x-test")].concat();
    let sent = [
        with_path(1, &[&[0x44][..], &text(path.1.as_bytes())].concat()),
        frame(HEADERS, WHOLE, 3, &put("X-Test")),
        frame(HEADERS, WHOLE | WITH_PRIORITY, 5, &of_itself),
        // The field that no request can have, and its name alone.
        frame(HEADERS, WHOLE, 7, &[get(&[]), vec![0xbf]].concat()),
        frame(HEADERS, WHOLE, 9, &[&get(&[])[..], &[0x0f, 48], &text(b"ok")].concat()),
        // The path of the first, behind the two.
        with_path(11, &[0xc0]),
    ];
    for is_slow in [false, true] {
        let mut wire = Wire::ready(served.addr).await;
        if is_slow {
            wire.trickle(&sent.concat()).await;
        } else {
            wire.send(&sent.concat()).await;
        }
        let mut came = std::collections::BTreeMap::new();
        while came.len() < sent.len() {
            let frame = wire.next().await.unwrap();
            if let Some(outcome) = Outcome::of(&frame) {
                came.insert(frame.stream, outcome);
            }
        }
        let bad = [3, 5, 7, 9].map(|stream| (stream, Reset(PROTOCOL)));
        assert_eq!(came, [(1, Answer), (11, Answer)].into_iter().chain(bad).collect());
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says() {
    let head = |length: &str| frame(HEADERS, END_HEADERS, 1, &post(&[("content-length", length)]));
    let trailers = |fields: &[(&str, &str)], flags| frame(HEADERS, flags, 1, &block(fields));
    hold(vec![
        ("8.1", "as it says", all(&[head("2"), frame(DATA, END_STREAM, 1, b"{}")]), &[Answer]),
        ("8.1.1", "shorter", all(&[head("3"), frame(DATA, END_STREAM, 1, b"{}")]), BAD),
        ("8.1.1", "longer", all(&[head("1"), frame(DATA, END_STREAM, 1, b"{}")]), BAD),
        (
            "8.1.1",
            "longer in parts",
            all(&[head("3"), frame(DATA, 0, 1, b"{}"), frame(DATA, END_STREAM, 1, b"{}")]),
            BAD,
        ),
        (
            "8.1.1",
            "nothing where something is said",
            frame(HEADERS, WHOLE, 1, &post(&[("content-length", "3")])),
            BAD,
        ),
        ("8.1.1", "no number", all(&[head("2x"), frame(DATA, END_STREAM, 1, b"{}")]), BAD),
        (
            "8.1",
            "with trailers",
            all(&[open(1), frame(DATA, 0, 1, b"{}"), trailers(&[("x-test", "ok")], WHOLE)]),
            &[Answer],
        ),
        (
            "8.1",
            "trailers that do not end it",
            all(&[open(1), frame(DATA, 0, 1, b"{}"), trailers(&[("x-test", "ok")], END_HEADERS)]),
            BAD,
        ),
        (
            "8.3",
            "trailers that are a head",
            all(&[open(1), frame(DATA, 0, 1, b"{}"), trailers(&[(":method", "POST")], WHOLE)]),
            BAD,
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_table_of_fields_keeps_its_bounds() {
    let behind = |bytes: &[u8]| frame(HEADERS, WHOLE, 1, &[get(&[]), bytes.to_vec()].concat());
    let before = |bytes: &[u8]| frame(HEADERS, WHOLE, 1, &[bytes.to_vec(), get(&[])].concat());
    let huffman = |bytes: &[u8]| {
        behind(&[&[0][..], &text(b"x-test"), &[0x80 | u8::try_from(bytes.len()).unwrap()], bytes].concat())
    };
    hold(vec![
        ("7541 2.3.3", "a place that is empty", behind(&[0x80 | 70]), BROKEN_TABLE),
        ("7541 2.3.3", "a name of a place that is empty", behind(&[0x40 | 62, 1, b'x', 0]), BROKEN_TABLE),
        ("7541 4.2", "a new size behind fields", behind(&[0x20]), BROKEN_TABLE),
        ("7541 4.2", "a new size before them", before(&[0x20]), &[Answer]),
        ("7541 6.3", "a size beyond what was said", before(&[0x3f, 0xe2, 0x1f]), BROKEN_TABLE),
        ("7541 6.1", "place 0", behind(&[0x80]), BROKEN_TABLE),
        (
            "7541 5.1",
            "a number without end",
            behind(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            BROKEN_TABLE,
        ),
        ("7541 5.2", "a string longer than its block", behind(&[0, 1, b'x', 100, b'y']), BROKEN_TABLE),
        ("7541 5.2", "padding of more than seven bits", huffman(&[0x1f, 0xff]), BROKEN_TABLE),
        ("7541 5.2", "padding with zeroes", huffman(&[0x18]), BROKEN_TABLE),
        ("7541 5.2", "the end within a string", huffman(&[0xff, 0xff, 0xff, 0xfc]), BROKEN_TABLE),
    ])
    .await;
}

#[tokio::test]
async fn what_costs_the_gateway_and_not_the_caller_has_an_end() {
    let (_api, served) = gateway().await;
    let cancel = |stream: u32| [open(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat();
    let rapid: Vec<u8> = (0..2_000).flat_map(|n| cancel(2 * n + 1)).collect();
    let empty = frame(CONTINUATION, 0, 1, &[]);
    let parts = [frame(HEADERS, END_STREAM, 1, &get(&[])), empty.repeat(20_000)].concat();
    let fields = field(b"x-filler", &[b'x'; 2_000]);
    let large: Vec<u8> = (0..400).flat_map(|_| frame(CONTINUATION, 0, 1, &fields)).collect();
    let large = [frame(HEADERS, END_STREAM, 1, &get(&[])), large].concat();
    for (what, sent, allowed) in [
        ("streams that are reset at once", rapid, &[End(CALM), Gone][..]),
        ("a block of empty parts", parts, &[End(CALM), End(PROTOCOL), Gone]),
        ("a block without end", large, &[End(CALM), End(PROTOCOL), Reset(PROTOCOL), Answer, Gone]),
    ] {
        let came = outcome(Wire::ready(served.addr).await, &sent, allowed).await;
        assert!(allowed.contains(&came), "{what}: {came:?}");
    }
    let many: Vec<u8> = (0..200).flat_map(|n| open(2 * n + 1)).collect();
    let came = outcome(Wire::ready(served.addr).await, &many, &[Reset(REFUSED)]).await;
    assert!([Reset(REFUSED), Reset(PROTOCOL)].contains(&came), "5.1.2: more than was allowed: {came:?}");
    let (summary, _) = served.finish().await;
    assert!(summary.calls < 10, "nothing of it went on: {summary:?}");
}
