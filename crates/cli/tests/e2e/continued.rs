//! A stream that breaks in the middle: without the setting a broken answer, with it a whole one.

use crate::common::{Folder, Server, clearline, run};

const SCENARIO: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\nchunks = 8\n\
    [[fault]]\nname = \"whole\"\nevery = 2\ndelay = \"0ms\"\n[[fault]]\nname = \"cut\"\ncut_at_event = 6\n";

#[test]
fn a_variable_continues_what_breaks() {
    let home = Folder::new();
    let api = Server::sim(&home, SCENARIO);
    let mut texts = Vec::new();
    for (switch, code) in [("1", 0), ("0", 1)] {
        let mut gateway = clearline(&home.0);
        gateway.env("CLEARLINE_CONTINUE_STREAMS", switch);
        let args = ["gateway", "--listen", "127.0.0.1:0", "--upstream", &api.url, "--log"];
        let gateway = Server::start(gateway.args(args).arg(home.0.join("gateway.jsonl")));
        let mut call = clearline(&home.0);
        call.env("ANTHROPIC_BASE_URL", &gateway.url).env("ANTHROPIC_API_KEY", "sk-ant-fake-own");
        let (got, out, err) = run(call.args(["call", "Hello"]));
        assert_eq!(got, code, "{out}{err}");
        assert_eq!(out.contains("stream.cut"), code == 1, "{out}");
        texts.push(out.lines().next().unwrap_or_default().to_owned());
        assert_eq!(gateway.stop().0, 0);
    }
    assert!(texts[0].len() > texts[1].len(), "{texts:?}");
    let log = std::fs::read_to_string(home.0.join("gateway.jsonl")).unwrap();
    assert!(log.contains("\"resumed\":true") && log.contains("\"outcome\":\"broken\""), "{log}");
    assert_eq!(api.stop().0, 0);
}
