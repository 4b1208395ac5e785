# proxy 层的各项原因。

proxy-unreachable = 所配置的代理拒绝连接
    .title = { $variable } 指向 { $proxy }，但那里没有程序在监听
    .means = 某个变量或系统设置把所有调用都交给代理，而那个地址和端口上没有程序在监听。
        要么代理程序没有运行，要么设置是以前的代理留下的。调用根本没有发往 API，与 API 和密钥无关。
    .fix-1 = 启动代理程序；如果它现在监听别的端口，改正变量中的端口。
    .run-2 = unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    .why-2 = 从当前 shell 中去掉该设置；允许直连的地方这样就够了。
    .run-3 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-3 = 列出会在下一个 shell 里重新设置它的文件。

proxy-conflicting-settings = 几个代理变量互相矛盾
    .means = 几个代理变量指向不同的代理，例如 HTTPS_PROXY 与 https_proxy，而其中一个代理不可用。
        用哪一个取决于程序；许多程序先读小写的，没有更具体的变量时才用 ALL_PROXY。所以一个工具正常，另一个失败。
    .fix-1 = 保留可用的那个值，HTTPS_PROXY 与 https_proxy 都设成它；删除其余的值和 ALL_PROXY。
    .run-2 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-2 = 显示当前 shell 的所有代理变量，其中的凭据已隐去。
    .run-3 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-3 = 列出设置这些变量的文件。

proxy-name-not-found = 代理的主机名无法解析
    .title = { $variable } 中的主机名无法解析：{ $proxy }
    .means = 代理设置里的主机名在这里的 DNS 中不存在，调用在尝试连接之前就结束了。
        名字可能写错、已经作废，或只在公司内网才有。与 API 自己的域名无关。
    .fix-1 = 改正 HTTPS_PROXY（以及 https_proxy）中的主机名；现在该用哪个，问网络管理员。
    .fix-2 = 如果是内部名字，先接入公司网络，那里的解析器认识它。
    .run-3 = unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    .why-3 = 从当前 shell 中去掉该设置，适用于不需要代理的网络。

proxy-timeout = 代理没有响应
    .title = 代理 { $proxy } 没有响应
    .means = 与代理的连接完全得不到回应，还没有走到 API 这一步。可能是代理主机停机、防火墙丢弃了数据包，
        或本机不在代理所在的网络里。代理恢复之前，重试没有用。
    .fix-1 = 如果代理只能从公司网络访问，先接入公司网络。
    .fix-2 = 告诉代理管理员该地址没有响应，附上时间和本机地址。
    .run-3 = curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-3 = 试试不经代理的路径；返回任何 HTTP 状态码都说明这里可以去掉代理变量。

proxy-auth-required = 代理要求凭据，而这里没有配置
    .title = 代理 { $proxy } 要求凭据，而 { $variable } 中没有
    .means = 代理返回 407：它只放行已知用户，而代理设置里既没有用户名也没有密码。
        407 来自代理，与 API 密钥无关。各 SDK 只显示“Connection error.”，把它掩盖了。
    .fix-1 = 把用户名和密码写进变量：HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT，特殊字符用百分号编码
        （@ 写作 %40，: 写作 %3A），并放在只有您可读的文件里。
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/ | grep -i '^proxy-authenticate'
    .why-2 = 显示代理提供哪些认证方式；写在 URL 里的用户名和密码只适用于 Basic。
    .fix-3 = 如果程序跑在服务器上，请代理管理员开一个服务账号，或按地址放行这台机器。

proxy-auth-rejected = 代理拒绝了所配置的凭据
    .title = 代理 { $proxy } 拒绝了 { $variable } 中的凭据
    .means = 用户名和密码已经发出，代理仍返回 407。密码已过期或被改过，
        或者其中的特殊字符没有做百分号编码而被截断。与 API 密钥无关。
    .fix-1 = 在设置代理变量的各处更新密码，特殊字符用百分号编码（@ 写作 %40，: 写作 %3A，# 写作 %23，/ 写作 %2F）。
    .run-2 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-2 = 列出可能还存着旧密码的文件，不打印其中的内容。
    .fix-3 = 先问代理管理员账号是否已被锁定，再继续尝试，以免延长锁定。

