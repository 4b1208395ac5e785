//! The settings, as tables: what is written, what is understood, what is said about mistakes.

use clearline_policy::Hedge;

use super::*;

fn with(
    file: Option<&str>,
    variables: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Settings, Vec<SettingError>> {
    let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let flags: Vec<Given> =
        flags.iter().map(|(key, text)| Given { key, flag: "--flag", text: (*text).to_owned() }).collect();
    resolve(&Sources { file: file.map(|text| ("clearline.toml", text)), lookup: &lookup, flags: &flags })
}

#[test]
fn the_defaults_are_those_of_the_engine() {
    let settings = with(None, &[], &[]).unwrap();
    assert_eq!(settings.policy(), clearline_policy::Settings::default());
    assert!(settings.entries().all(|(_, e)| e.origin == SettingOrigin::Default));
    assert_eq!(settings.entries().count(), ROWS.len());
}

/// A variable has commas between the parts of a list; a flag is given once for each.
#[test]
fn a_comma_in_a_url_survives_a_flag() {
    let key = "gateway.upstream";
    let (one, two) = ("http://127.0.0.1:1/a,b", "http://127.0.0.1:2");
    let listed = [("CLEARLINE_GATEWAY_UPSTREAM", "http://127.0.0.1:3, http://127.0.0.1:4")];
    assert_eq!(with(None, &listed, &[]).unwrap().list(key), ["http://127.0.0.1:3", "http://127.0.0.1:4"]);
    assert_eq!(with(None, &listed, &[(key, one)]).unwrap().list(key), [one]);
    assert_eq!(
        with(None, &listed, &[(key, one), (key, two), (key, one)]).unwrap().list(key),
        [one, two, one]
    );
    for (wrong, problem) in [
        ("http://127.0.0.1:1,http://127.0.0.1:2", "is one URL: give the flag once for each"),
        ("http://api,https://other", "is one URL: give the flag once for each"),
        ("", "is no base URL: empty string"),
    ] {
        let mistakes = with(None, &[], &[(key, two), (key, wrong)]).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].problem.as_str()), (1, problem));
    }
}

#[test]
fn what_is_off_by_default_reaches_the_engine() {
    let said = [
        ("CLEARLINE_HEDGE_AFTER", "3s"),
        ("CLEARLINE_KEY_PACING", "false"),
        ("CLEARLINE_LIMITER_SIGNALS", "0"),
        ("CLEARLINE_LIMITER_FLOOR", "500"),
    ];
    let policy = with(None, &said, &[]).unwrap().policy();
    assert_eq!(policy.hedge, Hedge::After(Dur::secs(3)));
    assert_eq!((policy.key_pacing, policy.limiter_signals, policy.limiter_floor_milli), (false, 0, 500));
}

#[test]
fn a_hedge_is_off_or_timed_by_itself_or_by_hand() {
    for (text, hedge) in [
        ("off", Ok(Hedge::Off)),
        ("0s", Ok(Hedge::Off)),
        ("auto", Ok(Hedge::Auto)),
        ("250ms", Ok(Hedge::After(Dur::millis(250)))),
        (
            "on",
            Err(
                "must be off, auto or a time: a duration is a number with ms, s, m or h: \"250ms\", \"5s\", \"2m\"",
            ),
        ),
        ("5", Err("must be off, auto or a time: a duration needs a unit: \"5s\"")),
    ] {
        assert_eq!(value::hedge(text), hedge.map_err(str::to_owned), "{text}");
        assert_eq!(with(None, &[("CLEARLINE_HEDGE_AFTER", text)], &[]).is_ok(), hedge.is_ok());
    }
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let file = Some("[timeout]\nidle = \"5s\"\n");
    let variable = [("CLEARLINE_TIMEOUT_IDLE", "6s")];
    let flag = [("timeout.idle", "7s")];
    type Row<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], &'a [(&'static str, &'a str)], u64, &'a str);
    let table: [Row<'_>; 4] = [
        (None, &[], &[], 60, "default"),
        (file, &[], &[], 5, "clearline.toml, line 2, column 8"),
        (file, &variable, &[], 6, "variable CLEARLINE_TIMEOUT_IDLE"),
        (file, &variable, &flag, 7, "flag --flag"),
    ];
    for (file, variables, flags, secs, origin) in table {
        let settings = with(file, variables, flags).unwrap();
        assert_eq!(settings.time("timeout.idle"), Dur::secs(secs), "{origin}");
        assert_eq!(settings.origin("timeout.idle").to_string(), origin);
    }
}

#[test]
fn an_empty_variable_says_nothing() {
    let settings = with(None, &[("CLEARLINE_TIMEOUT_IDLE", "")], &[]).unwrap();
    assert_eq!(settings.origin("timeout.idle"), SettingOrigin::Default);
}

