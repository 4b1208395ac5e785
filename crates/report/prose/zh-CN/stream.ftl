# stream 层的各种原因。
stream-stalled = 流中途没有动静了
    .title = { $host } 的流在 { $seconds } 秒后再没有发送任何内容
    .means = 应答已经开始，之后连接一直开着，却既没有文本也没有 ping。长时间思考期间，ping 是唯一的存活信号；没有它，不是发送方卡住，就是途中的设备吞掉了数据。有些客户端会在这里一直等下去，因为它们的超时只算到响应头为止。
    .fix-1 = 如果还没有使用任何输出，重试；否则带上已收到的文本重新发送，让模型接着写。
    .fix-2 = 给程序设一个空闲时限，任何字节（包括 ping）都算动静：直连 API 用 180 秒，经网关用 300 秒；Claude Code 用 CLAUDE_STREAM_IDLE_TIMEOUT_MS。
    .fix-3 = 如果只有经网关的调用会停住，请网关的运维方转发 ping，并在上游没有动静时自己发送 ping。

stream-ended-early = 流正常结束，但还没到结束标志
    .title = { $host } 的流没有 message_stop 就结束了
    .means = 连接正常结束，却没有 message_stop 事件，所以回答不完整。Python SDK 在这里不报错，而是返回部分文本，stop_reason 为 None。是途中的网关或服务器过早结束了流。
    .fix-1 = 凡是没有 message_stop 的流都按失败处理：使用文本之前先看 stop_reason。
    .fix-2 = 重试，或带上已收到的文本重新发送，让模型接着写。
    .fix-3 = 如果再次出现，询问 ANTHROPIC_BASE_URL 中网关的运维方，它为什么在那一刻结束应答。

stream-cut = 流传到一半，连接被关闭
    .title = 流传到一半，到 { $host } 的连接被关闭
    .means = 流没有正常收尾就断了：回答完成之前，有一方关闭了连接。如果总在相同的时长之后发生，就是某个代理或负载均衡的时限在起作用（nginx 和 AWS 负载均衡的默认值都是 60 秒）。流一旦开始，SDK 就不会再自动重试。
    .fix-1 = 如果还没有使用任何输出，重试；否则带上已收到的文本重新发送，让模型接着写。
    .fix-2 = 请代理或网关的运维方把空闲连接的时限提高到 300 秒或更长；nginx 中是 proxy_read_timeout，AWS 上是负载均衡的 idle timeout。
    .run-3 = clearline doctor -v
    .why-3 = 保持一个长时间的流，显示多少秒后断开、在哪条路径上断开。

stream-reset = 流传到一半，连接被重置
    .title = 流传到一半，到 { $host } 的连接被重置
    .means = 应答还在到达时，连接被重置（ECONNRESET）。多半是途中的 VPN、路由器或防火墙丢掉了这条连接，或者网络变了：电脑休眠过，或换了 Wi-Fi。已收到的文本是真实的，但不完整。
    .fix-1 = 如果还没有使用任何输出，重试；否则带上已收到的文本重新发送，让模型接着写。
    .fix-2 = 比较开与不开 VPN、换一个网络的结果，把发生重置的位置告诉管理员。
    .run-3 = clearline doctor -v
    .why-3 = 显示重置与停顿、大小有关，还是毫无规律，由此知道该找哪台设备。

stream-size-cut = 途中的设备总在同一大小处截断应答
    .title = 途中的设备在约 { $value } 字节之后截断每个应答
    .means = 短的回答能完整到达，长的总在相同的字节数之后断开。某个代理、网关或检查设备限制了应答的大小。重试会撞上同样的限制，还要再付一次钱。
    .fix-1 = 请代理或网关的运维方取消对 api.anthropic.com 应答大小的限制，或对它免除检查，并告知断开时的字节数。
    .fix-2 = 在此之前降低 max_tokens，长文本分几次调用取得。

stream-error-event = 流已经开始，API 在其中报告了错误
    .title = 流已经开始，{ $host } 在其中报告了错误
    .means = 状态码是 200，流中却来了一个 error 事件：API 在开始回答之后出错或过载。只看状态码的重试规则看不到它。网络和密钥都正常。
    .fix-1 = 如果还没有使用任何输出，重试；遇到 overloaded_error 时，每次等得更久一些。
    .fix-2 = 在代码中把 error 事件当作与其类型对应的状态码处理：overloaded_error 同 529，rate_limit_error 同 429，api_error 同 500。
    .fix-3 = 如果反复出现，查看 status.claude.com；反馈时附上 request-id。

stream-corrupt = 流中有事件残缺或被改动
    .title = { $host } 的流中有事件残缺或被改动
    .means = 流中某个事件不是有效的 JSON、只有一半，或出现在不该出现的位置。您与 API 之间有东西改写了流；api.anthropic.com 发送的都是完整的事件。在它之前读到的可能是真实的，之后的不可信。
    .fix-1 = 请网关的运维方逐字节转发流，不转换、不合并、不过滤事件。
    .fix-2 = 直接对 api.anthropic.com 重复同样的调用；如果成功，就证明原因在网关或代理。
    .fix-3 = 如果出错的事件其实完整，只是很长或名称未知，更新 SDK 或读取程序：单个事件可以非常大，未知的事件必须跳过。

stream-wrong-content-type = 网关改动了流的 content-type
    .title = { $host } 发送流时用了错误的 content-type
    .means = 正文是事件流，content-type 头却是别的值，或没有这个头，严格的客户端因此不按流来读取。是网关或代理替换了它。模型确实已经回答，客户端如果接着重试就要付两次钱。
    .fix-1 = 请网关的运维方原样转发 content-type：Claude API 是 text/event-stream，Amazon Bedrock 是 application/vnd.amazon.eventstream。
    .fix-2 = 如果是代理所为，请网络管理员让该主机免于改写。
    .fix-3 = 在此之前，如果公司允许，直接调用 api.anthropic.com。

stream-buffered = 代理或网关把流扣到最后才放行
    .title = { $host } 之前有东西把流扣住了 { $seconds } 秒
    .means = 事件没有逐个到达，而是在最后一起到：途中的设备先收齐应答再转发。内容没有丢失，但首个 token 与最后一个同样晚，要求持续有动静的超时因此触发。慢的不是模型。
    .fix-1 = 关闭网关的缓冲；nginx 中用 proxy_buffering off，或由响应头 X-Accel-Buffering: no 关闭。
    .fix-2 = 请网络管理员让 api.anthropic.com 免于病毒扫描和内容检查；它们会读完整个应答才放行。
    .fix-3 = 在此之前，把客户端的读超时提高到整个回答所需的时间以上。