proxy-auth-scheme = 代理提供的认证方式，这个客户端都不支持
    .title = { $proxy } 提供的认证方式，这个客户端都不支持
    .means = 代理返回 407，只提供 NTLM 或 Negotiate（Kerberos），即 Windows 登录。这个客户端只会用 Basic 发送用户名和密码，
        所以变量里的凭据即使正确也没有用。浏览器正常，是因为它使用 Windows 会话。
    .fix-1 = 在本机运行 px 或 cntlm 之类的转发程序，由它向公司代理认证，再把 HTTPS_PROXY 指向它。
    .fix-2 = 请代理管理员提供 Basic 认证，或按地址放行这台机器。
    .run-3 = curl -sSI -m 10 https://api.anthropic.com/ | grep -i '^proxy-authenticate'
    .why-3 = 显示代理提供的认证方式。

proxy-denied = 代理的策略禁止访问 API
    .title = 代理 { $proxy } 的策略禁止访问 { $host }
    .means = 代理可以连上，访问其他主机也正常，唯独拒绝为这个主机建立隧道，多半返回 403。
        这是网络的规定，不是 API 的拒绝，密钥也没有发出。重试没有用。
    .fix-1 = 请代理管理员允许对 api.anthropic.com 的 443 端口做 CONNECT，附上时间和代理的错误代码。
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/
    .why-2 = 显示代理的拒绝及其响应头，可转给管理员。
    .fix-3 = 如果策略允许，按公司合同改用 Amazon Bedrock 或 Google Vertex AI。

proxy-port-denied = 代理的策略禁止该端口
    .title = 代理 { $proxy } 不允许建立到 { $port } 端口的隧道
    .means = 代理只允许建立到某些端口的隧道，通常是 443，而 base URL 用的是别的端口。
        主机本身并未被禁：换成允许的端口就能通过。
    .fix-1 = 如果网关也监听 443，就用 443，并去掉 ANTHROPIC_BASE_URL 中的端口。
    .fix-2 = 如果网关在内网，不经代理也能访问，把它的主机名加进 NO_PROXY。
    .fix-3 = 请代理管理员允许对该主机和端口做 CONNECT。

proxy-cannot-resolve = 代理无法解析 API 的域名
    .title = 代理 { $proxy } 无法解析 { $host }
    .means = 代理接受了调用，随后报告 DNS 查不到该主机的地址。经代理时由代理负责解析，在本机改什么都没有用。
        如果是只有内网才认识的网关名，就根本不该交给代理。
    .fix-1 = 请代理管理员修复代理对该域名的解析，附上时间和代理的应答。
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/
    .why-2 = 显示代理的应答；squid 会在 X-Squid-Error 中写明原因（ERR_DNS_FAIL）。
    .fix-3 = 如果 ANTHROPIC_BASE_URL 指向内部网关，把该主机加进 NO_PROXY。

proxy-cannot-connect = 代理连不上 API
    .title = 代理 { $proxy } 连不上 { $host }
    .means = 代理接受了调用，但它自己到该主机的连接失败，于是以自己的名义返回 502、503 或 504。
        从本机到代理这一段是好的。这个应答不是 API 给的：里面没有 request-id。
    .fix-1 = 请代理管理员检查从代理到 api.anthropic.com 的 443 端口的路径（160.79.104.0/23 与 2607:6bc0::/48）。
    .fix-2 = 如果代理程序就在本机，看它的日志，里面写着失败的是哪一条连接。
    .run-3 = curl -sSI -m 10 --noproxy '*' https://api.anthropic.com/
    .why-3 = 试试不经代理的路径；返回任何 HTTP 状态码都说明主机正常，问题在代理。

proxy-hangs = 代理收到隧道请求后始终不应答
    .title = 代理 { $proxy } 收到隧道请求后始终不应答
    .means = 能连上代理，隧道请求也已发出，然后就没有下文了。
        代理过载，或者它自己在等一台没有响应的主机。发给 API 的内容还没有发出，可以放心重试。
    .fix-1 = 如果代理程序是您自己的，重启它并查看日志。
    .fix-2 = 如果是公司代理，把时间和主机名报给代理管理员。
    .run-3 = curl -sSI -m 15 https://api.anthropic.com/
    .why-3 = 请求一条隧道，15 秒后放弃；有应答就说明代理恢复了。

