//! A call's way through the evidence, as one client would take it.

use std::net::IpAddr;

use clearline_model::{
    Axis, Cause, CertFault, ConfigFault, Dur, Fact, FactId, Failure, Fate, Habit, Path, Route, Seen, Stage,
    Trust, Turn, classify,
};

use super::route::{Way, way};
use super::table::Client;
use crate::evidence::{Evidence, env};
use crate::rules::dns::API;

/// After this time a client that races begins with the next address (curl 200 ms, Node 250 ms).
const HEAD_START: Dur = Dur::millis(250);

/// Where a client's call ends, and where its habits decided.
pub(super) struct Walk<'a> {
    evidence: &'a Evidence,
    client: &'a Client,
    pub(super) turns: Vec<Turn>,
}

/// The call is over.
type Step = Result<(), Fate>;

impl<'a> Walk<'a> {
    pub(super) const fn new(evidence: &'a Evidence, client: &'a Client) -> Self {
        Self { evidence, client, turns: Vec::new() }
    }

    /// How it ends.
    pub(super) fn fate(&mut self) -> Fate {
        match self.whole() {
            Ok(()) => Fate::Works,
            Err(fate) => fate,
        }
    }

    fn turn(&mut self, axis: Axis, habit: Habit, passes: bool, fact: Option<FactId>) {
        self.turns.push(Turn { axis, habit, passes, fact });
    }

    /// It ends here, for a habit.
    fn fails(
        &mut self,
        (axis, habit): (Axis, Habit),
        cause: Cause,
        (stage, fact): (Stage, Option<FactId>),
    ) -> Fate {
        self.turn(axis, habit, false, fact);
        Fate::Fails { stage, cause, fact }
    }

    fn whole(&mut self) -> Step {
        if self.evidence.reference().next().is_none() {
            return Err(Fate::Unknown(None));
        }
        self.settings()?;
        let route = self.route()?;
        if self.evidence.reference().any(|f| f.path.route.as_ref() == Some(&route)) {
            self.as_reference(&route)?;
        } else {
            self.elsewhere(&route)?;
        }
        self.key()?;
        self.first_run(&route)
    }

    /// Settings that no call survives, of those that this client reads.
    fn settings(&mut self) -> Step {
        self.malformed()?;
        let Some((end, Failure::Config(fault))) = self.evidence.end() else { return Ok(()) };
        let (fact, stage) = (Some(end.id), Stage::Config);
        let (reads, cause) = match fault {
            ConfigFault::BaseUrl => (self.client.reads_base_url, Cause::ConfigBaseUrlInvalid),
            ConfigFault::CaFile => (self.client.only.contains(&"SSL_CERT_FILE"), Cause::ConfigCaFileMissing),
            ConfigFault::Proxy => return Err(Fate::Unknown(Some(Axis::Route))),
            ConfigFault::Insecure
            | ConfigFault::NoRoots
            | ConfigFault::NoKey
            | ConfigFault::KeyMalformed
            | ConfigFault::Header
            | ConfigFault::StreamingRequired => {
                return Err(Fate::Unknown(None));
            }
        };
        if reads { Err(Fate::Fails { stage, cause, fact }) } else { Err(Fate::Unknown(None)) }
    }

    /// A credential that cannot be sent as it is.
    fn malformed(&mut self) -> Step {
        let malformed = self.evidence.state("credential").filter(|(_, v)| v.raw() == "malformed");
        let Some(fact) = malformed.map(|(f, _)| f.id) else { return Ok(()) };
        let Some(key) = self.client.key else {
            // It is told what to send.
            self.turn(Axis::Credential, Habit::AsTold, true, None);
            return Err(Fate::Unknown(Some(Axis::Credential)));
        };
        let is_blank = self.evidence.state("credential.why").is_some_and(|(_, why)| why.raw() == "newline");
        match key.blanks.filter(|_| is_blank) {
            Some(Habit::TrimsKey) => {
                self.turn(Axis::Credential, Habit::TrimsKey, true, Some(fact));
                Ok(())
            }
            habit => {
                let at = (Stage::Config, Some(fact));
                Err(self.fails((Axis::Credential, habit.unwrap_or(key.sent)), Cause::AuthMalformedKey, at))
            }
        }
    }

