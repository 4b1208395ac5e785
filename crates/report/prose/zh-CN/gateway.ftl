# gateway 层的各种原因。
gateway-bad-gateway = 您的网关连不上它的上游
    .title = 您的网关 { $host } 连不上它的上游
    .means = ANTHROPIC_BASE_URL 中的网关有应答，但它要转发到的上游没有，于是它自己返回了 502、503 或 504。应答中没有 API 的 request-id，因为它不是 API 生成的。要处理的是网关的运维方。
    .fix-1 = 请网关的运维方查看故障时刻的错误日志；其中写明了上游是谁，以及原因（域名、连接、TLS 或超时）。
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages
    .why-2 = 在网关所在的机器上运行：返回 405 说明那里能访问 API，问题出在网关的配置。
    .fix-3 = 如果网关由您自己运行，重启上游进程，或在网关配置中改正它的地址。

gateway-mesh-unavailable = 服务网格连不上 API
    .title = { $host } 前面的服务网格连不上 API
    .means = 网格的 sidecar 或出口代理（Envoy）没有转发调用，而是返回“upstream connect error”。没有 cf-ray 时，这段文字来自您自己的网格，不是 Anthropic。多半是网格不允许这条出口，或不知道它。
    .fix-1 = 请网格的管理员允许 api.anthropic.com:443 作为出口；Istio 中为该主机建一个 ServiceEntry，protocol 为 TLS，resolution 为 DNS。
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages
    .why-2 = 在 pod 内运行：返回 405 说明网格放行，返回 503 则不带密钥就重现了故障。
    .fix-3 = 查看 sidecar 的访问日志：其中的响应标志（UF、UH、NR）说明是连接失败、没有健康的主机，还是没有路由。

gateway-redirect-loop = 网关把调用重定向回它自己
    .title = { $host } 把调用重定向回它自己
    .means = 网关用重定向来应答，而目标就是刚才调用的地址，客户端只能绕圈，直到达到重定向次数的上限。SDK 会报告“Connection error.”或“redirect count exceeded”。网络是通的，错的是网关的规则。
    .fix-1 = 请网关的运维方更正 /v1/messages 的重定向规则；多半是 http 与 https、或末尾有无斜杠的路径互相指向对方。
    .run-2 = curl -sS -o /dev/null -D - "$ANTHROPIC_BASE_URL/v1/messages"
    .why-2 = 显示其中一圈：状态码是 307 或 308，Location 就是刚才调用的 URL。
    .fix-3 = 如果网关有可以直接应答的地址，把 ANTHROPIC_BASE_URL 设成它，用 https://，中间不经重定向。

gateway-rate-limited = 达到的是您自己网关的上限，不是 API 的
    .title = 达到的是您的网关 { $host } 的上限，不是 API 的
    .means = 这个 429 来自中间的网关：它既没有 anthropic-ratelimit 开头的头，也没有 API 的 request-id。网关对用户的调用次数或费用做了限制。提高 Anthropic 那边的限额没有用。
    .fix-1 = 按应答中 retry-after 的时间等待，并减少同时进行的调用。
    .fix-2 = 向网关的管理员问清适用于您的限额，请其提高，或给您的程序单独的份额。
    .fix-3 = 应答带 x-should-retry: false 时停止重试；那是一份预算，等几秒不会恢复。

gateway-body-limit = 请求体太大，API 还没见到就被网关拒绝了
    .title = 请求体太大，API 还没见到就被 { $host } 拒绝了
    .means = API 前面的网关或边缘节点限制了请求体的大小，并用自己的页面返回 413。API 的 Messages 可接收 32 MB；这里的上限更小，是别人设的。同样的请求每次都会失败，小一些的能通过。
    .fix-1 = 请网关的运维方在 /v1/messages 上允许 32 MB 的请求体；nginx 中是 client_max_body_size 32m，默认值是 1 MB。
    .fix-2 = 在此之前缩短请求：删除较早的轮次、图片和工具结果；如果网关转发 Files API，也可以通过它上传文件。
    .run-3 = head -c 2000000 /dev/zero | curl -sS -o /dev/null -D - -H 'content-type: application/json' --data-binary @- "$ANTHROPIC_BASE_URL/v1/messages"
    .why-3 = 不带密钥发送 2 MB：返回 413 就是网关的上限，返回 400 或 401 说明这个大小能通过。

gateway-malformed-response = 网关改动了应答，或转换时出了错
    .title = { $host } 改动了 API 的应答，或转换时出了错
    .means = 应答的格式是 API 从不会发出的：缺少字段、事件顺序不对，或是另一家厂商的格式。这是某个做格式转换的网关造成的。模型可能已经回答，调用也可能已经计费。
    .fix-1 = 请网关的运维方逐字节转发应答，或更新做转换的软件，并把原始应答交给他们。
    .fix-2 = 直接对 api.anthropic.com 重复同样的调用：如果成功，就证明原因在网关。
    .fix-3 = 如果网关在 Amazon Bedrock 前面，让它保持 content-type 为 application/vnd.amazon.eventstream，并且不改动字节。
