# The causes of the layer tcp.

tcp-filtered = The API's address is blocked on the way without a word
    .title = A filter on the way drops every packet to { $addr }
    .means = Packets to this address vanish and no answer comes, while other hosts are reached over the same network.
        That is a firewall rule about this address, not an outage of the API and not a fault of your program. A repeat meets the same rule.
    .fix-1 = Ask the network's administrator to allow outgoing TCP 443 to 160.79.104.0/23 and 2607:6bc0::/48 (api.anthropic.com).
    .fix-2 = Set HTTPS_PROXY to the company's proxy, if such traffic is meant to leave only through it.
    .fix-3 = Use Amazon Bedrock or Google Vertex AI under your company's contract, or run the calls in a supported region, if the rule has to stay.
    .run-4 = curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-4 = Connects directly; a timeout here beside an answer of another host is the proof for the administrator.

tcp-port-blocked = The network blocks this port to every host
    .title = The network blocks port { $port } to every host
    .means = Connections to this port fail whatever the destination, while other ports pass. It is a rule of the network,
        mostly because web traffic is meant to go through a proxy. The API and its address are not singled out.
    .fix-1 = Set HTTPS_PROXY to the proxy of this network; its administrator knows the address.
    .fix-2 = Ask the network's administrator to allow outgoing TCP 443, at least to api.anthropic.com.
    .fix-3 = Use the gateway on port 443, if it listens there and ANTHROPIC_BASE_URL names another port.
    .run-4 = curl -sSI -m 10 --noproxy '*' https://www.example.com/
    .why-4 = Tries port 443 of another host; it fails in the same way as long as the rule stands.

tcp-refused = The host answers, and nothing listens on the port
    .title = { $host } refuses connections on port { $port }
    .means = The machine at the address is up and refuses the connection at once: no service listens on this port.
        The service is down, or the port is wrong. Nothing of the request was sent, so repeating it is safe.
    .fix-1 = Correct the port in ANTHROPIC_BASE_URL, or start the gateway again, if the URL names a gateway.
    .fix-2 = Look at status.claude.com if the host is api.anthropic.com, and repeat with pauses that grow.
    .run-3 = curl -sSI -m 10 https://api.anthropic.com/
    .why-3 = Shows whether the API itself answers; any HTTP status means that it does.
    .fix-4 = Report the address, port and time to the operator of the host, if it lasts.

tcp-rejected = A firewall on the way rejects the connection
    .title = A firewall on the way rejects connections to { $addr }
    .means = The attempt is answered at once with a reset or an ICMP message, and that comes from a device on the way, not from the server.
        Programs report "connection refused" as if the service were down; it is up. It is a rule, and a repeat gets the same answer.
    .fix-1 = Ask the network's administrator to allow outgoing TCP 443 to 160.79.104.0/23 and 2607:6bc0::/48 (api.anthropic.com).
    .fix-2 = Set HTTPS_PROXY to the company's proxy, if such traffic is meant to leave only through it.
    .fix-3 = Use Amazon Bedrock or Google Vertex AI under your company's contract, if the network's policy permits those.
    .run-4 = clearline doctor -v
    .why-4 = Shows the refusal with its time and what the other hosts answered, as proof for the administrator.

tcp-unreachable = A router reports that the host is unreachable
    .title = A router reports that { $addr } is unreachable
    .means = A router on the way says that it has no way to this host or network, and programs report "No route to host".
        Its routing is broken, or the line behind it is down. This machine and its settings did their part; the request was not sent.
    .fix-1 = Report the address and the time to the network's administrator or the provider.
    .fix-2 = Connect the company's VPN, if the address is a private one behind it.
    .run-3 = tracepath -n api.anthropic.com
    .why-3 = Shows how far packets get and which router reports the fault; routers that keep silent mean nothing.
    .fix-4 = Repeat after a pause; many routing faults pass within minutes.

tcp-prohibited = A firewall on the way says that the connection is prohibited
    .title = A firewall on the way prohibits connections to { $addr }
    .means = A router or firewall answers in plain words (ICMP) that this traffic is administratively prohibited.
        Programs show it as "No route to host", but the route is there: it is a rule, and repeating does not change it.
    .fix-1 = Ask the network's administrator to allow outgoing TCP 443 to 160.79.104.0/23 and 2607:6bc0::/48 (api.anthropic.com).
    .fix-2 = Set HTTPS_PROXY to the company's proxy, if such traffic is meant to leave only through it.
    .fix-3 = Use Amazon Bedrock or Google Vertex AI under your company's contract, if the network's policy permits those.
    .run-4 = clearline doctor -v
    .why-4 = Names the device that sent the refusal, as proof for the administrator.

