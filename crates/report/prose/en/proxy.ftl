# The causes of the layer proxy.

proxy-unreachable = The configured proxy refuses connections
    .title = { $variable } points at { $proxy }, and nothing listens there
    .means = A variable or a system setting sends every call to a proxy, and nothing listens on that address and port.
        Either the proxy program is not running, or the setting is left over from one that is gone. The call never left for the API, so neither the API nor the key is concerned.
    .fix-1 = Start the proxy program, or correct the port in the variable if it listens on another one now.
    .run-2 = unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    .why-2 = Removes the setting from this shell; enough where direct calls are allowed.
    .run-3 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-3 = Names the files that set it again in the next shell.

proxy-conflicting-settings = The proxy variables contradict one another
    .means = Several proxy variables name different proxies, for example HTTPS_PROXY and https_proxy, and one of these proxies does not work.
        Which one applies depends on the program; many read the lower-case spelling first, and ALL_PROXY only where nothing more exact is set.
        So one tool works and the next one fails.
    .fix-1 = Keep the value that works and set it in both spellings, HTTPS_PROXY and https_proxy; remove the other values and ALL_PROXY.
    .run-2 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-2 = Shows every proxy variable of this shell without credentials.
    .run-3 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-3 = Names the files that set them.

proxy-name-not-found = The proxy's host name does not resolve
    .title = The name in { $variable } does not resolve: { $proxy }
    .means = The proxy setting holds a host name that DNS does not know here, so the call ends before a connection is tried.
        The name is mistyped, out of date, or known only inside the company's network. The API's own name is not concerned.
    .fix-1 = Correct the host name in HTTPS_PROXY (and in https_proxy); the network's administrator knows the present one.
    .fix-2 = Connect to the company's network, whose resolver knows the name, if it is an internal one.
    .run-3 = unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    .why-3 = Removes the setting from this shell, for a network that needs no proxy.

proxy-timeout = The proxy does not answer
    .title = The proxy { $proxy } does not answer
    .means = The connection to the proxy gets no answer at all; the API was not reached for. The proxy's machine is down,
        a firewall drops the packets, or this machine is not in the network where the proxy lives. Repeating helps only if the proxy comes back.
    .fix-1 = Connect to the company's network if the proxy can be reached only from there.
    .fix-2 = Tell the proxy's administrator that its address does not answer, with the time and this machine's address.
    .run-3 = curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-3 = Tries the way without a proxy; any HTTP status means that the proxy variables can be removed here.

proxy-auth-required = The proxy wants credentials, and none are configured
    .title = The proxy { $proxy } wants credentials, and { $variable } has none
    .means = The proxy answers 407: it lets only known users through, and the proxy setting holds neither name nor password.
        The 407 is the proxy's and has nothing to do with the API key. SDKs hide it behind "Connection error."
    .fix-1 = Write name and password into the variable as HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT, special characters
        percent-encoded (@ is %40, : is %3A), in a file that only you can read.
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/ | grep -i '^proxy-authenticate'
    .why-2 = Shows which schemes the proxy offers; name and password in the URL work only with Basic.
    .fix-3 = Ask the proxy's administrator for a technical account, or to admit this machine by its address, if the program runs on a server.

