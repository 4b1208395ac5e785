//! The doctor with the real binary, against the simulator and against what is not there.

use serde_json::Value;

use crate::common::{Folder, Server, clearline, run};

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";
const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-ant-fake-own");

/// Status, exit code, and the causes with their roles.
fn examine(home: &Folder, environment: &[(&str, &str)]) -> (String, i32, Vec<(String, String)>) {
    let mut command = clearline(&home.0);
    command.args(["doctor", "--json"]).envs(environment.iter().copied());
    let (code, out, err) = run(&mut command);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(report["schema"], "clearline.verdict/1");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let causes = report["causes"].as_array().unwrap().iter().map(|c| (text(&c["id"]), text(&c["role"])));
    (text(&report["status"]), code, causes.collect())
}

#[test]
fn a_healthy_path_is_healthy() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let (status, code, causes) = examine(&home, &[KEY, ("ANTHROPIC_BASE_URL", &api.url)]);
    assert_eq!((status.as_str(), code, causes.len()), ("healthy", 0, 0), "{causes:?}");
    // With TLS under a CA that is set, and a proxy that is bypassed: healthy but odd.
    let ca = home.0.join("ca.pem");
    let tls = Server::start(clearline(&home.0).args(["sim", "healthy", "--tls"]).arg(&ca));
    let odd = [
        KEY,
        ("ANTHROPIC_BASE_URL", tls.url.as_str()),
        ("SSL_CERT_FILE", ca.to_str().unwrap()),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let (status, code, causes) = examine(&home, &odd);
    assert_eq!((status.as_str(), code, causes.len()), ("healthy", 0, 0), "{causes:?}");
}

/// A refusal with a sentence of the API and its cause.
const REFUSALS: &[(u16, &str, &str)] = &[
    (
        400,
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
        "quota.spend-limit",
    ),
    (
        429,
        "You have reached your API usage limits: Monthly spend. You will regain access on 2026-12-01 at 00:00 UTC.",
        "quota.spend-limit",
    ),
    (
        429,
        "This request would exceed the rate limit for your organization (o) of 50 requests per minute.",
        "quota.requests",
    ),
    (
        429,
        "This request would exceed your organization's rate limit of 30,000 input tokens per minute.",
        "quota.input-tokens",
    ),
    (
        429,
        "This request would exceed the rate limit for your organization (o) of 8,000 output tokens per minute.",
        "quota.output-tokens",
    ),
    (
        429,
        "Number of concurrent connections has exceeded your rate limit. Please try again later.",
        "quota.concurrency",
    ),
    (
        429,
        "This request would exceed your account's rate limit. Please try again later.",
        "quota.subscription",
    ),
    (429, "Rate limited", "quota.throttled"),
    (400, "This organization has been disabled.", "auth.org-disabled"),
    (
        401,
        "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        "auth.expired",
    ),
    (403, "OAuth token has been revoked. Please obtain a new token.", "auth.revoked"),
    (
        400,
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
        "auth.wrong-kind",
    ),
    (
        400,
        "anthropic-workspace-id is required when authenticating with an identity-linked API key; send the id of the workspace this request acts in.",
        "auth.workspace-missing",
    ),
];

/// Other answers.
const ANSWERS: &[(&str, &str)] = &[
    ("status = 401", "auth.invalid"),
    ("status = 403", "auth.forbidden"),
    (
        "status = 403\nbody = '{\"error\":{\"type\":\"forbidden\",\"message\":\"Request not allowed\"}}'",
        "edge.region-blocked",
    ),
    (
        "status = 403\nbody = '<title>Just a moment...</title>'\nheaders = { content-type = \"text/html\", cf-mitigated = \"challenge\", server = \"cloudflare\" }",
        "edge.bot-challenge",
    ),
    (
        "status = 400\nmessage = \"Your credit balance is too low to access the Anthropic API.\"",
        "quota.credit",
    ),
    (
        "status = 429\nbody = '{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Usage grew too fast.\",\"details\":{\"error_code\":\"ramp_limit_exceeded\"}}}'",
        "quota.acceleration",
    ),
    ("status = 500", "server.error"),
    ("status = 529", "server.overloaded"),
    ("html_200 = true", "edge.not-the-api"),
    ("reset = \"after_request\"", "http.reset-before-response"),
    ("close = \"after_request\"", "http.closed-before-response"),
];

