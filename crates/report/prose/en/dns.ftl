# The causes of the layer dns.

dns-name-not-found = The host name does not exist
    .title = The name { $host } does not exist
    .means = Every resolver that answers says that this name does not exist, so no connection was tried.
        The name is mistyped, withdrawn, or known only inside a network that this machine is not in.
        The resolvers themselves work, and the key has no part in it.
    .fix-1 = Correct the name in ANTHROPIC_BASE_URL, or remove the variable to call api.anthropic.com directly.
    .run-2 = getent hosts api.anthropic.com
    .why-2 = Shows what this machine gets for the API's own name; the right addresses lie in 160.79.104.0/23 and 2607:6bc0::/48.
    .fix-3 = Connect to the company's network first, if the name is a gateway's and known only there; whoever runs the gateway knows its current name.
    .fix-4 = Ask the network's administrator why api.anthropic.com does not exist for the resolvers here, if that is the name.

dns-filtered = The network's DNS filter denies this name
    .title = The resolver denies { $host } and answers for other names
    .means = The configured resolver denies or refuses this one name, while it answers for others and other resolvers know it.
        That is a filter rule of whoever runs the resolver: the company, the provider, or a program such as Pi-hole.
        The name exists, and a repeat gets the same answer.
    .fix-1 = Allow api.anthropic.com in the DNS filter, if it is your own (Pi-hole, AdGuard Home, the router).
    .fix-2 = Ask the network's administrator to allow api.anthropic.com in the DNS filter, and show the answers of the two resolvers.
    .run-3 = nslookup api.anthropic.com
    .why-3 = Shows the denial, and in its first lines the address of the resolver that gives it.
    .fix-4 = Use Amazon Bedrock or Google Vertex AI under your company's contract, if the network's policy permits those.

dns-server-failure = The resolver could not complete the look-up
    .title = The resolver could not complete the look-up of { $host }
    .means = The resolver answers SERVFAIL, or the system reports "Temporary failure in name resolution" (EAI_AGAIN).
        The resolver is up, but a server that it asks in turn is broken or out of its reach.
        It does not mean that the name does not exist.
    .fix-1 = Restart the resolver if it is yours (the router, dnsmasq, systemd-resolved), and correct the server that it forwards to.
    .fix-2 = Report the resolver's address and the time to the network's administrator, if it is the network's.
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = Asks a public resolver for comparison; an address shows that only the configured resolver fails.
    .fix-4 = Set a resolver that the container can reach, with --dns or with dns in the compose file, if the program runs in one.

dns-refused = The resolver refuses to answer this machine
    .title = The resolver { $addr } refuses to answer this machine
    .means = The resolver is up and answers REFUSED: it serves only certain networks, and this machine is not in one of them.
        Mostly the setting comes from another network, or the resolver's access list leaves this one out.
        Nothing is known yet about the name, and nothing was sent to the API.
    .fix-1 = Use the resolver that this network hands out: reconnect to the network, and remove a resolver entered by hand.
    .run-2 = cat /etc/resolv.conf
    .why-2 = Shows whom this machine asks; if it is 127.0.0.53, resolvectl status names the resolver behind it.
    .fix-3 = Ask whoever runs the resolver to admit this machine's network: allow-query and allow-recursion in BIND, access-control in Unbound.

dns-resolver-unreachable = No configured resolver answers
    .title = The resolver { $addr } does not answer
    .means = The queries to the configured resolver get no reply, or its port is closed, so no name can be looked up.
        The resolver is down, or this machine is no longer in the network where it lives. The rest of the network may work:
        a connection to a bare address does not need it.
    .fix-1 = Reconnect to the network, so that it hands out its current resolver, and remove a resolver entered by hand.
    .run-2 = cat /etc/resolv.conf
    .why-2 = Shows whom this machine asks; if it is 127.0.0.53, resolvectl status names the resolver behind it.
    .fix-3 = Restart the resolver, if it runs on this machine or on your router (dnsmasq, systemd-resolved, Pi-hole).
    .fix-4 = Ask the network's administrator whether the resolver is down or a firewall blocks port 53, and name its address.

