//! Alerts, for programs, for terminals and for the rooms of chats.

use clearline_model::{Alert, Dur, Foreign, Subject};
use serde_json::{Value, json};

use crate::json;
use crate::prose::{Args, Fix, Prose};
use crate::terminal::{self, Style};

/// The longest text of a chat message, bytes: WeCom takes 2048.
const CHAT_MAX: usize = 2000;

/// An alert, and what the shell knows besides it.
#[derive(Debug, Clone)]
pub struct Told {
    /// The alert.
    pub alert: Alert,
    /// When it was noticed, milliseconds since 1970.
    pub ts: u64,
    /// The same as RFC 3339, UTC.
    pub time: String,
    /// Since when it lasts, RFC 3339 in local time with its offset.
    pub since: String,
    /// The names of the callers that it hits; empty where callers are not told apart.
    pub whom: Vec<String>,
    /// The name of the key that it is about.
    pub key: Option<String>,
}

/// What a webhook wants to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The alert itself: `clearline.alert/1`.
    #[default]
    Json,
    /// Slack, Mattermost, Rocket.Chat and what else takes `{"text"}`.
    Slack,
    /// Feishu and Lark.
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom.
    Wecom,
}

impl Format {
    /// The words that the setting takes.
    pub const WORDS: &'static [&'static str] = &["json", "slack", "feishu", "dingtalk", "wecom"];

    /// The format of a word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "slack" => Self::Slack,
            "feishu" => Self::Feishu,
            "dingtalk" => Self::Dingtalk,
            "wecom" => Self::Wecom,
            _ => Self::Json,
        }
    }
}

/// An alert as one object: `clearline.alert/1`.
#[must_use]
pub fn json(prose: &Prose, told: &Told) -> Value {
    let Told { alert, .. } = told;
    let words = prose.explain(alert.cause, &Args::default());
    let causes = alert.causes.iter().map(|(cause, n)| json!({ "id": cause.id(), "count": n }));
    json!({
        "schema": "clearline.alert/1",
        "event": if alert.begins { "alert" } else { "alert ended" },
        "ts": told.ts,
        "time": told.time,
        "about": match alert.subject { Subject::Calls => "calls", Subject::Key(_) => "key" },
        "key": told.key,
        "cause": alert.cause.id(),
        "title": words.title,
        "blame": json::blame(alert.cause.row().blame),
        "since": told.since,
        "lasts_s": alert.at.since(alert.since).0 / 1_000_000,
        "count": alert.count,
        "calls": alert.calls,
        // Rounded up, a rate could meet the target that it misses.
        "rate": (alert.rate() * 10_000.0 + EXACT).floor() / 10_000.0,
        "target": f64::from(alert.target_milli) / 1_000.0,
        "window_s": alert.window.0 / 1_000_000,
        "causes": causes.collect::<Vec<_>>(),
        "whom": told.whom,
        "fix": words.fix.first().map(first),
    })
}

/// A step in one line.
fn first(fix: &Fix) -> String {
    match fix {
        Fix::Text(text) => text.clone(),
        Fix::Command { command, why } => format!("{command}   ({why})"),
    }
}

/// One sentence: what is the matter.
#[must_use]
pub fn headline(prose: &Prose, told: &Told) -> String {
    let alert = &told.alert;
    let name = match (alert.subject, alert.begins) {
        (Subject::Calls, true) => "alert-calls",
        (Subject::Calls, false) => "alert-calls-ended",
        (Subject::Key(_), true) => "alert-key",
        (Subject::Key(_), false) => "alert-key-ended",
    };
    let number = |n: u32| Foreign::new(&n.to_string());
    let args = Args::default()
        .with("rate", Foreign::new(&percent((alert.rate() * 1_000.0 + EXACT).floor())))
        .with("target", Foreign::new(&percent(f64::from(alert.target_milli))))
        .with("window", Foreign::new(&window(prose, alert.window)))
        .with("since", Foreign::new(&since(&told.since)))
        .with("count", number(alert.count))
        .with("calls", number(alert.calls))
        .with("key", Foreign::new(told.key.as_deref().unwrap_or_default()));
    let word = prose.word(if alert.begins { "alert-begins" } else { "alert-ends" });
    format!("{word}  {}", prose.say(name, &args))
}

/// The sentence, the cause, whose move it is, whom it hits and what to do first.
#[must_use]
pub fn text(prose: &Prose, style: Style, told: &Told) -> String {
    let words = prose.explain(told.alert.cause, &Args::default());
    let mut page = terminal::Page::new(prose, style);
    page.line(&headline(prose, told));
    page.section("cause", &format!("{}   {}", words.title, told.alert.cause.id()));
    if told.alert.begins {
        page.section("whose-move", &prose.word(terminal::move_of(told.alert.cause.row().blame)));
        page.section("whom", &whom(prose, told));
        page.steps(words.fix.get(..1).unwrap_or_default());
    }
    page.finish()
}

fn whom(prose: &Prose, told: &Told) -> String {
    let names: Vec<_> = told.whom.iter().map(|name| Foreign::new(name).escaped()).collect();
    if names.is_empty() { prose.word("whom-all") } else { names.join(", ") }
}

