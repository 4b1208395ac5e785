//! Streams that break and are continued, at any place and in any pieces.

use proptest::prelude::*;

use super::seam::OVERLAP_MIN;
use super::*;

const WHOLE: &str =
    "The naïve packet arrived — 数据 — despite a flaky line, and \"again\" it came, with patience.";

/// A turn of the user that asks for the rest.
fn turn() -> Turns {
    Turns { text: String::new(), unshown: String::new(), exact: false }
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn text_delta(index: u64, text: &str) -> String {
    event(
        &json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
    )
}

/// A stream of the API whose text comes in pieces of so many characters.
fn stream(text: &str, piece: usize, output: u64) -> String {
    let chars: Vec<char> = text.chars().collect();
    let usage = json!({"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 2});
    let deltas: String = chars.chunks(piece).map(|c| text_delta(0, &c.iter().collect::<String>())).collect();
    [
        event(&json!({"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": usage}})),
        event(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        event(&json!({"type": "ping"})),
        deltas,
        event(&json!({"type": "content_block_stop", "index": 0})),
        event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}})),
        event(&json!({"type": "message_stop"})),
    ]
    .concat()
}

/// What the caller sees: the names of the events, the text, and the data of `message_delta`.
fn read(bytes: &[u8]) -> (Vec<String>, String, Value) {
    let (mut names, mut text, mut last) = (Vec::new(), String::new(), Value::Null);
    Parser::new()
        .push(bytes, |e| {
            let data: Value = serde_json::from_slice(e.data).unwrap();
            let name = String::from_utf8(e.name.to_vec()).unwrap();
            if name.starts_with("content_block") {
                assert_eq!(data["index"], 0, "{data}");
            }
            text.push_str(data["delta"]["text"].as_str().unwrap_or_default());
            if name == "message_delta" {
                last = data;
            }
            if name != "ping" && names.last() != Some(&name) {
                names.push(name);
            }
        })
        .unwrap();
    (names, text, last)
}

const ORDER: [&str; 6] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
];

/// The rest of the text, beginning with so many characters of what was there.
fn from(seen: &str, repeat: usize) -> String {
    format!("{}{}", tail(seen, repeat), WHOLE.strip_prefix(seen).unwrap())
}

#[test]
fn a_cut_at_any_byte_gives_the_whole_text_once() {
    let first = stream(WHOLE, 7, 40);
    // With the end of `message_delta` the stop reason is known.
    let announced = first.find("event: message_stop").unwrap();
    for cut in 0..first.len() {
        for repeat in [0, 8, 30] {
            let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
            stitch.push(&first.as_bytes()[..cut], &mut out);
            assert_eq!(stitch.fits(), cut < announced, "{cut}");
            if !stitch.fits() {
                assert_eq!(out, &first.as_bytes()[..cut], "{cut}");
                continue;
            }
            let seen = stitch.seen().to_owned();
            stitch.resume(&turn());
            // What is repeated is repeated whole, or not at all where it is too short to be told.
            let repeat = if seen.chars().count() < OVERLAP_MIN { 0 } else { repeat };
            stitch.push(stream(&from(&seen, repeat), 9, 30).as_bytes(), &mut out);
            let (names, text, last) = read(&out);
            assert_eq!(text, WHOLE, "{cut} {repeat}");
            let no_text_left = seen == WHOLE && names.len() == 5;
            assert!(names == ORDER || no_text_left, "{cut} {repeat}: {names:?}");
            let started = cut >= first.find("event: content_block_start").unwrap();
            let input = if started { 20 } else { 10 };
            assert_eq!(last["usage"]["input_tokens"], input, "{cut}");
            assert_eq!(last["usage"]["output_tokens"], if started { 31 } else { 30 });
            assert_eq!(last["clearline"]["continued"], 1);
            assert_eq!(out.windows(22).filter(|w| w == b": clearline-continued ").count(), 1);
        }
    }
}

