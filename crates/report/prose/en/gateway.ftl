# The causes of the layer gateway.
gateway-bad-gateway = Your own gateway cannot reach its upstream
    .title = Your gateway { $host } cannot reach its upstream
    .means = The gateway in ANTHROPIC_BASE_URL answers, but what it should pass the call on to does not, so it sends a 502, 503 or 504 of its own. The answer has no request-id of the API, because it was not made there. Whoever runs the gateway has to act.
    .fix-1 = Ask the gateway's operator to look into its error log at the time of the failure; it names the upstream and the reason (name, connection, TLS or timeout).
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages
    .why-2 = Run on the gateway's own machine: a 405 shows that the API is reachable from there and that the gateway's settings are at fault.
    .fix-3 = Restart the upstream process, or correct its address in the gateway's settings, if you run the gateway yourself.

gateway-mesh-unavailable = The service mesh cannot reach the API
    .title = The service mesh in front of { $host } cannot reach the API
    .means = The mesh's sidecar or egress proxy (Envoy) answers "upstream connect error" instead of passing the call on. Without a cf-ray that text comes from your own mesh, not from Anthropic. Mostly the mesh does not permit the way out or does not know it.
    .fix-1 = Ask the mesh's administrator to permit api.anthropic.com:443 as an egress, with Istio in a ServiceEntry for that host, protocol TLS, resolution DNS.
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages
    .why-2 = Run inside the pod: a 405 means that the mesh lets the call out, a 503 repeats the fault without a key.
    .fix-3 = Read the sidecar's access log: its response flags (UF, UH, NR) say whether connecting, a healthy host or a route is missing.

gateway-redirect-loop = The gateway redirects calls back to itself
    .title = { $host } redirects calls back to itself
    .means = The gateway answers the call with a redirect to the address that was called, so the client goes round until its limit of redirects. SDKs report that as "Connection error." or "redirect count exceeded". The network works; the gateway's rules are wrong.
    .fix-1 = Ask the gateway's operator to correct the redirect rule for /v1/messages; mostly http and https, or the path with and without a final slash, point at each other.
    .run-2 = curl -sS -o /dev/null -D - "$ANTHROPIC_BASE_URL/v1/messages"
    .why-2 = Shows one round: a 307 or 308 whose Location is the URL just called.
    .fix-3 = Set ANTHROPIC_BASE_URL to the final address, with https:// and no redirect in between, if the gateway has one that answers directly.

gateway-rate-limited = Your own gateway's limit is reached, not the API's
    .title = The limit of your gateway { $host } is reached, not the API's
    .means = The 429 comes from the gateway in between: it has neither the anthropic-ratelimit headers nor a request-id of the API. The gateway rations the calls or the money of its users. A higher limit at Anthropic would change nothing.
    .fix-1 = Wait as long as the answer's retry-after says, and send fewer calls at once.
    .fix-2 = Ask the gateway's administrator for the limit that applies to you, and to raise it or to give your program a share of its own.
    .fix-3 = End the retries when the answer carries x-should-retry: false; that is a budget which waiting a few seconds does not refill.

gateway-body-limit = The gateway refuses the body's size before the API sees it
    .title = { $host } refuses the body's size before the API sees it
    .means = A gateway or edge in front of the API has a limit on bodies and answers 413 with a page of its own. The API takes 32 MB for Messages; this limit is smaller and somebody else's. The same request fails every time, smaller ones pass.
    .fix-1 = Ask the gateway's operator to permit bodies of 32 MB on /v1/messages; in nginx that is client_max_body_size 32m, whose default is 1 MB.
    .fix-2 = Shorten the request until then: drop older turns, images and tool results, or upload files through the Files API if the gateway passes it on.
    .run-3 = head -c 2000000 /dev/zero | curl -sS -o /dev/null -D - -H 'content-type: application/json' --data-binary @- "$ANTHROPIC_BASE_URL/v1/messages"
    .why-3 = Sends 2 MB without a key: 413 shows the gateway's limit, 400 or 401 that this size passes.

gateway-malformed-response = A gateway altered or mistranslated the answer
    .title = { $host } altered or mistranslated the API's answer
    .means = The answer has a form that the API never sends: fields are missing, events stand in the wrong order, or it is another vendor's format. A gateway that translates between formats built it that way. The model may well have answered, and the call may have been billed.
    .fix-1 = Ask the gateway's operator to pass answers on byte for byte, or to update the translating software; give them the raw answer.
    .fix-2 = Repeat the same call straight at api.anthropic.com: if that works, the gateway is proven to be the cause.
    .fix-3 = Make the gateway keep content-type application/vnd.amazon.eventstream and the bytes unchanged if it stands in front of Amazon Bedrock.