    fn route(&mut self) -> Result<Route, Fate> {
        match way(self.evidence, self.client) {
            Way::Goes(route, None) => Ok(route),
            Way::Goes(route, Some(habit)) => {
                // Whether that is well shows on the way.
                self.turn(Axis::Route, habit, true, None);
                Ok(route)
            }
            Way::Refuses(habit) => {
                Err(self.fails((Axis::Route, habit), Cause::ProxySettingInvalid, (Stage::Config, None)))
            }
            Way::Unknown => Err(Fate::Unknown(Some(Axis::Route))),
        }
    }

    /// It goes the reference client's way.
    fn as_reference(&mut self, route: &Route) -> Step {
        let evidence = self.evidence;
        let Some((end, failure)) = evidence.end() else {
            let way =
                evidence.passed(Stage::Tunnel).or_else(|| evidence.passed(Stage::Connect)).map(|f| f.id);
            self.decided(Axis::Route, true, way);
            self.trust(route, None)?;
            let address = evidence.passed(Stage::Handshake).and_then(|f| f.path.address);
            return self.hello(route, address).and_then(|()| self.alpn());
        };
        let cause = classify(end.stage, &failure, end.sent);
        let same = Fate::Fails { stage: end.stage, cause, fact: Some(end.id) };
        if matches!(end.stage, Stage::Connect | Stage::Handshake)
            && let Some(address) = self.races_past(end)?
        {
            self.trust(route, None)?;
            return self.hello(route, Some(address));
        }
        match (end.stage, failure) {
            (Stage::Handshake, Failure::Cert(why)) if is_of_store(why) => {
                if self.trust(route, Some(end))? {
                    self.hello(route, end.path.address)
                } else {
                    Err(same)
                }
            }
            (Stage::Handshake, _) if *route == Route::Direct && self.offers_past(end)? => {
                self.trust(route, None).map(drop)
            }
            _ => {
                if end.stage <= Stage::Tunnel {
                    self.decided(Axis::Route, false, Some(end.id));
                }
                Err(same)
            }
        }
    }

    /// It goes another way than the reference client, whose probes say how far that leads.
    fn elsewhere(&mut self, route: &Route) -> Step {
        let host = self.host();
        let is_answer = |f: &&Fact| {
            let chosen = f.path.server_name.is_some() || f.path.alpn.is_some() || f.path.hello.is_some();
            let is_own = f.path.route.as_ref() == Some(route) && f.path.host == host && f.path.port.is_none();
            let is_said = matches!(f.saw, Ok(Seen::State(..) | Seen::Shown(_)));
            is_own
                && f.path.client.is_none()
                && !chosen
                && f.path.mss.is_none()
                && f.path.resolver.is_none()
                && !is_said
        };
        let all = || self.evidence.facts().iter().filter(is_answer);
        let well = all().find(|f| f.stage == Stage::Head && f.saw.is_ok()).map(|f| f.id);
        if well.is_some() {
            self.decided(Axis::Route, true, well);
            return self.trust(route, None).map(drop);
        }
        let Some(failed) = all().filter(|f| f.path.trust.is_none() && f.saw.is_err()).max_by_key(|f| f.stage)
        else {
            return Err(Fate::Unknown(Some(Axis::Route)));
        };
        let (failed_at, id, sent) = (failed.stage, failed.id, failed.sent);
        let failure = failed.saw.as_ref().err().copied().unwrap_or(Failure::Eof);
        if let Failure::Cert(why) = failure
            && is_of_store(why)
            && self.trust(route, Some(failed))?
        {
            return Ok(());
        }
        self.decided(Axis::Route, false, Some(id));
        // Where the reference client's way out is well, the way is what is missing.
        let is_way =
            *route == Route::Direct && self.evidence.end().is_none() && failed_at <= Stage::Handshake;
        let cause = if is_way { Cause::ProxyRequired } else { classify(failed_at, &failure, sent) };
        Err(Fate::Fails { stage: failed_at, cause, fact: Some(id) })
    }

