# edge 层的各种原因。
edge-captive-portal = 网络的登录页代替 API 作了应答
    .title = 代替 { $host } 应答的是这个网络的登录页
    .means = 这个网络要求先在浏览器中登录（酒店、列车、访客 Wi-Fi），在此之前，其他流量一律由它自己应答或重置。请求没有离开这个网络。密钥和 API 都没有问题。
    .fix-1 = 在浏览器中打开 http://neverssl.com，在弹出的页面上登录或接受条款。
    .run-2 = curl -sS -o /dev/null -D - http://connectivitycheck.gstatic.com/generate_204
    .why-2 = 放行之后返回 204；返回 302 或 200 的仍是登录门户，Location 一行就是登录页的地址。
    .fix-3 = 如果设备没有浏览器（例如服务器或构建机），请网络的运维方登记这台设备。

edge-waf-blocked = Web 应用防火墙拒绝了这个请求
    .title = { $host } 前面的 Web 应用防火墙拒绝了这个请求
    .means = 返回的是某个会检查请求内容的防火墙的拦截页，不是 API 的错误。这类规则会看地址、请求头和正文：提示中的 SQL、shell 命令、../../ 之类的路径或 XML 标签都可能触发，而简短的测试却能通过。换密钥没有用。
    .fix-1 = 请网关前面那台防火墙的运维方让 POST /v1/messages 免于请求体规则的检查，并提供时间以及页面上的 Ray ID 或请求 id。
    .fix-2 = 如果拦截页写明站点是 api.anthropic.com，附上 cf-ray 的值和时间联系 Anthropic 支持。
    .fix-3 = 用只有一行的提示重复调用：如果能通过，触发规则的是正文，否则是地址或客户端。
    .run-4 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-4 = 不带密钥和提示直接访问 API：返回 405 说明本机没有被那里拦截。

edge-bot-challenge = 服务的边缘节点把这个客户端当作机器人，要求验证
    .title = { $host } 的边缘节点把这个客户端当作机器人，要求验证
    .means = 边缘节点不信任这个客户端或调用所用的出口地址，因此要求只有浏览器才能完成的验证，或直接返回 10xx 错误。共享地址、机房地址和做内容检查的代理常遇到这种情况。它没有看密钥。
    .fix-1 = 使用官方 SDK，从自己或公司的网络直接调用，不经共享出口。
    .fix-2 = 附上 cf-ray 的值、时间和您的公网地址，联系 Anthropic 支持。
    .run-3 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-3 = 看是否所有客户端在这里都要验证：出现 cf-mitigated 或“Just a moment”就是验证页，返回 405 的是 API 本身。
    .fix-4 = 如果只有经公司代理的调用才被要求验证，请网络管理员对 api.anthropic.com 免除内容检查。

edge-region-blocked = API 不向这个国家、地区或网络提供服务
    .title = { $host } 拒绝来自这个国家、地区或网络的调用
    .means = 边缘节点在读取密钥之前就返回 403“Request not allowed”：调用的出口地址位于 API 不提供服务的地区。连接本身是通的，所以“检查网络连接”之类的提示只会误导。换密钥没有用。
    .fix-1 = 对照 Anthropic 公布的支持国家和地区列表，核对网络出口所在的国家或地区。
    .fix-2 = 如果您身处受支持的地区，只是公司的代理或 VPN 从别处出口，请管理员提供本地的出口。
    .fix-3 = 在合同及其服务区域允许的前提下，通过 Amazon Bedrock 或 Google Vertex AI 使用 Claude。
    .run-4 = curl -sS -i https://api.anthropic.com/v1/messages
    .why-4 = 不带密钥重现这次拒绝：403 加“Request not allowed”就是地区限制，返回 405 说明这里的调用可以进入。

edge-web-filter = 公司的网页过滤器代替 API 作了应答
    .title = 代替 { $host } 应答的是公司的网页过滤器
    .means = 过滤器把这个域名归入禁止访问的类别（例如生成式 AI），并返回自己的拦截页。拦截页的状态码常常是 200，SDK 会把它当成正常的回答交给程序。请求没有到达 API。
    .fix-1 = 请 IT 部门放行 api.anthropic.com 的 443 端口，并提供拦截页上写明的类别和规则。
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-2 = 显示拦截页，其中有过滤器的名称和类别；如果返回的是 JSON 格式的 405，那就是 API 本身。
    .fix-3 = 改用公司批准的 Claude 接入方式，例如公司自己的网关、Amazon Bedrock 或 Google Vertex AI。

edge-not-the-api = 在这里应答的不是 API
    .title = 在 { $host } 应答的不是 API
    .means = 本应是 JSON 的地方返回了 HTML 页面或空内容，而且没有 request-id；API 的每个应答都带有它。应答的是某个网页服务器、登录门户或代理。状态码 200 不代表成功。
    .fix-1 = 如果 ANTHROPIC_BASE_URL 指向网页、控制台或网关的首页而不是 API，改正它；不设这个变量时，SDK 会访问 api.anthropic.com。
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-2 = 显示由谁应答：返回 405 的是 API；否则 server 头、页面标题或 Location 一行会说明顶替它的是什么。
    .fix-3 = 把这些响应头发给其中所指的网关或代理的运维方。
