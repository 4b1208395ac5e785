//! Servers over TLS, for tests.

use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;

use crate::tls;

/// A certificate for itself, in a file.
pub(crate) struct Identity {
    pub(crate) file: PathBuf,
    cert: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Drop for Identity {
    fn drop(&mut self) {
        std::fs::remove_file(&self.file).ok();
    }
}

/// One for the names of the tests; `name` is that of the test.
pub(crate) fn identity(name: &str) -> Identity {
    let cert =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "api.test".to_owned()]).unwrap();
    let file = std::env::temp_dir().join(format!("clearline-{name}-{}.pem", std::process::id()));
    std::fs::write(&file, cert.cert.pem()).unwrap();
    Identity { file, cert }
}

/// Who offers these protocols.
pub(crate) fn acceptor(identity: &Identity, offers: &[&str]) -> tokio_rustls::TlsAcceptor {
    let key = PrivateKeyDer::try_from(identity.cert.signing_key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}