proxy-closes-tunnel = 代理同意建立隧道，TLS 一开始就关闭它
    .title = 代理 { $proxy } 在 TLS 开始时关闭到 { $host } 的隧道
    .means = 代理对隧道请求返回 200，TLS 握手一开始就把它切断。
        要么是按握手中的主机名过滤，要么是它自己到该主机的连接后来失败了。这不是服务器的拒绝。
    .fix-1 = 问代理管理员是否有按 TLS 主机名的规则拦截了 api.anthropic.com，并请其放行。
    .run-2 = curl -sSI -m 10 https://api.anthropic.com/
    .why-2 = 显示代理返回的 200，随后连接结束，没有 API 的应答。
    .fix-3 = 如果策略有意禁止该主机，按公司合同改用 Amazon Bedrock 或 Google Vertex AI。

proxy-not-a-proxy = 所配置的代理其实是普通 Web 服务器
    .title = { $variable } 指向 { $proxy }，那是普通 Web 服务器
    .means = 代理设置中的地址有应答，但那是 Web 服务器：它不认识 CONNECT 方法，返回一个网页或错误。
        主机或端口写错了，或者把网关的地址写进了代理变量。并没有哪个代理拒绝过什么。
    .fix-1 = 改正 HTTPS_PROXY 中的主机和端口：用代理端口（常见 3128 或 8080），不是它的网页端口。
    .fix-2 = 如果它是 API 网关，把地址移到 ANTHROPIC_BASE_URL，并从 HTTPS_PROXY 中删除。
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = 显示当前 shell 的所有代理变量，其中的凭据已隐去。

proxy-scheme-mismatch = 代理 URL 的协议与代理实际使用的不符
    .title = { $variable } 中的协议与 { $proxy } 实际使用的不符
    .means = 代理 URL 开头的协议说的是怎样与代理本身通信，而不是代理哪一类调用。这里一方以 TLS 开始，另一方用明文。
        写 http:// 时，对 API 的调用在隧道里照样是加密的。
    .fix-1 = 如果客户端报“wrong version number”，在 HTTPS_PROXY 中写 http://：这个代理用明文，多数代理都如此。
    .fix-2 = 如果代理不应答就关闭连接，在 HTTPS_PROXY 中写 https://：它要求 TLS，客户端也必须支持与代理之间的 TLS。
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = 显示所有代理变量及其协议，其中的凭据已隐去。

proxy-idle-cut = 代理会关闭空闲的隧道
    .title = 代理 { $proxy } 在 { $seconds } 秒没有数据后关闭隧道
    .means = 隧道在固定时间内没有数据，代理就会关闭它。不用流式的长回答和保留着的连接会撞上，短调用不会。
        回答不是被 API 中断的。
    .fix-1 = 请代理管理员把到 api.anthropic.com 的隧道空闲超时提高到十分钟。
    .fix-2 = 长回答改用流式，让模型工作期间一直有数据。
    .fix-3 = 让客户端连接池的空闲时间短于代理的限制；调用遇到已关闭的连接时，换新连接重试。

proxy-strips-credentials = 做内容检查的代理删除了带密钥的请求头
    .title = 去往 { $host } 途中的代理删除了带密钥的请求头
    .means = 客户端发送了密钥，API 却答复没有收到（“x-api-key header is required”）：解密 TLS 的代理在途中把请求头删掉了。
        密钥没有错；换新的也会同样丢失。
    .fix-1 = 请代理管理员对 api.anthropic.com 不做请求头过滤，或完全排除在 TLS 检查之外；
        涉及的请求头是 x-api-key 和 Authorization。
    .run-2 = clearline doctor -v
    .why-2 = 显示依据的全部事实，可转给管理员。

proxy-body-limit = 代理拒绝较大的请求体
    .title = 代理拒绝超过 { $limit } 的请求体
    .means = 小的调用能通过，大的在到达 API 之前就被代理拒绝。这是代理的限制：API 自身允许一条消息请求最大 32 MB。
        原样重试没有用。
    .fix-1 = 请代理管理员对 api.anthropic.com 把请求体上限（squid：request_body_max_size）提高到 32 MB。
    .fix-2 = 在此之前缩小请求：压缩图片、拆分文档、去掉较早的对话轮次。