    /// Says how the last turn on an axis went.
    fn decided(&mut self, axis: Axis, passes: bool, fact: Option<FactId>) {
        if let Some(turn) = self.turns.iter_mut().rfind(|t| t.axis == axis) {
            (turn.passes, turn.fact) = (passes, fact);
        }
    }

    fn host(&self) -> String {
        self.evidence.reference().next().map(|f| f.path.host.clone()).unwrap_or_default()
    }

    /// What its store says to the chain that is shown on a way; whether it trusts it. `end` is where the reference client's store
    /// did not.
    fn trust(&mut self, route: &Route, end: Option<&Fact>) -> Result<bool, Fate> {
        let shakes = |f: &Fact| f.stage == Stage::Handshake && f.path.route.as_ref() == Some(route);
        if !self.evidence.facts().iter().any(shakes) {
            // Spoken to in clear.
            return Ok(true);
        }
        let Some((stores, habit)) = self.stores() else {
            return if end.is_some() { Err(Fate::Unknown(Some(Axis::Trust))) } else { Ok(true) };
        };
        let verdicts: Vec<Option<&Fact>> = stores.iter().map(|store| self.judged(route, store)).collect();
        let trusting = verdicts.iter().flatten().find(|f| f.saw.is_ok()).map(|f| f.id);
        if trusting.is_some() {
            self.turn(Axis::Trust, habit, true, trusting);
            return Ok(true);
        }
        let refusing =
            verdicts.iter().flatten().find(|f| matches!(f.saw, Err(Failure::Cert(why)) if is_of_store(why)));
        match refusing.map(|f| f.id) {
            Some(id) if verdicts.iter().all(Option::is_some) => {
                let cause = self.mistrust(habit);
                Err(self.fails((Axis::Trust, habit), cause, (Stage::Handshake, Some(id))))
            }
            _ if end.is_none() && self.is_reference_store(&stores) => Ok(true),
            _ => Err(Fate::Unknown(Some(Axis::Trust))),
        }
    }

    /// What a store that does not trust is a sign of.
    fn mistrust(&self, habit: Habit) -> Cause {
        let judges =
            |store: &Trust| self.evidence.at(Stage::Handshake).find(|f| f.path.trust.as_ref() == Some(store));
        let is_public = judges(&Trust::Public).is_some_and(|f| f.saw.is_ok());
        let is_here = self.evidence.at(Stage::Handshake).any(|f| f.path.trust.is_some() && f.saw.is_ok());
        if habit == Habit::OnlyFile && is_public {
            Cause::ConfigCaFileReplacesRoots
        } else if is_here {
            Cause::TlsTrustStoreMismatch
        } else {
            Cause::TlsUntrustedRoot
        }
    }

    /// The stores that it takes roots of; nothing where that is not known.
    fn stores(&self) -> Option<(Vec<Trust>, Habit)> {
        let set = |names: &[&str]| {
            let found = names.iter().find_map(|name| env(self.evidence, name));
            found.map(|file| Trust::File(file.to_owned()))
        };
        if let Some(file) = set(self.client.only) {
            return Some((vec![file], Habit::OnlyFile));
        }
        let habit = self.client.trust?;
        let adds =
            self.client.adds_system.is_some_and(|name| env(self.evidence, name).is_some_and(|v| v != "0"));
        let mut stores = if habit == Habit::BothStores || (habit == Habit::OwnRoots && adds) {
            vec![Trust::Public, Trust::System]
        } else if habit == Habit::OwnRoots {
            vec![Trust::Public]
        } else {
            vec![Trust::System]
        };
        let added = set(self.client.added);
        let habit = if added.is_some() {
            Habit::AddedFile
        } else if adds {
            Habit::BothStores
        } else {
            habit
        };
        stores.extend(added);
        Some((stores, habit))
    }