/// What is posted.
#[must_use]
pub fn body(prose: &Prose, told: &Told, format: Format) -> Value {
    let text = || {
        // The name in front says who is speaking, and is the keyword that DingTalk's robots can ask for.
        let style = Style { columns: usize::MAX, ..Style::default() };
        let lines = text(prose, style, told);
        let lines = lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        cut(format!("clearline: {}", lines.collect::<Vec<_>>().join("\n")))
    };
    match format {
        Format::Json => json(prose, told),
        // Slack's own marks: <, > and & begin links, mentions and entities.
        Format::Slack => {
            json!({ "text": text().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") })
        }
        Format::Feishu => json!({ "msg_type": "text", "content": { "text": text() } }),
        Format::Dingtalk | Format::Wecom => json!({ "msgtype": "text", "text": { "content": text() } }),
    }
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(CHAT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// What a number that is not quite exact may lack of the whole one that is meant.
const EXACT: f64 = 1e-6;

/// Whole thousandths in percent, to a tenth where they deserve one.
fn percent(milli: f64) -> String {
    let text = format!("{:.1}", milli / 10.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// A round length of time in words: `5 min`, `30 s`.
#[must_use]
pub fn window(prose: &Prose, window: Dur) -> String {
    let seconds = window.0 / 1_000_000;
    if Dur::secs(seconds) != window {
        return window.to_string();
    }
    let (name, n) = if seconds.is_multiple_of(60) { ("minutes", seconds / 60) } else { ("seconds", seconds) };
    prose.say(name, &Args::default().with("count", Foreign::new(&n.to_string())))
}

/// `2026-11-24T11:58:03+08:00` as people read it: `2026-11-24 11:58:03 (+08:00)`.
fn since(text: &str) -> String {
    let (date, rest) = text.split_once('T').unwrap_or((text, ""));
    let at = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(at).unwrap_or((rest, ""));
    if zone.is_empty() { format!("{date} {time}") } else { format!("{date} {time} ({zone})") }
}

#[cfg(test)]
mod tests {
    use clearline_model::{CallerId, Cause, KeyId, Mono};

    use super::*;
    use crate::lang::Lang;

    fn told(begins: bool, subject: Subject) -> Told {
        let alert = Alert {
            begins,
            subject,
            cause: Cause::AuthRevoked,
            since: Mono(0),
            at: Mono(90_000_000),
            count: 212,
            calls: 2410,
            window: Dur::secs(300),
            target_milli: 950,
            causes: vec![(Cause::AuthRevoked, 200), (Cause::StreamCut, 12)],
            whom: vec![CallerId(1)],
        };
        Told {
            alert,
            ts: 1,
            time: "2026-11-24T03:59:33.000Z".to_owned(),
            since: "2026-11-24T11:58:03+08:00".to_owned(),
            whom: vec!["billing".to_owned(), "<search>".to_owned()],
            key: matches!(subject, Subject::Key(_)).then(|| "batch-2".to_owned()),
        }
    }

    #[test]
    fn an_alert_says_what_since_when_whose_move_whom_and_what_to_do() {
        let text = text(
            &Prose::load(Lang::En),
            Style { columns: 120, ..Style::default() },
            &told(true, Subject::Calls),
        );
        let head = "ALERT  success rate 91.2 % over 5 min (wanted: 95 %), since 2026-11-24 11:58:03 (+08:00): 212 of 2410 calls failed";
        assert!(text.starts_with(head), "{text}");
        for part in ["auth.revoked", "the account owner's", "billing, <search>", "Fix"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let zh = headline(&Prose::load(Lang::Zh), &told(false, Subject::Key(KeyId(1))));
        assert_eq!(zh, "告警解除  密钥“batch-2”自 2026-11-24 11:58:03 (+08:00) 起停用，现已恢复");
    }

    #[test]
    fn a_rate_below_the_target_is_not_rounded_up_to_it() {
        let prose = Prose::load(Lang::En);
        for (count, calls, target_milli, said) in [
            (1, 100_000, 1_000, "success rate 99.9 % over 5 min (wanted: 100 %)"),
            (504, 10_000, 950, "success rate 94.9 % over 5 min (wanted: 95 %)"),
            (10, 100, 950, "success rate 90 % over 5 min (wanted: 95 %)"),
            (100, 100, 950, "success rate 0 % over 5 min (wanted: 95 %)"),
        ] {
            let mut told = told(true, Subject::Calls);
            (told.alert.count, told.alert.calls, told.alert.target_milli) = (count, calls, target_milli);
            let head = headline(&prose, &told);
            assert!(head.contains(said), "{head}");
            let rate = json(&prose, &told)["rate"].as_f64().unwrap();
            assert!(rate < f64::from(target_milli) / 1_000.0 && rate <= told.alert.rate() + EXACT, "{rate}");
        }
    }

    #[test]
    fn a_window_has_the_unit_that_it_deserves() {
        let prose = Prose::load(Lang::En);
        for (time, text) in [
            (Dur::millis(50), "50 ms"),
            (Dur::millis(1500), "1.5 s"),
            (Dur::secs(30), "30 s"),
            (Dur::secs(300), "5 min"),
        ] {
            assert_eq!(window(&prose, time), text);
        }
    }

    #[test]
    fn every_format_has_the_shape_that_its_receiver_wants() {
        let (prose, told) = (Prose::load(Lang::En), told(true, Subject::Calls));
        let json = body(&prose, &told, Format::of("json"));
        assert_eq!(
            (&json["cause"], &json["rate"], &json["count"]),
            (&"auth.revoked".into(), &0.912.into(), &212.into())
        );
        assert!(json["fix"].as_str().is_some_and(|fix| fix.len() > 10), "{json}");
        let slack = body(&prose, &told, Format::of("slack"));
        let text = slack["text"].as_str().unwrap();
        assert!(text.starts_with("clearline: ALERT") && text.contains("&lt;search&gt;"), "{text}");
        assert_eq!(body(&prose, &told, Format::of("feishu"))["msg_type"], "text");
        for word in ["dingtalk", "wecom"] {
            let body = body(&prose, &told, Format::of(word));
            assert!(body["text"]["content"].as_str().unwrap().len() <= CHAT_MAX, "{body}");
        }
        assert!(Format::WORDS.iter().filter(|w| Format::of(w) == Format::Json).eq(&["json"]));
    }
}