proxy-auth-rejected = The proxy rejects the configured credentials
    .title = The proxy { $proxy } rejects the credentials in { $variable }
    .means = Name and password were sent, and the proxy still answers 407. The password has expired or was changed,
        or a special character in it is not percent-encoded and cuts it short. The API key is not concerned.
    .fix-1 = Update the password in the proxy variable wherever it is set, special characters percent-encoded (@ is %40, : is %3A, # is %23, / is %2F).
    .run-2 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-2 = Names the files that may still hold the old password, and prints nothing of it.
    .fix-3 = Ask the proxy's administrator whether the account is locked, before more attempts prolong a lock.

proxy-auth-scheme = The proxy offers only sign-in schemes that this client does not speak
    .title = { $proxy } offers only sign-in schemes that this client does not speak
    .means = The proxy answers 407 and offers only NTLM or Negotiate (Kerberos), the Windows sign-in. This client can send name and password
        by Basic alone, so correct credentials in the variable do not help. Browsers work because they use the Windows session.
    .fix-1 = Run a local relay such as px or cntlm, which signs in at the company's proxy, and point HTTPS_PROXY at it.
    .fix-2 = Ask the proxy's administrator to offer Basic, or to admit this machine by its address.
    .run-3 = curl -sSI -m 10 https://api.anthropic.com/ | grep -i '^proxy-authenticate'
    .why-3 = Shows the schemes that the proxy offers.

proxy-denied = The proxy's policy forbids the API
    .title = The policy of the proxy { $proxy } forbids { $host }
    .means = The proxy is reachable and serves other hosts, but it refuses the tunnel to this one, mostly with 403.
        That is a rule of the network, not a refusal by the API, and the key was not sent. Repeating changes nothing.
    .fix-1 = Ask the proxy's administrator to allow CONNECT to api.anthropic.com on port 443, with the time and the proxy's error code.
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/
    .why-2 = Shows the proxy's refusal with its headers, for the administrator.
    .fix-3 = Use Amazon Bedrock or Google Vertex AI under your company's contract if the policy permits those.

proxy-port-denied = The proxy's policy forbids the port
    .title = The proxy { $proxy } allows no tunnel to port { $port }
    .means = The proxy opens tunnels only to certain ports, mostly 443, and the base URL uses another one.
        The host itself is not forbidden: on an allowed port it gets through.
    .fix-1 = Use the gateway on port 443 if it listens there, and remove the port from ANTHROPIC_BASE_URL.
    .fix-2 = Add the gateway's host name to NO_PROXY if it is internal and can be reached without the proxy.
    .fix-3 = Ask the proxy's administrator to allow CONNECT to this host and port.

proxy-cannot-resolve = The proxy cannot resolve the API's name
    .title = The proxy { $proxy } cannot resolve { $host }
    .means = The proxy accepts the call and then reports that DNS gives it no address for the host. Behind a proxy it is the proxy
        that resolves, so nothing on this machine helps. A gateway's name known only inside must not be sent to the proxy at all.
    .fix-1 = Ask the proxy's administrator to repair the proxy's DNS for this name, with the time and the proxy's answer.
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/
    .why-2 = Shows the proxy's answer; squid names the reason in X-Squid-Error (ERR_DNS_FAIL).
    .fix-3 = Add the host to NO_PROXY if ANTHROPIC_BASE_URL names an internal gateway.

proxy-cannot-connect = The proxy cannot reach the API
    .title = The proxy { $proxy } cannot reach { $host }
    .means = The proxy accepts the call, but its own connection to the host fails, and it answers 502, 503 or 504 in its own name.
        The way from here to the proxy is in order. The answer is not the API's: it has no request-id.
    .fix-1 = Ask the proxy's administrator to check the way from the proxy to api.anthropic.com on port 443
        (160.79.104.0/23 and 2607:6bc0::/48).
    .fix-2 = Read the proxy program's log if it runs on this machine: it names the connection that fails.
    .run-3 = curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-3 = Tries the way without a proxy; any HTTP status means that the host is up and the fault lies with the proxy.

proxy-hangs = The proxy accepts the request for a tunnel and never answers
    .title = The proxy { $proxy } accepts the request for a tunnel and never answers
    .means = The connection to the proxy opens, the request for a tunnel is sent, and then nothing comes.
        The proxy is overloaded, or waits itself for a host that does not answer. Nothing was sent of the call to the API, so repeating it is safe.
    .fix-1 = Restart the proxy program if it is your own, and read its log.
    .fix-2 = Report the time and the host to the proxy's administrator if it is the company's.
    .run-3 = curl -sSI -m 15 https://api.anthropic.com/
    .why-3 = Asks for one tunnel and gives up after 15 seconds; an answer means that the proxy works again.

proxy-closes-tunnel = The proxy grants the tunnel and closes it when TLS starts
    .title = The proxy { $proxy } closes the tunnel to { $host } when TLS starts
    .means = The proxy answers 200 to the request for a tunnel and cuts it as soon as the TLS handshake begins.
        It filters by the host name in the handshake, or its own connection to the host failed after all. The server sent no such refusal.
    .fix-1 = Ask the proxy's administrator whether a rule for TLS host names blocks api.anthropic.com, and to allow it.
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/
    .why-2 = Shows the proxy's 200, and then the connection's end without an answer of the API.
    .fix-3 = Use Amazon Bedrock or Google Vertex AI under your company's contract if the policy forbids the host on purpose.

proxy-not-a-proxy = The configured proxy is an ordinary web server
    .title = { $variable } points at { $proxy }, an ordinary web server
    .means = The address in the proxy setting answers, but as a web server: it does not know the method CONNECT and replies with a page or an error.
        Host or port are wrong, or the address of a gateway was written into the proxy variable. No proxy refused anything.
    .fix-1 = Correct host and port in HTTPS_PROXY: the proxy's port, often 3128 or 8080, not that of its web page.
    .fix-2 = Move the address to ANTHROPIC_BASE_URL if it is an API gateway, and remove it from HTTPS_PROXY.
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = Shows every proxy variable of this shell without credentials.

proxy-scheme-mismatch = The scheme of the proxy URL does not match what the proxy speaks
    .title = The scheme in { $variable } does not match what { $proxy } speaks
    .means = The scheme of the proxy URL says how to talk to the proxy itself, not which calls it is for. Here one side begins with TLS and the other with plain text.
        With http:// the call to the API remains encrypted all the same, within the tunnel.
    .fix-1 = Write http:// in HTTPS_PROXY if the client reports "wrong version number": the proxy speaks plain text, as most do.
    .fix-2 = Write https:// in HTTPS_PROXY if the proxy closes without an answer: it wants TLS, and the client has to support TLS to a proxy.
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = Shows every proxy variable with its scheme, without credentials.

proxy-idle-cut = The proxy closes idle tunnels
    .title = The proxy { $proxy } closes tunnels after { $seconds } s without data
    .means = The proxy ends a tunnel that carries no data for a fixed time. Long answers without streaming and kept connections
        fall into that gap, short calls do not. The API did not end the answer.
    .fix-1 = Ask the proxy's administrator to raise the idle timeout for tunnels to api.anthropic.com to ten minutes.
    .fix-2 = Switch streaming on for long answers, so that data flows while the model works.
    .fix-3 = Let connections in the client's pool expire sooner than the proxy's limit, and repeat a call that meets a closed one on a new connection.

proxy-strips-credentials = An inspecting proxy removes the header with the key
    .title = A proxy on the way to { $host } removes the header with the key
    .means = The client sends the key, and the API answers that none came ("x-api-key header is required"): a proxy that opens TLS takes the header out on the way.
        The key is not wrong; a new one would be lost in the same way.
    .fix-1 = Ask the proxy's administrator to exempt api.anthropic.com from header filtering, or from TLS inspection altogether;
        the headers concerned are x-api-key and Authorization.
    .run-2 = clearline doctor -v
    .why-2 = Shows every fact of the proof, for the administrator.

proxy-body-limit = The proxy refuses large request bodies
    .title = The proxy refuses request bodies over { $limit }
    .means = Small calls pass and large ones are refused by the proxy, before the API sees them. The limit is the proxy's:
        the API itself accepts up to 32 MB for a message. Repeating the same call changes nothing.
    .fix-1 = Ask the proxy's administrator to raise the limit for request bodies (squid: request_body_max_size) to 32 MB for api.anthropic.com.
    .fix-2 = Make the request smaller until then: scale images down, split documents, drop old turns of the conversation.

proxy-required = Only a proxy leads out of this network, and this client uses none
    .means = Direct connections do not get out here, and a proxy does. Browsers find it through the system's settings or a PAC file,
        which most command-line programs do not read. Neither DNS nor the API is at fault.
    .fix-1 = Set HTTPS_PROXY to the network's proxy, as http://HOST:PORT; the administrator knows it, and so does the system's network setting
        (macOS: scutil --proxy, Windows: netsh winhttp show proxy).
    .fix-2 = Set NODE_USE_ENV_PROXY=1 as well for Node, whose fetch ignores HTTPS_PROXY otherwise.
    .fix-3 = Add the setting where the program really starts: the service's unit, the container, or env in ~/.claude/settings.json for Claude Code.
    .run-4 = clearline doctor
    .why-4 = Tries the call again with the new setting.

proxy-no-proxy-too-broad = NO_PROXY takes the API past the proxy, which is the only way out
    .title = NO_PROXY takes { $host } past the proxy, the only way out
    .means = A proxy is configured and works, but NO_PROXY holds an entry that fits the API's host (such as * or .com),
        so the client connects directly. This network lets nothing out directly, and the call times out or is refused.
    .fix-1 = Remove the entry that fits the host from NO_PROXY and no_proxy, and keep only internal names there.
    .run-2 = export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1
    .why-2 = Replaces the list in this shell; add your internal domains to it.
    .run-3 = grep -lis 'no_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-3 = Names the files that set the list again in the next shell.

proxy-no-proxy-missing = An internal gateway is sent to the proxy
    .title = { $host } is internal, but the calls to it go to the proxy
    .means = The base URL names a gateway in this network or on this machine, and NO_PROXY does not list it. So the call goes to the proxy,
        which cannot or may not connect to internal hosts, and answers 403, 502 or 503. Without the proxy the gateway answers.
    .fix-1 = Add the gateway's host name or its domain to NO_PROXY, for example NO_PROXY=localhost,127.0.0.1,.corp.example, and the same to no_proxy.
    .run-2 = export NO_PROXY="$NO_PROXY,$no_proxy,localhost,127.0.0.1"; export no_proxy="$NO_PROXY"
    .why-2 = Does that in this shell for a gateway on this machine.
    .run-3 = clearline doctor
    .why-3 = Tries the call again with the new setting.

proxy-no-proxy-syntax = NO_PROXY is written in a form that this client does not understand
    .means = NO_PROXY has no common grammar, and this client reads the entry meant for the host differently or not at all. httpx never matches
        a range such as 10.0.0.0/8, and an IPv6 entry makes it fail while the client is built ("Invalid port"). Other programs may understand the same line.
    .fix-1 = List host names or domains in NO_PROXY, separated by commas, instead of address ranges: llm-gw.corp.example or .corp.example.
    .fix-2 = Remove IPv6 addresses and prefixes from NO_PROXY for programs that use httpx.
    .run-3 = env | grep -i '^no_proxy='
    .why-3 = Shows both spellings of the list in this shell.

proxy-socks-auth = The SOCKS proxy wants credentials
    .title = The SOCKS proxy { $proxy } wants credentials
    .means = The SOCKS proxy admits only known users, and the setting holds no valid name and password. The connection ends
        before the host is named, so the API and its key are not concerned.
    .fix-1 = Write name and password into the variable as ALL_PROXY=socks5h://NAME:PASSWORD@HOST:PORT, special characters
        percent-encoded (@ is %40, : is %3A), in a file that only you can read.
    .fix-2 = Ask whoever runs the proxy for an account, or to admit this machine by its address.

proxy-socks-denied = The rules of the SOCKS proxy forbid the host
    .title = The rules of the SOCKS proxy { $proxy } forbid { $host }
    .means = The SOCKS proxy is reachable and accepts this client, and answers "not allowed by ruleset" for this host.
        That is a rule of the proxy, not a refusal by the API. Repeating changes nothing.
    .fix-1 = Ask whoever runs the proxy to allow api.anthropic.com on port 443.
    .fix-2 = Correct the rules in the proxy's own configuration if it is yours, and reload it.
    .fix-3 = Use Amazon Bedrock or Google Vertex AI under your company's contract if the policy permits those.

proxy-socks-local-dns = The SOCKS setting resolves the name here, where the answer is wrong
    .title = { $variable } says socks5://, so { $host } is resolved here, wrongly
    .means = With socks5:// this machine resolves the host and hands the proxy an address only, and the DNS answer here is wrong.
        With socks5h:// the proxy gets the name and resolves it where the answer is right. The proxy itself works.
    .fix-1 = Write socks5h:// instead of socks5:// in the variable and in the file that sets it.
    .run-2 = export ALL_PROXY="$(printf %s "$ALL_PROXY" | sed 's#^socks5://#socks5h://#')"
    .why-2 = Does that for ALL_PROXY in this shell, without printing the value.
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = Shows which variables still say socks5://, without credentials.

proxy-flaky = Some tunnels through the proxy fail
    .title = { $count } of { $total } tunnels through the proxy { $proxy } fail
    .means = The same request for a tunnel succeeds at one time and fails at another. A node behind the proxy's address is broken, or the proxy is at its limit.
        Setting and credentials are right, otherwise none would succeed.
    .fix-1 = Report the times, the share of failures and the error code to the proxy's administrator.
    .fix-2 = Repeat failed calls after a growing pause, and keep connections open, so that fewer tunnels are needed.
    .run-3 = for i in 1 2 3 4 5 6 7 8; do curl -sSI -m 10 https://api.anthropic.com/ 2>&1 | grep -E '^(HTTP|curl)'; done
    .why-3 = Asks for eight tunnels and shows how each one ends.

proxy-setting-invalid = The proxy setting cannot be parsed or its scheme is not supported
    .title = The value of { $variable } cannot be used as a proxy setting
    .means = The client cannot read the proxy URL: the scheme is missing or unknown (socks://, ftp://), a character in the password is not encoded,
        or SOCKS support is not installed. Many SDKs fail while the client is built, before any connection.
    .fix-1 = Write the variable in full, as http://HOST:PORT or socks5h://HOST:PORT, without blanks or quotes in the value.
    .run-2 = python -m pip install socksio
    .why-2 = Installs what the Python SDK needs for SOCKS, if the error says that the package socksio is missing.
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = Shows every proxy variable of this shell without credentials.

proxy-unintended = A proxy that was not meant is in use
    .title = The calls go through { $proxy }, which was not meant
    .means = A system setting or a variable left over from another program sends the calls through a proxy that answers. So they reach
        the API by another way than you think, or a gateway on this machine is asked for through the proxy. The program's own settings do not show it.
    .run-1 = unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    .why-1 = Removes the proxy from this shell, where direct calls are allowed.
    .run-2 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-2 = Names the files that set it again in the next shell.
    .fix-3 = Switch the proxy off in the system's network settings if no variable is set: Python programs on macOS and Windows use it.
    .fix-4 = Add localhost,127.0.0.1 to NO_PROXY if the proxy is wanted otherwise and only the local gateway must not go through it.
