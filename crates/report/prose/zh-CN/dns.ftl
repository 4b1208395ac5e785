# dns 层的各项原因。

dns-name-not-found = 主机名不存在
    .title = 主机名 { $host } 不存在
    .means = 所有应答的解析器都说这个名字不存在，因此根本没有尝试连接。
        名字可能写错、已经作废，或只在某个内网里才有，而本机不在那里。解析器本身正常，也与密钥无关。
    .fix-1 = 改正 ANTHROPIC_BASE_URL 中的主机名；如果要直接调用 api.anthropic.com，删除该变量。
    .run-2 = getent hosts api.anthropic.com
    .why-2 = 显示本机解析 API 自己的域名得到什么；正确的地址属于 160.79.104.0/23 和 2607:6bc0::/48。
    .fix-3 = 如果是只在公司内网才有的网关名字，先接入公司网络；现在该用哪个名字，问网关的运维方。
    .fix-4 = 如果解析不了的就是 api.anthropic.com，问网络管理员为什么这里的解析器说它不存在。

dns-filtered = 网络的 DNS 过滤规则屏蔽了这个名字
    .title = 解析器唯独不给出 { $host } 的结果，其他名字正常
    .means = 所配置的解析器否认或拒绝解析这一个名字，其他名字照常应答，别的解析器也认识它。
        这是解析器管理方的过滤规则：公司、运营商，或 Pi-hole 之类的程序。名字确实存在，重试得到的还是同样的答复。
    .fix-1 = 如果过滤器是自己的（Pi-hole、AdGuard Home、路由器），在其中放行 api.anthropic.com。
    .fix-2 = 请网络管理员在 DNS 过滤规则中放行 api.anthropic.com，并出示两个解析器的不同答复。
    .run-3 = nslookup api.anthropic.com
    .why-3 = 显示被拒绝的结果，开头几行是给出这个结果的解析器地址。
    .fix-4 = 如果网络策略允许，按公司的合同改用 Amazon Bedrock 或 Google Vertex AI。

dns-server-failure = 解析器未能完成解析
    .title = 解析器未能完成对 { $host } 的解析
    .means = 解析器返回 SERVFAIL，或系统报告“Temporary failure in name resolution”（EAI_AGAIN）。
        解析器在运行，但它要去询问的上级服务器出了故障或无法到达。这并不表示名字不存在。
    .fix-1 = 如果解析器是自己的（路由器、dnsmasq、systemd-resolved），重启它，并改正它转发到的上级服务器。
    .fix-2 = 如果解析器由网络方提供，把它的地址和时间告诉网络管理员。
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = 向公共解析器查询以作对照；得到地址就说明只有所配置的解析器有故障。
    .fix-4 = 如果程序在容器里，用 --dns 参数或 compose 文件中的 dns 指定容器能到达的解析器。

dns-refused = 解析器拒绝为本机解析
    .title = 解析器 { $addr } 拒绝为本机解析
    .means = 解析器在运行，但返回 REFUSED：它只服务某些网络，而本机不在其中。
        多半是设置来自另一个网络，或解析器的访问列表漏掉了这个网络。名字是否正确还不得而知，也没有向 API 发送任何内容。
    .fix-1 = 使用当前网络下发的解析器：重新连接网络，并删除手工填写的解析器。
    .run-2 = cat /etc/resolv.conf
    .why-2 = 显示本机向谁查询；如果是 127.0.0.53，用 resolvectl status 查看它背后的解析器。
    .fix-3 = 请解析器的管理方放行本机所在的网络：BIND 中是 allow-query 和 allow-recursion，Unbound 中是 access-control。