proxy-required = 这个网络只有经代理才能出去，而这个客户端没有用代理
    .means = 这里直连出不去，经代理可以。浏览器通过系统设置或 PAC 文件找到代理，
        而多数命令行程序不读这些。DNS 和 API 都没有问题。
    .fix-1 = 把 HTTPS_PROXY 设为本网络的代理，写作 http://HOST:PORT；地址可问管理员，也可在系统网络设置中查到
        （macOS：scutil --proxy，Windows：netsh winhttp show proxy）。
    .fix-2 = 对 Node 另设 NODE_USE_ENV_PROXY=1，否则它的 fetch 不理会 HTTPS_PROXY。
    .fix-3 = 把设置加在程序真正启动的地方：服务的 unit 文件、容器，Claude Code 则是 ~/.claude/settings.json 的 env。
    .run-4 = clearline doctor
    .why-4 = 用新的设置再试一次调用。

proxy-no-proxy-too-broad = NO_PROXY 让 API 绕过了代理，而代理是唯一的出口
    .title = NO_PROXY 让 { $host } 绕过了代理，而代理是唯一的出口
    .means = 代理已配置且可用，但 NO_PROXY 中有一项匹配 API 的主机名（例如 * 或 .com），客户端于是直连。
        这个网络不允许直连出去，所以调用超时或被拒绝。
    .fix-1 = 从 NO_PROXY 与 no_proxy 中删除匹配该主机的那一项，只保留内部名字。
    .run-2 = export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1
    .why-2 = 替换当前 shell 中的列表；内部域名请自行加上。
    .run-3 = grep -lis 'no_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-3 = 列出会在下一个 shell 里重新设置该列表的文件。

proxy-no-proxy-missing = 对内部网关的调用被送到了代理
    .title = { $host } 在内部，但对它的调用走了代理
    .means = base URL 指向内网或本机的网关，而 NO_PROXY 里没有它，于是调用走了代理。
        代理不能或不允许连接内部主机，返回 403、502 或 503。不经代理，网关有应答。
    .fix-1 = 把网关的主机名或其域名加进 NO_PROXY，例如 NO_PROXY=localhost,127.0.0.1,.corp.example，no_proxy 也一样。
    .run-2 = export NO_PROXY="$NO_PROXY,$no_proxy,localhost,127.0.0.1"; export no_proxy="$NO_PROXY"
    .why-2 = 网关在本机时，在当前 shell 中这样设置。
    .run-3 = clearline doctor
    .why-3 = 用新的设置再试一次调用。

proxy-no-proxy-syntax = NO_PROXY 的写法，这个客户端不认识
    .means = NO_PROXY 没有统一的语法，针对该主机的那一项被这个客户端读成了别的意思，或根本没有读懂。httpx 从不匹配 10.0.0.0/8 这样的网段，
        遇到 IPv6 条目则在创建客户端时就报错（“Invalid port”）。同样一行，别的程序可能认识。
    .fix-1 = 在 NO_PROXY 中用逗号分隔写主机名或域名，不要写网段：llm-gw.corp.example 或 .corp.example。
    .fix-2 = 对使用 httpx 的程序，从 NO_PROXY 中删除 IPv6 地址和前缀。
    .run-3 = env | grep -i '^no_proxy='
    .why-3 = 显示当前 shell 中大小写两种变量的列表。

proxy-socks-auth = SOCKS 代理要求凭据
    .title = SOCKS 代理 { $proxy } 要求凭据
    .means = SOCKS 代理只放行已知用户，而设置里没有有效的用户名和密码。连接在说出目标主机之前就结束了，与 API 及其密钥无关。
    .fix-1 = 把用户名和密码写进变量：ALL_PROXY=socks5h://NAME:PASSWORD@HOST:PORT，特殊字符用百分号编码
        （@ 写作 %40，: 写作 %3A），并放在只有您可读的文件里。
    .fix-2 = 向代理的运维方申请账号，或请其按地址放行这台机器。

