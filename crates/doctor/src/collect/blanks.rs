//! What stands around a URL: the reference client does not take it off, and mostly cannot read the URL with it.

use clearline_model::{ConfigFault, Failure, Foreign, Stage};
use clearline_net::Fault;

/// The proxy variables, in lower case.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];

/// Refuses a base URL that is set and empty, or has something around it.
pub(super) fn base_url(value: Option<&str>) -> Result<(), Fault> {
    let why = match value {
        Some("") => Some("it is set and empty"),
        Some(url) => around(url),
        None => None,
    };
    why.map_or(Ok(()), |why| Err(fault(ConfigFault::BaseUrl, why)))
}

/// The same for the proxies; one that is empty is none. Lower case wins, and switches the other off even where it is empty.
pub(super) fn proxies(lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
    let value = |name: &str| lookup(name).or_else(|| lookup(&name.to_ascii_uppercase())).unwrap_or_default();
    // Then none of them is looked at.
    if value("no_proxy").split(',').any(|entry| entry.trim() == "*") {
        return Ok(());
    }
    for name in PROXIES {
        if let Some(why) = around(&value(name)) {
            return Err(fault(ConfigFault::Proxy, &format!("{name}: {why}")));
        }
    }
    Ok(())
}

fn fault(what: ConfigFault, why: &str) -> Fault {
    Fault { detail: Foreign::new(why), ..Fault::new(Stage::Config, Failure::Config(what)) }
}

/// What makes a URL unreadable for httpx (`urlparse`): anything in front, a line break or tab, and a blank behind the host or a
/// path. Behind a port a blank is part of the number, and no harm.
fn around(url: &str) -> Option<&'static str> {
    let bare = url.trim_end_matches(' ');
    if url.trim_start() != url {
        return Some("a blank stands in front of it");
    }
    if url.contains(|c: char| c.is_ascii_control()) {
        return Some("a line break or another control character is in it");
    }
    let place = bare.split_once("://").map_or(bare, |(_, place)| place);
    let is_port = place.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    (bare != url && !is_port).then_some("a blank stands behind it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_url_is_judged_as_httpx_does() {
        for (url, is_well) in [
            ("https://gw.test", true),
            ("https://gw.test:8443 ", true),
            ("https://gw.test ", false),
            ("https://gw.test/v1 ", false),
            (" https://gw.test", false),
            ("https://gw.test\n", false),
            ("https://gw.test:8443\r", false),
            ("", false),
        ] {
            assert_eq!(base_url(Some(url)).is_ok(), is_well, "{url:?}");
        }
        assert!(base_url(None).is_ok());
    }

    #[test]
    fn a_proxy_that_is_switched_off_is_not_looked_at() {
        let lookup = |name: &str| match name {
            "https_proxy" => Some(String::new()),
            "HTTPS_PROXY" | "ALL_PROXY" => Some(" http://p.test:1".to_owned()),
            _ => None,
        };
        assert!(proxies(&lookup).is_err());
        assert!(proxies(&|name| lookup(name).filter(|_| name != "ALL_PROXY")).is_ok());
        assert!(
            proxies(&|name| lookup(name).or_else(|| (name == "NO_PROXY").then(|| "a, *".to_owned()))).is_ok()
        );
    }
}