#[test]
fn values_are_read_with_their_units() {
    let table = [
        ("timeout.connect", "250ms", "\"250ms\""),
        ("timeout.connect", "1.5s", "\"1500ms\""),
        ("timeout.connect", "2m", "\"120s\""),
        ("timeout.connect", "1h", "\"3600s\""),
        ("gateway.body_max", "64KiB", "\"64KiB\""),
        ("gateway.body_max", "1.5MiB", "\"1536KiB\""),
        ("policy.attempts", "7", "7"),
        ("retry.maybe_billed", "false", "false"),
        (
            "gateway.upstream",
            "http://127.0.0.1:1,http://127.0.0.1:2",
            "[\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]",
        ),
        (
            "upstreams",
            "a=http://127.0.0.1:1 weight=3 keys=env:A+file:/b, b=http://127.0.0.1:2",
            "{ \"a\" = { url = \"http://127.0.0.1:1\", weight = 3, keys = { \"key-1\" = \"env:A\", \"key-2\" = \"file:/b\" } }, \"b\" = { url = \"http://127.0.0.1:2\" } }",
        ),
        ("gateway.hosts", "a.example, b.example", "[\"a.example\", \"b.example\"]"),
        ("gateway.tokens", "ci=env:T,me=file:/t", "{ \"ci\" = \"env:T\", \"me\" = \"file:/t\" }"),
    ];
    for (key, text, written) in table {
        let variable = ROWS.iter().find(|row| row.key == key).unwrap().variable();
        let settings = with(None, &[(variable.as_str(), text)], &[]).unwrap();
        let (_, entry) = settings.entries().find(|(row, _)| row.key == key).unwrap();
        assert_eq!(entry.value.written(), written, "{key} = {text}");
    }
}

#[test]
fn mistakes_name_place_and_remedy() {
    let table = [
        ("[timeout]\nconnect = \"5\"", 2, 11, "a duration needs a unit: \"5s\""),
        ("[timeout]\nconnect = 5", 2, 11, "a duration needs a unit: \"5s\""),
        (
            "timeout.connect = \"5 parsecs\"",
            1,
            19,
            "a duration is a number with ms, s, m or h: \"250ms\", \"5s\", \"2m\"",
        ),
        ("timeout.connect = \"2h\"", 1, 19, "is more than the 3600 s allowed"),
        ("timeout.connect = true", 1, 19, "must be a text in quotes, not boolean"),
        ("timeout.idle = \"0s\"", 1, 16, "must be more than 0, and at most 3600 s"),
        ("gateway.write_timeout = \"0ms\"", 1, 25, "must be more than 0, and at most 3600 s"),
        ("watch.interval = \"0s\"", 1, 18, "must be more than 0, and at most 3600 s"),
        ("retrys = 3", 1, 1, "unknown setting; did you mean \"retry.maybe_billed\"?"),
        ("[timeout]\nconect = \"5s\"", 2, 1, "unknown setting; did you mean \"timeout.connect\"?"),
        ("[gatway]\nlisten = \"127.0.0.1:1\"", 2, 1, "unknown setting; did you mean \"gateway.listen\"?"),
        ("zzzzzz = 1", 1, 1, "unknown setting"),
        ("gateway = 5", 1, 1, "is a section: write [gateway] and its settings below it"),
        ("gateway.body_max = \"3\"", 1, 20, "a size needs a unit: \"3MiB\""),
        ("policy.attempts = 0", 1, 19, "must be a whole number from 1 to 1000"),
        ("policy.attempts = \"3\"", 1, 19, "must be a whole number from 1 to 1000, without quotes"),
        ("retry.maybe_billed = \"yes\"", 1, 22, "must be true or false, without quotes"),
        ("gateway.upstream = \"x\"", 1, 20, "is no base URL: the scheme is missing: http:// or https://"),
        ("gateway.upstream = []", 1, 20, "is no base URL: it is empty"),
        (
            "[upstreams.a]\nurl = \"http://127.0.0.1:1\"\nweigth = 3",
            3,
            1,
            "there is no \"weigth\" here: write url, weight, keys",
        ),
        ("[upstreams.a]\nweight = 3", 1, 12, "needs url = …"),
        (
            "[upstreams.a]\nurl = \"http://127.0.0.1:1\"\nweight = 0",
            3,
            10,
            "must be a whole number from 1 to 1000",
        ),
        ("[upstreams]\na = 5", 2, 5, "must be a text in quotes, not integer"),
        (
            "upstreams = \"http://127.0.0.1:1\"",
            1,
            13,
            "must be a table: a name each, with its settings below it",
        ),
        (
            "[upstreams]\na = \"http://127.0.0.1:1\"\n[routes.all]\nupstreams = [\"b\"]",
            3,
            2,
            "names no upstream: add it as [upstreams.NAME]",
        ),
        ("gateway.hosts = \"a\"", 1, 17, "must be a list: [\"one\", \"two\"]"),
        (
            "gateway.listen = \"8787\"",
            1,
            18,
            "must be an address and a port: \"127.0.0.1:8787\", or port 0 for any free one",
        ),
    ];
    for (text, line, column, problem) in table {
        let mistakes = with(Some(text), &[], &[]).unwrap_err();
        let origin = SettingOrigin::File { path: "clearline.toml".to_owned(), line, column };
        assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
        assert_eq!((&mistakes[0].origin, mistakes[0].problem.as_str()), (&origin, problem), "{text}");
    }
}

