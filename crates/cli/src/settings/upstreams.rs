//! What settings say together: upstreams and routes, a certificate and its key.

use clearline_model::{SettingError, SettingOrigin};

use super::Settings;

/// How much a source counts.
const fn rank(origin: &SettingOrigin) -> u8 {
    match origin {
        SettingOrigin::Default => 0,
        SettingOrigin::File { .. } => 1,
        SettingOrigin::Variable(_) => 2,
        SettingOrigin::Flag(_) => 3,
    }
}

impl Settings {
    /// Whether the upstreams are those with names: the stronger of both sources says it.
    pub(crate) fn names_upstreams(&self) -> bool {
        let (named, plain) = (self.origin("upstreams"), self.origin("gateway.upstream"));
        !self.rows("upstreams").is_empty() && rank(&named) > rank(&plain)
    }
}

/// Finds what contradicts itself.
pub(super) fn check(settings: &Settings, mistakes: &mut Vec<SettingError>) {
    for (one, other) in [("gateway.tls_cert", "gateway.tls_key"), ("gateway.tls_key", "gateway.tls_cert")] {
        if !settings.text(one).is_empty() && settings.text(other).is_empty() {
            mistakes.push(SettingError {
                origin: settings.origin(one),
                found: format!("{one} = \"{}\"", settings.text(one)),
                problem: format!("needs {other} as well"),
            });
        }
    }
    let (named, plain) = (settings.origin("upstreams"), settings.origin("gateway.upstream"));
    if rank(&named) > 0 && rank(&named) == rank(&plain) {
        mistakes.push(SettingError {
            origin: named,
            found: "upstreams".to_owned(),
            problem: "and gateway.upstream both say where calls go: leave one of them out".to_owned(),
        });
    }
    for route in settings.rows("routes") {
        let is_there = |name: &&String| !settings.rows("upstreams").iter().any(|row| row.name == **name);
        for name in route.list("upstreams").iter().filter(is_there) {
            mistakes.push(SettingError {
                origin: settings.origin("routes"),
                found: format!("routes.{}.upstreams = \"{name}\"", route.name),
                problem: "names no upstream: add it as [upstreams.NAME]".to_owned(),
            });
        }
    }
}
