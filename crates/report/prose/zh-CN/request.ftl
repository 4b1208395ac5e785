# request 层的各种原因。
request-invalid = 请求体不符合 API 的规则
    .means = API 认得调用者，但不接受请求体：它不是有效的 JSON，或某个字段缺失、未知或不允许出现。错误信息会指出是哪个字段。不论换什么密钥和网络，同样的请求每次都会失败。
    .fix-1 = 更正 error.message 指出的字段；model、max_tokens 和 messages 是必填项。
    .fix-2 = 如果请求的 anthropic-version 是 2026-10-21（Python 2.x 和 TypeScript 1.x 的 SDK 都是），删除 temperature、top_p 和 top_k；即使是默认值也会被拒绝。
    .fix-3 = 对 Claude 4.6 及更新的模型，让 messages 以 user 消息结尾；对 4.7 及更新的模型，thinking 用 adaptive 类型。
    .fix-4 = 更新 SDK，并用它来构造请求体，不要手写。

request-version-header = anthropic-version 头缺失、重复或值未知
    .means = 每个请求都必须带且只带一个 anthropic-version，值必须是 API 认识的。多半是网关在客户端的头之外又加了一个，两者合并成一个无效的值。请求的其余部分可能没有问题。
    .fix-1 = 如果不用 SDK 构造请求，发送 anthropic-version: 2023-06-01；最新的 2026-10-21 对请求体要求更严。
    .fix-2 = 让网关转发客户端的值；如果网关要自己设置这个头，必须替换，不能追加。
    .run-3 = printenv ANTHROPIC_CUSTOM_HEADERS | cut -d: -f1
    .why-3 = 列出通过环境变量附加的请求头，不显示值；其中不应有 anthropic-version，SDK 已经发送了它。

request-beta-header = anthropic-beta 头与请求体不匹配
    .means = 一项 beta 功能需要两部分：anthropic-beta 头中的值和请求体中的字段；这里只到了一部分，或这个端点不认识该值。多半是网关在途中丢掉或替换了这个头。密钥和网络没有问题。
    .fix-1 = 让网关原样转发 anthropic-beta 和未知的请求体字段；联系网关的维护者。
    .run-2 = export CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1
    .why-2 = 在网关支持转发之前，让 Claude Code 不使用实验性的 beta 功能。
    .fix-3 = 从自己的代码中删除错误信息指出的值，以及与它配套的请求体字段。

request-model-not-found = 模型未知、已退役或未启用
    .title = API 不认识模型 { $model }
    .means = 路径和密钥都对，但没有这个 id 的模型可用。可能是 id 拼错、模型已退役，或该组织没有启用它。重试只会得到同样的 404。
    .fix-1 = 改用当前模型的 id；Bedrock 和 Vertex 的模型 id 在 Claude API 上无效。
    .run-2 = printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" | curl -sS -H @- -H 'anthropic-version: 2023-06-01' https://api.anthropic.com/v1/models | grep -o '"id":"[^"]*"'
    .why-2 = 列出 API 向当前 shell 的密钥提供的模型 id，不打印密钥。
    .fix-3 = 如果模型存在却不在列表中，请组织的管理员启用它。

request-max-tokens = max_tokens 超过了模型的上限
    .title = max_tokens 为 { $value }，而 { $model } 的上限是 { $limit }
    .means = 请求要求的输出 token 数超过模型一次回答的上限，API 因此返回 400。每个模型的上限不同，适合某个模型的值对另一个可能太大。与提示的长度无关。
    .fix-1 = 把 max_tokens 降到错误信息给出的上限。
    .fix-2 = 如果多个模型共用一个值，在工具或网关的设置中按模型分别设置 max_tokens。
    .fix-3 = 如果确实需要那么长的回答，换用上限更高的模型，或分成几次调用。

request-context-too-long = 提示超出了上下文窗口
    .title = 提示有 { $count } 个 token，而上下文窗口只容得下 { $limit } 个
    .means = 对话连同系统提示、工具和附件，token 数超过了模型能接收的数量，API 因此返回 400。如果错误信息里是两个数相加，说明提示本身放得下，加上 max_tokens 就放不下了。这不是限流，等待没有用。
    .fix-1 = 缩短对话：删除或概括较早的轮次、工具结果和文件；在 Claude Code 中用 /compact。
    .fix-2 = 如果错误信息把 max_tokens 与输入长度相加，就降低 max_tokens。
    .fix-3 = 发送前用 POST /v1/messages/count_tokens 计数；请求体相同，只是不带 max_tokens，而且免费。

request-too-large = 请求体超过了 API 的大小上限
    .title = 请求体超过了 { $limit } 字节的上限
    .means = 请求体的字节数超过了服务的上限：Messages 为 32 MB，批处理为 256 MB，Bedrock 为 20 MB，Google 为 30 MB。多半是图片和文档在对话中越积越多，因为每次调用都会全部重发。这个上限按字节而不是按 token 计算，API 的边缘节点在 API 见到请求之前就拒绝了它。
    .fix-1 = 从对话中删除较早的图片和文档，发送前先缩小图片。
    .fix-2 = 大文件通过 Files API 一次上传，每个最大 500 MB，之后用 id 引用。
    .fix-3 = 把工作拆成几次调用，或把大的批处理拆成几个。