dns-resolver-unreachable = 所配置的解析器都没有应答
    .title = 解析器 { $addr } 没有应答
    .means = 发往所配置解析器的查询没有回应，或它的端口已关闭，因此任何名字都解析不了。
        解析器停机了，或本机已不在它所在的网络里。网络的其余部分可能正常：直接连接 IP 地址用不到解析器。
    .fix-1 = 重新连接网络，让它下发现在的解析器，并删除手工填写的解析器。
    .run-2 = cat /etc/resolv.conf
    .why-2 = 显示本机向谁查询；如果是 127.0.0.53，用 resolvectl status 查看它背后的解析器。
    .fix-3 = 如果解析器在本机或自己的路由器上（dnsmasq、systemd-resolved、Pi-hole），重启它。
    .fix-4 = 把解析器的地址告诉网络管理员，问清是它停机了，还是防火墙拦了 53 端口。

dns-first-resolver-dead = 第一个解析器不可用，每次解析都要先等它超时
    .title = 解析器 { $addr } 不可用，每次解析都要先等它超时
    .means = 系统按列表顺序询问解析器（设了 rotate 选项时轮流从每一个开始），而先问的那个没有应答。每次解析都要先等它（Linux 默认 5 秒），然后才轮到下一个。
        得到的地址是对的，但这段等待可能耗尽客户端的超时时间。
    .fix-1 = 在生成 /etc/resolv.conf 的网络设置中删除不可用的解析器，或把它移到最后。
    .run-2 = cat /etc/resolv.conf
    .why-2 = 按询问的先后顺序显示解析器。
    .run-3 = time getent hosts api.anthropic.com
    .why-3 = 按程序的方式解析一次并计时；列表改好后用时远不到一秒。
    .fix-4 = 如果它是由网络下发的，请网络管理员修复它，或把它从 DHCP 中去掉。

dns-slow = 解析器要几秒才应答
    .title = 解析 { $host } 用了 { $seconds } 秒
    .means = 解析器给出的地址是对的，但晚了几秒，占用了客户端建立连接的时间。
        它可能负载过高、距离太远，或自己也在等别的服务器；也可能是对搜索列表拼出的名字应答得慢，而这些名字会先被查询。
        通往 API 的路径本身并不慢。
    .fix-1 = 如果填的是别处的解析器，改用较近的，通常就是当前网络下发的那个。
    .run-2 = time getent hosts api.anthropic.com
    .why-2 = 按程序的方式解析一次并计时；有缓存的地方，紧接着的第二次会很快。
    .fix-3 = 请网络管理员减轻解析器的负载，或改正它转发到的上级服务器。
    .fix-4 = 在此之前，调大客户端的连接超时；httpx 的写法是 httpx.Timeout(600, connect=20)。
    .fix-5 = 如果在名字末尾加一个点就能立刻得到应答，缩短 /etc/resolv.conf 的搜索列表或调低 ndots；在 Kubernetes 中是 dnsConfig 的 options：ndots 1。

dns-sinkhole = DNS 给出的地址上什么也没有
    .title = DNS 把 { $host } 解析为 { $addr }，而那里什么也没有
    .means = 得到的是全零、回环或私有地址，背后没有 API，多半是 DNS 过滤器为屏蔽这个名字而给出的。
        连接看起来像被拒绝或超时，其实没有任何数据包到达 API。API 并没有停机。
    .fix-1 = 如果过滤器是自己的（Pi-hole、AdGuard Home、路由器、安全软件），在其中放行 api.anthropic.com。
    .fix-2 = 请网络管理员放行这个名字；如果是内部区域里遗留的记录，请其删除。
    .run-3 = getent ahosts api.anthropic.com
    .why-3 = 显示程序得到的地址；正确的地址属于 160.79.104.0/23 和 2607:6bc0::/48。
    .fix-4 = 如果网络策略允许，按公司的合同改用 Amazon Bedrock 或 Google Vertex AI。

