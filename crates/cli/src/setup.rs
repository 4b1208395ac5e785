//! Where settings come from on this machine: the file, the environment, and the secrets that they refer to.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearline::{Client, Observer, PoolKey, Route, Upstream};
use clearline_gateway::CallerToken;
use clearline_model::{Secret, SettingError, Wall};
use clearline_net::{Acceptor, TrustSettings};

use crate::exit::Failure;
use crate::serve;
use crate::settings::{self, Given, Settings, Sources};

/// The largest settings file, bytes.
const FILE_MAX: u64 = 1 << 20;

/// A variable of the environment; one that is not UTF-8 counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The settings file: the flag, else `CLEARLINE_CONFIG`, else the user's own. A file in the working folder is never
/// taken by itself: whoever wrote it could send the keys elsewhere.
pub(crate) fn file(flag: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = flag {
        return Some(path.to_owned());
    }
    if let Some(path) = variable("CLEARLINE_CONFIG").filter(|v| !v.is_empty()) {
        return Some(PathBuf::from(path));
    }
    Some(user_file()?).filter(|path| path.exists())
}

/// Where the user's own settings file is looked for.
pub(crate) fn user_file() -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(base.join("clearline").join("clearline.toml"))
}

/// Where clearline keeps what it has to remember.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local").join("state")))?;
    Some(base.join("clearline"))
}

/// The roots that the environment wants, as the official SDKs read it. Where nothing will be verified the system's store is
/// not read, because that takes longer than a call.
pub(crate) fn trust(is_plain: bool) -> TrustSettings {
    if is_plain {
        return TrustSettings { system: false, ..TrustSettings::default() };
    }
    let path = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    TrustSettings {
        only: path("SSL_CERT_FILE"),
        extra: path("NODE_EXTRA_CA_CERTS").into_iter().collect(),
        public_roots: path("CLEARLINE_PUBLIC_ROOTS"),
        ..TrustSettings::default()
    }
}

/// A client as the environment sets it up, which makes one attempt a call.
///
/// # Errors
///
/// No credential, and what a client cannot be made of.
pub(crate) fn single_attempt(observer: Arc<dyn Observer>) -> Result<Client, Failure> {
    let set = |name: &str| variable(name).filter(|v| !v.trim().is_empty());
    let base_url = set("ANTHROPIC_BASE_URL").unwrap_or_else(|| clearline::DEFAULT_BASE_URL.to_owned());
    let policy = clearline_policy::Settings { attempts_max: 1, ..clearline_policy::Settings::default() };
    let builder = Client::builder(&base_url).environment(&variable).map_err(|e| serve::refused(&e))?;
    let let_in = match (set("ANTHROPIC_API_KEY"), set("ANTHROPIC_AUTH_TOKEN")) {
        (Some(key), _) => {
            let secret = Secret::new(key.trim().as_bytes().to_vec());
            Ok(builder.keys(vec![PoolKey { alias: "key-1".to_owned(), secret }]))
        }
        (None, Some(token)) => builder.auth_token(token.trim()),
        (None, None) => {
            let text = "no credential is set\n  Set ANTHROPIC_API_KEY, or run: clearline causes auth.missing";
            return Err(Failure::usage(text));
        }
    };
    let client = let_in.and_then(|builder| builder.policy(policy).observer(observer).build());
    client.map_err(|e| serve::refused(&e))
}

/// Reads everything that says something about settings.
///
/// # Errors
///
/// A file that cannot be read, and every mistake of every source.
pub(crate) fn load(flag: Option<&Path>, flags: &[Given]) -> Result<Settings, Failure> {
    let path = file(flag);
    let text = match &path {
        Some(path) => Some((path.display().to_string(), read(path)?)),
        None => None,
    };
    let sources = Sources {
        file: text.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
        lookup: &variable,
        flags,
    };
    settings::resolve(&sources).map_err(|mistakes| Failure::usage(settings::describe(&mistakes)))
}

fn read(path: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "cannot read the settings file {}: {why}\n  Choose another with --config.",
            path.display()
        ))
    };
    // Not by its length: a pipe or a device says nothing of what will come.
    let (mut text, mut file) =
        (String::new(), std::fs::File::open(path).map_err(|e| wrong(&e))?.take(FILE_MAX + 1));
    let read = file.read_to_string(&mut text);
    if file.limit() == 0 {
        return Err(wrong(&"it is larger than 1 MiB"));
    }
    read.map(|_length| text).map_err(|e| wrong(&e))
}

/// The pool of keys: the settings, else `CLEARLINE_KEYS`, else (where `single` says so) `ANTHROPIC_API_KEY`.
///
/// # Errors
///
/// References that lead nowhere, all at once.
pub(crate) fn keys(settings: &Settings, single: bool) -> Result<Vec<PoolKey>, Failure> {
    let named = settings.table("keys");
    if !named.is_empty() {
        let secrets = secrets(settings, "keys")?;
        return Ok(secrets.into_iter().map(|(alias, secret)| PoolKey { alias, secret }).collect());
    }
    let set = |name: &str| variable(name).filter(|v| !v.trim().is_empty());
    let list = set("CLEARLINE_KEYS").or_else(|| if single { set("ANTHROPIC_API_KEY") } else { None });
    let parts = list.iter().flat_map(|l| l.split(',')).map(str::trim).filter(|k| !k.is_empty());
    let key = |(i, key): (usize, &str)| PoolKey {
        alias: format!("key-{}", i + 1),
        secret: Secret::new(key.as_bytes().to_vec()),
    };
    Ok(parts.enumerate().map(key).collect())
}

