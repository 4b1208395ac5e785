//! TLS: whom we trust, and the handshake.

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearline_model::{CertFault, ConfigFault, Dur, Failure, Limit, Stage, Wall};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fault::{Fault, of_io};
use crate::mux::ALPN;

/// Which roots are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustSettings {
    /// These roots and no others (`SSL_CERT_FILE`).
    pub only: Option<PathBuf>,
    /// These roots as well (`NODE_EXTRA_CA_CERTS`).
    pub extra: Vec<PathBuf>,
    /// What stands in for the built-in public roots (`CLEARLINE_PUBLIC_ROOTS`).
    pub public_roots: Option<PathBuf>,
    /// Whether the system's store comes first.
    pub system: bool,
    /// Whether the public roots stand in for an empty system store.
    pub fallback: bool,
}

impl Default for TrustSettings {
    fn default() -> Self {
        Self { only: None, extra: Vec::new(), public_roots: None, system: true, fallback: true }
    }
}

/// The largest file of CA certificates, bytes: a hundred times that of a system.
const CA_FILE_MAX: u64 = 32 << 20;

/// Makes the configuration of every handshake.
///
/// # Errors
///
/// `Config(CaFile)` where a file is missing, unreadable or without a certificate, `Config(NoRoots)` where no root is left.
pub fn tls_config(trust: &TrustSettings) -> Result<Arc<ClientConfig>, Fault> {
    config_with(Arc::new(Verifier(verifier(trust)?)))
}

