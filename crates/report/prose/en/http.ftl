# The causes of the layer http.
http-no-response = The request was delivered in full and no answer comes
    .title = { $host } took the whole request and does not answer
    .means = Name, TCP and TLS work, the other side confirmed every byte of the request, and then nothing comes back. The server, or a gateway that answers in its place, hangs. The call may have been carried out and billed, so a repeat can cost twice.
    .fix-1 = Repeat the call once on a new connection, and let further repeats wait longer each time.
    .fix-2 = Send the call with "stream": true; the first event then comes long before the end, and a hanging call shows early.
    .fix-3 = Look at status.claude.com, and report the time to the gateway's operator if ANTHROPIC_BASE_URL names one.
    .run-4 = curl -sS -i -m 20 https://api.anthropic.com/v1/messages
    .why-4 = Asks without a key and without a body: a 405 within a second shows that the API itself answers from here.

http-reset-before-response = The connection was reset after the request was sent
    .title = { $host } reset the connection after the request was sent
    .means = The request left, and instead of an answer came a reset (ECONNRESET). A single one is chance: a restart on the other side, or a device in between that lost the connection. The call may have been carried out, because nobody can see where the reset fell.
    .fix-1 = Repeat the call on a new connection; the official SDKs do that twice by themselves.
    .run-2 = clearline doctor -v
    .why-2 = Compares sizes, pauses and new connections if the resets come back, and names the one that matters.
    .fix-3 = Ask the network's administrator which firewall, VPN or proxy sends the resets if they occur on this network only.

http-closed-before-response = The connection was closed after the request was sent
    .title = { $host } closed the connection after the request, without an answer
    .means = The other side took the request and closed the connection in good order without sending anything. Mostly a server or gateway was just restarting, or closed the connection for being idle at the moment at which it was used again. "Server disconnected without sending a response" and "Empty reply from server" are this.
    .fix-1 = Repeat the call on a new connection.
    .fix-2 = Let the client drop idle connections sooner than the server does if it happens after pauses; in httpx that is keepalive_expiry in httpx.Limits.
    .fix-3 = Report time and address to the operator of the host if new connections are closed as well; for api.anthropic.com look at status.claude.com first.

http-truncated = The answer's body is shorter than announced
    .title = The answer of { $host } ends before its announced length
    .means = The header announced more bytes than arrived before the connection ended, so the answer is incomplete and must not be used. A proxy, gateway or inspecting device on the way mostly cuts it. The call may have been billed all the same.
    .fix-1 = Repeat the call once; chance cuts do not hit the same call again.
    .fix-2 = Ask for the answer as a stream with "stream": true, so that what arrived before a cut is not lost.
    .fix-3 = Ask whoever runs the proxy or gateway for its limits on the size and duration of answers if the cut always falls in the same place.

http-bad-encoding = The body is not in the encoding that its header names
    .title = The body from { $host } is not encoded as its header says
    .means = The header content-encoding names one encoding (gzip, for example) and the body is in another, so the client cannot unpack it. A proxy or gateway unpacked or packed the body and left the header as it was. The API and the key have no part in it, and every repeat ends the same way.
    .fix-1 = Ask the operator of the proxy or gateway to pass body and content-encoding on together, or to remove the header when it unpacks.
    .fix-2 = Send the header accept-encoding: identity until then, so that nothing is packed on the way.
    .run-3 = curl -sS -o /dev/null -D - -H 'accept-encoding: gzip' "$ANTHROPIC_BASE_URL/v1/messages"
    .why-3 = Shows which encoding the gateway's answer claims to have.

http-upload-blocked = Requests over some size get stuck or are reset on the way
    .title = Requests over about { $limit } bytes get stuck or are reset on the way
    .means = Small calls pass, and from a certain size on every call stalls or is reset in the middle of the upload. A device on the way that inspects uploads (firewall, data loss prevention, router) does that, not the API, which takes 32 MB. Long conversations therefore fail while a test works.
    .fix-1 = Ask the network's administrator to exempt api.anthropic.com from content inspection and from limits on uploads; give them the size from which it fails.
    .run-2 = head -c 200000 /dev/zero | curl -sS -o /dev/null -D - -H 'content-type: application/json' --data-binary @- https://api.anthropic.com/v1/messages
    .why-2 = Uploads 200 KB without a key: any status line means that this size passes, a reset or silence is the fault.
    .fix-3 = Keep requests below that size until then: shorten the conversation, in Claude Code with /compact, and leave out images.

http-keepalive-race = The server closes idle connections while the client reuses them
    .title = { $host } closes idle connections just as the client reuses them
    .means = The client keeps connections open for the next call and the server or gateway closes them after a pause; when both coincide, the call dies on a dead connection. Calls on new connections always work. It strikes after quiet moments, and a restart seems to cure it.
    .fix-1 = Repeat such a call at once on a new connection.
    .fix-2 = Set the client's idle limit below the server's: keepalive_expiry in httpx.Limits, keepAliveTimeout in undici's Agent, IdleConnTimeout in Go's http.Transport.
    .fix-3 = Ask the gateway's operator to keep idle connections open longer than the clients do; in nginx that is keepalive_timeout.
