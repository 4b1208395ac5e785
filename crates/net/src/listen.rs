//! TLS on the listening side: a certificate of one's own, and a handshake that is bounded.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearline_model::Dur;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{bounded, provider};

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadIdentity {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.why)
    }
}

/// Makes the handshakes of a listener.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor, Arc<[u8]>);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Reads a certificate with its chain, and its key, both PEM.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds nothing of the kind, and a key that is not the certificate's.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, BadIdentity> {
        let bad = |file: &Path, why: String| BadIdentity { file: file.to_owned(), why };
        let pem = bounded(certificate).map_err(|e| bad(certificate, format!("cannot be read: {e}")))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|e| bad(certificate, format!("is not PEM: {e}")))?;
        if chain.is_empty() {
            return Err(bad(certificate, "holds no certificate".to_owned()));
        }
        let pem = bounded(key).map_err(|e| bad(key, format!("cannot be read: {e}")))?;
        let leaf = chain.first().map_or(&[][..], |leaf| leaf.as_ref()).into();
        let private = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| bad(key, "holds no private key in PEM, or one with a passphrase".to_owned()))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let mut config = config.map_err(|e| {
            if matches!(e, rustls::Error::InconsistentKeys(_)) {
                bad(key, format!("is not the key of the certificate in {}", certificate.display()))
            } else {
                bad(certificate, unusable(&e))
            }
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config)), leaf))
    }

    /// The certificate itself, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.1
    }

    /// The same without HTTP/2: callers that offer it agree on HTTP/1.1.
    #[must_use]
    pub fn without_http2(self) -> Self {
        let mut config = ServerConfig::clone(self.0.config());
        config.alpn_protocols.retain(|name| name != b"h2");
        Self(TlsAcceptor::from(Arc::new(config)), self.1)
    }

    /// Makes one handshake within this time.
    ///
    /// # Errors
    ///
    /// A handshake that fails, or takes longer.
    pub async fn accept<S>(&self, stream: S, limit: Dur) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::time::timeout(limit.into(), self.0.accept(stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Why a certificate cannot be shown to callers.
fn unusable(error: &rustls::Error) -> String {
    let is_old = matches!(error, rustls::Error::InvalidCertificate(why) if format!("{why:?}").contains("UnsupportedCertVersion"));
    if is_old {
        // openssl makes such ones where it is given no extensions.
        return "is of version 1 of X.509, which clients refuse: make it with a subjectAltName (openssl: -addext, -extfile)".to_owned();
    }
    format!("cannot be used: {error}")
}

/// The beginning of a text's SHA-256, in hex: names a secret without telling it.
#[must_use]
pub fn fingerprint(secret: &[u8]) -> String {
    let hash = TLS13_AES_128_GCM_SHA256.tls13().map(|suite| suite.common.hash_provider.hash(secret));
    let bytes = hash.as_ref().map_or(&[][..], AsRef::as_ref);
    bytes.iter().take(4).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_sha256() {
        assert_eq!(fingerprint(b"abc"), "ba7816bf");
    }

    fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let n = three.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
            for place in 0..4 {
                let letter = LETTERS[(n >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= three.len() { char::from(letter) } else { '=' });
            }
        }
        text
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let folder = std::env::temp_dir().join(format!("clearline-listen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let make = || {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        };
        let ((cert, key), (_, other)) = (make(), make());
        let (cert, key) = (write("cert", &cert), write("key", &key));
        let (other, nothing, gone) = (write("other", &other), write("nothing", "x"), folder.join("gone"));
        let first = {
            // Its version in DER: [0] INTEGER 2 is the third, 0 the first (RFC 5280 section 4.1.2.1).
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            let mut der = made.cert.der().to_vec();
            let at = der.windows(5).position(|w| w == [0xa0, 3, 2, 1, 2]).unwrap();
            der[at + 4] = 0;
            let text = base64(&der);
            let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
            (write("first", &pem), write("first key", &made.signing_key.serialize_pem()))
        };
        let endless = PathBuf::from("/dev/zero");
        let acceptor = Acceptor::read(&cert, &key).unwrap();
        assert_eq!(acceptor.0.config().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert_eq!(acceptor.without_http2().0.config().alpn_protocols, [b"http/1.1".to_vec()]);
        for (cert, key, file, why) in [
            (&first.0, &first.1, &first.0, "version 1 of X.509"),
            (&endless, &key, &endless, "cannot be read"),
            (&cert, &endless, &endless, "cannot be read"),
            (&gone, &key, &gone, "cannot be read"),
            (&cert, &gone, &gone, "cannot be read"),
            (&nothing, &key, &nothing, "holds no certificate"),
            (&cert, &nothing, &nothing, "holds no private key"),
            (&cert, &other, &other, "is not the key of the certificate"),
        ] {
            let bad = Acceptor::read(cert, key).unwrap_err();
            assert_eq!(&bad.file, file);
            assert!(bad.why.contains(why), "{bad}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
