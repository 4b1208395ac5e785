//! The certificates of a lab as TLS servers and clients take them.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Problem;

/// How a server does TLS.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style<'a> {
    pub(crate) only_tls12: bool,
    pub(crate) alpn: &'a [String],
    pub(crate) client_ca: Option<&'a str>,
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|e| format!("{}: {e}", path.display()).into())
}

/// A server with a certificate of the directory.
///
/// # Errors
/// The files cannot be read, or rustls refuses them.
pub(crate) fn acceptor(dir: &Path, cert: &str, style: &Style<'_>) -> Result<TlsAcceptor, Problem> {
    let chain = certificates(&dir.join(format!("{cert}.crt")))?;
    let key = PrivateKeyDer::from_pem_file(dir.join(format!("{cert}.key"))).map_err(|e| e.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if style.only_tls12 { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let builder = match style.client_ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(&dir.join(format!("ca-{ca}.pem")))? {
                roots.add(root)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| e.to_string())?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = style.alpn.iter().map(|a| a.as_bytes().to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A client that trusts the world's roots, as an inspecting device does.
///
/// # Errors
/// The roots cannot be read.
pub(crate) fn connector(dir: &Path) -> Result<TlsConnector, Problem> {
    let mut roots = RootCertStore::empty();
    for root in certificates(&dir.join("public-roots.pem"))? {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