dns-first-resolver-dead = The first resolver is dead, and every look-up waits for it
    .title = The resolver { $addr } is dead, and every look-up waits for it first
    .means = The system asks its resolvers in the order of the list (with the option rotate, each first in turn), and the one that it asks first does not answer.
        Each look-up waits for it, five seconds by default on Linux, before the next one answers.
        The answer is right, but the wait can use up a client's time limit.
    .fix-1 = Remove the dead resolver from the list or move it to the end, in the network's settings that write /etc/resolv.conf.
    .run-2 = cat /etc/resolv.conf
    .why-2 = Shows the resolvers in the order in which they are asked.
    .run-3 = time getent hosts api.anthropic.com
    .why-3 = Measures a look-up as programs do it; it takes well under a second once the list is right.
    .fix-4 = Ask the network's administrator to repair the resolver or to take it out of DHCP, if the network hands it out.

dns-slow = The resolver answers seconds late
    .title = The look-up of { $host } takes { $seconds } s
    .means = The resolver gives the right answer, but seconds late, and that time is missing from the client's limit for connecting.
        It is overloaded, far away, or waits itself for another server; or it is slow for the names that a search list makes of the host, which are asked first.
        The way to the API is not slow.
    .fix-1 = Use a nearer resolver, mostly the one that the network hands out, if another one was entered by hand.
    .run-2 = time getent hosts api.anthropic.com
    .why-2 = Measures a look-up as programs do it; the second one in a row is fast where a cache works.
    .fix-3 = Ask the network's administrator to relieve the resolver or to correct the server that it forwards to.
    .fix-4 = Raise the client's time limit for connecting until then; in httpx that is httpx.Timeout(600, connect=20).
    .fix-5 = Shorten the search list or lower ndots in /etc/resolv.conf, if the name with a dot at its end is answered at once; in Kubernetes this is dnsConfig, options, ndots 1.

dns-sinkhole = DNS answers with an address that leads nowhere
    .title = DNS answers { $addr } for { $host }, and nothing is there
    .means = The answer is a zero, loopback or private address without the API behind it, mostly put there by a DNS filter
        to block the name. The connection then looks refused or timed out, although no packet ever reached the API.
        The API is not down.
    .fix-1 = Allow api.anthropic.com in the filter, if it is your own (Pi-hole, AdGuard Home, the router, a security program).
    .fix-2 = Ask the network's administrator to allow the name, or to remove the entry if it is left over in a private zone.
    .run-3 = getent ahosts api.anthropic.com
    .why-3 = Shows the addresses that programs get; the right ones lie in 160.79.104.0/23 and 2607:6bc0::/48.
    .fix-4 = Use Amazon Bedrock or Google Vertex AI under your company's contract, if the network's policy permits those.

dns-block-page = The DNS filter leads the name to its block page
    .title = The DNS filter leads { $host } to a block page at { $addr }
    .means = The resolver answers with the address of a page that says that access is blocked. A program does not show that page:
        it gets a foreign certificate, or HTML where it expects JSON. That is a rule of the filter; the certificate is not what needs repair.
    .fix-1 = Ask the administrator or provider who runs the filter to allow api.anthropic.com.
    .run-2 = curl -sS -m 10 --noproxy '*' http://api.anthropic.com/ | head -c 2000
    .why-2 = Shows the start of the block page, which mostly names the product and the category to be allowed.
    .fix-3 = Allow the name in the router's or the provider's web protection, if the filter is your own.
    .fix-4 = Use Amazon Bedrock or Google Vertex AI under your company's contract, if the network's policy permits those.

dns-stale-record = DNS still serves an address that is out of use
    .title = DNS still serves { $addr } for { $host }, where nothing answers
    .means = The resolver, or a cache on the way, hands out an old address at which nothing serves any more.
        Other resolvers know the current one, and the service answers there. The failure looks like a dead server, and is an old DNS entry.
    .fix-1 = Empty the cache of the resolver that gives the old answer; restarting a router does that, or sudo rndc flush on BIND.
    .fix-2 = Ask the resolver's administrator to empty the cache, and to remove a fixed entry for the name if there is one.
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = Asks a public resolver for the current address; for a gateway put its name.
    .fix-4 = Restart long-running programs afterwards; nginx, for example, looks the name of an upstream up only at its start.

dns-wrong-address = DNS answers with the address of another server
    .title = DNS answers { $addr } for { $host }, and another server is there
    .means = The address belongs to a live server that is not the API, so the certificate does not fit, or a stranger answers.
        The resolver's entry is wrong or was poisoned; other resolvers give the right address.
        The certificate check does its work here: it keeps the key from the stranger.
    .fix-1 = Set the resolver that the network hands out, or another one that you trust and the network allows.
    .run-2 = resolvectl flush-caches
    .why-2 = Empties the cache of systemd-resolved, so that the wrong answer does not live on.
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = Asks a public resolver; the right addresses lie in 160.79.104.0/23 and 2607:6bc0::/48.
    .fix-4 = Report the wrong answer to whoever runs the resolver, with both addresses.

