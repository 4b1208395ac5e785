# The causes of the layer tls.

tls-intercepted = TLS is intercepted here with a CA that this client does not trust
    .title = TLS to { $host } is re-signed by "{ $issuer }", not trusted here
    .means = A company proxy, firewall or antivirus on the way decrypts the connection and signs it again with a CA of its own.
        That CA is missing in the trust store of this client, so the client ends the call before anything is sent.
        Neither the key nor the API is at fault.
    .fix-1 = Ask your IT department for the inspection CA's root certificate (PEM) and add it to the system's store:
        Debian and Ubuntu /usr/local/share/ca-certificates/ then update-ca-certificates,
        RHEL and Fedora /etc/pki/ca-trust/source/anchors/ then update-ca-trust, macOS the System keychain.
    .fix-2 = Name the same certificate to runtimes that bring their own roots: NODE_EXTRA_CA_CERTS for Node,
        REQUESTS_CA_BUNDLE for requests, SSL_CERT_FILE for httpx; a file in the last two must hold the public roots as well.
    .fix-3 = Ask the network's administrator to exempt api.anthropic.com from TLS inspection if the CA cannot be
        installed in every runtime.
    .run-4 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates
    .why-4 = Shows who signed the certificate that arrives here without a proxy setting; a company or product name is the intercepting party.

tls-trust-store-mismatch = One trust store on this machine trusts the certificate, another does not
    .title = The certificate of { $host } is trusted here, but not by this program's store
    .means = The certificate chain is verified by one trust store here and refused by another; mostly the system's store
        knows the CA and the bundle that the runtime brings along does not. That is why curl or the browser works and
        the program fails. The server needs no change.
    .run-1 = export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
    .why-1 = Makes Python (httpx), OpenSSL and Go on Linux use the system's store; on RHEL and Fedora the file is /etc/pki/tls/certs/ca-bundle.crt.
    .fix-2 = Set the variable that the runtime reads: NODE_USE_SYSTEM_CA=1 for Node from 22.15, NODE_EXTRA_CA_CERTS for older Node,
        REQUESTS_CA_BUNDLE for requests, CLAUDE_CODE_CERT_STORE=bundled,system for Claude Code.
    .fix-3 = Import the CA into the JVM's truststore with keytool if the program is written in Java, which does not read the system's store.
    .fix-4 = Add the CA inside the image if the program runs in a container, which has a store of its own.

tls-expired = The server's certificate has expired
    .title = The certificate of { $host } has expired
    .means = The server shows a certificate whose last day is over, and every client that verifies must refuse it.
        This machine's clock was compared and is not the reason. Repeating the call changes nothing until the certificate is renewed.
    .fix-1 = Ask the operator of the host in ANTHROPIC_BASE_URL to renew the certificate and to reload the server,
        which keeps the old one in memory until then.
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates
    .why-2 = Shows the certificate's dates for the operator; for a gateway put its name in both places.
    .fix-3 = Look at status.claude.com if the host is api.anthropic.com itself and the issuer is a public CA.

tls-not-yet-valid = The server's certificate is not valid yet
    .title = The certificate of { $host } is not valid yet
    .means = The certificate's first day lies in the future, and every client that verifies must refuse it until then.
        Mostly it was put into use too early, or issued on a machine whose clock is ahead. The clock here is not the reason.
    .fix-1 = Ask the operator of the host to go back to the previous certificate, or to issue a new one on a machine whose clock is right.
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates
    .why-2 = Shows from when the certificate is valid; for a gateway put its name in both places.

tls-wrong-host = The certificate belongs to another host name
    .title = The server at { $host } shows a certificate for another name
    .means = The connection reaches a server whose certificate does not carry the name that was called, so the client refuses it.
        Either the call lands on the wrong machine (base URL, hosts file, DNS, proxy), or the operator left this name out of the certificate.
    .fix-1 = Use in ANTHROPIC_BASE_URL a host name that the certificate carries, not an IP address or an internal alias.
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -ext subjectAltName
    .why-2 = Lists the names in the certificate; for a gateway put its name in both places.
    .fix-3 = Ask the gateway's operator to issue a certificate whose subject alternative names include the name that you call.