#[test]
fn what_the_api_answers_is_the_root_cause() {
    let home = Folder::new();
    let refusals = REFUSALS
        .iter()
        .map(|(status, message, cause)| (format!("status = {status}\nmessage = \"{message}\""), *cause));
    let answers = ANSWERS.iter().map(|(fault, cause)| ((*fault).to_owned(), *cause));
    for (fault, cause) in refusals.chain(answers) {
        let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\n{fault}\n"));
        let (status, code, causes) = examine(&home, &[KEY, ("ANTHROPIC_BASE_URL", &api.url)]);
        assert_eq!((status.as_str(), code), ("failing", 1), "{fault}: {causes:?}");
        let first = causes.first().map(|(id, role)| (id.as_str(), role.as_str()));
        assert_eq!(first, Some((cause, "root")), "{fault}");
    }
}

#[test]
fn a_stream_is_judged_to_its_end() {
    let home = Folder::new();
    for (fault, cause) in [
        ("end_early_at_event = 3", "stream.ended-early"),
        ("cut_at_event = 3", "stream.cut"),
        (
            "error_event = { at = 1, kind = \"overloaded_error\", message = \"Overloaded\" }",
            "server.overloaded",
        ),
    ] {
        let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\n{fault}\n"));
        let (status, _, causes) = examine(&home, &[KEY, ("ANTHROPIC_BASE_URL", &api.url)]);
        assert_eq!(
            (status.as_str(), causes.first().map(|c| c.0.as_str())),
            ("failing", Some(cause)),
            "{fault}"
        );
    }
}

#[test]
fn settings_are_judged_before_anything_is_sent() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    let doubled = format!("{}/v1", api.url);
    for (environment, cause) in [
        (vec![url], "auth.missing"),
        (vec![url, ("ANTHROPIC_API_KEY", "\"sk-ant-fake-own\"")], "auth.malformed-key"),
        (vec![KEY, ("ANTHROPIC_BASE_URL", "127.0.0.1:1")], "config.base-url-invalid"),
        (vec![KEY, url, ("HTTP_PROXY", "ftp://127.0.0.1:1")], "proxy.setting-invalid"),
        (vec![KEY, ("ANTHROPIC_BASE_URL", doubled.as_str())], "config.base-url-path"),
        (vec![KEY, ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")], "config.base-url-dead"),
        (
            vec![KEY, ("ANTHROPIC_BASE_URL", "https://127.0.0.1:9"), ("SSL_CERT_FILE", "/no/such.pem")],
            "config.ca-file-missing",
        ),
    ] {
        let (status, code, causes) = examine(&home, &environment);
        assert_eq!((status.as_str(), code), ("failing", 1), "{environment:?}: {causes:?}");
        assert_eq!(causes.first().map(|c| c.0.as_str()), Some(cause), "{environment:?}: {causes:?}");
    }
    let both = [KEY, url, ("ANTHROPIC_AUTH_TOKEN", "sk-ant-fake-second")];
    let (status, code, causes) = examine(&home, &both);
    assert_eq!((status.as_str(), code), ("degraded", 1), "{causes:?}");
    assert_eq!(causes, [("auth.conflicting".to_owned(), "contributing".to_owned())]);
}

#[test]
fn a_ca_file_that_replaces_the_roots_is_proved_by_a_flip() {
    let home = Folder::new();
    let (ca, other) = (home.0.join("ca.pem"), home.0.join("other.pem"));
    let api = Server::start(clearline(&home.0).args(["sim", "healthy", "--tls"]).arg(&ca));
    let _other = Server::start(clearline(&home.0).args(["sim", "healthy", "--tls"]).arg(&other));
    let environment = [
        KEY,
        ("ANTHROPIC_BASE_URL", api.url.as_str()),
        ("SSL_CERT_FILE", other.to_str().unwrap()),
        ("CLEARLINE_PUBLIC_ROOTS", ca.to_str().unwrap()),
    ];
    let (status, _, causes) = examine(&home, &environment);
    assert_eq!(
        (status.as_str(), causes.first().map(|c| c.0.as_str())),
        ("failing", Some("config.ca-file-replaces-roots"))
    );
    // The near miss: nobody knows the root.
    let (_, _, causes) = examine(&home, &environment[..3]);
    assert_eq!(causes.first().map(|c| c.0.as_str()), Some("tls.untrusted-root"));
}

#[test]
fn a_proxy_that_is_not_there_is_told_from_a_target_that_is_not() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let environment = [KEY, ("ANTHROPIC_BASE_URL", api.url.as_str()), ("HTTP_PROXY", "http://127.0.0.1:9")];
    let (status, _, causes) = examine(&home, &environment);
    assert_eq!(status, "failing");
    assert!(causes.iter().any(|c| c.0 == "proxy.unreachable"), "{causes:?}");
    let mut command = clearline(&home.0);
    command.args(["doctor", "--lang", "zh-CN"]).envs(environment);
    let (_, out, _) = run(&mut command);
    assert!(out.contains("proxy.unreachable") && out.contains("依据"), "{out}");
    let (code, out, _) = run(clearline(&home.0).args(["doctor", "--plan"]).envs(environment));
    assert_eq!(code, 0);
    assert!(out.contains("its proxy    http://127.0.0.1:9"), "{out}");
}

