# auth 层的各种原因。
auth-missing = 没有配置或发送任何凭据
    .means = 程序既没有密钥也没有令牌，SDK 在发送前就停下，或 API 返回 401 并说“x-api-key header is required”。多半是变量设在某个 shell 里，而程序在别处运行：作为服务、在容器里，或由编辑器启动。并没有哪个密钥被判为无效。
    .fix-1 = 在程序真正启动的地方设置 ANTHROPIC_API_KEY：systemd 单元、compose 文件、部署平台或编辑器的设置。
    .run-2 = printenv ANTHROPIC_API_KEY | wc -c
    .why-2 = 打印当前 shell 中密钥的长度，不显示密钥；0 表示这里没有设置。
    .fix-3 = 在 Claude Code 中运行 /login，或修好 apiKeyHelper 脚本；/status 会显示它的错误输出。

auth-malformed-key = 密钥中有不该出现的字符
    .title = { $variable } 的密钥中有不该出现的字符
    .means = 密钥里带有引号、空格或换行，或者它的位置上是别的东西：没有替换的占位符、None 一词、对密钥库的引用、.env 文件中的整行。API 于是返回 401；遇到换行时，Python 甚至不会发出请求，只报“Connection error.”，看上去像网络问题。密钥本身可能是好的。
    .fix-1 = 重新填写密钥：以 sk-ant- 开头的一行，不带引号、空格和换行。
    .run-2 = printenv ANTHROPIC_API_KEY | tr -d 'A-Za-z0-9_-' | cat -vet
    .why-2 = 只显示不该出现的字符；正常的密钥只剩一个表示行尾的 $。
    .fix-3 = 在 docker --env-file 的文件中，值不要加引号；Docker 会把引号当作密钥的一部分。
    .fix-4 = 程序从文件读取密钥时去掉首尾空白；文件末尾有换行。

auth-wrong-provider-key = 密钥属于另一家供应商
    .title = { $variable } 中的密钥属于另一家供应商
    .means = 密钥是另一家供应商的格式，而 Claude API 只认自己的密钥，以 sk-ant- 开头。它像对待错误密钥一样返回 401。这个密钥在它自己的供应商那里可能是有效的。
    .fix-1 = 在 Claude Console 创建密钥，填入 ANTHROPIC_API_KEY。
    .run-2 = printenv ANTHROPIC_API_KEY | grep -c '^sk-ant-'
    .why-2 = 当前 shell 中是 Claude API 的密钥则打印 1，否则打印 0，不显示密钥。
    .fix-3 = 如果密钥是某个网关发的，把 ANTHROPIC_BASE_URL 设为该网关；这种密钥只在那里有效。

auth-invalid = API 不接受这个密钥
    .title = API 不接受密钥 { $key }
    .means = 密钥格式正确，但 API 不认识它，或不再认识它：它已被删除、更换，或没有复制完整。等待和重试都没有用。需要由账户的所有者处理。
    .fix-1 = 在 Claude Console 创建新密钥，填到程序读取密钥的地方。
    .run-2 = printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" | curl -sS -o /dev/null -D - -H @- -H 'anthropic-version: 2023-06-01' https://api.anthropic.com/v1/models
    .why-2 = 用当前 shell 的密钥直接询问 API，不打印密钥：返回 200 说明密钥有效，程序用的是另一个。
    .fix-3 = 把旧的副本也换掉：.env、~/.claude/settings.json、MCP 配置、部署平台的机密设置。

auth-conflicting = 同时存在两个不同的凭据
    .means = 同时设置了 API 密钥和令牌，而两者并不属于一套；发送哪一个取决于客户端。Python 2.x 和 TypeScript 1.x 只发密钥，0.x 的 SDK 两个都发，Claude Code 则让密钥优先于登录。其中过时的一个会让有效的那个看上去无效。
    .run-1 = unset ANTHROPIC_AUTH_TOKEN
    .why-1 = 让 ANTHROPIC_API_KEY 成为当前 shell 中唯一的凭据。
    .run-2 = env | grep -E '^(ANTHROPIC_API_KEY|ANTHROPIC_AUTH_TOKEN|CLAUDE_CODE_OAUTH_TOKEN)=' | cut -d= -f1
    .why-2 = 列出当前 shell 中已设置的凭据，只显示变量名。
    .fix-3 = 同时删除过时凭据的持久设置：shell 启动文件、.env，以及 ~/.claude/settings.json 的 env 部分。
    .fix-4 = 如果要以变量为准，在 Claude Code 中运行 /logout；如果要以登录为准，就删除变量。