#[test]
fn a_continuation_that_breaks_is_continued_as_well() {
    let first = stream(WHOLE, 5, 40);
    let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
    stitch.push(&first.as_bytes()[..first.match_indices("text_delta").nth(4).unwrap().0], &mut out);
    for _ in 0..3 {
        let seen = stitch.seen().to_owned();
        stitch.resume(&turn());
        let next = stream(&from(&seen, 20), 5, 9);
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}\n\n";
        let half = next.find("event: content_block_stop").unwrap();
        stitch.push(&next.as_bytes()[..half], &mut out);
        stitch.push(error.as_bytes(), &mut out);
        assert!(stitch.fits());
    }
    assert!(!out.windows(12).any(|w| w == b"event: error"));
    stitch.resume(&turn());
    let seen = stitch.seen().to_owned();
    stitch.push(stream(&from(&seen, 8), 5, 9).as_bytes(), &mut out);
    let (_, text, last) = read(&out);
    assert_eq!(text, WHOLE);
    assert_eq!((&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]), (&json!(50), &json!(13)));
    assert_eq!(last["usage"]["cache_read_input_tokens"], 10);
}

#[test]
fn what_was_held_back_comes_when_nothing_continues() {
    let error = b"event: error\ndata: {\"type\":\"error\"}\n\n";
    let first = stream(WHOLE, 9, 1);
    let closed = first.find("event: message_delta").unwrap();
    for (upto, tail) in [(closed, &b""[..]), (closed, error), (closed - 60, error)] {
        let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
        let upto =
            first.match_indices("\n\n").map(|(at, _)| at + 2).take_while(|at| *at <= upto).last().unwrap();
        stitch.push(&first.as_bytes()[..upto], &mut out);
        stitch.push(tail, &mut out);
        stitch.rest(&mut out);
        assert_eq!(out, [&first.as_bytes()[..upto], tail].concat());
    }
}

#[test]
fn the_seam_waits_until_it_is_known_and_no_longer() {
    let long = "word ".repeat(60);
    let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
    stitch.push(stream(&long, 10, 1).as_bytes().get(..1_000).unwrap(), &mut out);
    stitch.resume(&turn());
    out.clear();
    let next: String = ('a'..='z').cycle().take(400).collect();
    let all = stream(&next, 100, 1);
    let mut shown_at = None;
    for (at, byte) in all.as_bytes().iter().enumerate() {
        stitch.push(&[*byte], &mut out);
        if shown_at.is_none() && out.windows(10).any(|w| w == b"text_delta") {
            shown_at = Some(at);
        }
    }
    // With the third piece of a hundred characters 220 are there.
    let third = all.match_indices("text_delta").nth(2).unwrap().0;
    let fourth = all.match_indices("text_delta").nth(3).unwrap().0;
    assert!((third..fourth).contains(&shown_at.unwrap()), "{shown_at:?}");
    // Pings are passed at once, so that the caller sees life.
    assert!(String::from_utf8(out).unwrap().find("ping").unwrap() < 200);
}

#[test]
fn other_blocks_are_never_continued() {
    let start = event(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}));
    let open =
        |kind: Value| event(&json!({"type": "content_block_start", "index": 0, "content_block": kind}));
    let cited = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}});
    let plain = open(json!({"type": "text", "text": ""}));
    for (what, fits) in [
        (plain.clone(), true),
        (open(json!({"type": "tool_use", "id": "t", "name": "n", "input": {}})), false),
        (open(json!({"type": "thinking", "thinking": ""})), false),
        (open(json!({"type": "text", "text": "", "citations": [{}]})), false),
        (format!("{plain}{}", event(&cited)), false),
        (format!("{plain}event: content_block_delta\ndata: {}\n\n", "x".repeat(EVENT_MAX)), false),
        (format!("{plain}{}", text_delta(0, &"x".repeat(101))), false),
    ] {
        let (mut stitch, mut out) = (Stitch::new(100, Vec::new()), Vec::new());
        let all = [start.as_bytes(), what.as_bytes()].concat();
        stitch.push(&all, &mut out);
        assert_eq!((stitch.fits(), out == all), (fits, true), "{}", tail(&what, 80));
    }
    // A continuation that brings something else in the place of text is none.
    let (mut stitch, mut out) = (Stitch::new(100, Vec::new()), Vec::new());
    stitch.push([start.as_str(), &plain, &text_delta(0, "Hello")].concat().as_bytes(), &mut out);
    stitch.resume(&turn());
    stitch.push(start.as_bytes(), &mut out);
    stitch.push(open(json!({"type": "thinking", "thinking": ""})).as_bytes(), &mut out);
    assert!(stitch.is_wrong() && !stitch.fits());
}

