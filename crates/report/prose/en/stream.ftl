# The causes of the layer stream.
stream-stalled = The stream went silent
    .title = The stream of { $host } sends nothing any more after { $seconds } s
    .means = The answer began, and then neither text nor a ping came while the connection stayed open. Pings are the sign of life during long thinking; without them the sender hangs, or a device in between swallows the data. Some clients wait for ever here, because their timeout ends with the response headers.
    .fix-1 = Repeat the call if no output was used yet; otherwise send it again with the partial text and ask for its continuation.
    .fix-2 = Give the program an idle limit that counts every byte, pings included: 180 s straight at the API, 300 s through a gateway; in Claude Code CLAUDE_STREAM_IDLE_TIMEOUT_MS.
    .fix-3 = Ask the gateway's operator to pass pings on, and to send its own when the upstream is silent, if only calls through the gateway stall.

stream-ended-early = The stream ended cleanly, but before its end mark
    .title = The stream of { $host } ended without message_stop
    .means = The connection ended in good order, yet the event message_stop is missing, so the answer is incomplete. The Python SDK reports no error here and returns the partial text with stop_reason None. A gateway or server on the way closed the stream too soon.
    .fix-1 = Treat every stream without message_stop as failed: look for a stop_reason before the text is used.
    .fix-2 = Repeat the call, or send it again with the partial text and ask for its continuation.
    .fix-3 = Ask the operator of the gateway in ANTHROPIC_BASE_URL why it ends answers at that time if it happens again.

stream-cut = The connection closed in the middle of the stream
    .title = The connection to { $host } closed in the middle of the stream
    .means = The stream broke off in the middle of its framing: somebody closed the connection before the answer was complete. If it always happens after the same time, a proxy or load balancer with a limit is at work (60 s is the default of nginx and of AWS load balancers). SDKs do not repeat a stream that has begun.
    .fix-1 = Repeat the call if no output was used yet; otherwise send it again with the partial text and ask for its continuation.
    .fix-2 = Ask the operator of the proxy or gateway to raise its limit for quiet connections to 300 s or more; in nginx proxy_read_timeout, on AWS the load balancer's idle timeout.
    .run-3 = clearline doctor -v
    .why-3 = Holds a long stream, and shows after how many seconds it breaks and on which way.

stream-reset = The connection was reset in the middle of the stream
    .title = The connection to { $host } was reset in the middle of the stream
    .means = A reset ended the connection while the answer was arriving (ECONNRESET). Mostly a VPN, router or firewall between forgot the connection, or the network changed, by sleep or a new Wi-Fi. The text so far is genuine, but incomplete.
    .fix-1 = Repeat the call if no output was used yet; otherwise send it again with the partial text and ask for its continuation.
    .fix-2 = Compare with and without VPN, on another network, and tell the administrator where the resets occur.
    .run-3 = clearline doctor -v
    .why-3 = Shows whether the resets follow a pause, a size or nothing, and so which device to look for.

stream-size-cut = A device on the way cuts every answer at the same size
    .title = A device on the way cuts every answer after about { $value } bytes
    .means = Short answers arrive whole, and long ones always break off after the same number of bytes. A proxy, gateway or inspecting device has a limit on the size of answers. Repeating runs into the same limit and pays again.
    .fix-1 = Ask the operator of the proxy or gateway to lift the limit on answers for api.anthropic.com, or to exempt it from inspection; give them the number of bytes.
    .fix-2 = Lower max_tokens until then, and fetch long texts in several calls.

stream-error-event = The API reported an error inside a stream that had begun
    .title = { $host } reported an error inside a stream that had begun
    .means = The status is 200, but an event "error" came in the stream: the API failed or was overloaded after it had begun to answer. Retry rules that look at the status never see that. Network and key are in order.
    .fix-1 = Repeat the call if no output was used yet; with overloaded_error after a pause that grows from try to try.
    .fix-2 = Handle the event "error" in your code like the status that belongs to its type: overloaded_error like 529, rate_limit_error like 429, api_error like 500.
    .fix-3 = Look at status.claude.com if it happens again and again, and name the request-id when you report it.

stream-corrupt = An event of the stream is cut or altered
    .title = The stream of { $host } holds an event that is cut or altered
    .means = An event of the stream is not valid JSON, is cut in half, or stands where it may not. Something between the API and you rewrites the stream; api.anthropic.com sends whole events. What was read before it can be genuine, what follows cannot be trusted.
    .fix-1 = Ask the gateway's operator to pass the stream on byte for byte, without translating, merging or filtering events.
    .fix-2 = Repeat the same call straight at api.anthropic.com; if it works, the gateway or proxy is proven to be the cause.
    .fix-3 = Update the SDK or the reader if the faulty event is whole but long or of an unknown name: single events can be very large, and unknown ones must be skipped.

stream-wrong-content-type = A gateway changed the stream's content type
    .title = { $host } sends the stream under a wrong content type
    .means = The body is an event stream, but the header content-type says something else or is missing, so strict clients refuse to read it as a stream. A gateway or proxy replaced the header. The model did answer, and a client that then repeats the call pays twice.
    .fix-1 = Ask the gateway's operator to pass content-type on unchanged: text/event-stream for the Claude API, application/vnd.amazon.eventstream for Amazon Bedrock.
    .fix-2 = Ask the network's administrator to exempt the host from rewriting if a proxy does it.
    .fix-3 = Call api.anthropic.com directly until then if your company permits it.

stream-buffered = A proxy or gateway holds the stream back until its end
    .title = Something before { $host } holds the stream back for { $seconds } s
    .means = The events arrive all at once at the end instead of one after another: a device on the way collects the answer before it passes it on. Nothing is lost, but the first token comes as late as the last, and timeouts that expect a sign of life strike. The model is not slow.
    .fix-1 = Switch buffering off in the gateway; in nginx with proxy_buffering off, or with the response header X-Accel-Buffering: no.
    .fix-2 = Ask the network's administrator to exempt api.anthropic.com from virus scanning and content inspection, which read an answer in full before they release it.
    .fix-3 = Raise the client's read timeout above the time of the whole answer until then.