dns-block-page = DNS 过滤器把这个名字引向拦截页
    .title = DNS 过滤器把 { $host } 引向 { $addr } 上的拦截页
    .means = 解析器给出的是一个拦截页的地址。程序不会显示这个页面，只会遇到别人的证书，或在该收到 JSON 时收到 HTML。
        这是过滤规则所致，要解决的不是证书。
    .fix-1 = 请管理该过滤器的管理员或运营商放行 api.anthropic.com。
    .run-2 = curl -sS -m 10 --noproxy '*' http://api.anthropic.com/ | head -c 2000
    .why-2 = 显示拦截页的开头，上面通常写着产品名称和需要放行的类别。
    .fix-3 = 如果过滤器是自己的，在路由器或运营商的上网防护中放行这个名字。
    .fix-4 = 如果网络策略允许，按公司的合同改用 Amazon Bedrock 或 Google Vertex AI。

dns-stale-record = DNS 仍在给出已停用的地址
    .title = DNS 仍把 { $host } 解析为 { $addr }，而那里已无服务
    .means = 解析器或途中的缓存给出的是旧地址，那里已经没有服务。别的解析器知道现在的地址，服务在那里正常应答。
        看起来像服务器停机，其实是 DNS 记录过时。
    .fix-1 = 清空给出旧地址的解析器的缓存：路由器重启即可，BIND 用 sudo rndc flush。
    .fix-2 = 请解析器的管理员清空缓存；如果为这个名字写过固定记录，请其删除。
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = 向公共解析器查询现在的地址；如果走网关，换成网关的主机名。
    .fix-4 = 之后重启长期运行的程序；例如 nginx 只在启动时解析上游的名字。

dns-wrong-address = DNS 给出的是另一台服务器的地址
    .title = DNS 把 { $host } 解析为 { $addr }，而那是另一台服务器
    .means = 这个地址上的服务器在运行，但不是 API，因此证书对不上，或由不相干的服务器应答。
        解析器的记录有误或被污染，别的解析器给出的地址是对的。证书校验在这里起了作用：它使密钥不落入他人之手。
    .fix-1 = 改用当前网络下发的解析器，或网络允许且您信任的其他解析器。
    .run-2 = resolvectl flush-caches
    .why-2 = 清空 systemd-resolved 的缓存，以免错误的结果继续留存。
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = 向公共解析器查询；正确的地址属于 160.79.104.0/23 和 2607:6bc0::/48。
    .fix-4 = 把两个地址一并告诉解析器的管理方，说明其结果有误。

dns-injected = 途中的设备用伪造的地址抢答 DNS 查询
    .title = { $host } 的伪造 DNS 应答先于真正的应答到达
    .means = 一次查询收到两个应答：先是途中设备伪造的地址，然后才是真正的应答。
        所有未加密的查询它都看得到，所以换一个普通解析器没有用。这是网络中的干预，与本机、密钥和 API 无关。
    .fix-1 = 问网络管理员或运营商是哪台设备在应答，并请其放行 api.anthropic.com。
    .run-2 = dig +tcp +short api.anthropic.com @1.1.1.1
    .why-2 = 改用 TCP 查询一次，伪造的数据包在这里不容易抢答；地址与先前不同就是依据。
    .fix-3 = 如果公司或网络运营方提供加密解析器（DNS over TLS 或 HTTPS），使用它。
    .fix-4 = 在受支持地区的网络中发起调用，或按合同改用 Amazon Bedrock 或 Google Vertex AI。

dns-intercepted = 所有 DNS 查询都由这个网络自己应答
    .title = 不论向谁查询，{ $host } 都由这个网络自己应答
    .means = 无论配置哪个解析器，发往 53 端口的流量都会转到网络自己的解析器，而它对这个名字给出的结果不可用。
        所以在设置中更换解析器没有用。本机的设置没有问题，要由网络的管理方处理。
    .fix-1 = 请网络管理员或运营商让其解析器如实解析 api.anthropic.com。
    .run-2 = nslookup api.anthropic.com 192.0.2.1
    .why-2 = 向一个不可能有解析器的地址查询；只要有应答就证明查询被劫持。
    .fix-3 = 如果公司或网络运营方提供加密解析器（DNS over TLS 或 HTTPS），使用它。