tcp-ipv6-broken = IPv6 is configured here and does not work; IPv4 does
    .title = IPv6 to { $host } does not work here; IPv4 does
    .means = This machine has IPv6, but connections over it hang or are reset, while IPv4 works. curl tries both families and hides it;
        programs that take the first address, such as Python clients, wait or fail. So a working curl proves nothing here.
    .run-1 = curl -6 -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-1 = Tries IPv6 alone and fails; the same with -4 answers.
    .fix-2 = Prefer IPv4 until IPv6 works: on Linux add the line "precedence ::ffff:0:0/96 100" to /etc/gai.conf,
        for Node set NODE_OPTIONS=--dns-result-order=ipv4first.
    .fix-3 = Switch off the VPN, relay or router setting that provides IPv6 here, if it is yours.
    .fix-4 = Ask the network's administrator or the provider to repair IPv6, or to stop announcing it.

tcp-ipv4-broken = IPv4 does not work here; IPv6 does
    .title = IPv4 to { $host } does not work here; IPv6 does
    .means = Connections over IPv4 hang or are reset, while those over IPv6 work. Programs that try both families get through;
        those pinned to IPv4 fail. The service answers, so it is up.
    .fix-1 = Let the client use IPv6: remove curl's -4, local_address="0.0.0.0" in an httpx transport, or ipv4first in NODE_OPTIONS.
    .run-2 = curl -4 -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-2 = Tries IPv4 alone and fails; the same with -6 answers.
    .fix-3 = Give the container network IPv6 as well, if the program runs in Docker, whose default network has IPv4 only.
    .fix-4 = Ask the network's administrator or the provider to repair IPv4, its NAT above all.

tcp-mtu-blackhole = Large packets are lost on the way, and nothing reports it
    .title = Large packets to or from { $host } are lost, and nothing reports it
    .means = The connection opens and small packets pass, but full-sized ones vanish: a tunnel, VPN or PPPoE line on the way
        holds less, and the message that would say so is filtered. The handshake hangs, or long requests do while short ones work.
        Server and key are in order.
    .run-1 = sudo ip link set dev "$(ip route show default | grep -o 'dev [^ ]*' | head -1 | cut -d' ' -f2)" mtu 1280
    .why-1 = Lowers the packet size of the outgoing interface until the next restart; if calls work afterwards, this was the cause.
    .fix-2 = Set the MTU for good where the tunnel is: MTU = 1280 in WireGuard's [Interface] section, "mtu": 1280 in /etc/docker/daemon.json for Docker.
    .fix-3 = Ask the administrator of the VPN or router to clamp the TCP MSS to the path MTU and to let ICMP "packet too big" pass.

tcp-packet-loss = Many packets are lost on the way
    .means = A large share of the packets is lost, so connections open late, answers stall and some attempts time out.
        Other hosts are concerned as well: it is the line, not the API. Wi-Fi with a weak signal and an overloaded line are the usual places.
    .fix-1 = Use a cable instead of Wi-Fi, or move closer to the access point.
    .run-2 = ping -c 50 -i 0.2 "$(ip route show default | grep -o 'via [^ ]*' | head -1 | cut -d' ' -f2)"
    .why-2 = Measures the loss to the router; loss here is in Wi-Fi or cable, none here puts it behind the router.
    .fix-3 = Stop what fills the line, such as backups and uploads, if the loss comes only under load.
    .fix-4 = Report the share of lost packets and the times to the network's administrator or the provider.

tcp-intermittent-reset = A share of the connections is reset
    .title = { $count } of { $total } connections to { $host } are reset
    .means = Most connections work, and some are reset right after they open. One bad server behind the address,
        or one bad line among several, does that. A new connection mostly gets through; the key and the request have no part in it.
    .fix-1 = Leave the retries of the SDK switched on (max_retries at 2 or more); each opens a new connection after a reset.
    .run-2 = for i in 1 2 3 4 5 6 7 8 9 10; do curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/ | head -1; done
    .why-2 = Opens ten new connections; the share of errors among them is the rate to report.
    .fix-3 = Report rate, addresses and times to the network's administrator, or to the operator of the gateway if ANTHROPIC_BASE_URL names one.

