//! One connection from its beginning to its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::answer::{Answer, usual};
use crate::api::{self, Context};
use crate::buckets::Need;
use crate::chance;
use crate::conn::{Broken, Conn, Request, Wire};
use crate::deliver::{How, Left, deliver, faster};
use crate::event::SimEventKind;
use crate::rules::{Action, Asked, Point, Rule, Status};
use crate::state::{State, UnderWay, organization};
use crate::text;

/// The place of a connection.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) state: Arc<State>,
    /// The connection's number.
    pub(crate) number: u64,
    /// The place of the local address in the options.
    pub(crate) addr: usize,
}

impl Place {
    fn tell(&self, request: Option<u64>, kind: SimEventKind) {
        self.state.log.push(self.number, request, kind);
    }

    fn fault(&self, request: Option<u64>, rule: &Rule) {
        self.tell(request, SimEventKind::Fault { name: rule.name.clone() });
    }

    /// Whether a rule ends the connection before anything is read of it; says how.
    pub(crate) fn on_accept(&self) -> Option<Action> {
        let asked = Asked {
            point: Point::Accept,
            number: self.number,
            at: self.state.now(),
            addr: self.addr,
            key: None,
            path: "",
            stream: false,
            model: None,
        };
        let rule = self.state.rule(&asked)?;
        self.fault(None, &rule);
        Some(rule.action)
    }
}

/// Serves requests until the connection ends.
pub(crate) async fn serve<W: Wire>(wire: W, place: Place) {
    let mut conn = Conn::new(wire);
    while let Some(next) = one(conn, &place).await {
        conn = next;
    }
    place.tell(None, SimEventKind::Closed);
}

