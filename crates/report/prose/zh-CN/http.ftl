# http 层的各种原因。
http-no-response = 请求已完整送达，却没有任何应答
    .title = { $host } 收下了整个请求，却没有应答
    .means = 解析、TCP 和 TLS 都正常，对方确认收到了请求的每个字节，之后再无回音。是服务器，或代它应答的网关卡住了。调用可能已经执行并计费，重试可能要付两次钱。
    .fix-1 = 在新连接上重试一次，之后每次重试等得更久一些。
    .fix-2 = 调用时设 "stream": true；第一个事件远早于结尾到达，卡住的调用很快就能看出来。
    .fix-3 = 查看 status.claude.com；如果 ANTHROPIC_BASE_URL 指向网关，把时间报给网关的运维方。
    .run-4 = curl -sS -i -m 20 https://api.anthropic.com/v1/messages
    .why-4 = 不带密钥和请求体访问：一秒内返回 405，说明从这里访问时 API 本身有应答。

http-reset-before-response = 请求发出后，连接被重置
    .title = 请求发出后，{ $host } 的连接被重置
    .means = 请求已经发出，等来的不是应答而是重置（ECONNRESET）。只出现一次多属偶然：对端重启，或途中的设备丢失了连接。没有人能看出重置发生在哪一刻，所以调用可能已经执行。
    .fix-1 = 在新连接上重试；官方 SDK 会自动重试两次。
    .run-2 = clearline doctor -v
    .why-2 = 如果重置反复出现，它会比较大小、间隔和新连接，指出起作用的是哪一项。
    .fix-3 = 如果只在这个网络中出现，请网络管理员查明是哪台防火墙、VPN 或代理发出了重置。

http-closed-before-response = 请求发出后，连接被关闭
    .title = { $host } 收到请求后没有应答就关闭了连接
    .means = 对方收下请求，没有发送任何内容就正常关闭了连接。多半是服务器或网关正在重启，或者恰在连接被再次使用的那一刻因空闲而关闭了它。“Server disconnected without sending a response”和“Empty reply from server”都是这种情况。
    .fix-1 = 在新连接上重试。
    .fix-2 = 如果总是出现在停顿之后，让客户端先于服务器丢弃空闲连接；httpx 中是 httpx.Limits 的 keepalive_expiry。
    .fix-3 = 如果新连接也被关闭，把时间和地址报给该主机的运维方；如果是 api.anthropic.com，先查看 status.claude.com。

http-truncated = 应答的正文比声明的短
    .title = { $host } 的应答没到声明的长度就结束了
    .means = 响应头声明的字节数多于连接结束前收到的，所以应答不完整，不能使用。多半是途中的代理、网关或检查设备截断了它。尽管如此，调用可能已经计费。
    .fix-1 = 重试一次；偶然的截断不会再次落在同一个调用上。
    .fix-2 = 用 "stream": true 以流的方式接收，这样截断之前收到的内容不会丢失。
    .fix-3 = 如果总在同一处截断，向代理或网关的运维方询问对应答大小和时长的限制。

http-bad-encoding = 正文与响应头声明的编码不符
    .title = { $host } 返回的正文与响应头声明的编码不符
    .means = content-encoding 声明了一种编码（例如 gzip），正文却是另一种，客户端因此无法解开。是代理或网关解压或压缩了正文，却没有同时改这个头。与 API 和密钥无关，每次重试结果都一样。
    .fix-1 = 请代理或网关的运维方把正文与 content-encoding 一起转发，或在解压时删除这个头。
    .fix-2 = 在此之前发送 accept-encoding: identity，让途中不做压缩。
    .run-3 = curl -sS -o /dev/null -D - -H 'accept-encoding: gzip' "$ANTHROPIC_BASE_URL/v1/messages"
    .why-3 = 显示网关的应答声明的是哪种编码。

http-upload-blocked = 超过某个大小的请求在途中卡住或被重置
    .title = 超过约 { $limit } 字节的请求在途中卡住或被重置
    .means = 小的调用能通过，从某个大小起，每个调用都在上传途中停住或被重置。这是途中检查上传内容的设备（防火墙、数据防泄漏、路由器）造成的，不是 API，API 可接收 32 MB。所以测试正常，长对话却失败。
    .fix-1 = 请网络管理员让 api.anthropic.com 免于内容检查和上传限制，并告知从多大开始失败。
    .run-2 = head -c 200000 /dev/zero | curl -sS -o /dev/null -D - -H 'content-type: application/json' --data-binary @- https://api.anthropic.com/v1/messages
    .why-2 = 不带密钥上传 200 KB：只要有状态行，就说明这个大小能通过；被重置或没有回音就是这个故障。
    .fix-3 = 在此之前让请求小于这个大小：缩短对话（在 Claude Code 中用 /compact），不带图片。

http-keepalive-race = 服务器关闭空闲连接时，客户端正好在复用它
    .title = { $host } 关闭空闲连接时，客户端正好在复用它
    .means = 客户端留着连接给下一次调用，服务器或网关却在停顿之后关闭了它；两者撞在一起时，调用就发到了一条已死的连接上。在新连接上的调用总是正常。它出现在空闲之后，重启程序看似能治好。
    .fix-1 = 立即在新连接上重试这个调用。
    .fix-2 = 让客户端的空闲时限短于服务器：httpx 用 httpx.Limits 的 keepalive_expiry，undici 用 Agent 的 keepAliveTimeout，Go 用 http.Transport 的 IdleConnTimeout。
    .fix-3 = 请网关的运维方让空闲连接保持得比客户端更久；nginx 中是 keepalive_timeout。