/// A configuration around a verifier.
pub(crate) fn config_with(verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, Fault> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Fault::new(Stage::Config, Failure::Os(5)).detailed(&e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same configuration, but that HTTP/2 is offered before HTTP/1.1.
#[must_use]
pub fn offering_http2(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![ALPN.to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// rustls's own verifier over the roots that are trusted.
fn verifier(trust: &TrustSettings) -> Result<Arc<WebPkiServerVerifier>, Fault> {
    let roots = Arc::new(roots(trust)?);
    WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(|e| {
        Fault::new(Stage::Config, Failure::Config(ConfigFault::NoRoots)).detailed(&e.to_string())
    })
}

fn roots(trust: &TrustSettings) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    match &trust.only {
        Some(file) => {
            add_file(&mut roots, file)?;
            if roots.is_empty() {
                // It was meant to stand for all roots, and is no such file.
                return Err(Fault::new(Stage::Config, Failure::Config(ConfigFault::CaFile))
                    .detailed(&format!("{}: it holds no certificate", file.display())));
            }
        }
        None => {
            if trust.system {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            if roots.is_empty() && trust.fallback {
                match &trust.public_roots {
                    Some(file) => add_file(&mut roots, file)?,
                    None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
                }
            }
        }
    }
    for file in &trust.extra {
        add_file(&mut roots, file)?;
    }
    if roots.is_empty() {
        return Err(Fault::new(Stage::Config, Failure::Config(ConfigFault::NoRoots)));
    }
    Ok(roots)
}

/// Judges a chain that was shown, as a handshake at this moment would.
///
/// # Errors
///
/// The settings' fault where the roots cannot be read, else `Cert` at [`Stage::Handshake`].
pub fn verify(chain: &[Vec<u8>], host: &str, trust: &TrustSettings, at: Wall) -> Result<(), Fault> {
    let refused = |why: CertFault| Fault::new(Stage::Handshake, Failure::Cert(why));
    let name = server_name(host)?;
    let certs: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (leaf, rest) = certs.split_first().ok_or_else(|| refused(CertFault::Other))?;
    let seconds = u64::try_from(at.0 / 1_000_000).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let judged = Verifier(verifier(trust)?).verify_server_cert(leaf, rest, &name, &[], now);
    judged
        .map(drop)
        .map_err(|error| Fault::new(Stage::Handshake, of_rustls(&error)).detailed(&error.to_string()))
}

pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Fault> {
    ServerName::try_from(host.to_owned()).map_err(|e| {
        Fault::new(Stage::Config, Failure::Config(ConfigFault::BaseUrl)).detailed(&e.to_string())
    })
}

/// A file whole, where it has an end: a pipe that nobody writes into would never begin, and a device never ends.
pub(crate) fn bounded(file: &Path) -> io::Result<Vec<u8>> {
    if std::fs::metadata(file)?.file_type().is_fifo() {
        return Err(io::Error::other("it is a pipe"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(CA_FILE_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > CA_FILE_MAX) {
        return Err(io::Error::other(format!("it has more than {CA_FILE_MAX} bytes")));
    }
    Ok(bytes)
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), Fault> {
    let wrong = |why: String| {
        Fault::new(Stage::Config, Failure::Config(ConfigFault::CaFile))
            .detailed(&format!("{}: {why}", file.display()))
    };
    let bytes = bounded(file).map_err(|e| wrong(e.to_string()))?;
    let found = CertificateDer::pem_slice_iter(&bytes);
    for cert in found {
        let cert = cert.map_err(|e| wrong(e.to_string()))?;
        // A bundle may hold a few that no verifier can read; the others still count.
        roots.add_parsable_certificates([cert]);
    }
    Ok(())
}

/// The handshake with a server of this name.
///
/// # Errors
///
/// A fault of [`Stage::Handshake`].
pub async fn handshake<S>(
    stream: S,
    host: &str,
    config: Arc<ClientConfig>,
    limit: Dur,
) -> Result<TlsStream<S>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = server_name(host)?;
    match tokio::time::timeout(limit.into(), TlsConnector::from(config).connect(name, stream)).await {
        Err(_late) => Err(Fault::new(Stage::Handshake, Failure::TimedOut(Limit::Handshake))),
        Ok(Err(error)) => Err(Fault::new(Stage::Handshake, failed(&error)).detailed(&error.to_string())),
        Ok(Ok(stream)) => Ok(stream),
    }
}

pub(crate) fn failed(error: &io::Error) -> Failure {
    of_io(error, Stage::Handshake)
}

/// What rustls refused. Alerts that we would have sent stand for what the peer did.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add errors; the rest is a failed handshake")]
pub(crate) fn of_rustls(error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::AlertReceived(alert) => Failure::Alert(u8::from(*alert)),
        rustls::Error::InvalidCertificate(wrong) => Failure::Cert(of_certificate(wrong)),
        rustls::Error::InvalidMessage(_) | rustls::Error::PeerSentOversizedRecord => Failure::NotTls,
        rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
        | rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            Failure::Alert(u8::from(AlertDescription::ProtocolVersion))
        }
        rustls::Error::NoApplicationProtocol => {
            Failure::Alert(u8::from(AlertDescription::NoApplicationProtocol))
        }
        rustls::Error::NoCertificatesPresented => Failure::Cert(CertFault::Other),
        _ => Failure::Alert(u8::from(AlertDescription::HandshakeFailure)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add reasons; the rest is Other")]
fn of_certificate(error: &CertificateError) -> CertFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertFault::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertFault::WrongHost
        }
        CertificateError::UnknownIssuer => CertFault::UnknownIssuer,
        CertificateError::Other(OtherError(why)) if why.is::<SelfSigned>() => CertFault::SelfSigned,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => CertFault::Weak,
        _ => CertFault::Other,
    }
}

/// rustls's own verifier, whose refusals of a certificate that signed itself are told from other unknown issuers. It
/// accepts nothing that the other one refuses.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

/// The reason that [`Verifier`] gives.
#[derive(Debug)]
struct SelfSigned;

impl fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is signed by itself")
    }
}

impl std::error::Error for SelfSigned {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        judged.map_err(|error| {
            let unknown = matches!(
                error,
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::Other(_)
                )
            );
            if unknown && names_itself(end_entity) == Some(true) {
                return CertificateError::Other(OtherError(Arc::new(SelfSigned))).into();
            }
            error
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Whether issuer and subject are the same name (RFC 5280 section 4.1); nothing where it cannot be read.
fn names_itself(cert: &[u8]) -> Option<bool> {
    /// The tag of the version, which comes first where it is there.
    const VERSION: u8 = 0xA0;
    let (_, whole, _) = element(cert)?;
    let (_, body, _) = element(whole)?;
    let (tag, _, after_version) = element(body)?;
    let serial = if tag == VERSION { after_version } else { body };
    let (_, _, algorithm) = element(serial)?;
    let (_, _, rest) = element(algorithm)?;
    let (_, issuer, rest) = element(rest)?;
    let (_, _validity, rest) = element(rest)?;
    let (_, subject, _) = element(rest)?;
    Some(issuer == subject)
}

/// The first element of DER: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) =
            rest.split_at_checked(usize::from(*first & 0x7F)).filter(|(bytes, _)| bytes.len() <= 4)?;
        (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}