dns-injected = A device on the way answers DNS queries with forged addresses
    .title = A forged DNS answer for { $host } arrives before the real one
    .means = Two answers arrive for one query: first a forged address from a device on the way, then the real one.
        The device sees every unencrypted query, so another plain resolver changes nothing.
        It is interference in the network, not a fault of this machine, the key or the API.
    .fix-1 = Ask the network's administrator or provider whose device answers there, and to exempt api.anthropic.com.
    .run-2 = dig +tcp +short api.anthropic.com @1.1.1.1
    .why-2 = Asks once over TCP, where a forged packet cannot simply overtake; another address than before is the proof.
    .fix-3 = Use the encrypted resolver (DNS over TLS or HTTPS) that your company or network operator provides, if there is one.
    .fix-4 = Run the calls from a network in a supported region, or use Amazon Bedrock or Google Vertex AI under contract.

dns-intercepted = The network answers every DNS query itself
    .title = The network answers the query for { $host } itself, whoever is asked
    .means = All traffic to port 53 ends at the network's own resolver, whatever resolver is configured,
        and its answer for this name leads to nothing. So another resolver in the settings changes nothing.
        This machine is set up correctly; it is the network's operator who has to act.
    .fix-1 = Ask the network's administrator or provider to let its resolver answer for api.anthropic.com unchanged.
    .run-2 = nslookup api.anthropic.com 192.0.2.1
    .why-2 = Asks an address at which no resolver can be; any answer to it proves the interception.
    .fix-3 = Use the encrypted resolver (DNS over TLS or HTTPS) that your company or network operator provides, if there is one.

dns-bad-address-in-set = Some of the addresses in the DNS answer are dead
    .title = { $count } of { $total } addresses of { $host } do not answer
    .means = The name has several addresses, and not all of them serve. A client that takes the first one fails now and then;
        one that tries them all only loses time. The other addresses answer over the same network, so the network is in order.
    .fix-1 = Repeat a failed call on a new connection; it may take another address.
    .fix-2 = Report the dead address and the time to the operator of the host; for api.anthropic.com look at status.claude.com first.
    .run-3 = getent ahosts api.anthropic.com
    .why-3 = Lists the addresses in the order in which programs try them; for a gateway put its name.

dns-no-address = The name exists, and DNS gives no address for it
    .title = DNS gives no address for { $host }
    .means = The resolver knows the name and returns neither an IPv4 nor an IPv6 address.
        Either the zone has no such record, or the resolver leaves it out. Programs report it like a missing name, but spelling alone is not the reason.
    .fix-1 = Correct ANTHROPIC_BASE_URL if it names a bare domain instead of the gateway's host, or remove it.
    .run-2 = nslookup api.anthropic.com 1.1.1.1
    .why-2 = Asks a public resolver; addresses in its answer show that the configured one leaves them out. For a gateway put its name.
    .fix-3 = Ask the resolver's administrator to stop leaving the addresses out, or the owner of a gateway's zone to add an A record.

dns-aaaa-broken = AAAA queries fail and delay every look-up
    .title = AAAA queries for { $host } fail and delay every look-up
    .means = Programs ask for the IPv4 and the IPv6 address together, and the resolver or a firewall drops the IPv6 query (AAAA).
        Every look-up then waits seconds for it or ends in a temporary failure, although the IPv4 answer is there.
        IPv6 connections are not the problem.
    .fix-1 = Ask whoever runs the resolver or firewall to answer AAAA queries; an empty answer is enough. On your own router, update its firmware.
    .fix-2 = Add the line "options no-aaaa" to /etc/resolv.conf until then, on Linux with glibc 2.36 or later, where no IPv6 is needed.
    .run-3 = time getent ahostsv4 api.anthropic.com
    .why-3 = Looks up IPv4 alone; fast here and slow with getent ahosts is the proof.

