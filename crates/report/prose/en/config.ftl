# The causes of the layer config.
config-base-url-invalid = The base URL cannot be read as a URL
    .title = The base URL in { $variable } cannot be read as a URL
    .means = The client cannot take the base URL apart, so the call ends before a single packet is sent. Mostly the scheme https:// is missing, a quote, a blank or a line break came along when the value was copied, or the variable is set and empty. Network, key and service have no part in it.
    .fix-1 = Write the URL in full, ANTHROPIC_BASE_URL=https://api.anthropic.com, with no quote, blank or line break in the value.
    .run-2 = printenv ANTHROPIC_BASE_URL | cat -vet
    .why-2 = Makes hidden characters visible; a clean value is one line that ends in $.
    .fix-3 = Remove the variable if you call the Claude API directly; the SDK knows the address.

config-base-url-unknown-host = The host name in the base URL does not exist
    .title = The host { $host } in the base URL does not exist
    .means = No resolver knows the host in the base URL, while api.anthropic.com resolves on this same machine. The name is misspelt, or the gateway that it named is gone. DNS itself works.
    .fix-1 = Correct the host in ANTHROPIC_BASE_URL, or remove the variable to call api.anthropic.com directly.
    .run-2 = printenv ANTHROPIC_BASE_URL
    .why-2 = Shows the value that programs inherit from this shell.
    .fix-3 = Ask whoever runs the gateway for its current name, and whether the name resolves only inside the company network.

config-base-url-path = The base URL carries a wrong path
    .title = The base URL leads to { $url }, and the API is not there
    .means = The host answers, but the path in the base URL leads past the API, so the call ends in a 404. Mostly the URL ends in /v1: the SDK adds /v1/messages itself, and the path becomes /v1/v1/messages. A gateway may also serve the API under a prefix that is missing here; the model id is not the problem.
    .fix-1 = Remove the trailing /v1 from ANTHROPIC_BASE_URL.
    .fix-2 = Ask whoever runs the gateway for its path prefix, and put scheme, host and prefix into ANTHROPIC_BASE_URL, without /v1/messages.
    .run-3 = curl -sS -o /dev/null -D - "$ANTHROPIC_BASE_URL/v1/messages"
    .why-3 = Asks without a key: the right path answers 401 or 405, a wrong one 404.

config-base-url-insecure = The base URL uses http://, so the call travels unencrypted
    .title = The base URL of { $host } uses http://, so the call travels unencrypted
    .means = The call is sent unencrypted, and whoever stands on its way can read the key. A service that wants https:// answers with a redirect, which turns the POST into a GET or loses the key, and the program reports a 301, a 405 or a 401.
    .fix-1 = Change http:// to https:// in ANTHROPIC_BASE_URL.
    .fix-2 = Create a new key in the Claude Console and delete the old one if calls with it crossed a network that you do not control.
    .fix-3 = Keep http:// only for a gateway on this same machine, at 127.0.0.1 or localhost, or in a network that is yours alone, such as a container beside the program.

config-base-url-dead = Nothing listens where the base URL points
    .title = The base URL points at { $host }:{ $port }, and nothing listens there
    .means = The base URL names a gateway, and nothing accepts connections at its address and port. Mostly a local gateway is not running, or the variable is left over from an earlier setup. The API itself has no part in it.
    .fix-1 = Start the gateway, or correct its host and port in ANTHROPIC_BASE_URL.
    .run-2 = unset ANTHROPIC_BASE_URL
    .why-2 = Sends the calls of this shell straight to api.anthropic.com, if no gateway is wanted.
    .fix-3 = Delete the variable where it is set for good as well: the shell's start file, .env, and the env section of ~/.claude/settings.json.
    .run-4 = ss -ltn
    .why-4 = Lists the TCP ports on which programs of this machine listen; the gateway's port has to be among them.

config-ca-file-missing = The configured CA file is missing or unreadable
    .title = { $variable } names { $file }, which cannot be read
    .means = A variable names a CA file, or a folder of them (SSL_CERT_DIR), that does not exist, holds no certificate or may not be read by this user. Some clients stop at the start (Python reports a FileNotFoundError without a path), others go on without the CA and then reject the certificate. The certificate of the service is not the problem.
    .fix-1 = Correct the path in the variable, or remove the variable if no private CA is needed.
    .run-2 = env | grep -E 'SSL_CERT_|CA_BUNDLE|CA_CERTS'
    .why-2 = Shows every CA variable of this shell and its path.
    .fix-3 = Put the file back where the variable says and make it readable for the user of the program; a container needs it mounted under the same path.

