//! A diagnosis through one client's eyes: what clients differ in, and what that makes of a call.

use crate::cause::Cause;
use crate::fact::Axis;
use crate::failure::Stage;
use crate::id::FactId;

/// What a client does in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Habit {
    /// It reads no variable that names a proxy.
    ReadsNoProxy,
    /// Its proxies are properties of the program and no variables.
    ProxyProperties,
    /// It takes the proxy that the variables name.
    TakesProxy,
    /// It reads the variables of the scheme, and `ALL_PROXY` not.
    SkipsAllProxy,
    /// `NO_PROXY`, as it reads it, keeps the target from the proxy.
    Excepts,
    /// It does not speak SOCKS.
    NoSocks,
    /// It speaks SOCKS with an additional package alone.
    SocksPackage,
    /// It trusts the roots that it brings along.
    OwnRoots,
    /// It trusts the system's store.
    SystemStore,
    /// It trusts both.
    BothStores,
    /// It trusts what a variable's file holds, and nothing else.
    OnlyFile,
    /// It trusts what a variable's file holds beside its own.
    AddedFile,
    /// It tries addresses one after the other, each for its whole time.
    InOrder,
    /// It tries the other family when the first does not answer at once.
    Races,
    /// It offers HTTP/1.1 alone.
    Http1,
    /// It offers HTTP/2 as well.
    Http2,
    /// Its hello fits into one packet.
    SmallHello,
    /// Its hello does not, for the key share after quantum computers.
    LargeHello,
    /// It sends one credential as a bearer.
    Bearer,
    /// It sends the key in `x-api-key`.
    XApiKey,
    /// It sends both credentials where both are set.
    BothCredentials,
    /// It cuts blanks off the end of the key.
    TrimsKey,
    /// It refuses to send a key with such characters.
    RefusesKey,
    /// It asks the API's own address at its first run, whatever the base URL says.
    FirstRun,
    /// It reads `ANTHROPIC_BASE_URL`.
    ReadsBaseUrl,
    /// It goes where the program says.
    AsTold,
}

impl Habit {
    /// Every one.
    pub const ALL: [Self; 26] = [
        Self::ReadsNoProxy,
        Self::ProxyProperties,
        Self::TakesProxy,
        Self::SkipsAllProxy,
        Self::Excepts,
        Self::NoSocks,
        Self::SocksPackage,
        Self::OwnRoots,
        Self::SystemStore,
        Self::BothStores,
        Self::OnlyFile,
        Self::AddedFile,
        Self::InOrder,
        Self::Races,
        Self::Http1,
        Self::Http2,
        Self::SmallHello,
        Self::LargeHello,
        Self::Bearer,
        Self::XApiKey,
        Self::BothCredentials,
        Self::TrimsKey,
        Self::RefusesKey,
        Self::FirstRun,
        Self::ReadsBaseUrl,
        Self::AsTold,
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadsNoProxy => "reads-no-proxy",
            Self::ProxyProperties => "proxy-properties",
            Self::TakesProxy => "takes-proxy",
            Self::SkipsAllProxy => "skips-all-proxy",
            Self::Excepts => "excepts",
            Self::NoSocks => "no-socks",
            Self::SocksPackage => "socks-package",
            Self::OwnRoots => "own-roots",
            Self::SystemStore => "system-store",
            Self::BothStores => "both-stores",
            Self::OnlyFile => "only-file",
            Self::AddedFile => "added-file",
            Self::InOrder => "in-order",
            Self::Races => "races",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::SmallHello => "small-hello",
            Self::LargeHello => "large-hello",
            Self::Bearer => "bearer",
            Self::XApiKey => "x-api-key",
            Self::BothCredentials => "both-credentials",
            Self::TrimsKey => "trims-key",
            Self::RefusesKey => "refuses-key",
            Self::FirstRun => "first-run",
            Self::ReadsBaseUrl => "reads-base-url",
            Self::AsTold => "as-told",
        }
    }
}

/// How a client's call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Well, as far as the evidence goes.
    Works,
    /// It fails.
    Fails {
        /// At which stage.
        stage: Stage,
        /// For which cause.
        cause: Cause,
        /// By this fact, where one was seen.
        fact: Option<FactId>,
    },
    /// The evidence does not say, and this is the axis that it would have to say more about.
    Unknown(Option<Axis>),
}

/// A place where a habit decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// In what clients differ there.
    pub axis: Axis,
    /// What this client does.
    pub habit: Habit,
    /// Whether that is well.
    pub passes: bool,
    /// The fact that shows it.
    pub fact: Option<FactId>,
}

/// A diagnosis through one client's eyes, beside that of another client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientView {
    /// Its id, as on the command line.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How its call ends.
    pub fate: Fate,
    /// The client that people try next, and how its call ends.
    pub other: (&'static str, Fate),
    /// Where the two part, what this one does.
    pub own: Option<Turn>,
    /// And what the other one does.
    pub others: Option<Turn>,
    /// What is known of this client, by axis.
    pub habits: Vec<(Axis, Habit)>,
    /// The variable that names it a file of roots.
    pub trust_variable: Option<&'static str>,
}
