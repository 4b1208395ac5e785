# config 层的各种原因。
config-base-url-invalid = base URL 不是有效的 URL
    .title = { $variable } 中的 base URL 不是有效的 URL
    .means = 客户端无法解析 base URL，调用在发出任何数据包之前就结束了。多半是缺少 https://，复制时带进了引号、空格或换行，或变量已设置但为空。与网络、密钥和服务都无关。
    .fix-1 = 写出完整的 URL：ANTHROPIC_BASE_URL=https://api.anthropic.com，值里不要有引号、空格或换行。
    .run-2 = printenv ANTHROPIC_BASE_URL | cat -vet
    .why-2 = 显示隐藏字符；正常的值只有一行，以 $ 结尾。
    .fix-3 = 如果直接调用 Claude API，删除该变量即可，SDK 自带正确的地址。

config-base-url-unknown-host = base URL 中的主机名不存在
    .title = base URL 中的主机名 { $host } 不存在
    .means = 所有解析器都不认识 base URL 中的主机名，而同一台机器能解析 api.anthropic.com。要么名字拼错了，要么它所指的网关已经下线。DNS 本身是正常的。
    .fix-1 = 更正 ANTHROPIC_BASE_URL 中的主机名，或删除该变量，直接调用 api.anthropic.com。
    .run-2 = printenv ANTHROPIC_BASE_URL
    .why-2 = 显示程序从当前 shell 继承到的值。
    .fix-3 = 向网关的维护者确认它现在的名字，以及该名字是否只能在公司内网解析。

config-base-url-path = base URL 的路径不对
    .title = base URL 指向 { $url }，但 API 不在那里
    .means = 主机有应答，但 base URL 中的路径没有指到 API，所以返回 404。最常见的是 URL 以 /v1 结尾：SDK 会自己加上 /v1/messages，路径就成了 /v1/v1/messages。也可能是网关把 API 放在某个前缀之下，而这里漏了前缀；模型 id 没有问题。
    .fix-1 = 去掉 ANTHROPIC_BASE_URL 末尾的 /v1。
    .fix-2 = 向网关的维护者问清路径前缀，在 ANTHROPIC_BASE_URL 中写协议、主机和前缀，不要写 /v1/messages。
    .run-3 = curl -sS -o /dev/null -D - "$ANTHROPIC_BASE_URL/v1/messages"
    .why-3 = 不带密钥访问：路径正确时返回 401 或 405，错误时返回 404。

config-base-url-insecure = base URL 用了 http://，请求以明文传输
    .title = { $host } 的 base URL 用了 http://，请求以明文传输
    .means = 请求以明文发送，沿途都能读到密钥。要求 https:// 的服务会返回重定向，把 POST 变成 GET，或弄丢密钥，程序于是报 301、405 或 401。
    .fix-1 = 把 ANTHROPIC_BASE_URL 中的 http:// 改成 https://。
    .fix-2 = 如果密钥曾随这些请求经过不受您控制的网络，在 Claude Console 新建密钥并删除旧的。
    .fix-3 = 只对本机上的网关（127.0.0.1 或 localhost），或完全由您控制的网络中的网关（例如程序旁边的容器）保留 http://。

config-base-url-dead = base URL 指向的地方没有程序在监听
    .title = base URL 指向 { $host }:{ $port }，但那里没有程序在监听
    .means = base URL 指向一个网关，但它的地址和端口不接受任何连接。多半是本地网关没有启动，或这个变量是以前的配置留下的。与 API 本身无关。
    .fix-1 = 启动网关，或更正 ANTHROPIC_BASE_URL 中的主机和端口。
    .run-2 = unset ANTHROPIC_BASE_URL
    .why-2 = 不需要网关时，让当前 shell 的调用直接发往 api.anthropic.com。
    .fix-3 = 同时删除持久设置：shell 启动文件、.env，以及 ~/.claude/settings.json 的 env 部分。
    .run-4 = ss -ltn
    .why-4 = 列出本机正在监听的 TCP 端口，网关的端口应在其中。

config-ca-file-missing = 配置的 CA 文件不存在或无法读取
    .title = { $variable } 指向 { $file }，但该文件无法读取
    .means = 某个变量指向的 CA 文件或文件夹（SSL_CERT_DIR）不存在、其中没有证书，或当前用户无权读取。有的客户端一启动就报错（Python 报 FileNotFoundError，且不带路径），有的不带这个 CA 继续运行，随后拒绝证书。服务的证书没有问题。
    .fix-1 = 更正变量中的路径；如果不需要私有 CA，就删除该变量。
    .run-2 = env | grep -E 'SSL_CERT_|CA_BUNDLE|CA_CERTS'
    .why-2 = 显示当前 shell 中所有 CA 变量及其路径。
    .fix-3 = 把文件放回变量所指的位置，并让运行程序的用户可读；在容器里要挂载到同一路径。

