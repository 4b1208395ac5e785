//! The ways of alerts, over loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use clearline_model::{Alert, Cause, Mono, Subject};
use serde_json::Value;

use super::*;

fn told() -> Told {
    let alert = Alert {
        begins: true,
        subject: Subject::Calls,
        cause: Cause::ServerOverloaded,
        since: Mono(0),
        at: Mono(0),
        count: 7,
        calls: 10,
        window: Dur::secs(300),
        target_milli: 950,
        causes: vec![(Cause::ServerOverloaded, 7)],
        whom: Vec::new(),
    };
    Told {
        alert,
        ts: 0,
        time: "1970-01-01T00:00:00.000Z".to_owned(),
        since: "1970-01-01T00:00:00+00:00".to_owned(),
        whom: Vec::new(),
        key: None,
    }
}

/// Gives what was written down to the test.
struct Heard(mpsc::Sender<String>);

impl Sink for Heard {
    fn alert(&self, _prose: &Prose, told: &Told) {
        self.0.send(format!("alert {}", told.alert.cause)).unwrap();
    }

    fn lost(&self, lost: &Lost<'_>) {
        self.0.send(format!("lost {} {}: {}", lost.way, lost.to, lost.why)).unwrap();
    }
}

fn settings(pairs: &[(&'static str, &str)]) -> Settings {
    let flags: Vec<_> = pairs
        .iter()
        .map(|(key, text)| crate::settings::Given { key, flag: "--test", text: (*text).to_owned() })
        .collect();
    let sources = crate::settings::Sources { file: None, lookup: &|_| None, flags: &flags };
    crate::settings::resolve(&sources).unwrap()
}

fn start(pairs: &[(&'static str, &str)]) -> (Notifier, mpsc::Receiver<String>) {
    let (send, heard) = mpsc::channel();
    (Ways::of(&settings(pairs), Lang::En).unwrap().start(Heard(send)).unwrap(), heard)
}

/// A receiver that reads one request after the other and answers with these, or never.
fn receiver(answers: &'static [Option<&'static str>]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/s3cret?access_token=t0ken", listener.local_addr().unwrap());
    let (send, got) = mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"}") {
                let n = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..n]);
            }
            send.send(String::from_utf8(request).unwrap()).unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).unwrap();
            }
            open.push(stream);
        }
        // The last connection stays open until the test is over.
        std::thread::park();
    });
    (url, got)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const BROKEN: &str = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"errcode\":0}";
const REFUSED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"errcode\":310000}";

#[test]
fn a_webhook_gets_the_alert_and_its_address_stays_secret() {
    let (url, got) = receiver(&[Some(OK), Some(BROKEN), Some(OK)]);
    let (notifier, heard) = start(&[("alerts.webhook", &url)]);
    assert!(notifier.tell(told()));
    let request = got.recv().unwrap();
    assert!(request.starts_with("POST /hook/s3cret?access_token=t0ken HTTP/1.1\r\n"), "{request}");
    let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&body["schema"], &body["cause"]), (&"clearline.alert/1".into(), &"server.overloaded".into()));
    // A 500 is one line, and the next alert goes out all the same.
    assert!(notifier.tell(told()) && notifier.tell(told()));
    let _third = (got.recv().unwrap(), got.recv().unwrap());
    notifier.finish(Duration::from_secs(10));
    let lines: Vec<String> = heard.try_iter().collect();
    let lost: Vec<_> = lines.iter().filter(|l| l.starts_with("lost")).collect();
    assert_eq!((lines.len(), lost.len()), (4, 1), "{lines:?}");
    assert!(lost[0].starts_with("lost webhook 127.0.0.1:") && lost[0].ends_with("answered 500"), "{lost:?}");
    assert!(!lines.concat().contains("s3cret") && !lines.concat().contains("t0ken"));
}