#[test]
fn a_literal_secret_is_refused_and_not_repeated() {
    let secret = "sk-ant-secret";
    let files = [
        format!("keys = [\"env:A\", \"{secret}\"]"),
        format!("keys = \"{secret}\""),
        format!("[keys]\nmain = \"{secret}\""),
        format!("[gateway.tokens]\nci = \"{secret}\""),
    ];
    for text in files {
        let mistakes = with(Some(&text), &[], &[]).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{text}");
        assert!(mistakes[0].problem.contains("never the secret itself"), "{mistakes:?}");
        assert!(!describe(&mistakes).contains(secret), "{mistakes:?}");
    }
    let mistakes = with(None, &[("CLEARLINE_GATEWAY_TOKENS", "ci=sk-ant-secret")], &[]).unwrap_err();
    assert!(!describe(&mistakes).contains(secret));
}

/// The log of a gateway repeats what is said of a reload.
#[test]
fn no_mistake_repeats_what_may_be_a_secret() {
    let secret = "sk-ant-secret";
    for (text, shown) in [
        ("[keys]\nmain = SECRET", "main = …"),
        ("[keys]\nmain = \"env:SECRET\"", "keys.main = \"…\""),
        ("alerts.webhook = \"env:https://hooks.example/SECRET\"", "alerts.webhook = \"…\""),
        ("[keys]\nSECRET", "…"),
        ("[keys]\n\"SECRET\"", "…"),
        ("keys = [SECRET]", "keys = …"),
        ("keys = [\n\"env:A\",\nSECRET\n]", "…"),
        ("keys = [\n\"env:A\"\n\"SECRET\"]", "…"),
        ("[upstreams.a]\nurl = \"http://127.0.0.1:1\"\nkeys = [SECRET]", "keys = …"),
        ("[upstreams.a]\nurl = \"http://127.0.0.1:1\"\nkey = \"SECRET\"", "upstreams.a.key = \"…\""),
        ("api_key = \"SECRET\"", "api_key = \"…\""),
        ("key = \"SECRET\"", "key = \"…\""),
        ("[gateway]\nkey = \"SECRET\"", "gateway.key = \"…\""),
        ("[gateway]\ntoken = [\"SECRET\"]", "gateway.token = \"…\""),
        ("[gateway]\ntokens = \"SECRET\"", "gateway.tokens = \"…\""),
        ("[alerts]\nwebhook = \"ftp://hooks.example/SECRET\"", "alerts.webhook = \"…\""),
        ("[alerts]\nwebhok = \"https://hooks.example/SECRET\"", "alerts.webhok = \"…\""),
        (
            "gateway.upstream = \"https://me:SECRET@api.example\"",
            "gateway.upstream = \"https://…@api.example\"",
        ),
    ] {
        let mistakes = with(Some(&text.replace("SECRET", secret)), &[], &[]).unwrap_err();
        let said = describe(&mistakes);
        assert!(!said.contains("sk-ant"), "{said}");
        assert_eq!((mistakes.len(), mistakes[0].found.as_str()), (1, shown), "{said}");
    }
    let url = format!("http://me:{secret}@127.0.0.1:1");
    for mistakes in [
        with(None, &[("CLEARLINE_GATEWAY_UPSTREAM", &url)], &[]),
        with(None, &[], &[("gateway.upstream", &url)]),
    ] {
        assert!(!describe(&mistakes.unwrap_err()).contains(secret));
    }
}

