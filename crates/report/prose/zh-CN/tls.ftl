# tls 层的各项原因。

tls-intercepted = TLS 在途中被解密重签，而这个客户端不信任所用的 CA
    .title = 到 { $host } 的 TLS 由“{ $issuer }”重新签发，这里不信任它
    .means = 途中的公司代理、防火墙或杀毒软件解密了连接，再用自己的 CA 重新签发证书。
        这个客户端的信任库里没有该 CA，于是在发出任何内容之前就终止了调用。密钥和 API 都没有问题。
    .fix-1 = 向 IT 部门索取这台检查设备的根证书（PEM），加入系统信任库：
        Debian 与 Ubuntu 放进 /usr/local/share/ca-certificates/ 后运行 update-ca-certificates，
        RHEL 与 Fedora 放进 /etc/pki/ca-trust/source/anchors/ 后运行 update-ca-trust，macOS 导入“系统”钥匙串。
    .fix-2 = 对自带根证书的运行时另行指定该证书：Node 用 NODE_EXTRA_CA_CERTS，
        requests 用 REQUESTS_CA_BUNDLE，httpx 用 SSL_CERT_FILE；后两者指向的文件必须同时包含公共根证书。
    .fix-3 = 如果无法给每个运行时都装上该 CA，请网络管理员把 api.anthropic.com 排除在 TLS 检查之外。
    .run-4 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates
    .why-4 = 显示不经代理时收到的证书由谁签发；如果是公司或安全产品的名字，拦截的就是它。

tls-trust-store-mismatch = 本机一个信任库认可该证书，另一个不认可
    .title = 本机信任 { $host } 的证书，但这个程序用的信任库不信任
    .means = 同一条证书链，本机一个信任库验证通过，另一个拒绝；多半是系统信任库里有该 CA，而运行时自带的证书包里没有。
        所以 curl 或浏览器正常，程序却失败。服务器无须改动。
    .run-1 = export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
    .why-1 = 让 Linux 上的 Python（httpx）、OpenSSL 和 Go 使用系统信任库；RHEL 与 Fedora 上的文件是 /etc/pki/tls/certs/ca-bundle.crt。
    .fix-2 = 设置该运行时会读取的变量：Node 22.15 及以上用 NODE_USE_SYSTEM_CA=1，更早的 Node 用 NODE_EXTRA_CA_CERTS，
        requests 用 REQUESTS_CA_BUNDLE，Claude Code 用 CLAUDE_CODE_CERT_STORE=bundled,system。
    .fix-3 = 如果是 Java 程序，用 keytool 把 CA 导入 JVM 的信任库，因为 JVM 不读系统信任库。
    .fix-4 = 如果程序跑在容器里，把 CA 加进镜像，因为容器有自己的信任库。

tls-expired = 服务器的证书已过期
    .title = { $host } 的证书已过期
    .means = 服务器出示的证书已过有效期，凡是做验证的客户端都必须拒绝。
        本机时钟已核对过，不是它的原因。在证书更新之前，重试没有用。
    .fix-1 = 联系 ANTHROPIC_BASE_URL 所指主机的运维方，更新证书并重新加载服务；不重新加载，内存里仍是旧证书。
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates
    .why-2 = 显示证书的起止日期，可转给运维方；如果走网关，把两处主机名都换成网关的。
    .fix-3 = 如果主机就是 api.anthropic.com，且签发者是公共 CA，查看 status.claude.com。

tls-not-yet-valid = 服务器的证书尚未生效
    .title = { $host } 的证书尚未生效
    .means = 证书的生效日期还没到，在此之前凡是做验证的客户端都必须拒绝。
        多半是新证书启用过早，或签发它的机器时钟偏快。本机时钟没有问题。
    .fix-1 = 联系该主机的运维方，换回上一张证书，或在时钟正确的机器上重新签发。
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates
    .why-2 = 显示证书从何时起有效；如果走网关，把两处主机名都换成网关的。

tls-wrong-host = 证书属于另一个主机名
    .title = { $host } 处的服务器出示的是另一个名字的证书
    .means = 连接到达的服务器，其证书里没有所调用的名字，客户端因此拒绝。
        要么是调用落到了错误的机器上（base URL、hosts 文件、DNS、代理），要么是运维方没有把这个名字写进证书。
    .fix-1 = 在 ANTHROPIC_BASE_URL 中使用证书里有的主机名，不要用 IP 地址或内部别名。
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -ext subjectAltName
    .why-2 = 列出证书包含的名字；如果走网关，把两处主机名都换成网关的。
    .fix-3 = 请网关的运维方重新签发证书，在 subject alternative name 中加入您调用的名字。