dns-tcp-blocked = DNS answers are truncated, and DNS over TCP is blocked
    .title = The DNS answer for { $host } is truncated, and DNS over TCP is blocked
    .means = The answer does not fit into the UDP reply, so the resolver asks for a repeat over TCP, and TCP port 53 is blocked.
        The look-up hangs or ends without an address. Name and resolver are in order; a firewall stands between.
    .fix-1 = Allow TCP port 53 to the resolver besides UDP, or ask the network's administrator to do so.
    .run-2 = dig +tcp +time=3 +tries=1 api.anthropic.com
    .why-2 = Asks over TCP alone; a timeout or a refusal is the proof.
    .fix-3 = Add the line "options edns0" to /etc/resolv.conf until then; it lets larger answers through UDP.

dns-dangling-cname = The DNS alias points to a name that does not exist
    .title = { $host } is an alias of { $name }, which does not exist
    .means = The name exists as an alias (CNAME), and the name that it points to is gone, so there is no address.
        The owner of the zone has to act, or, for an entry in a private zone, whoever runs that resolver.
        The spelling of the name that you use is right.
    .fix-1 = Ask the owner of the zone to correct the alias or to restore its target.
    .fix-2 = Ask the resolver's administrator to delete the alias from the private zone and to empty the cache, if the host is api.anthropic.com.
    .run-3 = nslookup -type=CNAME api.anthropic.com
    .why-3 = Shows where the alias points on the configured resolver; for a gateway put its name.

dns-split-horizon = DNS gives a private address, and the VPN or tunnel to it is down
    .title = { $host } resolves to the private { $addr }, and the VPN or tunnel to it is down
    .means = The resolver gives the address of a private endpoint that can be reached only through the company's VPN or tunnel,
        and no route leads there now. That is the company's set-up, not a filter. The public API is not involved.
        An address of 198.18.0.0/15 is made up by a proxy program on this machine or the router (fake-ip), and the program no longer takes what is sent there.
    .fix-1 = Connect the company's VPN, or restart the tunnel or proxy program that carries the network of this address. Where that program was ended for good, set the resolver back that it had replaced.
    .run-2 = getent ahostsv4 api.anthropic.com | head -1 | cut -d' ' -f1 | xargs ip route get
    .why-2 = Shows by which interface the address is reached; it has to be the VPN's. For a gateway put its name.
    .fix-3 = Ask the administrator of the private network whether the endpoint and its route are up, if the VPN is connected.
    .fix-4 = Remove the company's resolver from this machine's settings, if the calls are meant to go to the public API without the VPN.

dns-rebind-protection = The router removes private addresses from DNS answers
    .title = The router removes the private address of { $host } from the answer
    .means = The name points to a private address, as that of an internal gateway does, and the router strips such answers
        as a protection against DNS rebinding. Programs then get no address. The name is right, and so is the protection; it needs one exception.
    .fix-1 = Add the name's domain to the exceptions: DNS rebind protection in a FRITZ!Box, rebind-domain-ok in dnsmasq, private-domain in Unbound.
    .fix-2 = Use the company's resolver for that domain, which mostly comes with its VPN.
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = Asks past the router; a private address in the answer shows that the router removes it. For a gateway put its name.

dns-stale-cache = The local DNS cache holds an outdated answer
    .title = The local DNS cache holds an outdated answer for { $host }
    .means = A cache on this machine still gives an old address or an old "does not exist", while its own resolver has the right answer by now.
        Only this machine is concerned. Emptying the cache ends it.
    .run-1 = resolvectl flush-caches
    .why-1 = Empties the cache of systemd-resolved.
    .fix-2 = Restart dnsmasq or nscd, if one of them is the cache; on macOS run sudo killall -HUP mDNSResponder, on Windows ipconfig /flushdns.
    .run-3 = getent hosts api.anthropic.com
    .why-3 = Looks the name up as programs do; the right address shows that the old answer is gone.
    .fix-4 = Restart the program afterwards, if it keeps addresses itself.

dns-flaky = Some DNS queries get no answer
    .title = { $count } of { $total } DNS queries get no answer
    .means = The resolver, or the way to it, loses a part of the queries. A look-up then takes seconds longer,
        or fails when several are lost in a row, and works a moment later. The name and the API have no part in it.
    .fix-1 = Move a resolver that loses nothing to the first place in the network's settings.
    .fix-2 = Add the line "options timeout:1 attempts:4" to /etc/resolv.conf until then; a lost query is repeated after one second.
    .run-3 = for i in 1 2 3 4 5 6 7 8; do dig +tries=1 +time=2 api.anthropic.com | grep -E 'status:|timed out'; done
    .why-3 = Asks eight times without repeats; each timeout is a lost query.
    .fix-4 = Report the share of lost queries and the resolver's address to the network's administrator.
