# server 层的各种原因。
server-overloaded = API 目前没有余量
    .title = API 目前没有余量处理 { $model }
    .means = API 返回 529，或在流中返回 overloaded_error：它同时对许多调用者过载。这不是您的限流，也不是网络问题，换密钥没有用。多半几分钟之内就会过去。
    .fix-1 = 重试，间隔逐次加长并随机错开；SDK 自带的两次重试常常在过载结束之前就用完了。
    .run-2 = clearline gateway --listen 127.0.0.1:8787
    .why-2 = 启动一个网关；凡是 ANTHROPIC_BASE_URL 为 http://127.0.0.1:8787 的程序，这类调用都由它按间隔和预算重试。
    .fix-3 = 在此期间换用其他模型，或把可以等待的工作交给 Message Batches API。
    .fix-4 = 如果持续超过几分钟，查看 status.claude.com。

server-error = API 内部出错
    .title = API 内部出错，状态码 { $status }
    .means = 调用到达了 API，API 返回 500 api_error：是它自身的故障。网络、密钥和限额都正常。同样的调用多半过一会儿就能成功。
    .fix-1 = 稍等片刻重试，间隔逐次加长。
    .fix-2 = 如果接连几次失败，查看 status.claude.com。
    .fix-3 = 如果只有这个请求次次失败而其他请求成功，附上 request-id 联系 Anthropic 支持。

server-unavailable = 服务的边缘节点有应答，后面的 API 没有
    .title = { $host } 的边缘节点返回 { $status }：后面的 API 没有应答
    .means = 到服务的边缘节点为止，解析、网络和 TLS 都正常，但边缘节点连不上后面的 API（502、503、520 至 526）。这是服务方的故障，既不由本机引起，在本机也无法解决。
    .fix-1 = 重试，间隔逐次加长；如果应答给出 retry_after，就按它等待。
    .fix-2 = 在 status.claude.com 查看是否有事故。
    .fix-3 = 如果一直持续而没有公布事故，把 cf-ray 的值和时间报给 Anthropic 支持。
    .run-4 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 20
    .why-4 = 不带密钥访问：返回 405 说明 API 已恢复。

server-timeout = 请求耗时太长，API 放弃了它
    .title = API 在 { $seconds } 秒后放弃了这个请求
    .means = 是 API 自己用 504 timeout_error 结束了调用，与客户端的超时无关。一次性取回的长回答容易遇到。把自己这边的超时调长没有用。
    .fix-1 = 调用时设 "stream": true；在 SDK 中用 messages.stream。
    .fix-2 = 降低 max_tokens、缩短提示，或把工作分成几次调用。
    .fix-3 = 不着急的长任务交给 Message Batches API，它最多有 24 小时来完成。
    .fix-4 = 如果调用很短，稍后重试；那是服务方的事故，见 status.claude.com。

server-slow-first-byte = 首字节来得比客户端愿意等的更晚
    .title = { $host } 在 { $seconds } 秒后才开始应答，客户端等不到那时
    .means = API 正在处理请求，客户端却在首字节到达之前就结束了调用。很长的提示、长时间思考和不用流的回答都需要这么久。用同样的超时重试，每次都从头开始，还可能再次计费。
    .fix-1 = 调用时设 "stream": true；这样回答远在完成之前就开始到达。
    .fix-2 = 提高客户端的超时：SDK 用 timeout 参数，Claude Code 用 API_TIMEOUT_MS；SDK 自身等待 600 秒。
    .fix-3 = 把途中网关或代理的时限也提高；nginx 中是 proxy_read_timeout，默认 60 秒。