dns-bad-address-in-set = DNS 给出的地址中有一部分不可用
    .title = { $host } 的 { $total } 个地址中有 { $count } 个没有应答
    .means = 这个名字有多个地址，其中有的不能提供服务。只取第一个地址的客户端时好时坏，逐个尝试的客户端只是多花时间。
        其余地址经同一网络能正常应答，所以网络没有问题。
    .fix-1 = 换一条新连接重试失败的调用，可能会用到另一个地址。
    .fix-2 = 把不可用的地址和时间报告给该主机的运维方；如果是 api.anthropic.com，先看 status.claude.com。
    .run-3 = getent ahosts api.anthropic.com
    .why-3 = 按程序尝试的顺序列出地址；如果走网关，换成网关的主机名。

dns-no-address = 名字存在，但 DNS 没有给出地址
    .title = DNS 没有给出 { $host } 的地址
    .means = 解析器认识这个名字，却既不返回 IPv4 地址，也不返回 IPv6 地址。
        要么区域里没有这样的记录，要么解析器把它去掉了。程序报的错与名字不存在一样，但原因不只是拼写。
    .fix-1 = 如果 ANTHROPIC_BASE_URL 写的是域名而不是网关的主机名，改正它；不需要时删除该变量。
    .run-2 = nslookup api.anthropic.com 1.1.1.1
    .why-2 = 向公共解析器查询；能得到地址就说明是所配置的解析器把它去掉了。如果走网关，换成网关的主机名。
    .fix-3 = 请解析器的管理员不要去掉这些地址；如果是网关的名字，请其区域的所有者添加 A 记录。

dns-aaaa-broken = AAAA 查询失败，拖慢每次解析
    .title = { $host } 的 AAAA 查询失败，拖慢每次解析
    .means = 程序会同时查询 IPv4 和 IPv6 地址，而解析器或防火墙丢弃了 IPv6 的查询（AAAA）。
        IPv4 的结果早已到达，解析仍要多等几秒，或以临时失败告终。问题不在 IPv6 连接。
    .fix-1 = 请解析器或防火墙的管理方对 AAAA 查询作出应答，空应答也可以；自己的路由器则升级固件。
    .fix-2 = 在此之前，如果不需要 IPv6，在使用 glibc 2.36 及以上版本的 Linux 上给 /etc/resolv.conf 加一行“options no-aaaa”。
    .run-3 = time getent ahostsv4 api.anthropic.com
    .why-3 = 只查询 IPv4；这里很快而 getent ahosts 很慢，就是依据。

dns-tcp-blocked = DNS 应答被截断，而 TCP 方式的 DNS 被拦截
    .title = { $host } 的 DNS 应答被截断，而 TCP 方式的 DNS 被拦截
    .means = 应答太大，UDP 装不下，解析器要求改用 TCP 重新查询，而 TCP 53 端口被拦截。
        于是解析一直等待，或得不到地址。名字和解析器都没有问题，是中间的防火墙所致。
    .fix-1 = 除 UDP 外，也放行到解析器的 TCP 53 端口；不归自己管时，请网络管理员放行。
    .run-2 = dig +tcp +time=3 +tries=1 api.anthropic.com
    .why-2 = 只用 TCP 查询；超时或被拒绝就是依据。
    .fix-3 = 在此之前，给 /etc/resolv.conf 加一行“options edns0”，让较大的应答也能经 UDP 返回。

dns-dangling-cname = DNS 别名指向一个不存在的名字
    .title = { $host } 是 { $name } 的别名，而后者不存在
    .means = 这个名字是一个别名（CNAME），它指向的名字已经没有了，因此得不到地址。
        要由区域的所有者处理；如果记录在内部区域里，则由该解析器的管理方处理。您使用的名字没有写错。
    .fix-1 = 请区域的所有者改正别名，或恢复它指向的名字。
    .fix-2 = 如果主机是 api.anthropic.com，请解析器的管理员从内部区域删除该别名并清空缓存。
    .run-3 = nslookup -type=CNAME api.anthropic.com
    .why-3 = 显示所配置的解析器上别名指向哪里；如果走网关，换成网关的主机名。