#[test]
fn several_blocks_of_text_keep_their_indices() {
    let start = event(&json!({"type": "message_start", "message": {"usage": {}}}));
    let block = |index: u64, text: &str| {
        let open = json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}});
        let stop = json!({"type": "content_block_stop", "index": index});
        [event(&open), text_delta(index, text), event(&stop)].concat()
    };
    let (mut stitch, mut out) = (Stitch::new(1 << 10, Vec::new()), Vec::new());
    let first = [start.clone(), block(0, "One. "), block(1, "Two and ")].concat();
    stitch.push(first.as_bytes(), &mut out);
    stitch.resume(&turn());
    let delta =
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}});
    let next = [start, block(0, "more."), block(1, "Three"), event(&delta)].concat();
    stitch.push(next.as_bytes(), &mut out);
    let mut seen = Vec::new();
    Parser::new()
        .push(&out, |e| {
            let data: Value = serde_json::from_slice(e.data).unwrap();
            let text = data["delta"]["text"].as_str().unwrap_or_default().to_owned();
            seen.push(format!("{} {} {text}", String::from_utf8_lossy(e.name), data["index"]));
        })
        .unwrap();
    let expected = [
        "message_start null ",
        "content_block_start 0 ",
        "content_block_delta 0 One. ",
        "content_block_stop 0 ",
        "content_block_start 1 ",
        "content_block_delta 1 Two and ",
        "content_block_delta 1 more.",
        "content_block_stop 1 ",
        "content_block_start 2 ",
        "content_block_delta 2 Three",
        "content_block_stop 2 ",
        "message_delta null ",
    ];
    assert_eq!(seen, expected);
}

proptest! {
    #[test]
    fn any_split_of_the_streams_gives_the_same(
        cuts in proptest::collection::vec(1_usize..60, 1..40),
        cut in 0_usize..1_000,
        crlf in any::<bool>(),
    ) {
        let ends = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
        let first = ends(stream(WHOLE, 4, 1));
        let most = first.find("event: message_delta").unwrap();
        let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
        let feed = |stitch: &mut Stitch, bytes: &[u8], out: &mut Vec<u8>| {
            let mut rest = bytes;
            for size in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                stitch.push(piece, out);
                rest = after;
            }
        };
        let upto = most * cut / 1_000;
        feed(&mut stitch, &first.as_bytes()[..upto], &mut out);
        let seen = stitch.seen().to_owned();
        let repeat = if seen.chars().count() < OVERLAP_MIN { 0 } else { 12 };
        stitch.resume(&turn());
        feed(&mut stitch, ends(stream(&from(&seen, repeat), 3, 1)).as_bytes(), &mut out);
        prop_assert_eq!(read(&out).1, WHOLE);
    }

    #[test]
    fn a_text_of_few_words_is_right_or_refused(
        words in proptest::collection::vec(prop_oneof![Just("la "), Just("and on "), Just("we go, "), Just("\n        ")], 2..40),
        cut in 0_usize..1_000,
        repeat in prop_oneof![Just(0_usize), 8_usize..60],
        exact in any::<bool>(),
    ) {
        let whole = words.concat();
        let seen = whole.split_at(whole.len() * cut / 1_000).0;
        // Whoever goes on from the very end repeats nothing.
        let repeat = if exact || seen.len() < repeat { 0 } else { repeat };
        let new = format!("{}{}", tail(seen, repeat), whole.strip_prefix(seen).unwrap());
        if let Some(text) = joined(seen, &new, &Turns { exact, ..turn() }, &[]) {
            // What begins with more of the same than it can be told from is taken for a repetition, where nothing is repeated.
            prop_assert!(text == whole || repeat == 0, "{seen:?} {new:?} {text:?}");
        }
    }

    #[test]
    fn total(parts in proptest::collection::vec(
        prop_oneof![
            Just(b"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abc\"}}\n\n".to_vec()),
            Just(b"event: content_block_start\ndata: {\"index\":9}\n\n".to_vec()),
            Just(b"event: message_delta\ndata: [1]\n\n".to_vec()),
            Just(b"event: message_start\ndata: {}\n\n".to_vec()),
            Just(b"event: content_block_stop\ndata: x\n\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..30),
        ], 0..20)) {
        let (mut stitch, mut out) = (Stitch::new(64, Vec::new()), Vec::new());
        for (n, part) in parts.iter().enumerate() {
            if n % 7 == 6 {
                stitch.resume(&Turns { unshown: " ".to_owned(), ..turn() });
            }
            stitch.push(part, &mut out);
            prop_assert!(stitch.seen().len() <= 64 + 4 * OVERLAP_MAX);
        }
    }
}