tls-self-signed = 服务器出示的是自签名证书
    .title = { $host } 出示的证书由它自己签发
    .means = 这张证书除服务器自己之外无人担保，客户端无法把它与伪造的证书区分开，因此拒绝。
        匆忙搭建的内部网关常见这种情况；api.anthropic.com 从不如此。
    .fix-1 = 请网关的运维方换用由公司 CA 或公共 CA 签发的证书。
    .fix-2 = 在此之前，经可信渠道向运维方索取证书文件，追加到系统证书包的副本中，
        再由 SSL_CERT_FILE（Python）或 NODE_EXTRA_CA_CERTS（Node）指向它。
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -fingerprint -sha256
    .why-3 = 打印指纹，与运维方给出的核对；把两处主机名都换成网关的。

tls-untrusted-root = 证书链的根证书在这里不受信任
    .title = { $host } 的证书链止于“{ $issuer }”，这里没有这个根证书
    .means = 服务器给出的证书链是完整的，但它通向的根证书不在本机任何信任库里。
        多半是网关所属公司的私有 CA。与密钥和请求无关。
    .fix-1 = 向网关的运维方索取根证书（PEM），加入系统信任库：
        Debian 与 Ubuntu 放进 /usr/local/share/ca-certificates/ 后运行 update-ca-certificates，
        RHEL 与 Fedora 放进 /etc/pki/ca-trust/source/anchors/ 后运行 update-ca-trust，macOS 导入“系统”钥匙串。
    .fix-2 = 对 Node，用 NODE_EXTRA_CA_CERTS 指向同一文件，并在进程启动之前设好，因为 Node 只在启动时读取。
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -showcerts </dev/null 2>/dev/null | grep -E ' s:| i:'
    .why-3 = 逐张显示链上的证书及其签发者，最后是根证书的名字；如果走网关，把两处主机名都换成网关的。

tls-incomplete-chain = 服务器没有发送中间证书
    .title = { $host } 只发送自己的证书，缺少中间证书
    .means = 服务器只发来自己的证书，客户端无法由它连到受信任的根证书。
        浏览器往往缓存过或会自动下载缺少的那张，所以网页能打开，程序却失败。问题在服务器的配置，不在本机的信任库。
    .fix-1 = 请运维方发送完整的证书链：服务器证书在前，中间证书在后；nginx 的 ssl_certificate 应指向 fullchain.pem。
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -showcerts </dev/null 2>/dev/null | grep -E ' s:| i:'
    .why-2 = 列出服务器发来的证书，只有一张就是证明。如果走网关，把两处主机名都换成网关的。
    .fix-3 = 在服务器修好之前，把 CA 公布的中间证书加进客户端所用的证书包。

tls-weak-key = 服务器证书的密钥强度低于本机的要求
    .title = { $host } 的证书密钥太弱，不符合本机策略
    .means = 证书里的密钥太短（例如 1024 位 RSA），TLS 库的安全级别不予接受。
        策略较松的客户端仍能连上，所以有的程序正常。该改的是证书，不是策略。
    .fix-1 = 请运维方换用 2048 位以上 RSA 或 ECDSA P-256 的新证书，不要在本机降低安全级别。
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -text | grep -E 'Public-Key|Signature Algorithm'
    .why-2 = 显示密钥长度和签名算法；如果走网关，把两处主机名都换成网关的。

tls-sni-blocked = 途中的设备拦截指向该主机名的 TLS 连接
    .title = 途中的设备拦截指向 { $host } 的 TLS 连接
    .means = TCP 能连上，但握手中一出现这个主机名，连接就被重置、关闭或得不到回应；同一地址换一个名字则有应答。
        这是途中网络按名字做的过滤，不是服务器或您的程序的问题。重试没有用。
    .fix-1 = 请网络管理员放行 api.anthropic.com 的 443 端口，并附上那两行依据。
    .fix-2 = 如果这类流量本应只从公司代理出去，把 HTTPS_PROXY 设为公司代理。
    .fix-3 = 如果网络策略允许，按公司合同改用 Amazon Bedrock 或 Google Vertex AI 上的 Claude。
    .run-4 = openssl s_client -connect api.anthropic.com:443 -noservername </dev/null
    .why-4 = 不带名字做同样的握手：如果收到证书，说明被拦的只是这个名字。