/// The certificate of the gateway, where one is set.
///
/// # Errors
///
/// Files that cannot be read, or do not fit.
pub(crate) fn tls(settings: &Settings) -> Result<Option<Acceptor>, Failure> {
    let (cert, key) = (settings.text("gateway.tls_cert"), settings.text("gateway.tls_key"));
    if cert.is_empty() && key.is_empty() {
        return Ok(None);
    }
    let read = Acceptor::read(Path::new(cert), Path::new(key)).inspect(|acceptor| {
        if let Some(why) = outdated(acceptor.certificate(), now()) {
            crate::out::note(&format!("clearline: gateway.tls_cert = {cert}: {why}\n  Callers refuse it until it is renewed (or the clock here is set right)."));
        }
    });
    read.map(Some).map_err(|bad| {
        let setting = if bad.file == Path::new(cert) { "gateway.tls_cert" } else { "gateway.tls_key" };
        Failure::usage(format!("{setting} = {bad}"))
    })
}

/// What is wrong with the time of a certificate at this moment.
fn outdated(der: &[u8], now: Wall) -> Option<&'static str> {
    let (from, until) = clearline_doctor::validity(der)?;
    if until < now {
        return Some("the certificate has expired");
    }
    (now < from).then_some("the certificate is not valid yet")
}

/// What this machine's clock says.
fn now() -> Wall {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The upstreams, and which calls go to which of them. `single`: see [`keys`].
///
/// # Errors
///
/// As [`keys`], of all upstreams at once.
pub(crate) fn upstreams(settings: &Settings, single: bool) -> Result<(Vec<Upstream>, Vec<Route>), Failure> {
    if !settings.names_upstreams() {
        return Ok((plain(settings, single)?, Vec::new()));
    }
    let (mut upstreams, mut mistakes) = (Vec::new(), Vec::new());
    let origin = settings.origin("upstreams");
    for row in settings.rows("upstreams") {
        let keys = row.table("keys").iter().filter_map(|(alias, reference)| match secret(reference) {
            Ok(secret) => Some(PoolKey { alias: alias.clone(), secret }),
            Err(problem) => {
                let found = format!("upstreams.{}.keys: {alias} = \"{reference}\"", row.name);
                mistakes.push(SettingError { origin: origin.clone(), found, problem });
                None
            }
        });
        let keys = keys.collect();
        let weight = row.number("weight").and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
        upstreams.push(Upstream {
            name: row.name.clone(),
            base_url: row.text("url").to_owned(),
            weight,
            keys,
        });
    }
    if !mistakes.is_empty() {
        return Err(Failure::usage(settings::describe(&mistakes)));
    }
    let route = |row: &settings::Row| Route {
        name: row.name.clone(),
        path: Some(row.text("path")).filter(|p| !p.is_empty()).map(str::to_owned),
        models: row.list("models").to_vec(),
        upstreams: row.list("upstreams").to_vec(),
    };
    Ok((upstreams, settings.rows("routes").iter().map(route).collect()))
}

/// The upstreams without names, which are one API at several addresses: they share the pool.
fn plain(settings: &Settings, single: bool) -> Result<Vec<Upstream>, Failure> {
    let urls = settings.list("gateway.upstream");
    let mut upstreams = Vec::with_capacity(urls.len());
    for (i, url) in urls.iter().enumerate() {
        let name = if urls.len() > 1 { format!("upstream-{}", i + 1) } else { String::new() };
        upstreams.push(Upstream { name, base_url: url.clone(), weight: 1, keys: keys(settings, single)? });
    }
    Ok(upstreams)
}

/// The tokens of the callers.
///
/// # Errors
///
/// As [`keys`].
pub(crate) fn tokens(settings: &Settings) -> Result<Vec<CallerToken>, Failure> {
    let secrets = secrets(settings, "gateway.tokens")?;
    Ok(secrets.into_iter().map(|(alias, secret)| CallerToken { alias, secret }).collect())
}

fn secrets(settings: &Settings, key: &'static str) -> Result<Vec<(String, Secret)>, Failure> {
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    for (alias, reference) in settings.table(key) {
        match secret(reference) {
            Ok(secret) => found.push((alias.clone(), secret)),
            Err(problem) => mistakes.push(SettingError {
                origin: settings.row_origin(key, alias),
                found: format!("{alias} = \"{reference}\""),
                problem,
            }),
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(Failure::usage(settings::describe(&mistakes))) }
}

/// What a reference leads to. Blanks, line ends and a byte order mark around it are an editor's.
pub(crate) fn secret(reference: &str) -> Result<Secret, String> {
    let text = if let Some(name) = reference.strip_prefix("env:") {
        variable(name.trim()).ok_or_else(|| format!("the variable {} is not set", name.trim()))?
    } else if let Some(path) = reference.strip_prefix("file:") {
        std::fs::read_to_string(path.trim()).map_err(|e| format!("the file cannot be read: {e}"))?
    } else {
        return Err("is neither env:VARIABLE nor file:PATH".to_owned());
    };
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if trimmed.is_empty() { Err("is empty".to_owned()) } else { Ok(Secret::new(trimmed.as_bytes().to_vec())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_out_of_its_time_is_told() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let der = made.cert.der();
        let (from, until) = clearline_doctor::validity(der).unwrap();
        let at = |moment: Wall, more: i64| outdated(der, Wall(moment.0 + more));
        assert_eq!((at(from, 0), at(until, 0)), (None, None));
        assert_eq!(at(from, -1), Some("the certificate is not valid yet"));
        assert_eq!(at(until, 1), Some("the certificate has expired"));
        assert_eq!(outdated(b"no certificate", now()), None);
    }
}