/// The client, not the machine: a proxy that is not there fails whoever reads the variable.
#[test]
fn a_client_is_diagnosed_as_it_would_fare() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let environment = [KEY, ("ANTHROPIC_BASE_URL", api.url.as_str()), ("HTTP_PROXY", "http://127.0.0.1:9")];
    let ask = |client: &str, more: &[&str]| {
        let mut command = clearline(&home.0);
        command.args(["doctor", "--profile", client]).args(more).envs(environment);
        run(&mut command)
    };
    for (client, status, code, works) in [
        ("curl", "failing", 1, Some(false)),
        ("python-requests", "failing", 1, Some(false)),
        ("node", "healthy", 0, Some(true)),
        ("anthropic-typescript", "healthy", 0, Some(true)),
        ("java", "healthy", 0, Some(true)),
    ] {
        let (got, out, err) = ask(client, &["--json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        let fate = report["client"]["fate"]["works"].as_bool();
        assert_eq!((report["status"].as_str(), got, fate), (Some(status), code, works), "{client}: {out}");
    }
    let (_, out, _) = ask("node", &[]);
    assert!(out.contains("curl fails because it takes the proxy that the variables name"), "{out}");
    assert!(out.contains("Node fetch works because it reads no variable that names a proxy"), "{out}");
    let (_, out, _) = ask("node", &["--lang", "zh-CN"]);
    assert!(out.contains("Node fetch 可以工作，因为它不读取任何代理变量"), "{out}");
    let (code, _, err) = ask("netscape", &[]);
    assert!(code == 2 && err.contains("claude-code"), "{err}");
}

/// What was found is verified by the probes that decide it: gone, still there, gone with something else behind it.
#[test]
fn a_fix_is_verified() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    let dead = ("HTTP_PROXY", "http://127.0.0.1:9");
    let ask = |arguments: &[&str], environment: &[(&str, &str)]| {
        run(clearline(&home.0).args(arguments).envs(environment.iter().copied()))
    };
    let verify = |arguments: &[&str], environment: &[(&str, &str)]| {
        let all = [&["doctor", "--verify", "--json"], arguments].concat();
        let (code, out, err) = ask(&all, environment);
        crate::schemas::check(&home, "verification", &out);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        (code, report["status"].as_str().unwrap().to_owned(), report)
    };
    // Nothing was found yet.
    let (code, _, err) = ask(&["doctor", "--verify"], &[KEY, url]);
    assert!(code == 2 && err.contains("clearline doctor"), "{err}");
    let saved = home.0.join("found.json");
    let save = saved.to_str().unwrap();
    assert_eq!(ask(&["doctor", "--save", save], &[KEY, url, dead]).0, 1);
    let (code, status, report) = verify(&[], &[KEY, url, dead]);
    assert_eq!((code, status.as_str(), &report["left"][0]), (1, "not-fixed", &"proxy.unreachable".into()));
    let (code, status, report) = verify(&[], &[KEY, url]);
    assert_eq!((code, status.as_str(), &report["fixed"][0]), (0, "fixed", &"proxy.unreachable".into()));
    let (code, status, report) = verify(&["--from", save], &[url]);
    assert_eq!((code, status.as_str(), &report["next"][0]), (1, "fixed-and-next", &"auth.missing".into()));
    // Now the call does not even begin.
    let (code, status, _) = verify(&["--from", save], &[KEY, ("ANTHROPIC_BASE_URL", "127.0.0.1:1")]);
    assert_eq!((code, status.as_str()), (4, "open"));
    let (_, out, _) = ask(&["doctor", "--verify", "--lang", "zh-CN"], &[KEY, url]);
    assert!(out.starts_with("✔ 已修复："), "{out}");
    // What is kept is for its owner alone, and a healthy diagnosis does not replace it.
    let kept = home.0.join(".local/state/clearline/doctor.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(ask(&["doctor"], &[KEY, url]).0, 0);
    assert_eq!(verify(&[], &[KEY, url]).1, "fixed");
    assert!(!std::fs::read_to_string(&kept).unwrap().contains(KEY.1));
}

/// The environment that a command would get, and that of a process that runs.
#[test]
fn commands_and_processes_are_diagnosed() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    let ask = |arguments: &[&str]| {
        let mut command = clearline(&home.0);
        command.args(["doctor", "--json"]).args(arguments).envs([KEY, url]);
        let (code, out, err) = run(&mut command);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        (code, report, err)
    };
    let (code, report, _) = ask(&["--", "env", "HTTP_PROXY=http://127.0.0.1:9", "python3.12", "app.py"]);
    assert_eq!((code, report["client"]["id"].as_str()), (1, Some("anthropic-python")));
    assert_eq!(report["causes"][0]["id"], "proxy.unreachable");
    let (code, report, _) = ask(&["--", "env", "-u", "ANTHROPIC_API_KEY", "./app"]);
    assert_eq!(
        (code, report["causes"][0]["id"].as_str(), &report["client"]),
        (1, Some("auth.missing"), &Value::Null)
    );
    // A named profile is taken before the program's name.
    let (_, report, _) = ask(&["--profile", "curl", "--", "node", "x.js"]);
    assert_eq!(report["client"]["id"], "curl");

    let folder = home.0.join("work");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(".env"), "HTTP_PROXY=http://127.0.0.1:9\n").unwrap();
    let mut child = std::process::Command::new("cat")
        .env_clear()
        .envs([KEY, url, ("HTTP_PROXY", "http://127.0.0.1:9"), ("NONSENSE", "\u{1b}[31m\n")])
        .current_dir(&folder)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let (code, report, err) = ask(&["--pid", &pid]);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!((code, report["causes"][0]["id"].as_str()), (1, Some("proxy.unreachable")), "{err}");
    let facts = report["facts"].to_string();
    assert!(facts.contains("origin.HTTP_PROXY") && facts.contains("work/.env:1"), "{facts}");
    // It is gone now.
    let (code, out, err) = run(clearline(&home.0).args(["doctor", "--pid", &pid]));
    assert!(code == 2 && out.is_empty() && err.contains("there is no process"), "{err}");
}

