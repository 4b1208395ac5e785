//! Somebody in the middle who reads HTTP: an inspecting proxy, a filter, a site with fixed pages.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::log::Log;
use crate::Problem;
use crate::plan::{Edit, Page};

/// Where requests go on.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    /// The name for TLS; none: plain HTTP.
    pub(crate) tls: Option<(String, TlsConnector)>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Upstream {
    async fn open(&self) -> Result<Box<dyn Stream>, Problem> {
        let tcp = TcpStream::connect(self.addr).await?;
        tcp.set_nodelay(true)?;
        let Some((name, connector)) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(name.clone())?;
        Ok(Box::new(connector.connect(name, tcp).await?))
    }
}

/// Who answers.
pub(crate) struct Middle {
    pub(crate) service: String,
    pub(crate) edit: Edit,
    pub(crate) pages: Vec<Page>,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) log: Log,
    /// Where the files of pages are.
    pub(crate) dir: PathBuf,
}

type Body = BoxBody<Bytes, hyper::Error>;

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

/// Serves the requests of a connection.
pub(crate) async fn serve<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    client: C,
    middle: Arc<Middle>,
) {
    let service = hyper::service::service_fn(move |request| {
        let middle = Arc::clone(&middle);
        async move { Ok::<_, Infallible>(middle.answer(request).await) }
    });
    // How a client ends is its own affair.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(client), service)
        .await
        .is_err();
}

impl Middle {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let mut pages = self.edit.page.iter().chain(&self.pages);
        let has = |name: &String| request.headers().contains_key(name.as_str());
        let fits = |p: &&Page| (p.path == "*" || p.path == path) && p.header.as_ref().is_none_or(has);
        if let Some(page) = pages.find(fits) {
            self.log.say(&self.service, &format!("page {} {} {path}", page.status, request.method()));
            // What is not read would reset the connection under the answer.
            let _rest = request.into_body().collect().await.is_err();
            return self.edited(shown(page, &self.dir));
        }
        self.log.say(&self.service, &format!("pass {} {path}", request.method()));
        match self.forward(request).await {
            Ok(response) => self.edited(response),
            Err(why) => {
                self.log.say(&self.service, &format!("lost {why}"));
                let mut response = Response::new(whole(Bytes::from_static(b"bad gateway")));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Problem> {
        let upstream = self.upstream.as_ref().ok_or("nothing is behind this")?;
        for name in &self.edit.strip {
            if request.headers_mut().remove(name.as_str()).is_some() {
                self.log.say(&self.service, &format!("stripped {name}"));
            }
        }
        let io = TokioIo::new(upstream.open().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await?.into_parts();
        if !self.edit.buffer {
            return Ok(Response::from_parts(parts, body.boxed()));
        }
        let bytes = body.collect().await?.to_bytes();
        self.log.say(&self.service, &format!("held {} bytes", bytes.len()));
        let mut response = Response::from_parts(parts, whole(bytes));
        response.headers_mut().remove("transfer-encoding");
        Ok(response)
    }

    fn edited(&self, mut response: Response<Body>) -> Response<Body> {
        let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let for_streams =
            if kind.starts_with("text/event-stream") { Some(&self.edit.set_of_streams) } else { None };
        for (name, value) in self.edit.set.iter().chain(for_streams.into_iter().flatten()) {
            put(response.headers_mut(), name, value);
        }
        response
    }
}

fn put(headers: &mut hyper::HeaderMap, name: &str, value: &str) {
    let Ok(name) = HeaderName::try_from(name) else { return };
    match HeaderValue::try_from(value) {
        Ok(value) if !value.is_empty() => {
            headers.insert(name, value);
        }
        _ => {
            headers.remove(name);
        }
    }
}

fn shown(page: &Page, dir: &Path) -> Response<Body> {
    let body = match &page.file {
        Some(file) => Bytes::from(std::fs::read(dir.join(file)).unwrap_or_default()),
        None => Bytes::from(page.body.clone()),
    };
    let mut response = Response::new(whole(body));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
    for (name, value) in &page.headers {
        put(response.headers_mut(), name, value);
    }
    response
}