tls-handshake-stalled = 服务器接受连接，却始终不回应 TLS 握手
    .title = { $addr } 接受连接，却始终不回应 TLS 握手
    .means = TCP 能连上，但无论用什么名字，握手都等不到回应。
        服务器或它前面的负载均衡过载或卡死了。请求的内容还没有发出，可以放心重试。
    .fix-1 = 间隔逐次加长地重试。
    .fix-2 = 把地址和时间报给该主机的运维方；如果是 api.anthropic.com，先看 status.claude.com。
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null
    .why-3 = 只做一次握手：故障还在时，输出停在 CONNECTED 之后。如果走网关，把两处主机名都换成网关的。

tls-handshake-rejected = 服务器拒绝了 TLS 握手
    .title = { $host } 用告警终止了 TLS 握手
    .means = 服务器以一条告警结束握手：与这个客户端没有共同的版本或加密套件，或者不认识所请求的名字。
        告警编号能区分：40 是没有共同参数，112 是名字未知。还没有走到验证证书这一步，密钥也没有发出。
    .fix-1 = 如果告警是 112（unrecognized_name），改正 ANTHROPIC_BASE_URL 中的主机名：调用到达的服务器并不提供它。
    .fix-2 = 如果告警是 40（handshake_failure）或 70（protocol_version），请网关的运维方启用 TLS 1.2 与 1.3 及通用的加密套件。
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>&1 | grep -E 'error:|^New,'
    .why-3 = 显示告警及其编号，握手成功则显示版本和加密套件；如果走网关，把两处主机名都换成网关的。

tls-alpn-rejected = 服务器不接受客户端提出的任何应用层协议
    .title = { $host } 不接受客户端提出的任何应用层协议
    .means = 双方在 TLS 内（ALPN）没能就 HTTP 版本达成一致，服务器以告警 120 结束握手。
        与证书和密钥无关。多半是一方坚持 HTTP/2，另一方只会 HTTP/1.1。
    .fix-1 = 让客户端提出 HTTP/1.1：curl 加 --http1.1，httpx 去掉 http2=True。
    .fix-2 = 请网关的运维方在 ALPN 列表中除 h2 外也接受 http/1.1。
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -alpn http/1.1 </dev/null 2>&1 | grep -iE 'alpn|alert'
    .why-3 = 只提出 HTTP/1.1，看服务器是否接受；如果走网关，把两处主机名都换成网关的。

tls-version-too-old = 服务器只支持本机已停用的旧 TLS 版本
    .title = { $host } 只支持本机已停用的旧 TLS 版本
    .means = 服务器只会 TLS 1.0 或 1.1，而现在的库因为不安全已不再使用它们。
        那是一台老旧的网关或设备；api.anthropic.com 支持更新的版本。
    .fix-1 = 请网关的运维方启用 TLS 1.2 与 1.3（nginx：ssl_protocols TLSv1.2 TLSv1.3），不要在本机重新打开旧版本。
    .run-2 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com -tls1_2 </dev/null 2>&1 | grep -E 'error:|^New,'
    .why-2 = 只试 TLS 1.2：出现 error 和 (NONE) 而没有加密套件，就是证明。如果走网关，把两处主机名都换成网关的。
    .fix-3 = 如果用不到这个网关，又允许直连，删除 ANTHROPIC_BASE_URL。

tls-h2-broken = 协商出了 HTTP/2，但在这条路径上不可用
    .title = 与 { $host } 协商出了 HTTP/2 却不可用，HTTP/1.1 正常
    .means = 握手选定了 HTTP/2（或走了 QUIC），随后连接中断或没有应答，因为途中的设备或网关并不真正支持它。
        同样的调用走 HTTP/1.1 就正常。密钥和请求都没有问题。
    .fix-1 = 让客户端改用 HTTP/1.1：curl 加 --http1.1，httpx 去掉 http2=True，Go 设 GODEBUG=http2client=0。
    .run-2 = curl -sSI -m 10 --http1.1 https://api.anthropic.com/
    .why-2 = 用 HTTP/1.1 请求一次；返回任何 HTTP 状态码都说明这条路径可用。
    .fix-3 = 请代理或网关的运维方修好 HTTP/2，或不再提供 h2。

