# The causes of the layer server.
server-overloaded = The API has no capacity left at the moment
    .title = The API has no capacity left for { $model } at the moment
    .means = The API answers 529, or overloaded_error inside a stream: it is overloaded for many callers at once. This is neither your rate limit nor your network, and another key does not help. Mostly it passes within minutes.
    .fix-1 = Repeat the call after a pause that grows from try to try and is drawn at random; the SDK's two repeats are often over before the overload is.
    .run-2 = clearline gateway --listen 127.0.0.1:8787
    .why-2 = Starts a gateway that repeats such calls with pauses and a budget for all programs whose ANTHROPIC_BASE_URL is http://127.0.0.1:8787.
    .fix-3 = Use another model until then, or move work that can wait into the Message Batches API.
    .fix-4 = Look at status.claude.com if it lasts longer than some minutes.

server-error = The API failed inside
    .title = The API failed inside with status { $status }
    .means = The call reached the API, which answered 500 api_error: a fault of its own. Network, key and limits are in order. Mostly the same call succeeds a moment later.
    .fix-1 = Repeat the call after a short pause that grows from try to try.
    .fix-2 = Look at status.claude.com if several calls in a row fail.
    .fix-3 = Write to Anthropic's support with the request-id if exactly this request fails every time and others succeed.

server-unavailable = The service's edge answers, and the API behind it does not
    .title = The edge of { $host } answers { $status }: the API behind it does not
    .means = Name, network and TLS work as far as the service's edge, but the edge cannot reach the API behind it (502, 503, 520 to 526). That is a fault on the provider's side. Nothing on this machine brings it about or ends it.
    .fix-1 = Repeat the call after a pause that grows from try to try, or after the retry_after that the answer names.
    .fix-2 = Look at status.claude.com for an incident.
    .fix-3 = Report the cf-ray value and the time to Anthropic's support if it lasts and no incident is shown.
    .run-4 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 20
    .why-4 = Asks without a key: a 405 shows that the API is back.

server-timeout = The API gave up on the request because it took too long
    .title = The API gave up on the request after { $seconds } s
    .means = The API itself ended the call with 504 timeout_error; the client's timeout is not the reason. It hits long answers that are fetched in one piece. A longer timeout on your side does not help.
    .fix-1 = Send the call with "stream": true, in the SDKs with messages.stream.
    .fix-2 = Lower max_tokens, shorten the prompt or split the work into several calls.
    .fix-3 = Hand long work without a hurry to the Message Batches API, which has up to 24 hours for it.
    .fix-4 = Repeat the call after a pause if it is short; then an incident is at work, see status.claude.com.

server-slow-first-byte = The first byte comes later than the client waits
    .title = { $host } begins to answer after { $seconds } s, later than the client waits
    .means = The API works on the request, but the client ends the call before the first byte arrives. Large prompts, long thinking and answers that are not streamed take that long. Each repeat with the same timeout starts from the beginning and can be billed again.
    .fix-1 = Send the call with "stream": true; the answer then begins long before it is complete.
    .fix-2 = Raise the client's timeout: the argument timeout in the SDKs, API_TIMEOUT_MS in Claude Code; the SDKs themselves wait 600 s.
    .fix-3 = Raise the limits of a gateway or proxy in between as well; in nginx that is proxy_read_timeout, 60 s by default.