auth-wrong-kind = 凭据的种类不适用于这个调用
    .means = 需要 API 密钥的地方用了 OAuth 令牌，或者相反。Claude Code 登录所得的令牌只对 Claude Code 有效，用于其他调用都会被拒绝。凭据本身可能是有效的。
    .fix-1 = 为自己的程序在 Claude Console 创建 API 密钥，填入 ANTHROPIC_API_KEY。
    .run-2 = printenv ANTHROPIC_API_KEY | grep -c '^sk-ant-oat'
    .why-2 = 如果 ANTHROPIC_API_KEY 中是 OAuth 令牌而不是密钥，则打印 1，不显示内容。
    .fix-3 = 把 Claude Code 的 OAuth 令牌放在 CLAUDE_CODE_OAUTH_TOKEN 中，不要放在 ANTHROPIC_API_KEY 中。
    .fix-4 = 让网关原样转发 anthropic-beta；缺少其中的 oauth-2025-04-20，API 会拒绝 OAuth 令牌。

auth-expired = 令牌已过期
    .means = 令牌曾经有效，现在期限已过，API 因此返回 401。持有登录状态的客户端会自动续期，写在变量里的令牌则从不续期。账户和网络都没有问题。
    .fix-1 = 重新登录，在 Claude Code 中用 /login。
    .run-2 = env | grep -E '^(ANTHROPIC_AUTH_TOKEN|CLAUDE_CODE_OAUTH_TOKEN)=' | cut -d= -f1
    .why-2 = 列出当前 shell 中写有固定令牌的变量；删除或更换其中过期的那个。
    .fix-3 = 在服务器和 CI 上使用 API 密钥，或由 SDK 自动续期的凭据。

auth-revoked = 令牌已被吊销
    .means = 令牌在到期之前就被吊销，API 返回 403。吊销无法撤回：续期和重试都没有用。需要由账户的所有者处理。
    .fix-1 = 重新登录，在 Claude Code 中用 /login；或在 Claude Console 创建新密钥。
    .fix-2 = 如果不是您自己吊销的，向组织的管理员问清是谁吊销的、为什么。
    .fix-3 = 在所有用到它的地方更换令牌：其他机器、CI、部署平台的机密设置。

auth-forbidden = 凭据无权使用这个资源
    .title = 凭据无权使用 { $name }
    .means = API 认得这个凭据，但它没有使用该模型或资源的权限，因此返回 403。这是角色和工作区的问题，不是地区或网络封锁。权限相同的新密钥不会有任何改变。
    .fix-1 = 请组织的管理员在 Claude Console 给密钥所属的工作区或角色授权，并附上模型名和 request-id。
    .fix-2 = 如果错误信息提到 scope，就重新登录，在 Claude Code 中用 /login；新令牌会带有 user:inference 权限。
    .run-3 = printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" | curl -sS -H @- -H 'anthropic-version: 2023-06-01' https://api.anthropic.com/v1/models | grep -o '"id":"[^"]*"'
    .why-3 = 列出 API 向当前 shell 的密钥提供的模型，不打印密钥。

auth-org-disabled = 组织已被停用，或不允许这种登录方式
    .means = API 认得这个凭据，但它所属的组织已被停用或冻结，或不允许这种登录方式。组织停用期间，换用同一组织的其他密钥也没有用。需要由组织的管理员处理。
    .fix-1 = 请组织的管理员在 Claude Console 查看组织状态，并附上 request-id 联系 Anthropic 支持。
    .run-2 = unset ANTHROPIC_API_KEY
    .why-2 = 让 Claude Code 重新使用登录；旧组织遗留的密钥会优先于登录。
    .fix-3 = 如果错误信息说该组织不允许 OAuth，改用 Claude Console 的 API 密钥，或请管理员开放这种登录方式。
    .fix-4 = 如果组织被冻结，而错误详情中有 appeal_url，按该链接申诉。

auth-workspace-missing = 请求没有指明工作区，而这个密钥需要指明
    .means = 密钥属于个人或服务账号，跨多个工作区，API 需要知道这次请求属于哪一个。在 anthropic-workspace-id 头指明工作区之前，一律返回 400。密钥本身有效。
    .fix-1 = 发送请求头 anthropic-workspace-id，值为工作区的 id，以 wrkspc_ 开头，可在 Claude Console 中查到。
    .fix-2 = 在 Claude Code 中把这个请求头写入 ANTHROPIC_CUSTOM_HEADERS；使用密钥时它会忽略 ANTHROPIC_WORKSPACE_ID。
    .fix-3 = 如果调用经过网关，让网关原样转发 anthropic-workspace-id。
    .fix-4 = 如果程序不能自定义请求头，改用只属于一个工作区的密钥。