#[test]
fn a_webhook_that_hangs_is_one_line_and_holds_nothing_up() {
    let (url, got) = receiver(&[None]);
    let (notifier, heard) =
        start(&[("alerts.webhook", &url), ("alerts.timeout", "200ms"), ("alerts.queue", "1")]);
    assert!(notifier.tell(told()));
    let _request = got.recv().unwrap();
    // It hangs now. One more has room, the next does not, and nobody waited.
    assert!(notifier.tell(told()));
    assert!(!notifier.tell(told()));
    assert_eq!(heard.recv().unwrap(), "alert server.overloaded");
    let line = heard.recv().unwrap();
    assert!(
        line.starts_with("lost webhook 127.0.0.1:") && line.ends_with("did not answer within 200 ms"),
        "{line}"
    );
}

#[test]
fn a_chat_that_answers_200_and_takes_nothing_is_told() {
    let (url, got) = receiver(&[Some(TAKEN), Some(REFUSED)]);
    let (notifier, heard) = start(&[("alerts.webhook", &url), ("alerts.format", "dingtalk")]);
    assert!(notifier.tell(told()) && notifier.tell(told()));
    assert!(got.recv().unwrap().contains("{\"msgtype\":\"text\",\"text\":{\"content\":\"clearline: ALERT"));
    let _second = got.recv().unwrap();
    notifier.finish(Duration::from_secs(10));
    let lost: Vec<String> = heard.try_iter().filter(|l| l.starts_with("lost")).collect();
    assert!(lost.len() == 1 && lost[0].ends_with("with the error code 310000"), "{lost:?}");
}

#[test]
fn a_command_gets_the_alert_and_no_key_and_never_more_time_than_it_has() {
    let folder = std::env::temp_dir().join(format!("clearline-notify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("got.json");
    let command = format!("cat > {}", file.display());
    let (notifier, heard) = start(&[("alerts.command", &command)]);
    assert!(notifier.tell(told()));
    notifier.finish(Duration::from_secs(10));
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["alert server.overloaded"]);
    let got: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&got["count"], &got["calls"]), (&7.into(), &10.into()));
    for (command, why) in
        [("exit 3", "ended with exit status: 3"), ("sleep 600", "took longer than 300 ms and was killed")]
    {
        let (notifier, heard) = start(&[("alerts.command", command), ("alerts.timeout", "300ms")]);
        assert!(notifier.tell(told()));
        assert_eq!(heard.recv().unwrap(), "alert server.overloaded");
        assert_eq!(heard.recv().unwrap(), format!("lost command alerts.command: {why}"));
    }
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
fn an_address_in_clear_beyond_this_machine_needs_a_word() {
    let refused = Ways::of(&settings(&[("alerts.webhook", "http://192.0.2.1/x")]), Lang::En).unwrap_err();
    assert!(refused.to_string().contains("alerts.allow_insecure"), "{refused}");
    let allowed = [("alerts.webhook", "http://192.0.2.1/x"), ("alerts.allow_insecure", "true")];
    assert!(Ways::of(&settings(&allowed), Lang::En).is_ok());
    assert!(Ways::of(&settings(&[("alerts.webhook", "env:CLEARLINE_NO_SUCH")]), Lang::En).is_err());
    let (target, path) = parse("https://oapi.example/robot/send?access_token=x").unwrap();
    assert_eq!(
        (target.host_port().as_str(), path.as_str()),
        ("oapi.example:443", "/robot/send?access_token=x")
    );
}

#[test]
fn other_ways_hold_for_the_next_alert() {
    let (notifier, heard) = start(&[("alerts.command", "exit 3")]);
    assert!(notifier.tell(told()));
    notifier.finish(Duration::from_secs(10));
    notifier.reload(Ways::of(&settings(&[("alerts.command", "exit 4")]), Lang::En).unwrap());
    assert!(notifier.tell(told()));
    notifier.finish(Duration::from_secs(10));
    let lost: Vec<_> = heard.try_iter().filter(|line| line.starts_with("lost")).collect();
    let ended = |code| format!("lost command alerts.command: ended with exit status: {code}");
    assert_eq!(lost, [ended(3), ended(4)]);
}
