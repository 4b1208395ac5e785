//! The words of the causes.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use clearline_model::{Cause, Foreign};
use fluent_bundle::{FluentArgs, FluentBundle, FluentMessage, FluentResource};
use fluent_syntax::ast::{Expression, InlineExpression, Pattern, PatternElement};

use crate::lang::Lang;

macro_rules! files {
    ($lang:literal) => {
        [
            include_str!(concat!("../prose/", $lang, "/words.ftl")),
            include_str!(concat!("../prose/", $lang, "/facts.ftl")),
            include_str!(concat!("../prose/", $lang, "/output.ftl")),
            include_str!(concat!("../prose/", $lang, "/states.ftl")),
            include_str!(concat!("../prose/", $lang, "/clients.ftl")),
            include_str!(concat!("../prose/", $lang, "/auth.ftl")),
            include_str!(concat!("../prose/", $lang, "/client.ftl")),
            include_str!(concat!("../prose/", $lang, "/clock.ftl")),
            include_str!(concat!("../prose/", $lang, "/cloud.ftl")),
            include_str!(concat!("../prose/", $lang, "/config.ftl")),
            include_str!(concat!("../prose/", $lang, "/dns.ftl")),
            include_str!(concat!("../prose/", $lang, "/edge.ftl")),
            include_str!(concat!("../prose/", $lang, "/gateway.ftl")),
            include_str!(concat!("../prose/", $lang, "/http.ftl")),
            include_str!(concat!("../prose/", $lang, "/net.ftl")),
            include_str!(concat!("../prose/", $lang, "/proxy.ftl")),
            include_str!(concat!("../prose/", $lang, "/quota.ftl")),
            include_str!(concat!("../prose/", $lang, "/request.ftl")),
            include_str!(concat!("../prose/", $lang, "/server.ftl")),
            include_str!(concat!("../prose/", $lang, "/stream.ftl")),
            include_str!(concat!("../prose/", $lang, "/tcp.ftl")),
            include_str!(concat!("../prose/", $lang, "/tls.ftl")),
        ]
    };
}

/// The files of a language: the words, those of facts, output, states and clients, and one per layer.
pub(crate) const fn files(lang: Lang) -> [&'static str; 22] {
    match lang {
        Lang::En => files!("en"),
        Lang::Zh => files!("zh-CN"),
    }
}

/// What the command line says of itself, where that is not English: its English stands in the code.
pub(crate) const HELP: &str = include_str!("../prose/zh-CN/help.ftl");

/// What is known of a case: names as in the prose (`host`, `proxy`, `file` …), and what they are here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args(BTreeMap<&'static str, Foreign>);

impl Args {
    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Foreign) -> Self {
        self.0.insert(name, value);
        self
    }
}

/// A step of the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// A sentence.
    Text(String),
    /// A command, and what it does.
    Command {
        /// Ready to copy.
        command: String,
        /// One sentence.
        why: String,
    },
}

/// A cause in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// One line.
    pub title: String,
    /// Two or three sentences.
    pub means: String,
    /// The steps, in their order.
    pub fix: Vec<Fix>,
}

/// The prose of one language. A file of it is read when a word of it is wanted: most runs want few.
pub struct Prose {
    files: Vec<File>,
    lang: Lang,
}

/// One file of the prose. No message of it refers to one of another.
struct File {
    text: &'static str,
    read: OnceCell<FluentBundle<FluentResource>>,
}

impl File {
    const fn new(text: &'static str) -> Self {
        Self { text, read: OnceCell::new() }
    }

    /// Whether it has a message of this name, as far as that can be seen without reading it.
    fn declares(&self, name: &str) -> bool {
        let rest = |after: &str| after.trim_start_matches(' ').starts_with('=');
        self.text.strip_prefix(name).is_some_and(rest)
            || self.text.match_indices(name).any(|(at, _)| {
                let (before, from) = self.text.split_at_checked(at).unwrap_or_default();
                before.ends_with('\n') && from.strip_prefix(name).is_some_and(rest)
            })
    }

    fn read(&self, lang: Lang) -> &FluentBundle<FluentResource> {
        self.read.get_or_init(|| {
            let mut bundle = FluentBundle::new(vec![lang.tag().parse().unwrap_or_default()]);
            // The marks that isolate arguments would be copied along with commands and addresses.
            bundle.set_use_isolating(false);
            let resource = match FluentResource::try_new(self.text.to_owned()) {
                Ok(resource) | Err((resource, _)) => resource,
            };
            bundle.add_resource_overriding(resource);
            bundle
        })
    }
}