/// A process in a network and with files of its own, among which clearline is not found: its names are looked up as it would.
#[test]
fn a_process_elsewhere_has_its_own_names() {
    let home = Folder::new();
    let names = home.0.join("hosts");
    std::fs::write(&names, "127.0.0.1 gateway.of-the-process.test\n").unwrap();
    let bare = home.0.join("bare");
    std::fs::create_dir(&bare).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_clearline"));
    let script = "ip link set lo up && mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" \"$3\" && echo up && exec cat";
    let mut child = std::process::Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .args([&names, &bare, &program.parent().unwrap().to_path_buf()])
        .envs([KEY, ("ANTHROPIC_BASE_URL", "https://gateway.of-the-process.test:9")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    if line != "up\n" {
        child.wait().unwrap();
        return crate::common::skip("a process elsewhere: no namespaces can be made here");
    }
    let pid = child.id();
    let space = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap().display().to_string();
    let inode = space.trim_matches(|c: char| !c.is_ascii_digit());
    let mut command = clearline(&home.0);
    command.args(["doctor", "--json", "--pid", &pid.to_string()]);
    let (code, out, err) = run(command.env("CLEARLINE_FENCE", format!("netns:{inode}")));
    drop(child.stdin.take());
    child.wait().unwrap();
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    // The name became the address that its own hosts file gives it, where nothing listens.
    assert_eq!((code, report["causes"][0]["id"].as_str()), (1, Some("config.hosts-override")), "{out}{err}");
    assert!(report["facts"].to_string().contains("127.0.0.1"), "{out}");
}

/// A change is told once, and the rate is kept.
#[test]
fn watching_tells_changes_and_keeps_the_rate() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let mut command = clearline(&home.0);
    command
        .args(["doctor", "--watch", "--json", "--interval", "1s"])
        .envs([KEY, ("ANTHROPIC_BASE_URL", &api.url)]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = || lines.next().unwrap().unwrap();
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let first = next();
    crate::schemas::check(&home, "watch", &first);
    assert_eq!(read(&first)["event"], "well");
    let (_, _) = api.stop();
    let second = next();
    crate::schemas::check(&home, "watch", &second);
    let second = read(&second);
    assert_eq!(
        (&second["event"], &second["cause"]["id"]),
        (&"failing".into(), &"config.base-url-dead".into())
    );
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .unwrap();
    let last = read(&next());
    assert_eq!(last["event"], "end");
    assert!(last["failed"].as_u64() >= Some(1), "{last}");
    assert!(child.wait().unwrap().success());
}

/// The exact edit comes first: file, line, variable.
#[test]
fn the_edit_names_the_file_and_the_line() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let dead = "http://127.0.0.1:9";
    home.write(".bashrc", &format!("# mine\nexport HTTP_PROXY={dead}\n"));
    std::fs::create_dir(home.0.join(".claude")).unwrap();
    let settings = format!("{{\n  \"env\": {{\n    \"HTTP_PROXY\": \"{dead}\"\n  }}\n}}\n");
    home.write(".claude/settings.json", &settings);
    home.write(".env", &format!("HTTP_PROXY={dead}\nANTHROPIC_API_KEY=sk-ant-fake-elsewhere\n"));
    let ask = |environment: &[(&str, &str)], lang: &str| {
        let mut command = clearline(&home.0);
        command.args(["doctor", "--lang", lang]).envs(environment.iter().copied()).current_dir(&home.0);
        run(&mut command).1
    };
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    for lang in ["en", "zh-CN"] {
        let out = ask(&[KEY, url, ("HTTP_PROXY", dead)], lang);
        for command in [
            "sed -i.bak '1{/HTTP_PROXY/d}' ~/.env",
            "sed -i.bak '2{/HTTP_PROXY/d}' ~/.bashrc",
            "${EDITOR:-vi} +3 ~/.claude/settings.json",
        ] {
            assert!(out.contains(command), "{command}: {out}");
        }
    }
    let out = ask(&[url], "en");
    assert!(out.contains("set -a; . ~/.env; set +a") && !out.contains("fake-elsewhere"), "{out}");
    // A proxy that stands in no file: the variable itself.
    for file in [".bashrc", ".env", ".claude/settings.json"] {
        std::fs::remove_file(home.0.join(file)).unwrap();
    }
    let out = ask(&[KEY, url, ("HTTP_PROXY", dead)], "en");
    assert!(out.contains("  unset HTTP_PROXY\n"), "{out}");
}

#[test]
fn a_recording_is_judged_the_same_each_time_with_the_time_that_its_run_took() {
    let home = Folder::new();
    let api =
        Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\nstatus = 529\ndelay = \"300ms\"\n"));
    let file = home.0.join("facts.json");
    let mut command = clearline(&home.0);
    command.args(["doctor", "--save"]).arg(&file).envs([KEY, ("ANTHROPIC_BASE_URL", api.url.as_str())]);
    assert_eq!(run(&mut command).0, 1);
    let judged = || run(clearline(&home.0).args(["doctor", "--json", "--from"]).arg(&file));
    let (first, second) = (judged(), judged());
    assert_eq!(first, second);
    let report: Value = serde_json::from_str(&first.1).unwrap();
    assert_eq!(report["causes"][0]["id"], "server.overloaded");
    assert!(report["elapsed_ms"].as_u64().unwrap() >= 300, "{report}");
}

