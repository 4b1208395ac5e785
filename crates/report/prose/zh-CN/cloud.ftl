# cloud 层的各种原因。
cloud-aws-credentials = AWS 凭据缺失、无效或已过期
    .means = AWS 无法确认调用者是谁，Amazon Bedrock 因此没有接受调用：没有凭据、凭据已过期，或签名不对。Claude Console 的密钥在那里无效。临时凭据和短期 Bedrock 密钥只有几小时有效。
    .run-1 = aws sso login
    .why-1 = 更新通过 IAM Identity Center 登录得到的凭据；如果有多个 profile，先设置 AWS_PROFILE。
    .run-2 = aws sts get-caller-identity
    .why-2 = 显示 AWS 认为当前 shell 是谁，或为什么不认识；不打印任何机密。
    .fix-3 = 如果设置了 AWS_BEARER_TOKEN_BEDROCK，更新或删除它；其中的短期密钥最多有效 12 小时。
    .fix-4 = 如果错误信息是“Signature expired”，校准时钟；WSL2 的时钟会在电脑休眠后停住。

cloud-aws-access-denied = AWS 不允许调用这个模型
    .title = AWS 不允许调用 { $model }
    .means = AWS 知道调用者是谁，但不允许这次调用：策略中没有调用该模型的权限，或账户没有该模型的访问权。同一角色换一份凭据没有用。要处理的是账户的管理员。
    .fix-1 = 请 AWS 管理员对该模型及其推理配置文件授予 bedrock:InvokeModel 和 bedrock:InvokeModelWithResponseStream。
    .fix-2 = 在程序所用的账户和区域中，到 Amazon Bedrock 控制台申请该 Claude 模型的访问权。
    .run-3 = aws sts get-caller-identity
    .why-3 = 显示调用所用的账户和角色，供管理员核对。
    .fix-4 = 如果错误信息说您的账户未启用 outbound web identity federation（Claude Platform on AWS），请管理员启用它。

cloud-aws-model-invalid = Bedrock 在这个区域不认识该模型 id
    .title = Bedrock 在这个区域不认识模型 { $model }
    .means = 模型 id、区域与推理配置文件的前缀互不相符。许多 Claude 模型只能通过推理配置文件调用，其 id 以 us.、eu. 或 global. 开头，不能按需使用不带前缀的模型 id。Claude API 的 id 在那里无效。
    .run-1 = aws bedrock list-inference-profiles --query 'inferenceProfileSummaries[].inferenceProfileId' --output text
    .why-1 = 列出当前区域的配置文件 id；选一个作为模型填入。
    .run-2 = aws bedrock list-foundation-models --by-provider anthropic --query 'modelSummaries[].modelId' --output text
    .why-2 = 列出该区域有哪些 Claude 模型。
    .fix-3 = 把 AWS_REGION 设成与 id 前缀相符的区域：us. 对应美国的区域，eu. 对应欧洲的区域。

cloud-aws-throttled = 达到这个模型的 AWS 配额
    .title = 达到 { $model } 的 AWS 配额
    .means = Bedrock 返回 ThrottlingException：账户在这个模型和区域上每分钟的请求数或 token 数已用完。这是您的 AWS 账户的配额，status.claude.com 上看不到。在流中，它的名字以小写开头：throttlingException。
    .fix-1 = 重试，间隔逐次加长，并减少同时进行的调用。
    .fix-2 = 如果数据可以离开本区域，使用跨区域的推理配置文件；它可以用到几个区域的容量。
    .fix-3 = 请 AWS 管理员在 Service Quotas 控制台的 Amazon Bedrock 下为该模型申请更高的配额。
    .fix-4 = 如果错误信息是“Too many tokens”，缩短提示。

cloud-gcp-credentials = Google 凭据缺失或已过期
    .means = Google 的库找不到有效的 Application Default Credentials，Vertex AI 因此没有接受调用。只用 gcloud 登录还不够，程序用的是另一份登录。过一段时间 Google 会要求用户重新登录，表现为 invalid_grant 或 invalid_rapt。
    .run-1 = gcloud auth application-default login
    .why-1 = 更新程序所用的登录。
    .run-2 = gcloud auth application-default print-access-token >/dev/null && echo valid
    .why-2 = 说明登录是否有效，不打印令牌。
    .fix-3 = 如果设置了 GOOGLE_APPLICATION_CREDENTIALS，改正它：文件必须存在、可读，并属于仍然有效的服务账号。
    .fix-4 = 服务器和构建机使用服务账号，因为个人登录在那里会过期。

cloud-gcp-model-unavailable = 模型没有在 Vertex AI 启用，或不在这个区域
    .title = { $model } 没有在这个 Google 项目启用，或不在所用区域
    .means = Google 知道调用者是谁，但在所要的项目和区域中用不了这个模型：从未启用、该区域不提供，或 id 有误。Vertex AI 的 id 与 Claude API 的不同。重试没有用。
    .fix-1 = 在 Google Cloud 控制台的 Model Garden 中，为程序所用的项目启用该 Claude 模型，并接受条款。
    .fix-2 = 把 CLOUD_ML_REGION 设成提供该模型的区域，或设成 global。
    .fix-3 = 从 Model Garden 中该模型的页面复制模型 id。
    .run-4 = printenv CLOUD_ML_REGION ANTHROPIC_VERTEX_PROJECT_ID
    .why-4 = 依次显示当前 shell 交给程序的区域和项目。

cloud-gcp-quota = 达到 Google 项目的配额，或配额为零
    .title = 达到 { $model } 的 Google 项目配额，或配额为零
    .means = Vertex AI 返回 429 RESOURCE_EXHAUSTED：项目在这个模型和区域上每分钟的请求数或 token 数已用完。新项目的配额常常为零，这时等待没有用。这是您的 Google 项目的配额，与 Anthropic 无关。
    .fix-1 = 请项目的管理员在 Google Cloud 控制台的 IAM & Admin → Quotas 中找到错误信息指出的配额，申请提高。
    .fix-2 = 如果配额大于零，重试，间隔逐次加长，并减少同时进行的调用。
    .fix-3 = 如果数据可以在别处处理，把 CLOUD_ML_REGION 设成项目有配额的其他区域，或设成 global。
