# tcp 层的各项原因。

tcp-filtered = 途中的过滤规则丢弃了发往 API 地址的数据包
    .title = 途中的过滤规则丢弃了发往 { $addr } 的所有数据包
    .means = 发往这个地址的数据包没有任何回应，而经同一网络能到达其他主机。
        这是针对该地址的防火墙规则，不是 API 停机，也不是程序的问题。重试碰到的还是同一条规则。
    .fix-1 = 请网络管理员放行到 160.79.104.0/23 和 2607:6bc0::/48（api.anthropic.com）的出站 TCP 443。
    .fix-2 = 如果规定流量只能经公司代理出去，把 HTTPS_PROXY 设为公司的代理。
    .fix-3 = 如果这条规则必须保留，按公司的合同改用 Amazon Bedrock 或 Google Vertex AI，或在受支持的地区发起调用。
    .run-4 = curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-4 = 直接连接；这里超时而其他主机有应答，就是给管理员的依据。

tcp-port-blocked = 这个网络对所有主机封锁了该端口
    .title = 这个网络对所有主机封锁了 { $port } 端口
    .means = 不论目标是谁，到这个端口的连接都失败，而其他端口能通过。这是网络的规定，多半是要求网页流量走代理。
        并不是针对 API 或它的地址。
    .fix-1 = 把 HTTPS_PROXY 设为这个网络的代理；代理地址问网络管理员。
    .fix-2 = 请网络管理员放行出站 TCP 443，至少放行到 api.anthropic.com。
    .fix-3 = 如果 ANTHROPIC_BASE_URL 写的是别的端口，而网关也监听 443，改用 443。
    .run-4 = curl -sSI -m 10 --noproxy '*' https://www.example.com/
    .why-4 = 试试另一台主机的 443 端口；只要规则还在，就会同样失败。

tcp-refused = 主机有应答，但该端口上没有程序在监听
    .title = { $host } 拒绝了到 { $port } 端口的连接
    .means = 该地址上的主机在运行，并立即拒绝了连接：这个端口上没有服务在监听。
        要么服务停了，要么端口写错。请求的内容还没有发出，重试是安全的。
    .fix-1 = 如果 ANTHROPIC_BASE_URL 指向网关，改正其中的端口，或重新启动网关。
    .fix-2 = 如果主机是 api.anthropic.com，先看 status.claude.com，再以逐次加长的间隔重试。
    .run-3 = curl -sSI -m 10 https://api.anthropic.com/
    .why-3 = 显示 API 本身是否应答；返回任何 HTTP 状态码都说明它在应答。
    .fix-4 = 如果一直如此，把地址、端口和时间报告给该主机的运维方。

tcp-rejected = 途中的防火墙拒绝了连接
    .title = 途中的防火墙拒绝了到 { $addr } 的连接
    .means = 连接刚一发起就收到重置或 ICMP 消息，而它来自途中的设备，不是服务器。程序报“connection refused”，像是服务停了，其实服务在运行。
        这是一条规则，重试得到的还是同样的答复。
    .fix-1 = 请网络管理员放行到 160.79.104.0/23 和 2607:6bc0::/48（api.anthropic.com）的出站 TCP 443。
    .fix-2 = 如果规定流量只能经公司代理出去，把 HTTPS_PROXY 设为公司的代理。
    .fix-3 = 如果网络策略允许，按公司的合同改用 Amazon Bedrock 或 Google Vertex AI。
    .run-4 = clearline doctor -v
    .why-4 = 显示这次拒绝及其时间，以及其他主机的应答，可作为依据交给管理员。

tcp-unreachable = 途中的路由器报告主机不可达
    .title = 途中的路由器报告 { $addr } 不可达
    .means = 途中的路由器说它没有通往这台主机或这个网络的路，程序报“No route to host”。
        要么它的路由有问题，要么它后面的线路中断。本机及其设置没有问题，请求还没有发出。
    .fix-1 = 把地址和时间告诉网络管理员或运营商。
    .fix-2 = 如果是公司 VPN 后面的私有地址，先连接公司的 VPN。
    .run-3 = tracepath -n api.anthropic.com
    .why-3 = 显示数据包能走多远、由哪台路由器报告故障；中间不应答的路由器不说明问题。
    .fix-4 = 稍等再重试；许多路由故障几分钟内就会恢复。

tcp-prohibited = 途中的防火墙明确告知禁止该连接
    .title = 途中的防火墙禁止到 { $addr } 的连接
    .means = 途中的路由器或防火墙用 ICMP 明确答复：这类流量被管理策略禁止。
        程序显示为“No route to host”，其实路由是有的；这是一条规则，重试改变不了。
    .fix-1 = 请网络管理员放行到 160.79.104.0/23 和 2607:6bc0::/48（api.anthropic.com）的出站 TCP 443。
    .fix-2 = 如果规定流量只能经公司代理出去，把 HTTPS_PROXY 设为公司的代理。
    .fix-3 = 如果网络策略允许，按公司的合同改用 Amazon Bedrock 或 Google Vertex AI。
    .run-4 = clearline doctor -v
    .why-4 = 显示是哪台设备发出的拒绝，可作为依据交给管理员。