tcp-connection-limit = The path allows only so many connections at once
    .title = Only { $limit } connections at once get through from here
    .means = Up to a number of open connections everything works, and each further one is rejected or left without an answer.
        A firewall, NAT or proxy counts connections per machine. It is not a rate limit of the API, which would answer 429.
    .fix-1 = Create one client for the whole program and reuse its connections; close every response and every stream.
    .fix-2 = Limit the calls in flight: a semaphore around them, or httpx.Limits(max_connections=20) in the client.
    .run-3 = ss -Htn state established '( dport = :443 )' | wc -l
    .why-3 = Counts the connections to port 443 that are open on this machine now.
    .fix-4 = Ask the network's administrator to raise the limit of sessions per host on the firewall or NAT.

tcp-idle-cut = A device on the way cuts idle connections
    .title = A device on the way cuts connections after { $seconds } s without data
    .means = A firewall, NAT or load balancer forgets a connection on which nothing moves for a time. A call that waits long for its answer,
        or the next call on an idle connection, is then reset or hangs. The API did not end the connection.
    .fix-1 = Stream the answers (stream=True), so that data and pings keep the connection moving; use Message Batches for work that takes long.
    .fix-2 = Set TCP keep-alive below the limit: the Python SDK sends one after 60 s; for less, pass socket_options with TCP_KEEPIDLE to an httpx transport.
    .fix-3 = Let idle connections expire earlier in the client's pool, with httpx.Limits(keepalive_expiry=20) for example.
    .fix-4 = Ask whoever runs the firewall, proxy or load balancer to raise its idle limit for these connections to ten minutes.

tcp-accepts-then-closes = Something accepts the connection and closes it at once
    .title = { $addr } accepts connections and closes them at once
    .means = The connection opens and is closed or reset before any answer, whatever name is asked for. Mostly a load balancer or a port
        forwarding stands there without a working service behind it, or a device on the way answers in the server's place.
        No certificate was shown, and nothing of the request was sent.
    .fix-1 = Start the service behind the port, if it is your gateway; in a container it has to listen on 0.0.0.0, not on 127.0.0.1.
    .run-2 = curl -sv -m 10 --noproxy '*' -o /dev/null https://api.anthropic.com/
    .why-2 = Shows "Connected" and then the end before a certificate; for a gateway put its name.
    .fix-3 = Ask the network's administrator which device closes connections to this address, with the time, if the host is api.anthropic.com.

tcp-throttled = The bandwidth on the way is throttled
    .title = The bandwidth to { $host } is throttled
    .means = Data flows, but so slowly that long requests and answers run into time limits. A data plan that is used up,
        a traffic rule or an overloaded line holds it down. The call is not stuck, and the server is not slow.
    .fix-1 = Ask the provider or the network's administrator to lift the limit for api.anthropic.com, or change to a line without it.
    .fix-2 = Raise the client's time limit until then: timeout= in Anthropic(), API_TIMEOUT_MS for Claude Code.
    .fix-3 = Send less with each call: smaller images, shorter documents, fewer calls at once.

tcp-reset = The connection was reset before the request was sent
    .title = The connection to { $host } was reset before the request was sent
    .means = The connection was open, and something reset or closed it before the request went out. This one failure does not tell
        whether the server or a device on the way did so. Nothing was carried out or billed, so repeating is safe.
    .fix-1 = Repeat the call on a new connection.
    .run-2 = clearline doctor
    .why-2 = Compares addresses, families and host names, and tells who resets the connection if it happens again.
    .fix-3 = Report address and time to the network's administrator, if it happens in this network alone.

tcp-timeout = The connection attempt got no answer
    .title = { $addr } gave no answer to the connection attempt
    .means = The attempt to connect ended without any answer, neither a yes nor a no. A filter that drops packets, a lost route and a dead server
        look alike from one attempt. Nothing of the request was sent, so repeating is safe.
    .fix-1 = Repeat after a pause that grows from try to try.
    .run-2 = clearline doctor
    .why-2 = Tries other hosts, ports and families from here, and tells a filter from an outage.
    .fix-3 = Set HTTPS_PROXY, if this network lets traffic out only through a proxy; curl and browsers may have it set already.

tcp-stale-pooled = A pooled connection had died while it was idle
    .means = The client took a connection from its pool that had died unnoticed: the machine slept or changed networks,
        or a firewall forgot the connection. The next call on a new connection works. The API and the key have no part in it.
    .fix-1 = Leave the retries of the SDK switched on (max_retries at 1 or more); the repeat takes a new connection.
    .fix-2 = Let idle connections expire earlier in the pool, with httpx.Limits(keepalive_expiry=20) for example.
    .fix-3 = Restart a program that goes on failing after sleep or a change of network; it clings to the old pool.