dns-split-horizon = DNS 给出私有地址，而通往它的 VPN 或隧道没有连上
    .title = { $host } 解析为私有地址 { $addr }，而通往它的 VPN 或隧道没有连上
    .means = 解析器给出的是专用端点的地址，只能经公司的 VPN 或隧道到达，而现在没有通往那里的路由。
        这是公司的部署方式，不是过滤，也与公网上的 API 无关。
        198.18.0.0/15 中的地址是本机或路由器上的代理程序虚构的（fake-ip），而该程序已不再接收发往那里的流量。
    .fix-1 = 连接公司的 VPN，或重启承载该地址的隧道或代理程序。如果该程序已停用，把被它替换的解析器改回去。
    .run-2 = getent ahostsv4 api.anthropic.com | head -1 | cut -d' ' -f1 | xargs ip route get
    .why-2 = 显示该地址从哪个网卡出去，应当是 VPN 的网卡。如果走网关，换成网关的主机名。
    .fix-3 = 如果 VPN 已经连上，问内网的管理员该端点及其路由是否正常。
    .fix-4 = 如果本来就要不经 VPN 调用公网上的 API，从本机的设置中去掉公司的解析器。

dns-rebind-protection = 路由器从 DNS 应答中去掉了私有地址
    .title = 路由器从应答中去掉了 { $host } 的私有地址
    .means = 这个名字指向私有地址（内部网关就是这样），而路由器为防止 DNS 重绑定，去掉了这类结果，程序因此得不到地址。
        名字没有错，这项防护也合理，只是需要一条例外。
    .fix-1 = 把该域名加入例外：FRITZ!Box 中是 DNS 重绑定保护，dnsmasq 中是 rebind-domain-ok，Unbound 中是 private-domain。
    .fix-2 = 解析该域名时使用公司的解析器，它通常随公司的 VPN 下发。
    .run-3 = nslookup api.anthropic.com 1.1.1.1
    .why-3 = 绕开路由器查询；得到私有地址就说明是路由器把它去掉了。如果走网关，换成网关的主机名。

dns-stale-cache = 本机的 DNS 缓存中是过时的结果
    .title = 本机的 DNS 缓存中 { $host } 的结果已经过时
    .means = 本机的缓存仍在给出旧地址，或旧的“不存在”，而它的上级解析器早已有了正确的结果。
        受影响的只有本机，清空缓存即可。
    .run-1 = resolvectl flush-caches
    .why-1 = 清空 systemd-resolved 的缓存。
    .fix-2 = 如果缓存是 dnsmasq 或 nscd，重启它；macOS 运行 sudo killall -HUP mDNSResponder，Windows 运行 ipconfig /flushdns。
    .run-3 = getent hosts api.anthropic.com
    .why-3 = 按程序的方式解析一次；地址正确就说明旧的结果已经清除。
    .fix-4 = 如果程序自己也缓存地址，之后重启程序。

dns-flaky = 部分 DNS 查询没有应答
    .title = { $total } 次 DNS 查询中有 { $count } 次没有应答
    .means = 解析器或通往它的路径丢失了一部分查询。解析因此要多花几秒，接连丢失几次就会失败，过一会儿又正常。
        与名字和 API 无关。
    .fix-1 = 在网络设置中，把不丢查询的解析器放到第一位。
    .fix-2 = 在此之前，给 /etc/resolv.conf 加一行“options timeout:1 attempts:4”，丢失的查询一秒后就会重发。
    .run-3 = for i in 1 2 3 4 5 6 7 8; do dig +tries=1 +time=2 api.anthropic.com | grep -E 'status:|timed out'; done
    .why-3 = 查询八次且不重发；每个超时就是一次丢失。
    .fix-4 = 把丢失的比例和解析器的地址告诉网络管理员。
