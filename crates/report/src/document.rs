//! A report as a document: what it says, without the marks of any medium. [`crate::markdown`] and [`crate::html`] write it.
//!
//! Every text in it is plain and already harmless on a terminal; each medium escapes it once more for itself.

use clearline_model::{Cause, ClientView, Confidence, Dur, Fact, Fate, Finding, Role, Status, Verdict};

use crate::lang::Lang;
use crate::prose::{Args, Fix, Prose};
use crate::{known, redact, seen, terminal};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Well.
    Well,
    /// It works, and something is wrong.
    Odd,
    /// It fails.
    Bad,
    /// Not certain.
    Open,
    /// Neither well nor not.
    Plain,
}

impl Mood {
    /// Its sign, which only repeats what the words say.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Well => "✔",
            Self::Odd => "!",
            Self::Bad => "✖",
            Self::Open => "?",
            Self::Plain => "",
        }
    }
}

/// A part of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A sentence.
    Text(String),
    /// What others wrote: shown as a quotation, and never as marks of the medium.
    Said(String),
    /// A command, ready to copy.
    Command(String),
    /// Two columns: the way, and what was seen on it.
    Pair(String, String),
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading, with how it stands and the id of a cause.
    Heading(Mood, String, Option<Cause>),
    /// A paragraph.
    Text(String),
    /// Labels with what they say.
    Terms(Vec<(String, Vec<Item>)>),
    /// A table: what it shows where no heading says it, its head, its rows.
    Table(String, Vec<String>, Vec<Vec<Item>>),
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// In which language.
    pub lang: Lang,
    /// What it is.
    pub title: String,
    /// What it says.
    pub blocks: Vec<Block>,
    /// Small print.
    pub foot: String,
}

