# client 层的各种原因。
client-timeout-too-short = 客户端自己的时限到了
    .title = 客户端等了 { $seconds } 秒就放弃了
    .means = 服务器还在处理，客户端自己的时限先到，于是中止了调用。长回答需要几分钟，不用流式时，全部生成完之前什么都收不到。不是网络或服务中断了调用，而且这次调用可能已经计费。
    .fix-1 = 把时限提高到 600 秒，即 SDK 的默认值：Python 用 Anthropic() 的 timeout=600，Claude Code 用 API_TIMEOUT_MS=600000。
    .fix-2 = 改用流式；这样时限只需覆盖两个事件之间的间隔，直连时 180 秒就够。
    .fix-3 = 在其他 HTTP 客户端中分别设置时限：连接用秒级，读取用分钟级。OkHttp 不设置时，读取 10 秒就放弃。
    .run-4 = printenv API_TIMEOUT_MS
    .why-4 = 显示 Claude Code 的时限，单位毫秒；超过 2147483647 会溢出，所有调用立即失败。

client-pool-exhausted = 客户端的连接池没有空闲连接
    .title = 客户端连接池的 { $limit } 个连接全部被占用
    .means = 调用在客户端自己的连接池里等待空闲连接，没有等到，因此什么也没有发出。要么并发调用数超过了连接数，要么响应一直不关闭，连接没有归还。报出来是超时，其实没有哪个服务器变慢。
    .fix-1 = 关闭每个响应和每个流，在 Python 中用 with 语句包住 client.messages.stream(…)。
    .fix-2 = 限制并发调用数，使其少于连接数，例如用信号量；或者扩大连接池。
    .fix-3 = 整个程序只创建一个客户端，不要每次调用都新建。
    .run-4 = python -m pip install --upgrade anthropic anyio httpcore
    .why-4 = 替换旧版本；已知固定在旧版本的 anyio 和 httpcore 会从不归还连接。

client-streaming-required = SDK 拒绝不用流式的长调用
    .means = 因为 max_tokens 很大，SDK 预计这次调用会超过十分钟，不用流式就拒绝执行。请求没有发出：错误来自 SDK，不是来自服务。max_tokens 超过 21,333 时适用这条规则，Opus 4.0 和 4.1 超过 8,192 时就适用。
    .fix-1 = 改用流式：client.messages.stream(…)，或 stream=True。
    .fix-2 = 如果回答不会那么长，把 max_tokens 降到 21,333 或更低。
    .fix-3 = 如果不能用流式，在客户端或这次调用上自行设置 timeout，SDK 便不再干预。

client-cors = 浏览器调用 API 时没有声明许可
    .means = 请求带有 Origin 头，也就是来自浏览器或 WebView；除非明确声明许可，API 会拒绝这类调用。浏览器控制台里只看到 CORS 错误，或只有“Failed to fetch”。网络是正常的，这个 401 也不说明密钥有问题。
    .fix-1 = 把调用移到自己的服务器上，密钥也放在那里；放在网页里，每个访客都能读到。
    .fix-2 = 如果密钥属于使用该网页的人自己，发送请求头 anthropic-dangerous-direct-browser-access: true。
    .fix-3 = 如果调用经过自己的网关，在网关中去掉 Origin 头。
    .fix-4 = 如果错误信息说该组织不允许 CORS 请求，请组织的管理员开放浏览器调用；此时上面的请求头不起作用。

client-dependency-mismatch = 库的版本互不兼容
    .means = SDK 与它依赖的库版本不兼容，程序在发出请求之前就失败了。最常见的例子：0.40 之前的 anthropic 会传入 proxies 参数，而 httpx 0.28 已经没有这个参数。与密钥、网络和服务无关。
    .run-1 = python -m pip install --upgrade anthropic
    .why-1 = 安装当前版本的 SDK，并带上与之兼容的依赖库。
    .run-2 = python -m pip check
    .why-2 = 列出所有依赖条件未满足的包。
    .fix-3 = 把可用的版本写入 requirements.txt 或锁文件，保证下次安装得到同样的版本。

client-masked = 这段文字掩盖了原因
    .means = 客户端对许多不同的故障都打印这同一句话，所以看不出究竟是哪一种。例如 Python SDK 对 DNS、TLS、代理问题，乃至密钥中的换行，都只说“Connection error.”。程序知道的更多信息在它下一层的错误里。
    .run-1 = clearline doctor
    .why-1 = 一步一步地执行同样的调用，指出失败的那一步。
    .fix-2 = 把内层错误也写进日志：Python 的 __cause__ 链，Node 的 error.cause 及其 code，Java 最内层的异常。
    .fix-3 = 把包含内层错误的完整文字交给 clearline explain；起决定作用的通常是最里层的那一行。
