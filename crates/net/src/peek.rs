//! A handshake that shows what the other side shows, whoever signed it. No credential ever goes over one: it is for the
//! doctor, who judges the chain by several stores and asks for nothing but a date.

use std::sync::{Arc, Mutex, PoisonError};

use clearline_model::{Dur, Failure, Limit, Stage};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::conn::Laid;
use crate::fault::Fault;
use crate::tls::{config_with, failed, server_name};
use crate::wire::Stream;

/// What a handshake offers.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The host whose name is sent.
    pub host: &'a str,
    /// Whether the name is sent at all.
    pub with_name: bool,
    /// The protocols, in order of preference.
    pub alpn: &'a [&'a str],
}

/// What was seen of a handshake.
pub struct Peek {
    /// The certificates in DER, the leaf first; empty where none came.
    pub chain: Vec<Vec<u8>>,
    /// The finished stream, or why there is none.
    pub stream: Result<TlsStream<Stream>, Fault>,
}

impl Peek {
    /// The version (12 or 13) and the protocol that were agreed on.
    #[must_use]
    pub fn agreed(&self) -> Option<(u8, Option<String>)> {
        let (_, session) = self.stream.as_ref().ok()?.get_ref();
        let version =
            if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) { 13 } else { 12 };
        Some((version, session.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned())))
    }
}

/// Shakes hands and accepts whatever certificate is shown.
///
/// # Errors
///
/// Where the host's name cannot be one of a server. What the other side does wrong is in [`Peek::stream`].
pub async fn peek(laid: Laid, offer: Offer<'_>, limit: Dur) -> Result<Peek, Fault> {
    let shown = Arc::new(Shown::default());
    let mut config = Arc::unwrap_or_clone(config_with(Arc::<Shown>::clone(&shown))?);
    config.enable_sni = offer.with_name;
    config.alpn_protocols = offer.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = server_name(offer.host)?;
    let shaking = TlsConnector::from(Arc::new(config)).connect(name, laid.stream);
    let stream = match tokio::time::timeout(limit.into(), shaking).await {
        Err(_late) => Err(Fault::new(Stage::Handshake, Failure::TimedOut(Limit::Handshake))),
        Ok(Err(error)) => Err(Fault::new(Stage::Handshake, failed(&error)).detailed(&error.to_string())),
        Ok(Ok(stream)) => Ok(stream),
    };
    let chain = shown.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Peek { chain, stream })
}

/// Keeps the chain and accepts it.
#[derive(Debug, Default)]
struct Shown {
    chain: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
