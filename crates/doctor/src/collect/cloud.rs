//! Another cloud's route: where a known client would go instead of the API, and with what.

use std::path::Path as File;

use clearline_model::Fact;
use clearline_net::Target;

use super::{Environment, state};

/// A switch that sends a known client to another cloud, with what that needs.
struct Route {
    switch: &'static str,
    /// A base URL of one's own.
    base: &'static str,
    /// The host that the client makes of the variables.
    host: fn(Environment<'_>) -> Option<String>,
    /// The kind of credential that is set, as far as variables and files show it.
    credential: fn(Environment<'_>) -> &'static str,
}

/// The switches (Claude Code's documentation, "Network configuration"; the SDKs' cloud clients read the other variables alike).
const ROUTES: [Route; 3] = [
    Route {
        switch: "CLAUDE_CODE_USE_BEDROCK",
        base: "ANTHROPIC_BEDROCK_BASE_URL",
        host: bedrock,
        credential: aws,
    },
    Route {
        switch: "CLAUDE_CODE_USE_VERTEX",
        base: "ANTHROPIC_VERTEX_BASE_URL",
        host: vertex,
        credential: google,
    },
    Route {
        switch: "CLAUDE_CODE_USE_FOUNDRY",
        base: "ANTHROPIC_FOUNDRY_BASE_URL",
        host: foundry,
        credential: azure,
    },
];

/// Notes every switch that is on; the target of the first one that leads anywhere.
pub(super) fn routes(set: Environment<'_>, facts: &mut Vec<Fact>) -> Option<Target> {
    let is_on = |route: &&Route| {
        set(route.switch).is_some_and(|v| !matches!(v.to_ascii_lowercase().as_str(), "0" | "false"))
    };
    let mut found = None;
    for route in ROUTES.iter().filter(is_on) {
        facts.push(state("route-switch", route.switch));
        let url = set(route.base).or_else(|| (route.host)(set).map(|host| format!("https://{host}")));
        let Some(target) = url.and_then(|url| Target::parse(&url).ok()) else {
            facts.push(state("cloud.host", "unknown"));
            continue;
        };
        if found.is_none() {
            facts.push(state("cloud.host", &target.host));
            facts.push(state("cloud.credential", (route.credential)(set)));
            // One's own gateway in clear is not asked for TLS.
            found = Some(target).filter(|target| !target.is_plain());
        }
    }
    found
}

/// `us-east-1` is what the AWS SDKs' Anthropic clients take where no region is set.
fn bedrock(set: Environment<'_>) -> Option<String> {
    let region =
        set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned());
    Some(format!("bedrock-runtime.{region}.amazonaws.com"))
}

fn vertex(set: Environment<'_>) -> Option<String> {
    let region = set("CLOUD_ML_REGION")?;
    Some(match region.as_str() {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{region}.rep.googleapis.com"),
        _ => format!("{region}-aiplatform.googleapis.com"),
    })
}

fn foundry(set: Environment<'_>) -> Option<String> {
    set("ANTHROPIC_FOUNDRY_RESOURCE").map(|resource| format!("{resource}.services.ai.azure.com"))
}

fn is_file(path: &str) -> bool {
    File::new(path).is_file()
}

fn at_home(set: Environment<'_>, file: &str) -> bool {
    set("HOME").is_some_and(|home| File::new(&home).join(file).is_file())
}

/// In the order in which the AWS SDKs look; what an instance gives of itself is not seen.
fn aws(set: Environment<'_>) -> &'static str {
    let any = |names: &[&str]| names.iter().any(|name| set(name).is_some());
    if any(&["AWS_BEARER_TOKEN_BEDROCK"]) {
        "token"
    } else if any(&["CLAUDE_CODE_SKIP_BEDROCK_AUTH"]) {
        "elsewhere"
    } else if any(&["AWS_ACCESS_KEY_ID"]) {
        if any(&["AWS_SECRET_ACCESS_KEY"]) { "keys" } else { "half" }
    } else if any(&[
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ]) {
        "role"
    } else if any(&["AWS_PROFILE"]) || at_home(set, ".aws/credentials") || at_home(set, ".aws/config") {
        "profile"
    } else {
        "none"
    }
}

/// Application default credentials.
fn google(set: Environment<'_>) -> &'static str {
    if set("CLAUDE_CODE_SKIP_VERTEX_AUTH").is_some() {
        return "elsewhere";
    }
    match set("GOOGLE_APPLICATION_CREDENTIALS") {
        Some(file) if is_file(&file) => "file",
        Some(_) => "file-missing",
        None if at_home(set, ".config/gcloud/application_default_credentials.json") => "log-in",
        None => "none",
    }
}

/// A key, an application's own, or a log-in with the command line.
fn azure(set: Environment<'_>) -> &'static str {
    if set("ANTHROPIC_FOUNDRY_API_KEY").is_some() {
        "keys"
    } else if set("AZURE_CLIENT_ID").is_some() {
        "role"
    } else if at_home(set, ".azure/azureProfile.json") {
        "log-in"
    } else {
        "none"
    }
}

#[cfg(test)]
mod tests {
    use clearline_model::Seen;

    use super::*;

    fn told(variables: &[(&str, &str)]) -> (Option<String>, Vec<(String, String)>) {
        let set = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut facts = Vec::new();
        let target = routes(&set, &mut facts).map(|t| t.host);
        let said = facts.into_iter().filter_map(|f| match f.saw {
            Ok(Seen::State(name, value)) => Some((name, value.raw().to_owned())),
            Ok(_) | Err(_) => None,
        });
        (target, said.filter(|(name, _)| name != "route-switch").collect())
    }

    #[test]
    fn a_switch_leads_to_the_host_of_its_cloud() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        for (variables, host, credential) in [
            (vec![("CLAUDE_CODE_USE_BEDROCK", "1")], "bedrock-runtime.us-east-1.amazonaws.com", "none"),
            (
                vec![
                    ("CLAUDE_CODE_USE_BEDROCK", "true"),
                    ("AWS_REGION", "eu-west-1"),
                    ("AWS_BEARER_TOKEN_BEDROCK", "t"),
                ],
                "bedrock-runtime.eu-west-1.amazonaws.com",
                "token",
            ),
            (
                vec![("CLAUDE_CODE_USE_BEDROCK", "1"), ("AWS_ACCESS_KEY_ID", "AKIAFAKE")],
                "bedrock-runtime.us-east-1.amazonaws.com",
                "half",
            ),
            (
                vec![
                    ("CLAUDE_CODE_USE_VERTEX", "1"),
                    ("CLOUD_ML_REGION", "global"),
                    ("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent"),
                ],
                "aiplatform.googleapis.com",
                "file-missing",
            ),
            (
                vec![("CLAUDE_CODE_USE_VERTEX", "1"), ("CLOUD_ML_REGION", "eu")],
                "aiplatform.eu.rep.googleapis.com",
                "none",
            ),
            (
                vec![
                    ("CLAUDE_CODE_USE_FOUNDRY", "1"),
                    ("ANTHROPIC_FOUNDRY_RESOURCE", "corp"),
                    ("ANTHROPIC_FOUNDRY_API_KEY", "k"),
                ],
                "corp.services.ai.azure.com",
                "keys",
            ),
        ] {
            let expected = vec![pair("cloud.host", host), pair("cloud.credential", credential)];
            assert_eq!(told(&variables), (Some(host.to_owned()), expected));
        }
        assert_eq!(told(&[("CLAUDE_CODE_USE_VERTEX", "1")]), (None, vec![pair("cloud.host", "unknown")]));
        assert_eq!(told(&[("CLAUDE_CODE_USE_BEDROCK", "0")]), (None, Vec::new()));
    }
}
