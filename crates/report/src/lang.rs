//! English or Simplified Chinese.

/// A language of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// Both.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The language of a tag or a locale: `zh-CN`, `zh_CN.UTF-8`, `en`, `C`.
    #[must_use]
    pub fn of(tag: &str) -> Option<Self> {
        let name = tag.split(['.', '@']).next().unwrap_or_default().to_ascii_lowercase().replace('_', "-");
        match name.split('-').next().unwrap_or_default() {
            "zh" => Some(Self::Zh),
            "en" | "c" | "posix" => Some(Self::En),
            _ => None,
        }
    }

    /// The language that is wanted: what was asked for, else the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set.
    /// A language that is not there becomes English.
    #[must_use]
    pub fn wanted(asked: Option<&str>, lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let asked = asked.filter(|a| !a.is_empty() && *a != "auto").map(str::to_owned);
        let set = |name: &&str| lookup(name).filter(|v| !v.is_empty());
        let named = asked.or_else(|| ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set));
        named.and_then(|tag| Self::of(&tag)).unwrap_or_default()
    }

    /// The tag.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_before_the_locale() {
        let env = |name: &str| (name == "LANG").then(|| "zh_CN.UTF-8".to_owned());
        let none = |_: &str| None;
        assert_eq!(Lang::wanted(None, &env), Lang::Zh);
        assert_eq!(Lang::wanted(Some("auto"), &env), Lang::Zh);
        assert_eq!(Lang::wanted(Some("en"), &env), Lang::En);
        assert_eq!(Lang::wanted(Some("zh-CN"), &none), Lang::Zh);
        assert_eq!(Lang::wanted(None, &none), Lang::En);
        let both = |name: &str| Some(if name == "LC_ALL" { "C.UTF-8" } else { "zh_CN" }.to_owned());
        assert_eq!(Lang::wanted(None, &both), Lang::En);
        assert_eq!(Lang::of("fr_FR"), None);
    }
}