tcp-ipv6-broken = 这里配置了 IPv6 却不通，IPv4 正常
    .title = 这里到 { $host } 的 IPv6 不通，IPv4 正常
    .means = 本机有 IPv6，但经它的连接一直等待或被重置，而 IPv4 正常。curl 两种都试，所以看不出问题；
        只取第一个地址的程序（例如 Python 客户端）则会卡住或失败。因此 curl 正常在这里说明不了什么。
    .run-1 = curl -6 -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-1 = 只用 IPv6 尝试，会失败；换成 -4 则有应答。
    .fix-2 = 在 IPv6 修好之前优先使用 IPv4：Linux 在 /etc/gai.conf 中加一行“precedence ::ffff:0:0/96 100”，
        Node 设 NODE_OPTIONS=--dns-result-order=ipv4first。
    .fix-3 = 如果这里的 IPv6 来自您自己的 VPN、中继或路由器设置，关闭它。
    .fix-4 = 请网络管理员或运营商修复 IPv6，或停止通告它。

tcp-ipv4-broken = 这里的 IPv4 不通，IPv6 正常
    .title = 这里到 { $host } 的 IPv4 不通，IPv6 正常
    .means = 经 IPv4 的连接一直等待或被重置，而 IPv6 正常。两种都试的程序能连上，限定用 IPv4 的程序则失败。
        服务有应答，说明它在运行。
    .fix-1 = 让客户端使用 IPv6：去掉 curl 的 -4、httpx transport 中的 local_address="0.0.0.0"，或 NODE_OPTIONS 中的 ipv4first。
    .run-2 = curl -4 -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-2 = 只用 IPv4 尝试，会失败；换成 -6 则有应答。
    .fix-3 = 如果程序在 Docker 里，为容器网络启用 IPv6；Docker 的默认网络只有 IPv4。
    .fix-4 = 请网络管理员或运营商修复 IPv4，首先是其中的 NAT。

tcp-mtu-blackhole = 较大的数据包在途中丢失，且没有任何提示
    .title = 与 { $host } 之间较大的数据包在途中丢失，且没有任何提示
    .means = 连接能建立，小数据包能通过，满尺寸的却消失了：途中的隧道、VPN 或 PPPoE 线路装不下，而本该告知此事的消息被过滤。
        于是握手一直等待，或短请求正常而长请求卡住。服务器和密钥都没有问题。
    .run-1 = sudo ip link set dev "$(ip route show default | grep -o 'dev [^ ]*' | head -1 | cut -d' ' -f2)" mtu 1280
    .why-1 = 调小出口网卡的数据包尺寸，重启前有效；如果之后调用正常，原因就在这里。
    .fix-2 = 在隧道所在处永久设置 MTU：WireGuard 在 [Interface] 一节写 MTU = 1280，Docker 在 /etc/docker/daemon.json 中写 "mtu": 1280。
    .fix-3 = 请 VPN 或路由器的管理员把 TCP MSS 限制到路径 MTU，并放行 ICMP 的“packet too big”。

tcp-packet-loss = 途中丢失大量数据包
    .means = 很大一部分数据包丢失，因此连接建立得慢、响应断断续续，有的尝试会超时。
        其他主机也受影响：问题在线路，不在 API。常见的是 Wi-Fi 信号弱，或线路过载。
    .fix-1 = 用网线代替 Wi-Fi，或靠近无线接入点。
    .run-2 = ping -c 50 -i 0.2 "$(ip route show default | grep -o 'via [^ ]*' | head -1 | cut -d' ' -f2)"
    .why-2 = 测量到路由器的丢包；这里有丢包，问题在 Wi-Fi 或网线；没有，则在路由器之后。
    .fix-3 = 如果只在负载高时丢包，停掉占满线路的任务，例如备份和上传。
    .fix-4 = 把丢包率和时间告诉网络管理员或运营商。

tcp-intermittent-reset = 一部分连接被重置
    .title = 到 { $host } 的 { $total } 条连接中有 { $count } 条被重置
    .means = 多数连接正常，有的刚建立就被重置。地址后面有一台服务器有问题，或几条线路中有一条有问题，就会这样。
        换一条新连接多半就能通过；与密钥和请求无关。
    .fix-1 = 保留 SDK 的重试（max_retries 至少为 2）；被重置后，每次重试都会新建连接。
    .run-2 = for i in 1 2 3 4 5 6 7 8 9 10; do curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/ | head -1; done
    .why-2 = 新建十条连接；其中出错的比例就是要报告的数字。
    .fix-3 = 把比例、地址和时间告诉网络管理员；如果 ANTHROPIC_BASE_URL 指向网关，告诉网关的运维方。

