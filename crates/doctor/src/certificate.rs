//! What a certificate says of itself.

use clearline_model::{Certificate, Foreign, Wall};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Reads the first certificate of a chain; nothing where it cannot be read.
pub(crate) fn read(chain: &[Vec<u8>]) -> Option<Certificate> {
    let (_, cert) = X509Certificate::from_der(chain.first()?).ok()?;
    let seconds = |time: x509_parser::time::ASN1Time| Wall(time.timestamp().saturating_mul(1_000_000));
    let validity = cert.validity();
    Some(Certificate {
        subject: Foreign::new(&cert.subject().to_string()),
        issuer: Foreign::new(&cert.issuer().to_string()),
        serial: Foreign::new(&cert.raw_serial_as_string()),
        names: names(&cert),
        from: seconds(validity.not_before),
        until: seconds(validity.not_after),
        key_bits: bits(&cert),
        issuers_at: issuers_at(&cert),
        chain: u8::try_from(chain.len()).unwrap_or(u8::MAX),
    })
}

/// From when and until when a certificate is good; nothing where it cannot be read.
#[must_use]
pub fn validity(der: &[u8]) -> Option<(Wall, Wall)> {
    read(&[der.to_vec()]).map(|cert| (cert.from, cert.until))
}

fn bits(cert: &X509Certificate<'_>) -> u32 {
    let bits = match cert.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size(),
        Ok(PublicKey::EC(point)) => point.key_size(),
        Ok(_) | Err(_) => 0,
    };
    u32::try_from(bits).unwrap_or(0)
}

fn names(cert: &X509Certificate<'_>) -> Vec<Foreign> {
    let Ok(Some(names)) = cert.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            return Some(Foreign::new(name));
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        Some(Foreign::new(&address(bytes)?))
    };
    names.value.general_names.iter().filter_map(text).take(8).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| std::net::IpAddr::from(b).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|b| std::net::IpAddr::from(b).to_string())).ok()
}

fn issuers_at(cert: &X509Certificate<'_>) -> Vec<Foreign> {
    let access = cert.extensions().iter().find_map(|e| {
        let ParsedExtension::AuthorityInfoAccess(access) = e.parsed_extension() else { return None };
        Some(access)
    });
    let Some(access) = access else { return Vec::new() };
    let is_issuer = |oid: &str| oid == "1.3.6.1.5.5.7.48.2";
    let urls = access.accessdescs.iter().filter(|d| is_issuer(&d.access_method.to_id_string()));
    urls.filter_map(|d| {
        let GeneralName::URI(url) = &d.access_location else { return None };
        Some(Foreign::new(url))
    })
    .take(2)
    .collect()
}
