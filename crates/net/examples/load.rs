//! Calls over HTTP/2 with prior knowledge, as many as are answered: the load of `cargo xtask bench gateway`.
//!
//! `load ADDR SECONDS BODY-FILE [NAME:VALUE]…` prints how many calls were answered with 200. Each stream of each connection makes its
//! next call when its last one is answered, so that all of them are loaded evenly. It calls this machine alone.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// As many calls at once as the load over HTTP/1.1 has connections.
const CONNECTIONS: usize = 4;
const STREAMS: usize = 4;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// What every call is.
struct Call {
    head: Request<()>,
    body: Bytes,
    until: Instant,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let (addr, call) = wanted(&std::env::args().skip(1).collect::<Vec<_>>())?;
    let answered = LocalSet::new().run_until(all(addr, Rc::new(call))).await?;
    Ok(writeln!(std::io::stdout(), "{answered}")?)
}

fn wanted(words: &[String]) -> Fallible<(SocketAddr, Call)> {
    let [addr, seconds, file, headers @ ..] = words else {
        return Err("load ADDR SECONDS BODY-FILE [NAME:VALUE]…".into());
    };
    let addr: SocketAddr = addr.parse()?;
    if !addr.ip().is_loopback() {
        return Err(format!("{addr} is not on this machine").into());
    }
    let mut head = Request::post(format!("http://{addr}/v1/messages"));
    for header in headers {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("no header: {header}"))?;
        head = head.header(name, value);
    }
    let body = Bytes::from(std::fs::read(file)?);
    let head = head.header("content-length", body.len()).body(())?;
    let until = Instant::now() + Duration::from_secs(seconds.parse()?);
    Ok((addr, Call { head, body, until }))
}

async fn all(addr: SocketAddr, call: Rc<Call>) -> Fallible<u64> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (caller, connection) = h2::client::handshake(stream).await?;
        // Its error is that of the calls on it.
        tokio::task::spawn_local(async move { connection.await.is_ok() });
        let one = || tokio::task::spawn_local(calls(caller.clone(), Rc::clone(&call)));
        streams.extend(std::iter::repeat_with(one).take(STREAMS));
    }
    let mut answered = 0;
    for stream in streams {
        answered += stream.await??;
    }
    Ok(answered)
}

async fn calls(mut caller: SendRequest<Bytes>, call: Rc<Call>) -> Fallible<u64> {
    let mut answered = 0;
    while Instant::now() < call.until {
        caller = caller.ready().await?;
        let (answer, mut body) = caller.send_request(call.head.clone(), false)?;
        body.send_data(call.body.clone(), true)?;
        let answer = answer.await?;
        if answer.status() != StatusCode::OK {
            return Err(format!("answered with {}", answer.status()).into());
        }
        let mut content = answer.into_body();
        while let Some(piece) = content.data().await {
            content.flow_control().release_capacity(piece?.len())?;
        }
        answered += 1;
    }
    Ok(answered)
}
