//! Headers that the SDKs add to every call, from `ANTHROPIC_CUSTOM_HEADERS`.

use clearline_model::Fact;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::{Environment, state};

/// The header of a key, as it was sent before bearers.
const API_KEY: &str = "x-api-key";

/// These headers, and a fact for each of their names.
pub(super) fn headers(set: Environment<'_>, facts: &mut Vec<Fact>) -> HeaderMap {
    let all = custom_headers(set);
    facts.extend(all.keys().map(|name| state("custom-header", name.as_str())));
    all
}

/// The headers of `ANTHROPIC_CUSTOM_HEADERS`: one `Name: value` a line, as the SDKs read it; the last one of a name counts.
#[must_use]
pub fn custom_headers(lookup: &dyn Fn(&str) -> Option<String>) -> HeaderMap {
    let text = lookup("ANTHROPIC_CUSTOM_HEADERS").unwrap_or_default();
    let mut all = HeaderMap::new();
    for (name, value) in text.split('\n').filter_map(|line| line.split_once(':')) {
        let (name, value) = (HeaderName::try_from(name.trim()), HeaderValue::from_str(value.trim()));
        let (Ok(name), Ok(mut value)) = (name, value) else { continue };
        value.set_sensitive(true);
        all.insert(name, value);
    }
    all
}

/// Whether one of them is what the call is paid with.
#[must_use]
pub fn pays(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_sdks_read_them_and_their_values_stay_where_they_are() {
        let text = "X-Gateway: fake-a:b \nno header\nX-Api-Key:fake-c\r\nbad name: d\nx-gateway: fake-e";
        let set = |name: &str| (name == "ANTHROPIC_CUSTOM_HEADERS").then(|| text.to_owned());
        let mut facts = Vec::new();
        let all = headers(&set, &mut facts);
        assert_eq!(all.get("x-gateway").unwrap(), "fake-e");
        assert_eq!(all.get("x-api-key").unwrap(), "fake-c");
        assert!(all.len() == 2 && pays(&all));
        assert!(!format!("{facts:?} {all:?}").contains("fake-"));
        assert!(!pays(&headers(&|_| None, &mut facts)));
    }
}
