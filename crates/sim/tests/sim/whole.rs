//! Starting, stopping, time and TLS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clearline_sim::{Options, Scenario, Sim, SimEventKind};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::common::{Client, connect, message, sim, sim_with};

#[tokio::test]
async fn a_port_in_use_names_itself() {
    let first = sim("").await;
    let options = Options { listen: first.addr(), ..Options::default() };
    let error = Sim::start(Scenario::healthy(), options).await.unwrap_err().to_string();
    assert!(error.contains(&first.addr().to_string()), "{error}");
    assert_eq!(first.base_url(), format!("http://{}", first.addr()));
    assert_eq!((first.ca_pem(), first.admin_addr()), (None, None));
}

#[tokio::test]
async fn stopping_ends_the_connections() {
    let sim = sim("[[fault]]\nname = \"it\"\nhang = true\n").await;
    let addr = sim.addr();
    let mut client = connect(&sim).await;
    client.send(&message(false)).await;
    sim.wait_for(|e| matches!(e.kind, SimEventKind::Fault { .. })).await;
    sim.stop().await;
    assert_eq!(client.rest().await.0, "");
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_time_factor_shortens_every_time_of_the_scenario() {
    let faults = "[[fault]]\nname = \"slow\"\nfirst = 1\ndelay = \"10m\"\n\
        [[fault]]\nname = \"wait\"\nfirst = 1\nstatus = 429\nretry_after = 36000\n\
        [[fault]]\nname = \"later\"\nafter = \"10m\"\nstatus = 500\n";
    let sim = sim_with(faults, Options { time_factor: 36_000.0, ..Options::default() }).await;
    let begun = Instant::now();
    let mut client = connect(&sim).await;
    assert_eq!(client.ask(&message(false)).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(60), "ten minutes would have been longer");
    let wait = client.ask(&message(false)).await;
    assert_eq!((wait.status, wait.header("retry-after")), (429, Some("1")));
    // The delay alone has taken the scenario past its tenth minute.
    assert_eq!(client.ask(&message(false)).await.status, 500);
}

async fn tls(sim: &Sim, name: &str) -> std::io::Result<Client<tokio_rustls::client::TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sim.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(sim.addr()).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    Ok(Client::over(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
}

#[tokio::test]
async fn tls_works_under_the_ca_and_for_its_names_alone() {
    let faults = "[[fault]]\nname = \"it\"\nstream = true\ncut_at_event = 2\n";
    let sim = sim_with(faults, Options { tls: true, ..Options::default() }).await;
    assert!(sim.base_url().starts_with("https://"));
    for name in ["localhost", "127.0.0.1"] {
        let mut client = tls(&sim, name).await.unwrap();
        assert_eq!(client.ask(&message(false)).await.status, 200);
        client.send(&message(true)).await;
        let (text, error) = client.rest().await;
        assert!(text.contains("message_start"), "{text}");
        assert_eq!(error, Some(std::io::ErrorKind::UnexpectedEof), "a cut does not say goodbye");
    }
    assert!(tls(&sim, "example.com").await.is_err());
    // What is no handshake ends that connection, and no more.
    let mut plain = connect(&sim).await;
    plain.wire.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(plain.rest().await);
    assert_eq!(tls(&sim, "localhost").await.unwrap().ask(&message(false)).await.status, 200);
}

#[test]
fn every_scenario_of_the_repository_can_be_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if let Err(error) = Scenario::parse(&std::fs::read_to_string(&path).unwrap()) {
            panic!("{}: {error}", path.display());
        }
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for name in ["demo.toml", "healthy.toml", "overload.toml", "rate-limit.toml", "stream-faults.toml"] {
        assert!(names.contains(&name.to_owned()), "{name} is missing");
    }
}