config-ca-file-replaces-roots = 配置的 CA 文件取代了公共根证书
    .title = { $variable } 中的 { $file } 取代了公共根证书
    .means = 配置的 CA 文件只含一个私有 CA，而客户端用它取代公共根证书，而不是追加。于是所有使用普通公共证书的服务器都被拒绝，API 也不例外。服务的证书是好的。
    .fix-1 = 让变量指向两者都有的证书包，也就是系统自带的：Debian 和 Ubuntu 为 /etc/ssl/certs/ca-certificates.crt，Fedora 和 RHEL 为 /etc/pki/tls/certs/ca-bundle.crt。
    .fix-2 = 如果需要私有 CA，先把它装进系统证书库：在 Debian 和 Ubuntu 上以 .crt 文件复制到 /usr/local/share/ca-certificates，再运行 update-ca-certificates。
    .fix-3 = 在 Node 程序中用 NODE_EXTRA_CA_CERTS 指定私有 CA，它只追加，不取代。
    .run-4 = grep -c 'BEGIN CERTIFICATE' "$SSL_CERT_FILE"
    .why-4 = 统计文件中的证书数；系统证书包有一百多张，私有的只有几张。

config-ca-store-empty = 没有安装任何 CA 证书
    .means = 这个系统没有 CA 证书库，因此无法信任任何服务器。这在精简的容器镜像里很常见。服务的证书是好的，网络也正常。
    .run-1 = sudo apt-get install -y ca-certificates
    .why-1 = 在 Debian 和 Ubuntu 上安装公共根证书。
    .fix-2 = 在 Alpine 上用 apk add、在 Fedora 和 RHEL 上用 dnf install 安装 ca-certificates 包。
    .fix-3 = 把这个包写进 Dockerfile；FROM scratch 的镜像则从构建阶段复制 /etc/ssl/certs/ca-certificates.crt。

config-tls-policy-strict = 本机的 TLS 策略不允许对端所提供的参数
    .means = 本机的 TLS 设置要求高于连接对端的能力，握手在本机这一侧失败。规则来自 openssl.cnf、系统级加密策略或程序自身；对端往往是较旧的公司代理或网关。与服务和密钥无关。
    .fix-1 = 把 openssl.cnf 中的 MinProtocol、CipherString 和 Groups，或系统级加密策略，恢复为发行版的默认值。
    .run-2 = grep -nE 'MinProtocol|MaxProtocol|CipherString|Groups|SECLEVEL' /etc/ssl/openssl.cnf /etc/pki/tls/openssl.cnf
    .why-2 = 显示收紧策略的各行及其所在文件。
    .run-3 = openssl version -d
    .why-3 = 如果生效的是别处的 openssl.cnf，这里显示它所在的目录。
    .fix-4 = 如果必须保留严格策略，请代理或网关的维护者支持 TLS 1.2 或 1.3，并换用符合现行标准的密钥。

config-hosts-override = hosts 文件把名字指到了错误的地址
    .title = { $file } 第 { $line } 行把 { $host } 指到了 { $addr }
    .means = hosts 文件中的条目先于 DNS 作答，而它给出的地址并不提供 API。DNS 知道正确的地址，只是本机从不去问。这样的行多半是测试时留下的，或由过滤软件写入。
    .fix-1 = 从 /etc/hosts 中删除该行；在 Windows 上用管理员身份运行的编辑器从 C:\Windows\System32\drivers\etc\hosts 中删除。
    .run-2 = grep -n anthropic /etc/hosts
    .why-2 = 显示替该名字作答的行及其行号。
    .fix-3 = 如果程序在容器里，从 compose 文件的 extra_hosts 或 --add-host 参数中删除该条目。
    .fix-4 = 如果该行由公司的过滤软件写入，请管理员放行这个名字，否则它还会回来。

config-no-resolver = 没有配置 DNS 解析器
    .means = 本机没有配置任何 DNS 解析器，不知道向谁查询名字。所有主机名都会失败，不只是 API 的；直接用 IP 地址的连接可能仍然正常。
    .run-1 = cat /etc/resolv.conf
    .why-1 = 显示已配置的解析器，其中至少要有一行 nameserver。
    .fix-2 = 重新连接网络，让它再次下发解析器；或把该解析器以 nameserver 行写入 /etc/resolv.conf。
    .fix-3 = 如果程序在容器里，用 --dns 参数或 compose 文件中的 dns 指定解析器。
    .fix-4 = 如果是 WSL，在 Windows 中运行 wsl --shutdown 后重新启动发行版，它启动时会重写 resolv.conf。

config-search-domain = 搜索域抢先替这个名字作了应答
    .title = 搜索域 { $name } 抢先替 { $host } 作了应答
    .means = 由于 ndots 偏大，解析器会先给名字拼上搜索域再查询，而该域中的泛解析记录对任何名字都有应答。调用因此连到了别的主机，其证书与名字不符。公共 DNS 的记录是正确的。
    .fix-1 = 把 ndots 降为 1：改 /etc/resolv.conf 的 options 行，在 Kubernetes 中改 Pod 的 dnsConfig.options。
    .run-2 = getent ahosts api.anthropic.com.
    .why-2 = 末尾加点查询，即不使用搜索域；这样得到的才是正确的地址。
    .fix-3 = 请搜索域所在区域的维护者删除泛解析记录。

