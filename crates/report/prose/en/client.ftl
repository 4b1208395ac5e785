# The causes of the layer client.
client-timeout-too-short = The client's own time limit ran out
    .title = The client gave up after { $seconds } s
    .means = The client ended the call because its own time limit ran out while the server was still at work. A long answer takes minutes, and without streaming nothing arrives until it is complete. Neither the network nor the service broke the call, and it may have been billed.
    .fix-1 = Raise the limit to 600 s, the default of the SDKs: timeout=600 in Python's Anthropic(), API_TIMEOUT_MS=600000 for Claude Code.
    .fix-2 = Stream the answer; then the limit has to cover only the gap between two events, and 180 s is enough when the API is called directly.
    .fix-3 = Set separate limits in other HTTP clients: seconds for connecting, minutes for reading. OkHttp gives up reading after 10 s if nothing is set.
    .run-4 = printenv API_TIMEOUT_MS
    .why-4 = Shows Claude Code's limit in milliseconds; above 2147483647 it overflows and every call fails at once.

client-pool-exhausted = The client's connection pool has no free connection
    .title = All { $limit } connections of the client's pool are taken
    .means = The call waited for a free connection in the client's own pool and got none, so nothing was sent. Either more calls run at once than the pool has connections, or connections are not given back because responses stay open. It is reported as a timeout, although no server was slow.
    .fix-1 = Close every response and every stream, in Python with a with block around client.messages.stream(…).
    .fix-2 = Limit the calls that run at once, for instance with a semaphore, to fewer than the pool has connections, or enlarge the pool.
    .fix-3 = Create one client for the whole program instead of one for each call.
    .run-4 = python -m pip install --upgrade anthropic anyio httpcore
    .why-4 = Replaces old versions; pinned old ones of anyio and httpcore are known never to give connections back.

client-streaming-required = The SDK refuses a long call that is not streamed
    .means = The SDK expects this call to take longer than ten minutes, because max_tokens is large, and refuses it without streaming. Nothing was sent: the error comes from the SDK, not from the service. The rule applies above 21,333 max_tokens, for Opus 4.0 and 4.1 above 8,192.
    .fix-1 = Stream the call: client.messages.stream(…), or stream=True.
    .fix-2 = Lower max_tokens to 21,333 or less if the answer is never that long.
    .fix-3 = Set a timeout of your own on the client or the call if it must not be streamed; the SDK then leaves the decision to you.

client-cors = A browser calls the API without the opt-in
    .means = The call carries an Origin header, that is, it comes from a browser or a webview, and the API refuses such calls unless they opt in. The console of the browser then shows a CORS error or only "Failed to fetch". The network works, and the 401 says nothing about the key.
    .fix-1 = Move the call to your own server and keep the key there; in a page every visitor can read it.
    .fix-2 = Send the header anthropic-dangerous-direct-browser-access: true if the key belongs to the person who uses the page.
    .fix-3 = Strip the Origin header in the gateway if the calls pass through one of yours.
    .fix-4 = Ask the administrator of the organisation to allow browser calls if the message says that they are not allowed for this organisation; the header does not help there.

client-dependency-mismatch = Library versions do not fit together
    .means = The SDK and a library below it are of versions that do not fit, so the program fails before it sends anything. The best known case: anthropic before 0.40 passes the argument proxies, which httpx 0.28 no longer has. Key, network and service are not involved.
    .run-1 = python -m pip install --upgrade anthropic
    .why-1 = Installs the current SDK and, with it, versions of its libraries that fit.
    .run-2 = python -m pip check
    .why-2 = Names every installed package whose requirements are not met.
    .fix-3 = Enter the working versions in requirements.txt or the lock file, so that the next installation gets the same ones.

client-masked = This text hides the cause
    .means = The client prints this sentence for many different failures, so it does not tell which one happened. The Python SDK, for instance, says "Connection error." for DNS, TLS, proxy and even for a line break in the key. What the program knows beyond that is in the error below this one.
    .run-1 = clearline doctor
    .why-1 = Makes the same call step by step and names the step that fails.
    .fix-2 = Log the inner error as well: the chain of __cause__ in Python, error.cause and its code in Node, the innermost exception in Java.
    .fix-3 = Hand the whole text with the inner errors to clearline explain; the lowest line usually decides.