/// One request; gives the connection back where it goes on.
async fn one<W: Wire>(mut conn: Conn<W>, place: &Place) -> Option<Conn<W>> {
    let mut request = match conn.head().await {
        Ok(request) => request,
        Err(Broken::Malformed) => {
            return refuse(conn, place, 400, "The request is not valid HTTP/1.1", None).await;
        }
        Err(Broken::Closed | Broken::Gone | Broken::TooLarge) => return None,
    };
    let (number, request_id) = place.state.requested(request.path());
    let key = request.key().map(str::to_owned);
    let path = request.path().to_owned();
    let mut asked = Asked {
        point: Point::Head,
        number,
        at: place.state.now(),
        addr: place.addr,
        key: key.as_deref(),
        path: &path,
        stream: false,
        model: None,
    };
    if let Some(rule) = place.state.rule(&asked) {
        place.fault(Some(number), &rule);
        end(conn, &rule.action);
        return None;
    }
    match conn.body(&mut request).await {
        Ok(()) => {}
        Err(Broken::TooLarge) => {
            let id = Some((number, request_id.as_str()));
            return refuse(conn, place, 413, "Request exceeds the maximum size", id).await;
        }
        Err(Broken::Malformed) => {
            let id = Some((number, request_id.as_str()));
            return refuse(conn, place, 400, "The request's body is not framed", id).await;
        }
        Err(Broken::Closed | Broken::Gone) => {
            place.tell(Some(number), SimEventKind::ClientGone { during: "body".to_owned() });
            return None;
        }
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let stream = body.get("stream") == Some(&Value::Bool(true));
    place.tell(
        Some(number),
        SimEventKind::Request {
            method: request.method.clone(),
            path: request.path().to_owned(),
            key: key.as_deref().map(tail),
            request_id: request_id.clone(),
            stream,
            user: body.pointer("/metadata/user_id").and_then(Value::as_str).map(beginning),
        },
    );
    asked.point = Point::Request;
    asked.stream = stream;
    asked.model = body.get("model").and_then(Value::as_str);
    let rule = place.state.rule(&asked);
    if let Some(rule) = &rule {
        place.fault(Some(number), rule);
    }
    let exchange =
        Exchange { place, number, request_id: &request_id, key: key.as_deref(), rule: rule.as_ref() };
    exchange.run(conn, &request, &body).await
}

/// The last four characters of a credential; none of one that is short enough to be guessed from them.
fn tail(key: &str) -> String {
    let length = key.chars().count();
    let skip = if length < 12 { length } else { length - 4 };
    format!("…{}", key.chars().skip(skip).collect::<String>())
}

/// The most that is told of a text that a client made up, characters.
const USER_MAX: usize = 64;

fn beginning(text: &str) -> String {
    text.chars().take(USER_MAX).collect()
}

/// Answers what cannot be served, and closes.
async fn refuse<W: Wire>(
    mut conn: Conn<W>,
    place: &Place,
    status: u16,
    message: &str,
    request: Option<(u64, &str)>,
) -> Option<Conn<W>> {
    let (kind, _) = usual(status);
    let body = crate::answer::error(kind, message, request.map(|(_, id)| id)).to_string();
    let id = request.map_or_else(String::new, |(_, id)| format!("request-id: {id}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{id}connection: close\r\n\r\n",
        crate::answer::reason(status),
        body.len()
    );
    place.state.answered(status);
    place.tell(request.map(|(number, _)| number), SimEventKind::Answered { status });
    // Whoever sends nonsense may be gone already.
    let _told = conn.write((head + &body).as_bytes()).await.is_ok();
    conn.finish().await;
    None
}

/// Ends a connection at once.
fn end<W: Wire>(conn: Conn<W>, action: &Action) {
    if matches!(action, Action::Reset(_)) { conn.reset() } else { conn.close() }
}

/// Whether a body is a web page, which something in front of the API sends and not the API.
fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

/// The API's words where too many answers are under way at once (facts: the API, 2.4); it names no number and no wait.
const CONCURRENT: &str =
    "Number of concurrent connections has exceeded your rate limit. Please try again later.";

/// A request that was read, and what happens to it.
struct Exchange<'a> {
    place: &'a Place,
    number: u64,
    request_id: &'a str,
    key: Option<&'a str>,
    rule: Option<&'a Rule>,
}

impl Exchange<'_> {
    async fn run<W: Wire>(&self, mut conn: Conn<W>, request: &Request, body: &Value) -> Option<Conn<W>> {
        let state = &self.place.state;
        let action = self.rule.map(|r| &r.action);
        let delay = self.rule.map_or(Duration::ZERO, |r| r.delay);
        if delay > Duration::ZERO && !conn.pause(faster(Some(delay), state.factor)).await {
            return self.gone("delay");
        }
        match action {
            Some(
                Action::Reset(crate::rules::Closing::AfterRequest)
                | Action::Close(crate::rules::Closing::AfterRequest),
            ) => {
                end(conn, action?);
                return None;
            }
            Some(Action::Hang) => {
                // Nothing ends this pause but the client.
                let _there = conn.pause(None).await;
                return self.gone("hang");
            }
            _ => {}
        }
        let (answer, under_way) = self.answer(request, body);
        let pace = state.scenario().pace;
        let vary = |time: Duration, what: &str| {
            let share = chance::share(state.scenario().seed, what, self.number) * 2.0 - 1.0;
            time.mul_f64(share.mul_add(pace.jitter, 1.0)).div_f64(state.factor)
        };
        let slow = self.rule.and_then(|r| r.slow_chunk);
        let how = How {
            first_byte: vary(pace.first_byte, "first byte"),
            chunk: vary(slow.unwrap_or(pace.chunk), "chunk"),
            action,
            bodyless: request.method == "HEAD",
            keeps_alive: request.keeps_alive,
            factor: state.factor,
        };
        state.answered(answer.status);
        self.place.tell(Some(self.number), SimEventKind::Answered { status: answer.status });
        let sent = deliver(conn, &answer, &how).await;
        drop(under_way);
        if let Some(complete) = sent.complete {
            self.place.tell(Some(self.number), SimEventKind::StreamEnded { complete });
        }
        match sent.left {
            Left::Open(conn) => Some(conn),
            Left::Closed => None,
            Left::Gone(during) => self.gone(during),
        }
    }

    fn gone<W>(&self, during: &str) -> Option<Conn<W>> {
        self.place.tell(Some(self.number), SimEventKind::ClientGone { during: during.to_owned() });
        None
    }

    /// The answer with the headers that every answer of the API has.
    fn answer(&self, request: &Request, body: &Value) -> (Answer, UnderWay) {
        let mut under_way = UnderWay::default();
        let mut answer = match self.rule.map(|r| &r.action) {
            Some(Action::Status(status)) => self.status(status),
            Some(Action::Empty) => Answer::page(200, "application/json", ""),
            Some(Action::Html) => Answer::page(
                200,
                "text/html; charset=utf-8",
                "<!doctype html><title>Welcome</title><p>Please log in.",
            ),
            _ => self.healthy(request, body, &mut under_way),
        };
        let is_from_api = match self.rule.map(|r| &r.action) {
            Some(Action::Html) => false,
            Some(Action::Status(status)) => !status.body.as_deref().is_some_and(is_page),
            _ => true,
        };
        let own: Vec<_> = match self.rule.map(|r| &r.action) {
            Some(Action::Status(status)) => status.headers.clone(),
            _ => Vec::new(),
        };
        if is_from_api {
            answer.set("request-id", self.request_id.to_owned());
        }
        if let Some(key) = self.key.filter(|_| is_from_api) {
            answer.set("anthropic-organization-id", organization(key));
        }
        answer.set("date", crate::date::now());
        for (name, value) in own {
            // An empty value takes a header away.
            if value.is_empty() {
                answer.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            } else {
                answer.set(&name, value);
            }
        }
        (answer, under_way)
    }

    fn status(&self, status: &Status) -> Answer {
        let (kind, message) = usual(status.status);
        let mut answer = match &status.body {
            Some(body) if is_page(body) => Answer::page(status.status, "text/html; charset=utf-8", body),
            Some(body) => Answer::page(status.status, "application/json", body),
            None => {
                let kind = status.kind.as_deref().unwrap_or(kind);
                Answer::error(
                    status.status,
                    kind,
                    status.message.as_deref().unwrap_or(message),
                    self.request_id,
                )
            }
        };
        if let Some(after) = status.retry_after {
            answer.set("retry-after", (after / self.place.state.factor).to_string());
        }
        answer
    }

    fn healthy(&self, request: &Request, body: &Value, under_way: &mut UnderWay) -> Answer {
        let state = &self.place.state;
        let scenario = state.scenario();
        let context = Context {
            seed: scenario.seed,
            number: self.number,
            request_id: self.request_id,
            known: &scenario.known,
            key: state.key(self.key),
            chunks: scenario.pace.chunks,
        };
        let mut answer = api::answer(request, &context);
        if answer.status != 200 || request.path() != "/v1/messages" {
            return answer;
        }
        match state.begin(self.key.unwrap_or_default()) {
            Some(begun) => *under_way = begun,
            None => return Answer::error(429, "rate_limit_error", CONCURRENT, self.request_id),
        }
        // The API reserves max_tokens and gives back what was not used; here the outcome is known beforehand.
        let output = text::tokens(&text::said(body));
        let need = Need { input: api::input_tokens(body), output };
        let (headers, refusal) = state.take(self.key.unwrap_or_default(), need);
        if let Some(refusal) = refusal {
            answer = Answer::error(429, "rate_limit_error", &refusal.message, self.request_id);
            let wait = refusal.wait.div_f64(state.factor).as_secs_f64().ceil();
            answer.set("retry-after", wait.to_string());
        }
        for (name, value) in headers {
            answer.set(&name, value);
        }
        answer
    }
}