config-nss-without-dns = 名字服务开关没有启用 DNS
    .title = { $file } 的 hosts 行没有启用 DNS
    .means = 程序按 /etc/nsswitch.conf 规定的顺序查询名字，而其中没有 DNS。dig 之类的工具直接询问解析器，所以仍有应答，这掩盖了问题。解析器和网络都正常。
    .fix-1 = 在 /etc/nsswitch.conf 的 hosts 行中加上 dns，最简单的写法是 hosts: files dns
    .run-2 = grep '^hosts:' /etc/nsswitch.conf
    .why-2 = 显示当前生效的顺序。
    .run-3 = getent hosts api.anthropic.com
    .why-3 = 按程序的方式查询名字；改好之后会打印地址。

config-fd-limit = 进程的文件描述符已用尽
    .title = 进程的 { $limit } 个文件描述符已用尽
    .means = 每个连接、每个打开的文件都占用一个描述符；进程已到上限，打不开任何套接字，连 DNS 查询也发不出。多半是连接泄漏：每次调用都新建客户端，或流从不关闭。与网络和服务无关。
    .fix-1 = 整个程序只创建一个客户端，并关闭每个响应和每个流，在 Python 中用 with 语句。
    .fix-2 = 如果负载确实如此，就提高上限：systemd 单元的 LimitNOFILE，容器的 --ulimit nofile，或启动前的 ulimit -n。
    .run-3 = ulimit -n
    .why-3 = 显示程序从当前 shell 继承的上限。

config-ports-exhausted = 没有空闲的本地端口可供新连接使用
    .means = 每个出站连接都需要一个本地端口，而端口已全部占用，因此连接在本机就失败，报“Cannot assign requested address”。多半是每次调用都新建连接，没有复用。对端根本没有见到这次尝试。
    .fix-1 = 整个程序只创建一个客户端，让它保持连接，并关闭每个响应和每个流。
    .run-2 = ss -s
    .why-2 = 按状态统计套接字；timewait 有数千个，说明连接没有复用。
    .run-3 = sudo sysctl -w net.ipv4.ip_local_port_range="10240 65535"
    .why-3 = 扩大本地端口范围，重启后失效。

config-local-firewall = 本机的防火墙拦截了流量
    .title = 本机的 { $name } 拦截了到 { $host } 的连接
    .means = 本机的防火墙或安全软件在连接离开之前就丢弃或拒绝了它。看上去像服务器没有响应或拒绝连接，其实没有数据包到达网络。与服务以及本机之外的链路无关。
    .fix-1 = 在防火墙或安全软件中允许该程序访问 api.anthropic.com 的 TCP 443 端口，地址段为 160.79.104.0/23 和 2607:6bc0::/48。
    .run-2 = sudo nft list ruleset
    .why-2 = 在 Linux 上显示本机的规则；留意 output 链中的 drop 和 reject。
    .fix-3 = 如果该软件由公司管理，请管理员添加这条例外。

config-sandbox-no-egress = 沙箱的策略禁止这个连接
    .title = 沙箱的策略禁止连接 { $host }
    .means = 程序运行在沙箱中，沙箱的网络策略不允许访问这个主机。这是规则，不是故障：重试只会得到同样的结果，API 也见不到这次调用。需要由沙箱的管理者处理。
    .fix-1 = 在沙箱的网络设置中把 api.anthropic.com 的 443 端口加入允许列表，或请沙箱的管理者添加。
    .run-2 = curl -sS -o /dev/null -D - https://api.anthropic.com/v1/messages
    .why-2 = 不带密钥访问：405 且有 request-id 说明应答来自 API，403 且有 x-deny-reason 说明来自沙箱。
    .fix-3 = 如果策略必须保留，把调用移到允许访问 API 的任务或机器上。

config-route-switch = 环境中的开关把调用发往了别处
    .title = { $variable } 把调用发往了别处
    .means = 某个变量把客户端切换到了并非您所想的云或端点，例如 CLAUDE_CODE_USE_BEDROCK 或 ANTHROPIC_BEDROCK_BASE_URL。调用于是因为那边的凭据或模型 id 而失败。Claude API 的密钥在那里不起作用。
    .fix-1 = 删除该变量：shell 启动文件、.env，以及 ~/.claude/settings.json 的 env 部分。
    .run-2 = env | grep -E 'CLAUDE_CODE_USE_|_BASE_URL' | cut -d= -f1
    .why-2 = 列出当前 shell 中已设置的开关，只显示变量名。
    .fix-3 = 如果确实要用那个云，配置好它的凭据、区域和模型 id。
