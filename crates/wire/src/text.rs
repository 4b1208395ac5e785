//! The one table of known texts: the last resort, where status, type, code and headers do not tell.

use clearline_model::ErrorKind as K;

/// The most of a text that is searched, bytes.
const SEARCHED: usize = 64 << 10;

/// Fragments in lower case, finer ones first: pairs of a fragment and what it means in a message.
const MESSAGES: &[(&str, K)] = &[
    // Aider-AI/aider#950 and many more.
    ("invalid x-api-key", K::Authentication),
    // karthink/gptel#354, n8n-io/n8n#37930.
    ("x-api-key header is required", K::CredentialMissing),
    // PipedreamHQ/pipedream#9697, envoyproxy/ai-gateway#1909.
    ("anthropic-version: header is required", K::VersionHeader),
    // decolua/9router#2357, sseshachala/conductai#2179.
    ("is not a valid version", K::VersionHeader),
    // cloudflare/cloudflare-os#402, xenodium/chatgpt-shell#428.
    ("anthropic-workspace-id is required", K::WorkspaceMissing),
    // anymorph-ai/Claudable#45, anthropics/claude-code#8046.
    ("only authorized for use with claude code", K::WrongKind),
    // ChatGPTNextWeb/NextChat#5429.
    ("cors requests must set", K::Cors),
    // Claude API docs: Errors, late 2026.
    ("cors requests are not allowed", K::Cors),
    // anthropics/claude-code#4293.
    ("oauth token has expired", K::Expired),
    // anthropics/claude-code#9635.
    ("oauth token has been revoked", K::Revoked),
    // anthropics/claude-code#6131.
    ("oauth authentication is currently not supported", K::WrongKind),
    // anthropics/claude-code#6752.
    ("oauth authentication is currently not allowed for this organization", K::OrgDisabled),
    // Claude Code docs: Error reference; apache/maka#2949.
    ("oauth token does not meet scope requirement", K::Permission),
    // Claude Code docs: Error reference.
    ("this organization has been disabled", K::OrgDisabled),
    // Claude Code docs: Error reference; the changelog of Claude Code.
    ("invalid bearer token", K::Authentication),
    ("invalid authentication credentials", K::Authentication),
    // anthropics/claude-code#66314.
    ("credit balance is too low", K::Credit),
    // Claude API docs: Rate limits. The first is a limit that the customer set, the second that of the tier.
    ("you have reached your specified", K::SpendLimit),
    ("you have reached your api usage limits", K::SpendLimit),
    // earendil-works/pi#102.
    ("prompt is too long", K::ContextTooLong),
    // docker/docker-agent#569; Claude Code docs: Error reference.
    ("exceed context limit", K::ContextTooLong),
    // anthropics/claude-code#6380.
    ("request size exceeds model context window", K::ContextTooLong),
    // Bedrock: claude-api.md 7.1.
    ("input is too long for requested model", K::ContextTooLong),
    // anthropics/claude-code#11302.
    ("which is the maximum allowed number of output tokens", K::MaxTokens),
    // Claude API docs: Errors.
    ("request exceeds the maximum size", K::TooLarge),
    // Claude Code docs: Error reference.
    ("extra inputs are not permitted", K::BetaHeader),
    ("for the `anthropic-beta` header", K::BetaHeader),
    // Claude API docs: Rate limits; the sentence also names the kind of tokens (claude-api.md 2.4).
    ("acceleration limit", K::RateAcceleration),
    ("usage increase", K::RateAcceleration),
    ("more gradually", K::RateAcceleration),
    // Claude API docs: Rate limits (the sentence names the kind); claude-api.md 2.4.
    ("output tokens per minute", K::RateOutputTokens),
    ("input tokens per minute", K::RateInputTokens),
    ("number of request tokens has exceeded your per-minute", K::RateInputTokens),
    ("requests per minute", K::RateRequests),
    ("number of requests has exceeded", K::RateRequests),
    ("number of concurrent connections has exceeded", K::RateConcurrency),
    // gsd-build/gsd-2#32.
    ("would exceed your account's rate limit", K::Subscription),
    // anthropics/claude-code#39948.
    ("extra usage is required", K::Subscription),
    // enricoros/big-AGI#485, corbt/agent.exe#15.
    ("request not allowed", K::Region),
    // anthropics/anthropic-sdk-typescript#616.
    ("overloaded", K::Overloaded),
    // Bedrock: claude-api.md 7.1.
    ("too many requests, please wait", K::AwsThrottled),
    ("too many tokens, please wait", K::AwsThrottled),
    ("signature expired:", K::AwsCredentials),
    // Google: anthropics/claude-code#726, cline/cline#4080.
    ("invalid_rapt", K::GcpCredentials),
];

/// The same for pages and other bodies that are no JSON, which name who answered.
const PAGES: &[(&str, K)] = &[
    // anthropics/claude-code#30437.
    ("<title>just a moment...", K::Challenge),
    ("challenge-error-text", K::Challenge),
    // claude-api.md 2.5: the edge's own errors 10xx.
    ("error code: 10", K::Challenge),
    // anthropics/claude-code#58294, #61390.
    ("attention required! | cloudflare", K::Blocked),
    ("sorry, you have been blocked", K::Blocked),
    // Block pages of web filters, by the vendors' names (unverified).
    ("zscaler", K::WebFilter),
    ("fortiguard", K::WebFilter),
    ("netskope", K::WebFilter),
    ("umbrella.com", K::WebFilter),
    ("web page blocked", K::WebFilter),
    // Envoy's own answers (envoyproxy/envoy, source/common/http/utility.cc and source/common/router), and Linkerd's.
    ("upstream connect error or disconnect/reset before headers", K::Mesh),
    ("no healthy upstream", K::Mesh),
    ("upstream request timeout", K::Mesh),
    ("client is not authorized to connect to", K::Mesh),
    // Pages of captive portals (unverified); `WISPAccessGatewayParam` is from the WISPr drafts.
    ("wispaccessgatewayparam", K::Portal),
    ("captive portal", K::Portal),
    ("captiveportal", K::Portal),
    ("hotspot login", K::Portal),
];

/// What a message means by its text.
pub(crate) fn of_message(message: &str) -> Option<K> {
    find(MESSAGES, message.as_bytes())
}

/// What a body that is no JSON means by its text.
pub(crate) fn of_page(body: &[u8]) -> Option<K> {
    find(PAGES, body).or_else(|| find(MESSAGES, body))
}

fn find(table: &[(&str, K)], text: &[u8]) -> Option<K> {
    let text = text.get(..text.len().min(SEARCHED)).unwrap_or_default().to_ascii_lowercase();
    let has = |fragment: &str| memchr::memmem::find(&text, fragment.as_bytes()).is_some();
    table.iter().find(|(fragment, _)| has(fragment)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fragment_is_in_lower_case_and_finds_itself() {
        for (fragment, kind) in MESSAGES {
            assert_eq!(*fragment, fragment.to_lowercase());
            assert_eq!(of_message(&fragment.to_uppercase()), Some(*kind), "{fragment}");
        }
        for (fragment, kind) in PAGES {
            assert_eq!(*fragment, fragment.to_lowercase());
            assert_eq!(of_page(fragment.as_bytes()), Some(*kind), "{fragment}");
        }
        assert_eq!(of_message("hello"), None);
    }
}