impl Document {
    /// A document without blocks.
    #[must_use]
    pub fn new(prose: &Prose, title: &str) -> Self {
        let foot = concat!("clearline ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { lang: prose.lang(), title: title.to_owned(), blocks: Vec::new(), foot }
    }

    /// Adds a block.
    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
}

/// What a cause is, whose move it is and what to do.
fn terms(prose: &Prose, cause: Cause, args: &Args) -> Vec<(String, Vec<Item>)> {
    let (row, words) = (cause.row(), prose.explain(cause, args));
    let mut terms =
        vec![(prose.word("whose-move"), vec![Item::Text(prose.word(terminal::move_of(row.blame)))])];
    if !words.means.is_empty() {
        terms.push((prose.word("means"), vec![Item::Text(words.means)]));
    }
    let steps = words.fix.into_iter().flat_map(|fix| match fix {
        Fix::Text(text) => vec![Item::Text(text)],
        Fix::Command { command, why } => vec![Item::Text(why), Item::Command(command)],
    });
    terms.push((prose.word("fix"), steps.collect()));
    terms
}

/// A cause, whole.
#[must_use]
pub fn cause(prose: &Prose, cause: Cause) -> Vec<Block> {
    let title = prose.explain(cause, &Args::default()).title;
    vec![Block::Heading(Mood::Bad, title, Some(cause)), Block::Terms(terms(prose, cause, &Args::default()))]
}

/// What a text means: the first cause whole, the others in a table.
#[must_use]
pub fn explanation(prose: &Prose, causes: &[(Cause, Confidence)], masked: bool, next: &[String]) -> Document {
    let mut document = Document::new(prose, &prose.word("title-explanation"));
    let Some(((first, sure), others)) = causes.split_first() else {
        let blocks = [
            Block::Heading(Mood::Open, prose.word("nothing"), None),
            Block::Text(prose.word("nothing-hint")),
        ];
        document.blocks.extend(blocks);
        return document;
    };
    if masked && *first != Cause::ClientMasked {
        document.blocks.push(Block::Text(prose.word("masked")));
    }
    let title = prose.explain(*first, &Args::default()).title;
    document.blocks.push(Block::Heading(Mood::Bad, title, Some(*first)));
    let mut all = vec![(prose.word("confidence"), vec![Item::Text(terminal::confidence(prose, *sure))])];
    all.extend(terms(prose, *first, &Args::default()));
    if !next.is_empty() {
        all.push((prose.word("next"), next.iter().cloned().map(Item::Command).collect()));
    }
    document.blocks.push(Block::Terms(all));
    if !others.is_empty() {
        let rows = others.iter().map(|(cause, sure)| {
            let title = prose.explain(*cause, &Args::default()).title;
            let sure = terminal::confidence(prose, *sure);
            vec![Item::Command(cause.id().to_owned()), Item::Text(title), Item::Text(sure)]
        });
        let head = ["cause", "title", "confidence"].map(|name| prose.word(name)).to_vec();
        document.blocks.push(Block::Table(prose.word("also"), head, rows.collect()));
    }
    document
}

/// A verdict that may be shown to others: only what [`redact`] lets through.
#[must_use]
pub fn verdict(prose: &Prose, verdict: &Verdict, facts: &[Fact], elapsed: Dur) -> Document {
    let facts = redact::facts(facts);
    let mut document = Document::new(prose, &prose.word("title-verdict"));
    let status = match verdict.status {
        Status::Healthy => (Mood::Well, "verdict-healthy"),
        Status::Degraded => (Mood::Odd, "verdict-degraded"),
        Status::Failing => (Mood::Bad, "verdict-failing"),
        Status::Inconclusive => (Mood::Open, "verdict-inconclusive"),
    };
    document.blocks.push(Block::Heading(status.0, prose.word(status.1), None));
    for found in &verdict.findings {
        document.blocks.extend(finding(prose, found, &facts));
    }
    if !verdict.open.is_empty() {
        let open = verdict.open.iter().map(|cause| {
            let title = prose.explain(*cause, &Args::default()).title;
            Item::Pair(cause.id().to_owned(), title)
        });
        document.blocks.push(Block::Terms(vec![(prose.word("also"), open.collect())]));
    }
    let rows = facts.iter().map(|fact| {
        let seen::Line { way, saw } = seen::line(prose, fact);
        let (number, stage) = (fact.id.0.to_string(), fact.stage.word().to_owned());
        vec![Item::Text(number), Item::Text(stage), Item::Said(way), Item::Said(saw)]
    });
    let head = ["number", "stage", "way", "seen"].map(|name| prose.word(name)).to_vec();
    document.blocks.push(Block::Heading(Mood::Plain, prose.word("title-facts"), None));
    document.blocks.push(Block::Table(String::new(), head, rows.collect()));
    document.foot = format!("{} · {elapsed} · {}", document.foot, prose.word("redacted"));
    document
}

/// What a client's call comes to, for the same readers.
#[must_use]
pub fn client(prose: &Prose, facts: &[Fact], view: &ClientView) -> Vec<Block> {
    let facts = redact::facts(facts);
    let mood = match view.fate {
        Fate::Works => Mood::Well,
        Fate::Fails { .. } => Mood::Bad,
        Fate::Unknown(_) => Mood::Open,
    };
    let mut sentences = crate::client::sentences(prose, &facts, view).into_iter();
    let heading = Block::Heading(mood, sentences.next().unwrap_or_default(), None);
    std::iter::once(heading).chain(sentences.map(Block::Text)).collect()
}

fn finding(prose: &Prose, finding: &Finding, facts: &[Fact]) -> Vec<Block> {
    let known = known::args(finding, facts);
    let title = prose.explain(finding.cause, &known).title;
    let (mood, role) = match finding.role {
        Role::Root => (Mood::Bad, "role-root"),
        Role::Contributing => (Mood::Odd, "role-contributing"),
        Role::Information => (Mood::Open, "role-information"),
    };
    let sure = terminal::confidence(prose, finding.confidence);
    let role = Item::Text(format!("{} · {sure}", prose.word(role)));
    let mut all = vec![(prose.word("role"), vec![role])];
    let mut rest = terms(prose, finding.cause, &known);
    let fix = rest.pop();
    all.extend(rest);
    let proof: Vec<Item> =
        seen::proof(prose, facts, &finding.proof).into_iter().map(|l| Item::Pair(l.way, l.saw)).collect();
    if !proof.is_empty() {
        all.push((prose.word("proof"), proof));
    }
    all.extend(fix);
    vec![Block::Heading(mood, title, Some(finding.cause)), Block::Terms(all)]
}