tcp-connection-limit = 途中限制了同时打开的连接数
    .title = 从这里最多只能同时打开 { $limit } 条连接
    .means = 同时打开的连接不超过某个数目时一切正常，再多就被拒绝，或没有回应。
        这是防火墙、NAT 或代理按机器计数的结果，不是 API 的限流，后者会返回 429。
    .fix-1 = 整个程序只创建一个客户端并复用它的连接，关闭每个响应和每个流。
    .fix-2 = 限制同时进行的调用：用信号量，或在客户端设 httpx.Limits(max_connections=20)。
    .run-3 = ss -Htn state established '( dport = :443 )' | wc -l
    .why-3 = 统计本机目前有多少条连接通往 443 端口。
    .fix-4 = 请网络管理员调高防火墙或 NAT 上每台主机的会话数上限。

tcp-idle-cut = 途中的设备切断空闲连接
    .title = 途中的设备在 { $seconds } 秒没有数据后切断连接
    .means = 防火墙、NAT 或负载均衡会丢弃一段时间没有数据的连接。等待响应较久的调用，或空闲连接上的下一次调用，
        就会被重置或一直等待。断开连接的不是 API。
    .fix-1 = 使用流式响应（stream=True），让数据和 ping 保持连接活动；耗时很长的任务改用 Message Batches。
    .fix-2 = 把 TCP keep-alive 的间隔设得比该时限短：Python SDK 在 60 秒后发送；要更短，给 httpx transport 传入含 TCP_KEEPIDLE 的 socket_options。
    .fix-3 = 让客户端连接池更早丢弃空闲连接，例如 httpx.Limits(keepalive_expiry=20)。
    .fix-4 = 请防火墙、代理或负载均衡的管理方把这类连接的空闲时限调到十分钟。

tcp-accepts-then-closes = 连接被接受后立即被关闭
    .title = { $addr } 接受连接后立即关闭
    .means = 不论请求哪个主机名，连接建立后还没有任何应答就被关闭或重置。多半是负载均衡或端口转发的后面没有可用的服务，
        或途中的设备代替服务器作了应答。没有出示证书，请求的内容也没有发出。
    .fix-1 = 如果是自己的网关，启动该端口背后的服务；在容器里它要监听 0.0.0.0，而不是 127.0.0.1。
    .run-2 = curl -sv -m 10 --noproxy '*' -o /dev/null https://api.anthropic.com/
    .why-2 = 显示“Connected”之后，还没有出示证书就结束；如果走网关，换成网关的主机名。
    .fix-3 = 如果主机是 api.anthropic.com，附上时间，问网络管理员是哪台设备关闭了到这个地址的连接。

tcp-throttled = 途中的带宽被限速
    .title = 到 { $host } 的带宽被限速
    .means = 数据在传，但太慢，较长的请求和响应因此超时。流量套餐用尽、限速规则或线路过载都会这样。
        调用并没有卡死，服务器也不慢。
    .fix-1 = 请运营商或网络管理员取消对 api.anthropic.com 的限速，或换用不限速的线路。
    .fix-2 = 在此之前，调大客户端的超时：Anthropic() 的 timeout=，Claude Code 的 API_TIMEOUT_MS。
    .fix-3 = 减少每次调用的数据量：更小的图片、更短的文档、更少的并发调用。

tcp-reset = 连接在请求发出之前被重置
    .title = 到 { $host } 的连接在请求发出之前被重置
    .means = 连接已经建立，请求还没有发出就被重置或关闭。单凭这一次失败，看不出是服务器还是途中的设备所为。
        没有执行任何操作，也没有计费，重试是安全的。
    .fix-1 = 换一条新连接重试。
    .run-2 = clearline doctor
    .why-2 = 比较各个地址、地址族和主机名；如果再次发生，指出是谁重置了连接。
    .fix-3 = 如果只在这个网络里发生，把地址和时间告诉网络管理员。

tcp-timeout = 连接请求没有得到应答
    .title = { $addr } 没有应答连接请求
    .means = 连接请求直到超时都没有任何应答，既没有接受，也没有拒绝。丢弃数据包的过滤规则、失效的路由和停机的服务器，
        单凭一次尝试看不出区别。请求的内容还没有发出，重试是安全的。
    .fix-1 = 以逐次加长的间隔重试。
    .run-2 = clearline doctor
    .why-2 = 从这里尝试其他主机、端口和地址族，区分是过滤还是停机。
    .fix-3 = 如果这个网络的流量只能经代理出去，设置 HTTPS_PROXY；curl 和浏览器可能早已设好。

tcp-stale-pooled = 连接池中的连接在空闲时已经失效
    .means = 客户端从连接池取出的连接早已失效而未被察觉：机器休眠过、换过网络，或防火墙丢弃了这条连接。
        换一条新连接就正常。与 API 和密钥无关。
    .fix-1 = 保留 SDK 的重试（max_retries 至少为 1）；重试会使用新连接。
    .fix-2 = 让连接池更早丢弃空闲连接，例如 httpx.Limits(keepalive_expiry=20)。
    .fix-3 = 如果休眠或换网之后程序一直失败，重启它，它还在用旧的连接池。
