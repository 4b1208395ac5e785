//! The certificates of a lab: those of the world, and those of boxes that open TLS.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::Problem;
use crate::plan::{Ca, Cert, Plan};

/// What signs, and what its certificates have to carry along.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    /// The intermediate, PEM; nothing where the root signs itself.
    chain: String,
    issuers_at: Option<String>,
}

/// Makes everything of a plan: `ca-NAME.pem`, `NAME.crt` (with its chain) and `NAME.key`, and the world's roots.
///
/// # Errors
/// rcgen or openssl refuses, or a file cannot be written.
pub(crate) fn make(plan: &Plan, dir: &Path) -> Result<(), Problem> {
    let mut signers = BTreeMap::new();
    for (name, ca) in &plan.ca {
        signers.insert(name.as_str(), signer(name, ca, dir)?);
    }
    std::fs::copy(dir.join("ca-public.pem"), dir.join("public-roots.pem"))?;
    for (name, cert) in &plan.cert {
        let signer = signers.get(cert.ca.as_str()).ok_or_else(|| format!("cert.{name}: no such ca"))?;
        match cert.rsa {
            Some(bits) => by_openssl(name, cert, bits, dir)?,
            None => leaf(name, cert, signer, dir)?,
        }
    }
    Ok(())
}

fn authority(cn: &str, ca: &Ca) -> Result<CertificateParams, Problem> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    if let Some(o) = &ca.o {
        params.distinguished_name.push(DnType::OrganizationName, o.as_str());
    }
    params.distinguished_name.push(DnType::CommonName, cn);
    if let Some(email) = &ca.email {
        let kind = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        params.distinguished_name.push(kind, DnValue::Ia5String(Ia5String::try_from(email.as_str())?));
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    // Old enough that a clock in the past breaks the server's certificate and not this one.
    params.not_before = date_time_ymd(2015, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn signer(name: &str, ca: &Ca, dir: &Path) -> Result<Signer, Problem> {
    let (params, key) = (authority(&ca.cn, ca)?, KeyPair::generate()?);
    std::fs::write(dir.join(format!("ca-{name}.pem")), params.self_signed(&key)?.pem())?;
    let root = Issuer::new(params, key);
    let Some(cn) = &ca.intermediate else {
        return Ok(Signer { issuer: root, chain: String::new(), issuers_at: None });
    };
    let (params, key) = (authority(cn, ca)?, KeyPair::generate()?);
    let certificate = params.signed_by(&key, &root)?;
    std::fs::write(dir.join(format!("inter-{name}.pem")), certificate.pem())?;
    std::fs::write(dir.join(format!("inter-{name}.der")), certificate.der())?;
    std::fs::write(dir.join(format!("inter-{name}.key")), key.serialize_pem())?;
    Ok(Signer {
        chain: certificate.pem(),
        issuer: Issuer::new(params, key),
        issuers_at: ca.issuers_at.clone(),
    })
}

fn leaf(name: &str, cert: &Cert, signer: &Signer, dir: &Path) -> Result<(), Problem> {
    let mut params = CertificateParams::new(cert.names.clone())?;
    params.distinguished_name = DistinguishedName::new();
    let cn = cert.names.first().map_or("nobody", String::as_str);
    params.distinguished_name.push(DnType::CommonName, cn);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (day(cert.from).into(), day(cert.until).into());
    params.use_authority_key_identifier_extension = true;
    if let Some(url) = signer.issuers_at.as_deref().filter(|_| !cert.own) {
        params.custom_extensions.push(issuers_at(url));
    }
    let key = KeyPair::generate()?;
    let own = if cert.own { params.self_signed(&key)? } else { params.signed_by(&key, &signer.issuer)? };
    let chain = if cert.bare || cert.own { "" } else { signer.chain.as_str() };
    std::fs::write(dir.join(format!("{name}.crt")), format!("{}{chain}", own.pem()))?;
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    Ok(())
}

/// So many days from now.
fn day(days: i64) -> SystemTime {
    let length = Duration::from_secs(days.unsigned_abs() * 86_400);
    let now = SystemTime::now();
    let moved = if days < 0 { now.checked_sub(length) } else { now.checked_add(length) };
    moved.unwrap_or(now)
}

/// The extension that says where the issuer's certificate is (RFC 5280, 4.2.2.1).
fn issuers_at(url: &str) -> CustomExtension {
    const CA_ISSUERS: [u8; 10] = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2];
    let location = wrap(0x86, url.as_bytes());
    let access = wrap(0x30, &[&CA_ISSUERS[..], &location].concat());
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], wrap(0x30, &access))
}

/// A DER value; its length fits a byte.
fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(0);
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head, content.to_vec()].concat()
}

/// A certificate with a key that only openssl still makes.
fn by_openssl(name: &str, cert: &Cert, bits: u32, dir: &Path) -> Result<(), Problem> {
    let path = |file: String| dir.join(file).display().to_string();
    let (key, csr, crt) =
        (path(format!("{name}.key")), path(format!("{name}.csr")), path(format!("{name}.crt")));
    let extensions = path(format!("{name}.ext"));
    let names: Vec<String> = cert.names.iter().map(|n| format!("DNS:{n}")).collect();
    let usage = "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n";
    std::fs::write(&extensions, format!("subjectAltName={}\n{usage}", names.join(",")))?;
    let cn = format!("/CN={}", cert.names.first().map_or("nobody", String::as_str));
    let (rsa, days) = (format!("rsa:{bits}"), cert.until.max(1).to_string());
    let inter = |end: &str| path(format!("inter-{}.{end}", cert.ca));
    let new = ["req", "-new", "-newkey", &rsa, "-nodes", "-subj", &cn, "-keyout", &key, "-out", &csr];
    openssl(&new)?;
    let (ca, ca_key) = (inter("pem"), inter("key"));
    let sign =
        ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-set_serial", "4711", "-days", &days];
    openssl(&[&sign[..], &["-extfile", &extensions, "-out", &crt]].concat())?;
    let chain = std::fs::read_to_string(&crt)? + &std::fs::read_to_string(ca)?;
    std::fs::write(&crt, chain)?;
    Ok(())
}

fn openssl(arguments: &[&str]) -> Result<(), Problem> {
    let output = Command::new("openssl").args(arguments).output().map_err(|e| format!("openssl: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("openssl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into())
}
