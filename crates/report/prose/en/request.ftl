# The causes of the layer request.
request-invalid = The request body breaks the API's rules
    .means = The API understood who is calling, but not the body: it is not valid JSON, or a field is missing, unknown or not allowed there. The field stands in the error's message. The same request fails every time, whatever the key and the network.
    .fix-1 = Correct the field that error.message names; model, max_tokens and messages are required.
    .fix-2 = Remove temperature, top_p and top_k if the request carries anthropic-version 2026-10-21, as those of Python 2.x and TypeScript 1.x do; this version rejects them even with default values.
    .fix-3 = End messages with a user message for Claude 4.6 and later, and use thinking of the type adaptive for 4.7 and later.
    .fix-4 = Update the SDK and build the body with it, instead of by hand.

request-version-header = The anthropic-version header is missing, doubled or unknown
    .means = Every request has to carry anthropic-version exactly once and with a value that the API knows. Mostly a gateway adds the header next to the client's, and the two are joined to one invalid value. The rest of the request may be right.
    .fix-1 = Send anthropic-version: 2023-06-01 if you build the request without an SDK; the newest version, 2026-10-21, has stricter rules for the body.
    .fix-2 = Change the gateway to pass the client's value on; where it sets the header itself, it must replace it, not append to it.
    .run-3 = printenv ANTHROPIC_CUSTOM_HEADERS | cut -d: -f1
    .why-3 = Names the headers that are added through the environment, without their values; anthropic-version must not be one, the SDK sends it already.

request-beta-header = The anthropic-beta header and the body do not fit together
    .means = A beta feature needs two halves, a value in the anthropic-beta header and fields in the body, and only one arrived, or this endpoint does not know the value. Mostly a gateway drops or replaces the header on the way. The key and the network are not the problem.
    .fix-1 = Let the gateway pass anthropic-beta and unknown body fields on unchanged; ask whoever runs it.
    .run-2 = export CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1
    .why-2 = Makes Claude Code do without experimental beta features, until the gateway passes them on.
    .fix-3 = Remove the value that the message names from your own code, together with the body fields that belong to it.

request-model-not-found = The model is unknown, retired or not enabled
    .title = The API does not know the model { $model }
    .means = The path and the key are right, but no model with this id is available to them. The id is misspelt, the model has been retired, or it is not enabled for this organisation. A repeat gives the same 404.
    .fix-1 = Enter the id of a current model; ids for Bedrock and Vertex are not valid on the Claude API.
    .run-2 = printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" | curl -sS -H @- -H 'anthropic-version: 2023-06-01' https://api.anthropic.com/v1/models | grep -o '"id":"[^"]*"'
    .why-2 = Lists the model ids that the API offers to this shell's key, without printing the key.
    .fix-3 = Ask the administrator of the organisation to enable the model if it exists and is missing from the list.

request-max-tokens = max_tokens is above the model's limit
    .title = max_tokens is { $value }, and { $model } allows { $limit }
    .means = The request asks for more output tokens than the model can give in one answer, so the API rejects it with a 400. Each model has its own limit; a value that suits one is too high for another. The length of the prompt plays no part.
    .fix-1 = Lower max_tokens to the limit that the message names.
    .fix-2 = Set max_tokens for each model in the settings of the tool or gateway, if one value serves several models.
    .fix-3 = Choose a model with a higher limit if the answer has to be that long, or spread it over several calls.

request-context-too-long = The prompt does not fit the context window
    .title = The prompt has { $count } tokens, and the context window holds { $limit }
    .means = The conversation, with its system prompt, tools and attachments, has more tokens than the model can take in, so the API rejects it with a 400. Where the message adds two numbers, the prompt fits, but not together with max_tokens. It is not a rate limit: waiting changes nothing.
    .fix-1 = Shorten the conversation: drop or summarise old turns, tool results and files; in Claude Code use /compact.
    .fix-2 = Lower max_tokens if the message adds it to the input length.
    .fix-3 = Count before sending with POST /v1/messages/count_tokens; it takes the same body without max_tokens and costs nothing.

request-too-large = The request body is over the API's size limit
    .title = The request body is over the limit of { $limit } bytes
    .means = The body has more bytes than the service takes: 32 MB for Messages, 256 MB for a batch, 20 MB on Bedrock, 30 MB on Google. Mostly images and documents have piled up in the conversation, since each call sends all of them again. The limit counts bytes, not tokens, and the API's edge refuses the call before the API sees it.
    .fix-1 = Remove old images and documents from the conversation, and shrink images before sending them.
    .fix-2 = Upload large files once through the Files API, up to 500 MB each, and refer to them by their id.
    .fix-3 = Split the work into several calls, or a large batch into several batches.