#[test]
fn nothing_is_shown_of_what_is_no_continuation() {
    let start = event(&json!({"type": "message_start", "message": {"usage": {}}}));
    let open =
        |kind: &Value| event(&json!({"type": "content_block_start", "index": 0, "content_block": kind}));
    let plain = open(&json!({"type": "text", "text": ""}));
    let (mut stitch, mut out) = (Stitch::new(100, Vec::new()), Vec::new());
    stitch.push([start.as_str(), &plain, &text_delta(0, "Hello")].concat().as_bytes(), &mut out);
    stitch.resume(&turn());
    out.clear();
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "x"}});
    let all = [
        start,
        open(&json!({"type": "thinking", "thinking": ""})),
        event(&delta),
        event(&json!({"type": "content_block_stop", "index": 0})),
        event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})),
        event(&json!({"type": "message_stop"})),
    ];
    stitch.push(all.concat().as_bytes(), &mut out);
    assert!(stitch.is_wrong());
    let shown = String::from_utf8(out).unwrap();
    assert!(!shown.contains("thinking") && !shown.contains("message_stop"), "{shown}");
}

/// What a caller sees of a text that breaks there and of what continues it; nothing where that cannot be joined.
fn joined(seen: &str, new: &str, turns: &Turns, stops: &[&str]) -> Option<String> {
    let stops = stops.iter().map(|s| (*s).to_owned()).collect();
    let (mut stitch, mut out) = (Stitch::new(1 << 20, stops), Vec::new());
    let first = stream(seen, 7, 1);
    stitch.push(&first.as_bytes()[..first.find("event: content_block_stop").unwrap()], &mut out);
    stitch.resume(turns);
    stitch.push(stream(new, 9, 1).as_bytes(), &mut out);
    let (names, text, _) = read(&out);
    assert_eq!(stitch.is_wrong(), names != ORDER, "{names:?}");
    (!stitch.is_wrong()).then_some(text)
}

#[test]
fn a_text_that_repeats_itself_is_never_shortened() {
    let exact = Turns { exact: true, ..turn() };
    for (seen, new) in [
        ("Sing: la la la la la ", "la la la la la!"),
        ("-----------------", "-------------- end"),
        ("if x:\n            ", "            return"),
    ] {
        // The model goes on from the very end, or nobody knows where it does.
        assert_eq!(joined(seen, new, &exact, &[]), Some(format!("{seen}{new}")), "{seen}");
        assert_eq!(joined(seen, new, &turn(), &[]), None, "{seen}");
    }
}

#[test]
fn an_answer_that_begins_anew_is_shown_once() {
    let rest = " And more came.".repeat(2);
    let long: String = (0..90).map(|n| format!("Line {n} of it. ")).collect();
    for seen in [WHOLE, &long] {
        let begin = seen.split_at(seen.floor_char_boundary(seen.len() / 3)).1;
        for new in
            [format!("{seen}{rest}"), format!("{begin}{rest}"), format!("\n\n{}{rest}", tail(seen, 40))]
        {
            assert_eq!(joined(seen, &new, &turn(), &[]), Some(format!("{seen}{rest}")), "{new}");
        }
    }
    // It began anew, and then said something else, or nothing.
    let other = long.replace("Line 70", "Lane 70");
    assert_eq!(joined(&long, &other, &turn(), &[]), None);
    assert_eq!(joined(&long, long.split_at(1_000).0, &turn(), &[]), None);
}