tls-self-signed = The server shows a self-signed certificate
    .title = { $host } shows a certificate that it signed itself
    .means = The certificate is vouched for by nobody but the server, so a client cannot tell it from a forgery and refuses it.
        That is common for internal gateways set up in a hurry; api.anthropic.com never does this.
    .fix-1 = Ask the gateway's operator for a certificate issued by the company's CA or by a public one.
    .fix-2 = Get the certificate file from the operator meanwhile, over a channel that you trust, and add it to a copy of the
        system's bundle that SSL_CERT_FILE (Python) or NODE_EXTRA_CA_CERTS (Node) names.
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -fingerprint -sha256
    .why-3 = Prints the fingerprint to compare with the operator's; put the gateway's name in both places.

tls-untrusted-root = The certificate chain ends in a root that is unknown here
    .title = The chain of { $host } ends in "{ $issuer }", unknown here
    .means = The server's chain is complete, but it leads to a root that no trust store on this machine holds.
        Mostly it is a private CA of the company that runs the gateway. The key and the request are not concerned.
    .fix-1 = Ask the gateway's operator for the root certificate (PEM) and add it to the system's store:
        Debian and Ubuntu /usr/local/share/ca-certificates/ then update-ca-certificates,
        RHEL and Fedora /etc/pki/ca-trust/source/anchors/ then update-ca-trust, macOS the System keychain.
    .fix-2 = Name the same file in NODE_EXTRA_CA_CERTS for Node, and set it before the process starts, because Node reads it only then.
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -showcerts </dev/null 2>/dev/null | grep -E ' s:| i:'
    .why-3 = Shows each certificate of the chain and its issuer, the root's name last; for a gateway put its name in both places.

tls-incomplete-chain = The server leaves out the intermediate certificate
    .title = { $host } sends its certificate without the intermediate one
    .means = The server sends its own certificate only, and clients cannot get from it to a root that they trust.
        Browsers often have the missing piece in a cache or fetch it, so the page opens there while programs fail.
        The server's configuration is at fault, not the trust store here.
    .fix-1 = Ask the operator to serve the full chain: certificate first, then the intermediates; in nginx ssl_certificate must name fullchain.pem.
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -showcerts </dev/null 2>/dev/null | grep -E ' s:| i:'
    .why-2 = Lists what the server sends; a single entry is the proof. For a gateway put its name in both places.
    .fix-3 = Add the intermediate certificate, as the CA publishes it, to the bundle that your client uses until the server is repaired.

tls-weak-key = The server's certificate uses a key too weak for this machine
    .title = The key in the certificate of { $host } is too weak for the policy here
    .means = The certificate holds a short key (RSA with 1024 bits, for example), and the TLS library's security level refuses it.
        Clients with a laxer policy still connect, which is why some programs work. The policy is right, the certificate has to change.
    .fix-1 = Ask the operator for a new certificate with RSA of at least 2048 bits or ECDSA P-256, instead of lowering the security level here.
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -text | grep -E 'Public-Key|Signature Algorithm'
    .why-2 = Shows the key's size and the signature's algorithm; for a gateway put its name in both places.

tls-sni-blocked = A device on the way blocks TLS connections that name this host
    .title = A device on the way blocks TLS connections that name { $host }
    .means = TCP connects, but as soon as the handshake names this host the connection is reset, closed or left without an answer;
        the same address answers when another name is called. That is a filter by name in the network between, not a fault of the server or of your program.
        Repeating does not help.
    .fix-1 = Ask the network's administrator to allow api.anthropic.com on port 443, and show them the two lines of proof.
    .fix-2 = Set HTTPS_PROXY to the company's proxy if such traffic is meant to leave only through it.
    .fix-3 = Call Claude through Amazon Bedrock or Google Vertex AI under your company's contract if the network's policy permits those.
    .run-4 = openssl s_client -connect api.anthropic.com:443 -noservername </dev/null
    .why-4 = Makes the same handshake without a name: a certificate in the answer shows that only the name is blocked.

