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

#[test]
fn what_the_api_answers_is_the_root_cause() {
    let home = Folder::new();
    for (fault, cause) in [
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
            "status = 429\nmessage = \"This request would exceed the rate limit for your organization (o) of 50 requests per minute.\"",
            "quota.requests",
        ),
        ("status = 500", "server.error"),
        ("status = 529", "server.overloaded"),
        ("html_200 = true", "edge.not-the-api"),
        ("reset = \"after_request\"", "http.reset-before-response"),
        ("close = \"after_request\"", "http.closed-before-response"),
    ] {
        let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\n{fault}\n"));
        let (status, code, causes) = examine(&home, &[KEY, ("ANTHROPIC_BASE_URL", &api.url)]);
        assert_eq!((status.as_str(), code), ("failing", 1), "{fault}: {causes:?}");
        assert_eq!(
            causes.first().map(|(id, role)| (id.as_str(), role.as_str())),
            Some((cause, "root")),
            "{fault}"
        );
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