config-ca-file-replaces-roots = The configured CA file hides the public roots
    .title = { $file } in { $variable } hides the public roots
    .means = The configured CA file holds only a private CA, and the client trusts this file instead of the public roots, not in addition to them. Every server with an ordinary public certificate is rejected, the API among them. The certificate of the service is good.
    .fix-1 = Point the variable at a bundle that holds both: the system's own, /etc/ssl/certs/ca-certificates.crt on Debian and Ubuntu, /etc/pki/tls/certs/ca-bundle.crt on Fedora and RHEL.
    .fix-2 = Install the private CA into the system's store first, if it is needed: on Debian and Ubuntu copy it as a .crt file to /usr/local/share/ca-certificates and run update-ca-certificates.
    .fix-3 = Use NODE_EXTRA_CA_CERTS for the private CA in Node programs; it adds to the roots and replaces none.
    .run-4 = grep -c 'BEGIN CERTIFICATE' "$SSL_CERT_FILE"
    .why-4 = Counts the certificates in the file; a system bundle has more than a hundred, a private one a few.

config-ca-store-empty = No CA certificates are installed
    .means = This system has no store of CA certificates, so it cannot trust any server. It is typical of slim container images. The certificate of the service is good, and so is the network.
    .run-1 = sudo apt-get install -y ca-certificates
    .why-1 = Installs the public roots on Debian and Ubuntu.
    .fix-2 = Install the package ca-certificates with apk add on Alpine and with dnf install on Fedora and RHEL.
    .fix-3 = Add the package to the Dockerfile; in an image built FROM scratch copy /etc/ssl/certs/ca-certificates.crt from the build stage.

config-tls-policy-strict = This machine's own TLS policy forbids what the path offers
    .means = The TLS settings of this machine ask for more than the other side of the connection can do, so the handshake fails here. The rule comes from openssl.cnf, a system-wide crypto policy or the program itself; the other side is often an older company proxy or gateway. The service and the key have no part in it.
    .fix-1 = Set MinProtocol, CipherString and Groups in openssl.cnf, or the system-wide crypto policy, back to the distribution's default.
    .run-2 = grep -nE 'MinProtocol|MaxProtocol|CipherString|Groups|SECLEVEL' /etc/ssl/openssl.cnf /etc/pki/tls/openssl.cnf
    .why-2 = Shows the lines that tighten the policy, each with its file.
    .run-3 = openssl version -d
    .why-3 = Shows the directory whose openssl.cnf is in force, if it is another one.
    .fix-4 = Ask whoever runs the proxy or gateway for TLS 1.2 or 1.3 with current keys, if the strict policy is meant to stay.

config-hosts-override = The hosts file sends the name to a wrong address
    .title = { $file }, line { $line }, sends { $host } to { $addr }
    .means = An entry in the hosts file answers for the name before DNS is asked, and its address does not serve the API. DNS knows the right address; this machine never asks. Such a line is left over from a test or was written by a filter.
    .fix-1 = Delete the line from /etc/hosts; on Windows from C:\Windows\System32\drivers\etc\hosts, in an editor run as administrator.
    .run-2 = grep -n anthropic /etc/hosts
    .why-2 = Shows the lines that answer for the name, with their numbers.
    .fix-3 = Remove the entry from extra_hosts in the compose file or from --add-host, if the program runs in a container.
    .fix-4 = Ask the administrator to allow the name, if a company filter wrote the line; it comes back otherwise.

config-no-resolver = No DNS resolver is configured
    .means = This machine does not know whom to ask for names: no resolver is configured. Every host name fails, not only the API's, while connections to bare addresses may still work.
    .run-1 = cat /etc/resolv.conf
    .why-1 = Shows the configured resolvers; at least one nameserver line has to be there.
    .fix-2 = Reconnect to the network, so that it hands out its resolver again, or enter that resolver as a nameserver line in /etc/resolv.conf.
    .fix-3 = Set the resolver with --dns or with dns in the compose file, if the program runs in a container.
    .fix-4 = Run wsl --shutdown in Windows and start the distribution anew, if this is WSL; it writes resolv.conf at its start.