tls-handshake-stalled = The server accepts the connection and never answers the TLS handshake
    .title = { $addr } accepts connections and never answers the TLS handshake
    .means = TCP connects, then no answer to the handshake comes, whatever name is asked for.
        The server or a load balancer in front of it is overloaded or hangs. Nothing was sent of the request, so repeating it is safe.
    .fix-1 = Repeat the call after a pause that grows from try to try.
    .fix-2 = Report the address and the time to the operator of the host; for api.anthropic.com look at status.claude.com first.
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null
    .why-3 = Repeats the handshake alone: it stands still after CONNECTED as long as the fault lasts. For a gateway put its name in both places.

tls-handshake-rejected = The server rejects the TLS handshake
    .title = { $host } ends the TLS handshake with an alert
    .means = The server answers the handshake with an alert and ends it: it shares no version or cipher with this client, or it does not know the name.
        The number of the alert tells which: 40 is no common parameters, 112 is an unknown name. No certificate was looked at, and the key was not sent.
    .fix-1 = Correct the host name in ANTHROPIC_BASE_URL if the alert is 112 (unrecognized_name): the call reaches a server that does not serve it.
    .fix-2 = Ask the gateway's operator to enable TLS 1.2 and 1.3 with common ciphers if the alert is 40 (handshake_failure) or 70 (protocol_version).
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>&1 | grep -E 'error:|^New,'
    .why-3 = Shows the alert and its number, or the version and cipher if the handshake succeeds; for a gateway put its name in both places.

tls-alpn-rejected = The server accepts none of the offered application protocols
    .title = { $host } accepts none of the application protocols that were offered
    .means = Client and server agree on no HTTP version within TLS (ALPN), and the server ends the handshake with alert 120.
        The certificate and the key are not concerned. Mostly one side insists on HTTP/2 and the other knows HTTP/1.1 only.
    .fix-1 = Offer HTTP/1.1 in the client: curl --http1.1, or an httpx client without http2=True.
    .fix-2 = Ask the gateway's operator to accept http/1.1 besides h2 in its ALPN list.
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -alpn http/1.1 </dev/null 2>&1 | grep -iE 'alpn|alert'
    .why-3 = Offers HTTP/1.1 alone and shows whether the server takes it; for a gateway put its name in both places.

tls-version-too-old = The server speaks only TLS versions that are switched off here
    .title = { $host } speaks only TLS versions that are switched off here
    .means = The server knows only TLS 1.0 or 1.1, and current libraries no longer use these because they are unsafe.
        It is an old gateway or appliance; api.anthropic.com speaks newer versions.
    .fix-1 = Ask the gateway's operator to enable TLS 1.2 and 1.3 (nginx: ssl_protocols TLSv1.2 TLSv1.3), instead of switching old versions on here.
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -tls1_2 </dev/null 2>&1 | grep -E 'error:|^New,'
    .why-2 = Tries TLS 1.2 alone: an error and (NONE) instead of a cipher are the proof. For a gateway put its name in both places.
    .fix-3 = Remove ANTHROPIC_BASE_URL if the gateway is not needed and direct calls are allowed.

tls-h2-broken = HTTP/2 is agreed on and does not work on this path
    .title = HTTP/2 to { $host } is agreed on and does not work; HTTP/1.1 does
    .means = The handshake agrees on HTTP/2 (or QUIC is chosen), and then the connection breaks or gives no answer, because a device or gateway
        on the way does not really speak it. The same call works over HTTP/1.1. Key and request are in order.
    .fix-1 = Switch the client to HTTP/1.1: curl --http1.1, httpx without http2=True, Go with GODEBUG=http2client=0.
    .run-2 = curl -sSI -m 10 --http1.1 https://api.anthropic.com/
    .why-2 = Asks over HTTP/1.1; any HTTP status shows that this path works.
    .fix-3 = Ask the operator of the proxy or gateway to repair HTTP/2, or to stop offering h2.

