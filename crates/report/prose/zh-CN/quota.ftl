# quota 层的各种原因。
quota-requests = 达到每分钟请求数的上限
    .title = { $model } 达到每分钟 { $limit } 个请求的上限
    .means = 该组织这一分钟内的调用次数超过了限额，API 因此返回 429。限额由组织的所有密钥共用，而且可能按秒执行：每分钟 60 次可能意味着每秒 1 次。网络和密钥都正常。
    .fix-1 = 按 retry-after 的时间等待，之后匀速发送，不要一阵一阵地发。
    .run-2 = clearline gateway --listen 127.0.0.1:8787
    .why-2 = 启动一个网关；凡是 ANTHROPIC_BASE_URL 为 http://127.0.0.1:8787 的程序，都由它按 retry-after 等待。
    .fix-3 = 请账户所有者查看 Claude Console 的 Limits 页面，并在那里申请更高的限额。
    .fix-4 = 把可以等待的工作交给 Message Batches API，一批最多 100,000 个请求。

quota-input-tokens = 达到每分钟输入 token 数的上限
    .title = { $model } 达到每分钟 { $limit } 个输入 token 的上限
    .means = 这一分钟内所有提示的 token 加起来超过了组织的限额，API 因此返回 429。几个长对话就足以达到，因为每次调用都会重发全部历史。问题不在调用次数。
    .fix-1 = 按 retry-after 的时间等待，并减少同时发送的长提示。
    .fix-2 = 缩短提示：删除较早的轮次、文件和工具结果；在 Claude Code 中用 /compact 或 /clear。
    .fix-3 = 当响应头 anthropic-ratelimit-input-tokens-remaining 小于下一个提示的长度时，让程序先等待。
    .fix-4 = 请账户所有者在 Claude Console 的 Limits 页面申请更高的限额。

quota-output-tokens = 达到每分钟输出 token 数的上限
    .title = { $model } 达到每分钟 { $limit } 个输出 token 的上限
    .means = 这一分钟内所有回答的 token 加起来超过了组织的限额，API 因此返回 429。长回答和大量并发都会用尽它。网络和密钥都正常。
    .fix-1 = 按 retry-after 的时间等待，并减少同时进行的调用。
    .fix-2 = 在提示中要求更短的回答，把 max_tokens 设成真正需要的值。
    .fix-3 = 请账户所有者在 Claude Console 的 Limits 页面申请更高的限额。

quota-acceleration = 用量增长过快
    .title = { $model } 的用量增长过快
    .means = API 不仅限制用量，也限制用量增长的速度；错误码是 ramp_limit_exceeded。每分钟的限额不一定已用完。常见的原因是许多 worker 同时启动。
    .fix-1 = 按 retry-after 的时间等待，之后从少量调用开始，在几分钟内逐步增加。
    .fix-2 = 让 worker 逐个启动，在暂停或故障之后也缓慢恢复。
    .fix-3 = 大批任务交给 Message Batches API，不要一次全部发出。

quota-concurrency = 同时进行的调用太多
    .title = 同时进行的调用太多，这里有 { $count } 个
    .means = 该组织同时打开的连接超过了允许的数量；API 返回 429“Number of concurrent connections has exceeded your rate limit”。长时间的流在进行期间一直占用名额。问题不在每分钟的调用次数。
    .fix-1 = 降低并发数：减少 worker，或在调用处加信号量。
    .fix-2 = 被拒绝的调用稍后重试，间隔逐次加长。
    .fix-3 = 结束已没有人读取的流；取消了的流也要关闭。
    .fix-4 = 如果确实需要这么多并发，请账户所有者向 Anthropic 申请更高的限额。

quota-spend-limit = 达到消费上限
    .means = 这一周期可用的金额已经用完：可能是组织或工作区自己设的上限（状态码 400），也可能是等级或合同的上限（状态码 429，没有 retry-after）。在错误信息给出的日期之前，重试没有用。有些 SDK 仍会重试。
    .fix-1 = 请账户所有者在 Claude Console 的 Limits 页面提高自设的上限；工作区的上限在它自己的设置中。
    .fix-2 = 如果 error_code 是 enforced_spend_limit_reached 或 contract_spend_limit_reached，请账户所有者向 Anthropic 申请提高等级或合同的上限。
    .fix-3 = 如果两者都不可行，在错误信息给出的日期之前停用这个程序。

quota-credit = 预付余额已用完
    .means = 组织的余额不够一次调用，API 返回 400“Your credit balance is too low”。状态码看起来像请求有误，其实请求和密钥都正常。Claude 应用的订阅不支付用密钥进行的 API 调用。
    .fix-1 = 请账户所有者在 Claude Console 的 Billing 页面购买余额，并开启自动充值。
    .fix-2 = 核对密钥所属的组织与有余额的组织是否相同；密钥只使用自己组织的余额。
    .fix-3 = 如果想在 Claude Code 中使用订阅，删除 ANTHROPIC_API_KEY：密钥优先于登录。
    .fix-4 = 如果 Console 显示有余额而错误依旧，附上 request-id 联系 Anthropic 支持。

quota-billing = 付款问题导致账户被阻止
    .means = API 返回 402 billing_error：某次付款失败，或负责付款的关联组织无法扣款。请求和密钥都正常。付款解决之前，重试没有用。
    .fix-1 = 请账户所有者在 Claude Console 的 Billing 页面结清账单，并更新付款方式。
    .fix-2 = 如果 error_code 以 linked_organization 开头，联系付款组织的管理员；阻止或上限在那一边。
    .fix-3 = 如果 Billing 页面没有未结事项，附上 request-id 联系 Anthropic 支持。

quota-subscription = 订阅的用量已用完，或套餐不包含此功能
    .means = 这个登录属于一个 Claude 订阅，它的会话或每周用量已经用完，或套餐不包含所要的功能，例如长上下文。用量会在错误信息给出的时间恢复；套餐没有的功能，等待没有用。API 密钥的限额与此无关。
    .fix-1 = 等到错误信息给出的恢复时间，或在此之前换用较小的模型。
    .fix-2 = 如果错误信息是“Extra usage is required”，在 Claude 账户的设置中开启额外用量，或请管理员开启。
    .fix-3 = 不能等待的工作，在 ANTHROPIC_API_KEY 中使用 Claude Console 的密钥；它按用量计费。

quota-throttled = 服务方短暂限流，没有指明是哪项限额
    .title = { $host } 短暂限流，没有指明是哪项限额
    .means = API 返回 429“Rate limited”，响应头中没有上限、余量和恢复时间：服务方为保护自己而放慢了调用。这不是您的用量限额，提高等级没有用。多半几秒到几分钟就会过去。
    .fix-1 = 重试，间隔逐次加长，并在此期间减少同时进行的调用。
    .fix-2 = 如果持续超过几分钟，查看 status.claude.com。
    .fix-3 = 如果 ANTHROPIC_BASE_URL 指向网关，向网关的管理员询问它的限额：有些网关会丢掉指明限额的响应头。