config-search-domain = A search domain answers for the name first
    .title = The search domain { $name } answers for { $host } first
    .means = The resolver appends a search domain to the name before it asks for the name itself, because ndots is high, and a wildcard in that domain answers for everything. The call reaches a stranger, whose certificate does not fit the name. The public DNS entry is right.
    .fix-1 = Lower ndots to 1: in the options line of /etc/resolv.conf, in Kubernetes in dnsConfig.options of the pod.
    .run-2 = getent ahosts api.anthropic.com.
    .why-2 = Asks with a final dot, that is without search domains; this address is the right one.
    .fix-3 = Ask whoever runs the search domain's zone to remove the wildcard entry.

config-nss-without-dns = The name service switch does not use DNS
    .title = The hosts line in { $file } does not use DNS
    .means = Programs look names up in the order given in /etc/nsswitch.conf, and DNS is not in it. Tools such as dig ask the resolver directly and therefore answer, which hides the fault. The resolver and the network work.
    .fix-1 = Add dns to the hosts line in /etc/nsswitch.conf, in the simplest form: hosts: files dns
    .run-2 = grep '^hosts:' /etc/nsswitch.conf
    .why-2 = Shows the order in force.
    .run-3 = getent hosts api.anthropic.com
    .why-3 = Looks the name up as programs do; it prints an address once the line is right.

config-fd-limit = The process is out of file descriptors
    .title = The process has used up its { $limit } file descriptors
    .means = Every connection and every open file takes a descriptor, and the process has reached its limit, so it can open no socket, not even for a DNS query. Mostly connections leak: a new client for every call, or streams that are never closed. Network and service have no part in it.
    .fix-1 = Create one client for the whole program, and close every response and every stream, in Python with a with block.
    .fix-2 = Raise the limit if the load is real: LimitNOFILE in the systemd unit, --ulimit nofile for a container, ulimit -n before the start.
    .run-3 = ulimit -n
    .why-3 = Shows the limit that programs inherit from this shell.

config-ports-exhausted = No local port is free for a new connection
    .means = Every outgoing connection needs a local port, and all of them are taken, so connecting fails on this machine with "Cannot assign requested address". Mostly each call opens a connection of its own instead of reusing one. The other side never saw the attempt.
    .fix-1 = Create one client for the whole program and let it keep its connections; close every response and every stream.
    .run-2 = ss -s
    .why-2 = Counts the sockets by state; thousands in timewait mean that connections are not reused.
    .run-3 = sudo sysctl -w net.ipv4.ip_local_port_range="10240 65535"
    .why-3 = Widens the range of local ports until the next boot.

config-local-firewall = A firewall on this machine blocks the traffic
    .title = { $name } on this machine blocks the connection to { $host }
    .means = A firewall or security product on this machine drops or rejects the connection before it leaves. It looks like a dead or refusing server, but no packet reaches the network. The service and the path behind this machine are not involved.
    .fix-1 = Allow outgoing TCP to port 443 of api.anthropic.com for this program in the firewall or security product; the addresses are 160.79.104.0/23 and 2607:6bc0::/48.
    .run-2 = sudo nft list ruleset
    .why-2 = Shows the rules of this machine on Linux; look for drop and reject in the output chain.
    .fix-3 = Ask the administrator for this exception, if the company manages the product.

config-sandbox-no-egress = The sandbox's policy forbids the connection
    .title = The sandbox's policy forbids connections to { $host }
    .means = The program runs in a sandbox whose network policy does not allow this host. The refusal is a rule, not a fault: a repeat gets the same answer, and the API never sees the call. Whoever owns the sandbox has to act.
    .fix-1 = Add api.anthropic.com, port 443, to the allowed hosts in the network settings of the sandbox, or ask its owner to do so.
    .run-2 = curl -sS -o /dev/null -D - https://api.anthropic.com/v1/messages
    .why-2 = Asks without a key: a 405 with a request-id comes from the API, a 403 with x-deny-reason from the sandbox.
    .fix-3 = Move the call to a job or machine that may reach the API, if the policy has to stay.

config-route-switch = A switch in the environment sends the calls elsewhere
    .title = { $variable } sends the calls elsewhere than meant
    .means = A variable switches the client to another cloud or endpoint than the one you mean, for instance CLAUDE_CODE_USE_BEDROCK or ANTHROPIC_BEDROCK_BASE_URL. The calls then fail on credentials or model ids of a place that you did not want to call. A key for the Claude API does not help there.
    .fix-1 = Remove the variable, in the shell's start file, in .env and in the env section of ~/.claude/settings.json.
    .run-2 = env | grep -E 'CLAUDE_CODE_USE_|_BASE_URL' | cut -d= -f1
    .why-2 = Names the switches set in this shell, without their values.
    .fix-3 = Set up credentials, region and model id of that cloud, if the switch is meant.