#[test]
fn what_is_no_secret_is_shown_as_it_stands() {
    for (text, shown) in [
        ("[timeout]\nidle = 30s", "idle = 30s"),
        ("[timeout]\nidle = \"1s\"\n[timeout]", "[timeout]"),
        ("[timeout]\nconect = \"5s\"", "timeout.conect = \"5s\""),
        ("retrys = 3", "retrys = 3"),
        ("[retry]\nmaybe_biled = true", "retry.maybe_biled = true"),
        ("[gateway]\nlisten = \"8787\"", "gateway.listen = \"8787\""),
    ] {
        let mistakes = with(Some(text), &[], &[]).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].found.as_str()), (1, shown), "{}", describe(&mistakes));
    }
}

#[test]
fn broken_streams_are_continued_only_where_that_is_asked_for() {
    assert!(!with(None, &[], &[]).unwrap().policy().resume);
    assert!(with(None, &[("CLEARLINE_CONTINUE_STREAMS", "1")], &[]).unwrap().policy().resume);
    assert!(with(Some("continue_streams = true"), &[], &[]).unwrap().policy().resume);
}

#[test]
fn keys_have_aliases() {
    let list = with(Some("keys = [\"env:A\", \"file:/b\"]"), &[], &[]).unwrap();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(list.table("keys"), [pair("key-1", "env:A"), pair("key-2", "file:/b")]);
    let table = with(Some("[keys]\nnight = \"env:B\"\nday = \"env:A\""), &[], &[]).unwrap();
    assert_eq!(table.table("keys"), [pair("night", "env:B"), pair("day", "env:A")]);
}

#[test]
fn all_mistakes_come_at_once() {
    let text = "keys = \"sk\"\n[timeout]\nconnect = \"5\"\nidle = = 3\n[policy]\natempts = 3\n";
    let mistakes =
        with(Some(text), &[("CLEARLINE_GATEWAY_DRAIN", "9")], &[("gateway.listen", "x")]).unwrap_err();
    let said = describe(&mistakes);
    let expected = [
        "error: clearline.toml has 4 mistakes",
        "  line 1, column 8",
        "  line 3, column 11",
        "  line 4, column 8",
        "  line 6, column 1",
        "error: the environment has 1 mistake",
        "  CLEARLINE_GATEWAY_DRAIN",
        "error: the command line has 1 mistake",
        "  --flag",
    ];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{said}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line} / {start}");
    }
}

#[test]
fn only_a_slip_of_a_variable_is_taken_for_a_setting() {
    for (name, meant) in [
        ("CLEARLINE_TIMEOUT_IDEL", Some("CLEARLINE_TIMEOUT_IDLE")),
        ("CLEARLINE_KEY_QUARANTIN", Some("CLEARLINE_KEY_QUARANTINE")),
        ("CLEARLINE_TIMEOUT_IDLE", None),
        ("CLEARLINE_KEYS", None),
        // Our own that are no settings, and what an orchestrator sets for a service of this name.
        ("CLEARLINE_FENCE", None),
        ("CLEARLINE_CONFIG", None),
        ("CLEARLINE_PUBLIC_ROOTS", None),
        ("CLEARLINE_CI", None),
        ("CLEARLINE_PORT", None),
        ("CLEARLINE_SERVICE_HOST", None),
        ("TIMEOUT_IDEL", None),
    ] {
        assert_eq!(meant_variable(name).as_deref(), meant, "{name}");
    }
}

#[test]
fn upstreams_have_columns_in_the_order_of_the_file() {
    let text = "[upstreams]\nz = \"http://127.0.0.1:1\"\n[upstreams.a]\nurl = \"http://127.0.0.1:2\"\nweight = 4\n\
                keys = { one = \"env:A\" }\n[routes.batches]\npath = \"/v1/messages/batches\"\nupstreams = [\"a\"]\n";
    let settings = with(Some(text), &[], &[]).unwrap();
    let rows = settings.rows("upstreams");
    let names: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.text("url"), r.number("weight"))).collect();
    assert_eq!(names, [("z", "http://127.0.0.1:1", None), ("a", "http://127.0.0.1:2", Some(4))]);
    assert_eq!(rows[1].table("keys"), [("one".to_owned(), "env:A".to_owned())]);
    let route = &settings.rows("routes")[0];
    assert_eq!(
        (route.text("path"), route.list("upstreams")),
        ("/v1/messages/batches", &["a".to_owned()][..])
    );
    assert!(settings.names_upstreams());
}

#[test]
fn the_stronger_source_says_where_calls_go() {
    let file = "[upstreams]\na = \"http://127.0.0.1:1\"\n";
    let flag = [("gateway.upstream", "http://127.0.0.1:2")];
    assert!(!with(Some(file), &[], &flag).unwrap().names_upstreams());
    let both = format!("gateway.upstream = \"http://127.0.0.1:2\"\n{file}");
    let mistakes = with(Some(&both), &[], &[]).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].problem.contains("leave one of them out"));
}
