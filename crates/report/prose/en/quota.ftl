# The causes of the layer quota.
quota-requests = The limit of requests per minute is reached
    .title = The limit of { $limit } requests per minute for { $model } is reached
    .means = The organisation has sent more calls in this minute than its limit permits, so the API answers 429. The limit holds for all keys of the organisation together, and can act by the second: 60 a minute can mean one a second. Network and key are in order.
    .fix-1 = Wait as long as retry-after says, then send at an even pace instead of in bursts.
    .run-2 = clearline gateway --listen 127.0.0.1:8787
    .why-2 = Starts a gateway that waits out retry-after for all programs whose ANTHROPIC_BASE_URL is http://127.0.0.1:8787.
    .fix-3 = Ask the account's owner to look at the page Limits in the Claude Console and to request a higher limit there.
    .fix-4 = Hand work that can wait to the Message Batches API, up to 100,000 requests in one batch.

quota-input-tokens = The limit of input tokens per minute is reached
    .title = The limit of { $limit } input tokens per minute for { $model } is reached
    .means = The prompts of this minute add up to more tokens than the organisation's limit permits, so the API answers 429. A few long conversations are enough for that, because each call sends the whole history again. The number of calls is not the problem.
    .fix-1 = Wait as long as retry-after says, and send fewer long prompts at once.
    .fix-2 = Shorten the prompts: drop old turns, files and tool results; in Claude Code use /compact or /clear.
    .fix-3 = Let the program wait while the header anthropic-ratelimit-input-tokens-remaining is lower than its next prompt.
    .fix-4 = Ask the account's owner to request a higher limit on the page Limits in the Claude Console.

quota-output-tokens = The limit of output tokens per minute is reached
    .title = The limit of { $limit } output tokens per minute for { $model } is reached
    .means = The answers of this minute add up to more tokens than the organisation's limit permits, so the API answers 429. Long answers and many calls at once use it up. Network and key are in order.
    .fix-1 = Wait as long as retry-after says, and run fewer calls at once.
    .fix-2 = Ask for shorter answers in the prompt, and set max_tokens to what is really needed.
    .fix-3 = Ask the account's owner to request a higher limit on the page Limits in the Claude Console.

quota-acceleration = Usage grew too fast
    .title = Usage of { $model } grew too fast
    .means = The API limits not only how much is used but also how fast usage grows; the error code is ramp_limit_exceeded. The limits per minute need not be used up. A steep start of many workers is the usual reason.
    .fix-1 = Wait as long as retry-after says, then begin with few calls and raise their number over minutes.
    .fix-2 = Start workers one after another, and let them begin again slowly after a pause or an outage.
    .fix-3 = Hand large jobs to the Message Batches API instead of sending them all at once.

quota-concurrency = Too many calls run at once
    .title = Too many calls run at once, { $count } of them here
    .means = The organisation has more connections open at the same time than it may; the API answers 429 "Number of concurrent connections has exceeded your rate limit". Long streams count for as long as they run. The number of calls per minute is not the problem.
    .fix-1 = Lower the number of calls that run at once: the worker count, or a semaphore around the call.
    .fix-2 = Repeat refused calls after a pause that grows from try to try.
    .fix-3 = End streams that nobody reads any more; cancelled ones too have to be closed.
    .fix-4 = Ask the account's owner to ask Anthropic for a higher limit if that many at once are needed.

quota-spend-limit = A spend limit is reached
    .means = The money that may be spent in this period is used up: a limit that the organisation or workspace set itself (status 400), or one of the tier or contract (status 429 without retry-after). Repeating changes nothing before the date in the message. Some SDKs repeat it all the same.
    .fix-1 = Ask the account's owner to raise the self-set limit on the page Limits in the Claude Console; a workspace has its own limit among its settings.
    .fix-2 = Ask the account's owner to have the tier's or the contract's limit raised by Anthropic if error_code is enforced_spend_limit_reached or contract_spend_limit_reached.
    .fix-3 = Stop the program until the date that the message names, if neither is possible.

quota-credit = The prepaid credit is used up
    .means = The balance of the organisation is too low for a call, and the API answers 400 "Your credit balance is too low". The status looks like a faulty request, but the request and the key are in order. A subscription to the Claude app does not pay for API calls with a key.
    .fix-1 = Ask the account's owner to buy credit under Billing in the Claude Console, and to switch automatic reload on.
    .fix-2 = Compare the organisation of the key with the one that has the balance; a key draws only on its own organisation.
    .fix-3 = Remove ANTHROPIC_API_KEY in Claude Code if you want to use your subscription: the key wins over the log-in.
    .fix-4 = Write to Anthropic's support with the request-id if the Console shows a balance and the message stays.

quota-billing = A payment problem blocks the account
    .means = The API answers 402 billing_error: a payment failed, or the linked organisation that pays cannot be charged. The request and the key are in order. Repeating does not help until the payment is settled.
    .fix-1 = Ask the account's owner to settle the open invoice and to renew the means of payment under Billing in the Claude Console.
    .fix-2 = Ask the administrator of the paying organisation if error_code begins with linked_organization; the block or the limit lies there.
    .fix-3 = Write to Anthropic's support with the request-id if Billing shows nothing open.

quota-subscription = The subscription's limit is reached, or the plan does not cover this
    .means = The log-in belongs to a Claude subscription whose session or weekly window is used up, or whose plan lacks the feature asked for, such as long context. A window opens again at the time that the message names; a missing feature never comes by waiting. The limits of API keys are separate from this.
    .fix-1 = Wait until the reset that the message names, or use a smaller model until then.
    .fix-2 = Switch extra usage on in the settings of your Claude account, or ask the administrator for it, if the message says "Extra usage is required".
    .fix-3 = Use a key from the Claude Console in ANTHROPIC_API_KEY for work that must not wait; it is billed by usage.

quota-throttled = The provider throttles for a short while, without naming a quota
    .title = { $host } throttles for a short while, without naming a quota
    .means = The API answers 429 "Rate limited" with no limit, no remainder and no reset in the headers: the provider slows calls down to protect itself. It is not your usage limit, and a higher tier would not help. It mostly passes within seconds to minutes.
    .fix-1 = Repeat the call after a pause that grows from try to try, and run fewer calls at once until then.
    .fix-2 = Look at status.claude.com if it lasts longer than some minutes.
    .fix-3 = Ask the gateway's administrator for its limits if ANTHROPIC_BASE_URL names a gateway: some drop the headers that name the quota.