proxy-socks-denied = SOCKS 代理的规则禁止访问该主机
    .title = SOCKS 代理 { $proxy } 的规则禁止访问 { $host }
    .means = SOCKS 代理可以连上，也接受这个客户端，但对该主机答复规则不允许（not allowed by ruleset）。
        这是代理的规定，不是 API 的拒绝。重试没有用。
    .fix-1 = 请代理的运维方放行 api.anthropic.com 的 443 端口。
    .fix-2 = 如果代理是您自己的，改正其配置中的规则并重新加载。
    .fix-3 = 如果策略允许，按公司合同改用 Amazon Bedrock 或 Google Vertex AI。

proxy-socks-local-dns = SOCKS 设置让域名在本地解析，而本地的结果是错的
    .title = { $variable } 用的是 socks5://，{ $host } 在本地解析，结果是错的
    .means = 用 socks5:// 时由本机解析域名，只把地址交给代理，而这里的 DNS 结果是错的。
        用 socks5h:// 时代理收到的是域名，由它在结果正确的地方解析。代理本身是好的。
    .fix-1 = 在该变量以及设置它的文件中，把 socks5:// 改成 socks5h://。
    .run-2 = export ALL_PROXY="$(printf %s "$ALL_PROXY" | sed 's#^socks5://#socks5h://#')"
    .why-2 = 在当前 shell 中对 ALL_PROXY 这样改，不打印它的值。
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = 显示还有哪些变量写着 socks5://，其中的凭据已隐去。

proxy-flaky = 经代理的隧道时好时坏
    .title = 经代理 { $proxy } 的 { $total } 条隧道中有 { $count } 条失败
    .means = 同样的隧道请求，有时成功，有时失败。代理地址后面有一个节点坏了，或者代理已到极限。
        设置和凭据没有错，否则一条也不会成功。
    .fix-1 = 把时间、失败比例和错误代码报给代理管理员。
    .fix-2 = 失败的调用间隔逐次加长地重试，并保持连接复用，减少新建的隧道。
    .run-3 = for i in 1 2 3 4 5 6 7 8; do curl -sSI -m 10 https://api.anthropic.com/ 2>&1 | grep -E '^(HTTP|curl)'; done
    .why-3 = 请求八条隧道，显示各自的结果。

proxy-setting-invalid = 代理设置无法解析，或其协议不受支持
    .title = { $variable } 的值不能用作代理设置
    .means = 客户端读不懂代理 URL：缺少协议或协议不认识（socks://、ftp://），密码中有未编码的字符，或没有安装 SOCKS 支持。
        许多 SDK 在创建客户端时就失败，还没有发起任何连接。
    .fix-1 = 把变量写完整：http://HOST:PORT 或 socks5h://HOST:PORT，值里不要有空格或引号。
    .run-2 = python -m pip install socksio
    .why-2 = 如果报错说缺少 socksio 包，用它安装 Python SDK 使用 SOCKS 所需的组件。
    .run-3 = env | grep -iE '^[a-z]+_proxy=' | sed -E 's#=([a-z0-9]+://)?.*@#=\1***@#'
    .why-3 = 显示当前 shell 的所有代理变量，其中的凭据已隐去。

proxy-unintended = 正在使用一个并非有意设置的代理
    .title = 调用走了 { $proxy }，而这并非本意
    .means = 系统设置或其他程序留下的变量把调用送进了一个能应答的代理。于是调用走的不是您以为的那条路到 API，
        或者连本机的网关也要经代理去找。在程序自己的设置里看不出来。
    .run-1 = unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    .why-1 = 在允许直连的地方，从当前 shell 中去掉代理。
    .run-2 = grep -lis '_proxy' ~/.bashrc ~/.bash_profile ~/.profile ~/.zshrc /etc/environment ~/.claude/settings.json
    .why-2 = 列出会在下一个 shell 里重新设置它的文件。
    .fix-3 = 如果没有设置任何变量，在系统网络设置中关闭代理：macOS 和 Windows 上的 Python 程序会使用它。
    .fix-4 = 如果代理另有用途，只是本地网关不该走它，把 localhost,127.0.0.1 加进 NO_PROXY。