/// A switch without that cloud's credential was left over; one that may be meant is worth a line.
#[test]
fn another_clouds_route_is_followed() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let own = [KEY, ("ANTHROPIC_BASE_URL", &api.url), ("CLAUDE_CODE_USE_BEDROCK", "1")];
    let dead = ("ANTHROPIC_BEDROCK_BASE_URL", "https://127.0.0.1:1");
    let token = ("AWS_BEARER_TOKEN_BEDROCK", "fake");
    let plain = ("ANTHROPIC_BEDROCK_BASE_URL", api.url.as_str());
    for (more, expected, role) in [
        (vec![plain, token], "healthy", "information"),
        (vec![plain], "degraded", "contributing"),
        (vec![dead, token], "healthy", "information"),
    ] {
        let (status, _, causes) = examine(&home, &[&own[..], &more[..]].concat());
        let switch = ("config.route-switch".to_owned(), role.to_owned());
        assert_eq!((status.as_str(), causes), (expected, vec![switch]), "{more:?}");
    }
}

/// Another user's process: what may not be read is said, and the rest is diagnosed.
#[test]
fn another_users_process_is_diagnosed_as_far_as_it_may() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let lowered = |program: &str| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", program]);
        command
    };
    let may = lowered(env!("CARGO_BIN_EXE_clearline")).arg("--version").output();
    if !may.is_ok_and(|m| m.status.success()) {
        return crate::common::skip("setpriv cannot start clearline as another user here");
    }
    let mut child = std::process::Command::new("cat")
        .env("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let mut command = lowered(env!("CARGO_BIN_EXE_clearline"));
    command.args(["doctor", "--json", "--pid", &pid]).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("CLEARLINE_FENCE", "loopback");
    let (code, out, err) = run(command.envs([KEY, ("ANTHROPIC_BASE_URL", api.url.as_str())]));
    drop(child.stdin.take());
    child.wait().unwrap();
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!((report["status"].as_str(), code), (Some("healthy"), 0), "{out}");
    let said = format!("the environment of process {pid} of user 0 cannot be read");
    assert!(err.contains(&said) && err.contains("those of this shell are taken"), "{err}");
    assert!(err.contains(&format!("sudo clearline doctor --pid {pid}")), "{err}");
    assert!(report["facts"].to_string().contains("its environment: Permission denied"), "{out}");
}