tls-plain-http = 该端口提供的是明文 HTTP，不是 TLS
    .title = { $host } 的 { $port } 端口提供的是明文 HTTP，不是 TLS
    .means = URL 写的是 https://，但该端口上的服务器用明文 HTTP 应答；客户端把这叫做“wrong version number”。
        base URL 的端口或协议写错了。与证书无关。
    .fix-1 = 把 ANTHROPIC_BASE_URL 的端口改成网关的 TLS 端口。
    .fix-2 = 只有网关就在本机（127.0.0.1 或 localhost）时才在 ANTHROPIC_BASE_URL 中写 http://，否则密钥会以明文传输。
    .fix-3 = 如果网关在别的机器上又没有 TLS 端口，请其运维方启用 TLS。
    .run-4 = env | grep '^ANTHROPIC_BASE_URL=' | sed -E 's#=([a-z]+://)?.*@#=\1***@#'
    .why-4 = 显示当前 shell 的 base URL，其中的凭据已隐去。

tls-client-cert-required = 服务器要求客户端证书
    .title = { $host } 要求客户端证书，而这里没有配置
    .means = 网关要求每个调用方出示自己的证书（双向 TLS），没有就断开连接。
        它不是 API 密钥，也不能代替密钥：这个网关两样都要。
    .fix-1 = 向网关的运维方申请客户端证书及其私钥。
    .fix-2 = 配置证书和私钥：Claude Code 用 CLAUDE_CODE_CLIENT_CERT 与 CLAUDE_CODE_CLIENT_KEY，curl 用 --cert 与 --key，
        Python 用带 load_cert_chain 的 SSL 上下文建好客户端，再作为 http_client 传入。
    .run-3 = openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | grep -A 3 'client certificate CA names'
    .why-3 = 显示网关接受哪些 CA 签发的客户端证书；把两处主机名都换成网关的。

tls-fingerprint-blocked = 途中的过滤规则拒绝这类客户端的 TLS 握手
    .title = 途中的过滤规则拒绝这个客户端到 { $host } 的 TLS 握手
    .means = 过滤规则看的是握手的特征（指纹）：主机名相同，一个客户端能通过，另一个被重置。
        通常是防机器人规则把程序当成了不受欢迎的流量。被拦的既不是主机名，也不是密钥。
    .fix-1 = 请网络或网关的运维方放行您的客户端，并说明运行时及其版本、时间和地址。
    .fix-2 = 如果对方是有意拒绝，改用对方认可的客户端。
    .run-3 = clearline doctor -v
    .why-3 = 显示哪些握手能通过、哪些被拒绝，可作为依据交给运维方。

tls-large-hello-dropped = 途中的设备丢弃较大的 TLS 握手包
    .title = 途中的设备丢弃发往 { $host } 的较大 TLS 握手包
    .means = 较新的运行时带有后量子密钥，ClientHello 一个数据包装不下，途中的设备把它丢掉了。
        所以用旧库的 curl 正常，较新的运行时却一直等待。服务器和密钥都没有问题。
    .fix-1 = 请网络管理员升级那台丢弃多包 ClientHello 的防火墙或负载均衡。
    .fix-2 = 在此之前，在客户端关闭 X25519MLKEM768 这一组；Go 的写法是 GODEBUG=tlsmlkem=0。
    .run-3 = curl -sSI -m 10 --curves X25519 https://api.anthropic.com/
    .why-3 = 发送较小的握手包；返回任何 HTTP 状态码都说明小包能通过。

tls-mixed-backends = 同一地址后面有的服务器证书有问题
    .title = 与 { $host } 的 { $total } 次握手中有 { $count } 次收到有问题的证书
    .means = 一个地址后面有多台服务器，其中有的证书不对，所以同样的调用这次失败、下次又成功。
        换一条新连接可能就到了正常的那台；在本机改什么都治不了本。
    .fix-1 = 向该主机的运维方报告其各台服务器证书不一致，附上序列号和时间。
    .run-2 = for i in 1 2 3 4 5 6 7 8; do openssl s_client -connect api.anthropic.com:443 -servername api.anthropic.com </dev/null 2>/dev/null | openssl x509 -noout -serial -enddate; done
    .why-2 = 握手八次，看收到哪些证书；如果走网关，把两处主机名都换成网关的。
    .fix-3 = 在运维方换掉有问题的证书之前，失败的调用换一条新连接重试。