    /// Whether they hold what the reference client's own store holds, which has judged already.
    fn is_reference_store(&self, stores: &[Trust]) -> bool {
        self.evidence.reference().any(|f| f.path.trust.as_ref().is_some_and(|own| stores.contains(own)))
    }

    /// What a store said to the target's chain on a way.
    fn judged(&self, route: &Route, store: &Trust) -> Option<&'a Fact> {
        let host = self.host();
        let fits = |f: &&Fact| {
            let path = &f.path;
            let is_plain = path.server_name.is_none() && path.alpn.is_none() && path.mss.is_none();
            let is_own = path.host == host && path.route.as_ref() == Some(route);
            is_plain && is_own && path.trust.as_ref() == Some(store) && !matches!(f.saw, Ok(Seen::State(..)))
        };
        let of =
            |wanted: bool| self.evidence.at(Stage::Handshake).filter(fits).find(|f| f.saw.is_ok() == wanted);
        of(true).or_else(|| of(false))
    }

    /// The address at which it gets past one that fails the reference client: another one answers while the first is still
    /// waited for.
    fn races_past(&mut self, end: &Fact) -> Result<Option<IpAddr>, Fate> {
        let is_late = end.stage == Stage::Connect || self.connected_late(end);
        let other = self.other_address(end).filter(|_| is_late);
        let Some((other, address)) = other.and_then(|f| Some((f.id, f.path.address?))) else {
            return Ok(None);
        };
        match self.client.addresses {
            Some(habit @ Habit::Races) => {
                self.turn(Axis::Family, habit, true, Some(other));
                Ok(Some(address))
            }
            Some(habit) => {
                self.turn(Axis::Family, habit, false, Some(end.id));
                Ok(None)
            }
            None => Err(Fate::Unknown(Some(Axis::Family))),
        }
    }

    /// Whether the connection behind which the call failed took longer than a client that races waits.
    fn connected_late(&self, end: &Fact) -> bool {
        let is_it =
            |f: &&Fact| f.stage == Stage::Connect && f.path.address == end.path.address && f.saw.is_ok();
        self.evidence.reference().find(is_it).is_some_and(|f| f.took > HEAD_START)
    }

    /// Another address of the target that shakes hands.
    fn other_address(&self, end: &Fact) -> Option<&'a Fact> {
        let wanted = end.path.address?;
        let is_other = |f: &&Fact| {
            let is_plain = f.path.server_name.is_none() && f.path.alpn.is_none() && f.path.mss.is_none();
            let is_own =
                f.path.host == end.path.host && f.path.route == end.path.route && f.path.port.is_none();
            let differs = f.path.address.is_some_and(|a| a != wanted) && f.path.client.is_none();
            is_plain
                && is_own
                && differs
                && f.path.trust.is_none()
                && matches!(f.saw, Ok(Seen::Handshake { .. } | Seen::Connected))
        };
        self.evidence.facts().iter().find(is_other)
    }

    /// Whether it offers a protocol with which the handshake passes that failed without.
    fn offers_past(&mut self, end: &Fact) -> Result<bool, Fate> {
        let passes = self.offering_h2().find(|f| f.saw.is_ok() && f.path.address == end.path.address);
        let Some(passes) = passes.map(|f| f.id) else { return Ok(false) };
        match self.client.http {
            Some(habit @ Habit::Http2) => {
                self.turn(Axis::Alpn, habit, true, Some(passes));
                Ok(true)
            }
            Some(habit) => {
                self.turn(Axis::Alpn, habit, false, Some(end.id));
                Ok(false)
            }
            None => Err(Fate::Unknown(Some(Axis::Alpn))),
        }
    }

    fn offering_h2(&self) -> impl Iterator<Item = &'a Fact> {
        let is_offer =
            |p: &Path| p.alpn.as_deref().is_some_and(|a| a.starts_with("h2")) && p.server_name.is_none();
        self.evidence.at(Stage::Handshake).filter(move |f| {
            is_offer(&f.path) && f.path.http.is_none() && !matches!(f.saw, Ok(Seen::State(..)))
        })
    }

    /// A hello of its size, where sizes were tried at this address.
    fn hello(&mut self, route: &Route, address: Option<IpAddr>) -> Step {
        let large = || {
            let is_large = |f: &&Fact| f.path.hello.is_some() && f.path.mss.is_none();
            let is_here = move |f: &&Fact| f.path.address.is_some() && f.path.address == address;
            self.evidence.at(Stage::Handshake).filter(is_large).filter(is_here)
        };
        let lost = large().find(|f| f.saw.is_err()).map(|f| f.id);
        let passes = large().any(|f| matches!(f.saw, Ok(Seen::Handshake { .. })));
        let Some(lost) = lost.filter(|_| !passes && *route == Route::Direct) else { return Ok(()) };
        match self.client.hello {
            Some(habit @ Habit::LargeHello) => {
                let at = (Stage::Handshake, Some(lost));
                Err(self.fails((Axis::Hello, habit), Cause::TlsLargeHelloDropped, at))
            }
            Some(habit) => {
                let well = self.evidence.passed(Stage::Handshake).map(|f| f.id);
                self.turn(Axis::Hello, habit, true, well);
                Ok(())
            }
            None => Err(Fate::Unknown(Some(Axis::Hello))),
        }
    }

    /// HTTP/2, where it is agreed on and not spoken.
    fn alpn(&mut self) -> Step {
        let broken =
            self.evidence.find(|f| f.path.http == Some(20) && f.stage == Stage::Head && f.saw.is_err());
        let Some(broken) = broken.map(|f| f.id) else { return Ok(()) };
        match self.client.http {
            Some(habit @ Habit::Http2) => {
                Err(self.fails((Axis::Alpn, habit), Cause::TlsH2Broken, (Stage::Head, Some(broken))))
            }
            Some(habit) => {
                let well = self.evidence.passed(Stage::Handshake).map(|f| f.id);
                self.turn(Axis::Alpn, habit, true, well);
                Ok(())
            }
            None => Err(Fate::Unknown(Some(Axis::Alpn))),
        }
    }

    /// Two credentials: who sends both leaves the choice to the other side.
    fn key(&mut self) -> Step {
        let second = self.evidence.state("credential.second").map(|(f, _)| f.id);
        let (Some(key), Some(second)) = (self.client.key, second) else { return Ok(()) };
        if key.sent == Habit::BothCredentials {
            self.turn(Axis::Credential, key.sent, false, Some(second));
            return Err(Fate::Unknown(Some(Axis::Credential)));
        }
        self.turn(Axis::Credential, key.sent, true, Some(second));
        Ok(())
    }

    /// The API's own address, which it asks although the base URL leads elsewhere.
    fn first_run(&mut self, route: &Route) -> Step {
        if !self.client.first_run || self.host() == API {
            return Ok(());
        }
        let at =
            |f: &&Fact| f.path.host == API && f.path.route.as_ref() == Some(route) && f.path.client.is_none();
        let is_end = |f: &&Fact| !matches!(f.saw, Ok(Seen::State(..) | Seen::Shown(_)));
        let Some(fact) = self.evidence.facts().iter().filter(at).filter(is_end).max_by_key(|f| f.stage)
        else {
            return Err(Fate::Unknown(Some(Axis::Host)));
        };
        match fact.saw.as_ref().err() {
            None => {
                self.turn(Axis::Host, Habit::FirstRun, true, Some(fact.id));
                Ok(())
            }
            Some(failure) => {
                let cause = classify(fact.stage, failure, fact.sent);
                Err(self.fails((Axis::Host, Habit::FirstRun), cause, (fact.stage, Some(fact.id))))
            }
        }
    }
}

/// Faults that another store would not find.
const fn is_of_store(why: CertFault) -> bool {
    matches!(why, CertFault::UnknownIssuer | CertFault::SelfSigned | CertFault::Other)
}