tls-plain-http = The port speaks plain HTTP, not TLS
    .title = Port { $port } of { $host } speaks plain HTTP, not TLS
    .means = The URL says https://, but the server on that port answers in plain HTTP; clients call this "wrong version number".
        Port or scheme in the base URL is wrong. No certificate is involved.
    .fix-1 = Correct the port in ANTHROPIC_BASE_URL to the gateway's TLS port.
    .fix-2 = Write http:// in ANTHROPIC_BASE_URL only for a gateway on this machine (127.0.0.1 or localhost), because elsewhere the key would travel in clear.
    .fix-3 = Ask the gateway's operator to serve TLS if it has no TLS port and runs on another machine.
    .run-4 = env | grep '^ANTHROPIC_BASE_URL=' | sed -E 's#=([a-z]+://)?.*@#=\1***@#'
    .why-4 = Shows the base URL of this shell without credentials.

tls-client-cert-required = The server wants a client certificate
    .title = { $host } wants a client certificate, and none is configured
    .means = The gateway asks every caller for a certificate of its own (mutual TLS) and ends the connection without one.
        That is not the API key and does not replace it: this gateway wants both.
    .fix-1 = Ask the gateway's operator for a client certificate and its private key.
    .fix-2 = Configure them: CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY for Claude Code, --cert and --key for curl,
        and in Python an SSL context with load_cert_chain in the client given as http_client.
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | grep -A 3 'client certificate CA names'
    .why-3 = Shows which CAs the gateway accepts client certificates from; put the gateway's name in both places.

tls-fingerprint-blocked = A filter refuses this client's kind of TLS handshake
    .title = A filter on the way refuses this client's TLS handshake to { $host }
    .means = A filter judges the form of the handshake (its fingerprint): one client gets through, another with the same host name is reset.
        It is usually a bot rule that takes the program for unwanted traffic. Neither the host nor the key is blocked.
    .fix-1 = Ask the operator of the network or gateway to allow your client, and name the runtime, its version, the time and the address.
    .fix-2 = Use the client that the operator approves, if yours is refused on purpose.
    .run-3 = clearline doctor -v
    .why-3 = Shows which handshakes pass and which are refused, as proof for the operator.

tls-large-hello-dropped = A device on the way drops large TLS handshakes
    .title = A device on the way drops large TLS handshakes to { $host }
    .means = Newer runtimes open with a ClientHello that no longer fits one packet, because of its post-quantum key share, and a device on the way drops it.
        So curl with an older library works while a newer runtime hangs. Server and key are in order.
    .fix-1 = Ask the network's administrator to update the firewall or load balancer that drops a ClientHello of more than one packet.
    .fix-2 = Switch the group X25519MLKEM768 off in the client until then; in Go that is GODEBUG=tlsmlkem=0.
    .run-3 = curl -sSI -m 10 --curves X25519 https://api.anthropic.com/
    .why-3 = Sends a small handshake; any HTTP status shows that small ones pass.

tls-mixed-backends = Some servers behind the address show a bad certificate
    .title = { $count } of { $total } handshakes with { $host } get a bad certificate
    .means = Several servers stand behind one address, and not all of them have a good certificate. So the same call fails now and works a moment later.
        A new connection may reach a good one; a change on this machine cures nothing.
    .fix-1 = Report to the operator of the host that its servers show different certificates, with the serial numbers and the times.
    .run-2 = for i in 1 2 3 4 5 6 7 8; do openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -serial -enddate; done
    .why-2 = Makes eight handshakes and shows which certificates come; for a gateway put its name in both places.
    .fix-3 = Repeat a failed call on a new connection until the operator has replaced the bad certificate.