impl std::fmt::Debug for Prose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prose").field("lang", &self.lang).finish_non_exhaustive()
    }
}

impl Prose {
    /// Reads the files that are built in. What of them cannot be read is left out; a test keeps them readable.
    #[must_use]
    pub fn load(lang: Lang) -> Self {
        Self::of(lang, &files(lang))
    }

    /// The words of the command line; nothing in English, which stands in the code. They are kept apart because few runs
    /// want them.
    #[must_use]
    pub fn help(lang: Lang) -> Option<Self> {
        match lang {
            Lang::En => None,
            Lang::Zh => Some(Self::of(lang, &[HELP])),
        }
    }

    fn of(lang: Lang, files: &[&'static str]) -> Self {
        Self { files: files.iter().map(|text| File::new(text)).collect(), lang }
    }

    /// A message, and the bundle that formats it.
    fn message(&self, name: &str) -> Option<(&FluentBundle<FluentResource>, FluentMessage<'_>)> {
        let found = |bundle: &'_ FluentBundle<FluentResource>| bundle.has_message(name);
        let read = self.files.iter().filter_map(|file| file.read.get()).find(|bundle| found(bundle));
        let unread = || {
            let files = self.files.iter().filter(|file| file.read.get().is_none());
            files
                .filter(|file| file.declares(name))
                .map(|file| file.read(self.lang))
                .find(|bundle| found(bundle))
        };
        let bundle = read.or_else(unread)?;
        Some((bundle, bundle.get_message(name)?))
    }

    /// The language.
    #[must_use]
    pub const fn lang(&self) -> Lang {
        self.lang
    }

    /// A word of the reports; its name where there is none.
    #[must_use]
    pub fn word(&self, name: &str) -> String {
        self.say(name, &Args::default())
    }

    /// A sentence of the reports, with what is known filled in; its name where there is none.
    #[must_use]
    pub fn say(&self, name: &str, args: &Args) -> String {
        self.known(name, args).unwrap_or_else(|| name.to_owned())
    }

    /// A part of a message, `help-doctor` and `json` for example; nothing where there is none.
    #[must_use]
    pub fn part(&self, name: &str, part: &str) -> Option<String> {
        let (bundle, message) = self.message(name)?;
        Some(format(bundle, message.get_attribute(part)?.value(), &Args::default()))
    }

    /// The same as [`Prose::say`]; nothing where there is none.
    #[must_use]
    pub fn known(&self, name: &str, args: &Args) -> Option<String> {
        let (bundle, message) = self.message(name)?;
        Some(format(bundle, message.value()?, args))
    }

    /// A number of things: the word of one, or of many with the number as it is shown.
    #[must_use]
    pub fn count(&self, things: &str, n: u64, shown: &str) -> String {
        let form = if n == 1 { "one" } else { "many" };
        self.say(&format!("{things}-{form}"), &Args::default().with("count", Foreign::new(shown)))
    }

    /// A cause in words. The title has the arguments in it where all that it names are known.
    #[must_use]
    pub fn explain(&self, cause: Cause, args: &Args) -> Explained {
        let row = cause.row();
        let Some((bundle, message)) = self.message(&row.id.replacen('.', "-", 1)) else {
            return Explained { title: row.title.to_owned(), means: String::new(), fix: Vec::new() };
        };
        let attribute = |name: &str| message.get_attribute(name).map(|a| a.value());
        let concrete = attribute("title").filter(|p| variables(p).iter().all(|v| args.0.contains_key(*v)));
        let title = concrete.or_else(|| message.value());
        Explained {
            title: title.map_or_else(|| row.title.to_owned(), |p| format(bundle, p, args)),
            means: attribute("means").map(|p| format(bundle, p, args)).unwrap_or_default(),
            fix: steps((bundle, &message), args),
        }
    }
}

fn steps((bundle, message): (&FluentBundle<FluentResource>, &FluentMessage<'_>), args: &Args) -> Vec<Fix> {
    let get = |kind: &str, n: u32| {
        let pattern = message.get_attribute(&format!("{kind}-{n}"))?.value();
        // A sentence whose arguments are not known would be one with holes.
        variables(pattern).iter().all(|v| args.0.contains_key(*v)).then(|| format(bundle, pattern, args))
    };
    let has = |kind: &str, n: u32| message.get_attribute(&format!("{kind}-{n}")).is_some();
    (1..)
        .take_while(|n| has("fix", *n) || has("run", *n))
        .filter_map(|n| match get("run", n) {
            Some(command) => Some(Fix::Command { command, why: get("why", n).unwrap_or_default() }),
            None => get("fix", n).map(Fix::Text),
        })
        .collect()
}

fn format(bundle: &FluentBundle<FluentResource>, pattern: &Pattern<&str>, args: &Args) -> String {
    let mut values = FluentArgs::new();
    for (name, value) in &args.0 {
        values.set(*name, value.escaped());
    }
    // An argument that is missing shows as its name; callers look before.
    let mut errors = Vec::new();
    joined(&bundle.format_pattern(pattern, Some(&values), &mut errors))
}

/// The lines of a value as one: with a blank between them, but for lines that wide characters end and begin, and beside
/// a full-width mark, which brings its own room.
fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        let (before, after) = (out.chars().next_back(), line.chars().next());
        let both = |is: fn(char) -> bool| before.is_some_and(is) && after.is_some_and(is);
        let marked = before.is_some_and(is_full_mark) || after.is_some_and(is_full_mark);
        if !out.is_empty() && !line.is_empty() && !marked && !both(is_wide) {
            out.push(' ');
        }
        out.push_str(line);
    }
    out
}

