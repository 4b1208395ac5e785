//! The names and addresses of a lab, drawn from its seed, and the placeholders that stand for them.

use std::collections::BTreeMap;

/// What an address or a name is called in the data files.
#[derive(Debug, Clone)]
pub(crate) struct Names(BTreeMap<String, String>);

/// Chance that follows from a seed alone (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x6c61_6273_6565_6473)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) const fn from(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.next() % 1024).unwrap_or(0);
        all.get(at % all.len().max(1)).copied().unwrap_or_default()
    }
}

const WORDS: [&str; 24] = [
    "larch", "harbor", "quartz", "meadow", "copper", "falcon", "thistle", "granite", "willow", "ember",
    "tundra", "lagoon", "saffron", "cobalt", "prairie", "cedar", "onyx", "delta", "birch", "summit", "coral",
    "maple", "orchid", "basalt",
];
/// Who stands where in the LAN: the last part of its address is drawn.
const HOSTS: [&str; 10] = [
    "client", "lan_dns", "lan_dns2", "proxy", "gateway", "private", "sinkhole", "nobody", "wildcard", "squid",
];

impl Names {
    /// Draws everything that has no fixed address in the world outside.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut all = BTreeMap::new();
        let mut set = |name: &str, value: String| all.insert(name.to_owned(), value);
        set("api", "api.anthropic.com".to_owned());
        set("api4", "160.79.104.10".to_owned());
        set("api6", "2607:6bc0::10".to_owned());
        set("stale4", format!("160.79.104.{}", dice.from(60, 250)));
        let lan = format!("10.{}.{}", dice.from(11, 90), dice.from(0, 250));
        let lan6 = format!("2001:db8:{:x}:1", dice.from(0x100, 0xfff0));
        let mut free: Vec<u64> = (5..250).collect();
        for host in HOSTS {
            let at = usize::try_from(dice.next() % 1_000_000).unwrap_or(0) % free.len();
            let octet = free.swap_remove(at);
            set(host, format!("{lan}.{octet}"));
            set(&format!("{host}6"), format!("{lan6}::{octet:x}"));
        }
        set("lan", format!("{lan}.0/24"));
        set("lan6", format!("{lan6}::/64"));
        set("router", format!("{lan}.1"));
        set("router6", format!("{lan6}::1"));
        let wan = format!("100.{}.{}", dice.from(64, 127), dice.from(0, 255));
        set("wan_router", format!("{wan}.1"));
        set("wan_net", format!("{wan}.2"));
        set("wan_router6", "2001:db8:fff1::1".to_owned());
        set("wan_net6", "2001:db8:fff1::2".to_owned());
        set("vpn", format!("10.{}.0.10", dice.from(91, 120)));
        set("other4", format!("151.101.{}.{}", dice.from(1, 250), dice.from(5, 250)));
        set("block4", format!("146.112.61.{}", dice.from(5, 250)));
        set("forged4", format!("93.184.{}.{}", dice.from(1, 250), dice.from(5, 250)));
        set("site4", format!("142.250.{}.{}", dice.from(1, 250), dice.from(5, 250)));
        set("site6", format!("2a00:1450:{:x}::{:x}", dice.from(1, 0xfff), dice.from(5, 0xfff)));
        set("pki4", format!("23.{}.{}.7", dice.from(10, 200), dice.from(1, 250)));
        words(&mut dice, &mut set);
        Self(all)
    }

    /// Gives one more name.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// Names of no lab that stands.
    #[cfg(test)]
    pub(crate) fn for_test(seed: u64) -> Self {
        let mut names = Self::draw(seed);
        names.set("dir", "/nowhere".to_owned());
        names.set("home", "/nowhere/home".to_owned());
        names
    }

    /// Every value but that of the API's own name, which is the same everywhere.
    #[cfg(test)]
    pub(crate) fn values(&self) -> Vec<String> {
        self.0.iter().filter(|(name, _)| *name != "api").map(|(_, value)| value.clone()).collect()
    }

    /// The value of a name; nothing where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Puts the values in the place of `${name}`.
    ///
    /// # Errors
    /// A name that nobody gave.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or("a placeholder without its end")?;
            filled.push_str(before);
            filled.push_str(self.0.get(name).ok_or_else(|| format!("there is no name ${{{name}}}"))?);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The same for every text of a table, keys included.
    ///
    /// # Errors
    /// A name that nobody gave.
    pub(crate) fn fill_table(&self, table: &toml::Table) -> Result<toml::Table, String> {
        table.iter().map(|(key, value)| Ok((self.fill(key)?, self.fill_value(value)?))).collect()
    }

    fn fill_value(&self, value: &toml::Value) -> Result<toml::Value, String> {
        Ok(match value {
            toml::Value::String(text) => toml::Value::String(self.fill(text)?),
            toml::Value::Array(all) => {
                toml::Value::Array(all.iter().map(|v| self.fill_value(v)).collect::<Result<_, _>>()?)
            }
            toml::Value::Table(table) => toml::Value::Table(self.fill_table(table)?),
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => value.clone(),
        })
    }
}

/// What is no address.
fn words(dice: &mut Dice, set: &mut impl FnMut(&str, String) -> Option<String>) {
    let company = dice.one_of(&WORDS);
    let corp = format!("corp.{company}.example");
    set("company", company.to_owned());
    set("proxy_name", format!("{}.{corp}", dice.one_of(&["proxy", "webproxy", "egress", "squid01"])));
    set("gateway_name", format!("{}.{corp}", dice.one_of(&["llm-gw", "ai-gateway", "claude-gw", "models"])));
    set("corp", corp);
    set("proxy_port", dice.one_of(&["3128", "8080", "8888", "9090"]).to_owned());
    set("user", dice.one_of(&["joe", "mira", "ken", "ana"]).to_owned());
    set("password", format!("{}{}", dice.one_of(&WORDS), dice.from(10, 99)));
    set(
        "other_name",
        format!("{}.{}-tenant.example", dice.one_of(&["www", "app", "shop"]), dice.one_of(&WORDS)),
    );
    set("block_name", format!("block.{}-isp.example", dice.one_of(&WORDS)));
    set("portal_name", format!("portal.{}-hotel.example", dice.one_of(&WORDS)));
    set("gone_name", format!("edge.{}-gone.example", dice.one_of(&WORDS)));
    set("key", format!("sk-ant-fake-lab-{:016x}", dice.next()));
    set("token", format!("sk-ant-oat01-fake-lab-{:016x}", dice.next()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_names_each_time_and_another_gives_others() {
        let (a, b, c) = (Names::draw(1), Names::draw(1), Names::draw(2));
        assert_eq!(a.0, b.0);
        assert_ne!(a.get("client"), c.get("client"));
        assert_eq!(a.get("api4"), c.get("api4"));
        let hosts: std::collections::BTreeSet<_> = HOSTS.iter().map(|h| a.get(h)).collect();
        assert_eq!(hosts.len(), HOSTS.len());
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_refused() {
        let names = Names::draw(3);
        assert_eq!(names.fill("to ${api4}:443 for $HOME").unwrap(), "to 160.79.104.10:443 for $HOME");
        assert!(names.fill("${nowhere}").unwrap_err().contains("nowhere"));
        assert!(names.fill("${api4").is_err());
    }
}