#[test]
fn what_ends_an_answer_is_seen_across_the_seam() {
    for (new, stops, expected) in [
        ("OP here", &["STOP"][..], None),
        ("OP here", &["HALT"], Some("Then ST")),
        ("and STOP", &["STOPS"], Some("Then ST")),
        ("OP here", &[], Some("Then ST")),
    ] {
        let expected = expected.map(|seen| format!("{seen}{new}"));
        assert_eq!(joined("Then ST", new, &turn(), stops), expected, "{new} {stops:?}");
    }
}

#[test]
fn another_model_does_not_go_on() {
    let of = |text: &str, model: &str| {
        stream(text, 9, 1).replace("\"id\"", &format!("\"model\":\"{model}\",\"id\""))
    };
    for (second, is_wrong) in
        [("claude-x-20260101", false), ("us.anthropic.claude-x-v1:0", false), ("claude-y", true)]
    {
        let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
        let first = of(WHOLE, "claude-x");
        stitch.push(&first.as_bytes()[..first.find("event: content_block_stop").unwrap()], &mut out);
        stitch.resume(&turn());
        stitch.push(of(" It is over.", second).as_bytes(), &mut out);
        assert_eq!((stitch.is_wrong(), read(&out).0.len() == 6), (is_wrong, !is_wrong), "{second}");
    }
}

#[test]
fn what_cannot_be_read_or_put_in_its_place_is_not_continued() {
    let start = event(&json!({"type": "message_start", "message": {"usage": {}}}));
    let open = event(
        &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    );
    let odd = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "citations": {}}});
    let none = json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}});
    for (what, fits) in [
        ([open.as_str(), &text_delta(0, "x")].concat(), true),
        (text_delta(0, "x"), false),
        ([open.as_str(), &text_delta(1, "x")].concat(), false),
        (event(&odd), false),
        ([open.as_str(), &event(&none)].concat(), false),
    ] {
        let all = [start.as_str(), &what].concat();
        let (mut stitch, mut out) = (Stitch::new(100, Vec::new()), Vec::new());
        stitch.push(all.as_bytes(), &mut out);
        assert_eq!((stitch.fits(), out == all.as_bytes()), (fits, true), "{what}");
        let (mut stitch, mut out) = (Stitch::new(100, Vec::new()), Vec::new());
        stitch.push([start.as_str(), &open, &text_delta(0, "So ")].concat().as_bytes(), &mut out);
        stitch.resume(&turn());
        stitch.push(all.as_bytes(), &mut out);
        assert_eq!(stitch.is_wrong(), !fits && !what.starts_with("event: content_block_delta"), "{what}");
    }
}

#[test]
fn signs_of_life_are_not_held_back_with_the_end_of_a_block() {
    let first = stream(WHOLE, 9, 1);
    let (begin, end) = first.split_at(first.find("event: message_delta").unwrap());
    for ends in ["\n", "\r\n"] {
        let lines = |text: &str| text.replace('\n', ends);
        let (mut stitch, mut out) = (Stitch::new(1 << 20, Vec::new()), Vec::new());
        stitch.push(lines(begin).as_bytes(), &mut out);
        let shown = out.len();
        stitch.push(lines(": alive\n").as_bytes(), &mut out);
        stitch.push(lines(&event(&json!({"type": "ping"}))).as_bytes(), &mut out);
        let alive = String::from_utf8(out[shown..].to_vec()).unwrap();
        assert!(alive.contains(": alive") && alive.contains("event: ping"), "{alive:?}");
        stitch.push(lines(end).as_bytes(), &mut out);
        let (names, text, _) = read(&out);
        assert_eq!((names.as_slice(), text.as_str()), (&ORDER.map(str::to_owned)[..], WHOLE));
    }
}