const fn is_wide(c: char) -> bool {
    c >= '\u{2E80}'
}

/// Punctuation that is as wide as a Han character.
pub(crate) const fn is_full_mark(c: char) -> bool {
    matches!(c, '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '，' | '；' | '：' | '！' | '？' | '（' | '）')
}

/// The arguments that a pattern names.
pub(crate) fn variables<'a>(pattern: &Pattern<&'a str>) -> Vec<&'a str> {
    let named = |element: &PatternElement<&'a str>| match element {
        PatternElement::Placeable {
            expression: Expression::Inline(InlineExpression::VariableReference { id }),
        } => Some(id.name),
        PatternElement::Placeable { .. } | PatternElement::TextElement { .. } => None,
    };
    pattern.elements.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_can_be_read() {
        for lang in Lang::ALL {
            for text in files(lang).into_iter().chain([HELP]) {
                if let Err((_, errors)) = FluentResource::try_new(text.to_owned()) {
                    panic!("{lang:?} {}: {errors:?}", text.lines().next().unwrap_or_default());
                }
            }
        }
    }

    #[test]
    fn every_message_is_found_without_reading_other_files() {
        for lang in Lang::ALL {
            for text in files(lang) {
                let Ok(resource) = FluentResource::try_new(text.to_owned()) else { continue };
                for entry in resource.entries() {
                    let fluent_syntax::ast::Entry::Message(message) = entry else { continue };
                    let prose = Prose::load(lang);
                    assert!(prose.message(message.id.name).is_some(), "{}", message.id.name);
                    let read: Vec<_> = prose.files.iter().filter(|f| f.read.get().is_some()).collect();
                    assert!(read.len() == 1 && read[0].text == text, "{}", message.id.name);
                }
            }
        }
    }

    #[test]
    fn lines_are_joined_as_each_script_wants_it() {
        for (text, line) in [
            ("one\n two", "one two"),
            ("代理\n拒绝", "代理拒绝"),
            ("代理\nHTTPS_PROXY", "代理 HTTPS_PROXY"),
            ("密码。\n407", "密码。407"),
            ("NODE_EXTRA_CA_CERTS，\nrequests", "NODE_EXTRA_CA_CERTS，requests"),
            ("SSL\n（TLS）", "SSL（TLS）"),
        ] {
            assert_eq!(joined(text), line);
        }
    }

    #[test]
    fn numbers_of_things_have_their_form() {
        for (lang, one, many) in [(Lang::En, "1 file", "1,200 files"), (Lang::Zh, "1 个文件", "1,200 个文件")]
        {
            let prose = Prose::load(lang);
            assert_eq!(
                (prose.count("files", 1, "1").as_str(), prose.count("files", 1_200, "1,200").as_str()),
                (one, many)
            );
        }
    }

    #[test]
    fn words_are_in_both_languages() {
        let names = |lang| {
            let [words, facts, output, states, clients, ..] = files(lang);
            let names = words
                .lines()
                .chain(facts.lines())
                .chain(output.lines())
                .chain(states.lines())
                .chain(clients.lines())
                .filter_map(|l| l.split_once(" = "))
                .map(|(name, _)| name.to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(Lang::En), names(Lang::Zh));
        assert_eq!(Prose::load(Lang::Zh).word("fix"), "解决");
        assert_eq!(Prose::load(Lang::En).word("no-such-word"), "no-such-word");
    }
}
