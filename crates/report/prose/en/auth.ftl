# The causes of the layer auth.
auth-missing = No credential is configured or sent
    .means = The program has no key and no token, so the SDK stops before sending, or the API answers 401 with "x-api-key header is required". Mostly the variable is set in one shell, and the program runs elsewhere: as a service, in a container or from an editor. No key was judged bad.
    .fix-1 = Set ANTHROPIC_API_KEY where the program itself starts: the systemd unit, the compose file, the settings of the deployment or of the editor.
    .run-2 = printenv ANTHROPIC_API_KEY | wc -c
    .why-2 = Prints the length of the key in this shell without the key; 0 means that it is not set here.
    .fix-3 = Run /login in Claude Code, or repair the apiKeyHelper script; /status shows its error output.

auth-malformed-key = The key contains characters that do not belong to it
    .title = The key in { $variable } contains characters that do not belong to it
    .means = The key carries a quote, a blank or a line break, or something else stands in its place: a placeholder, the word None, a reference to a store of secrets, the whole line of an .env file. The API then answers 401; at a line break Python does not even send the call and reports "Connection error.", as if it were the network. The key itself may be good.
    .fix-1 = Enter the key again: one line that begins with sk-ant-, without quotes, blanks or a line break.
    .run-2 = printenv ANTHROPIC_API_KEY | tr -d 'A-Za-z0-9_-' | cat -vet
    .why-2 = Shows only the characters that do not belong; a clean key leaves a single $, the mark of the line's end.
    .fix-3 = Write the value without quotes in a file for docker --env-file; Docker takes quotes as a part of the key.
    .fix-4 = Strip white space in the program when it reads the key from a file; the file ends in a line break.

auth-wrong-provider-key = The key belongs to another vendor
    .title = The key in { $variable } belongs to another vendor
    .means = The key is in the form of another vendor, and the Claude API knows only its own keys, which begin with sk-ant-. It answers 401 as it does for a wrong key. The key may be valid at its own vendor.
    .fix-1 = Create a key in the Claude Console and put it into ANTHROPIC_API_KEY.
    .run-2 = printenv ANTHROPIC_API_KEY | grep -c '^sk-ant-'
    .why-2 = Prints 1 if this shell holds a key of the Claude API and 0 if not, without showing the key.
    .fix-3 = Set ANTHROPIC_BASE_URL to the gateway if the key is one of a gateway; such a key is valid only there.

auth-invalid = The API does not accept the key
    .title = The API does not accept the key { $key }
    .means = The key is well formed, but the API does not know it, or knows it no longer: it was deleted, replaced or copied incompletely. Waiting and repeating change nothing. Whoever owns the account has to act.
    .fix-1 = Create a new key in the Claude Console and enter it where the program reads its key.
    .run-2 = printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" | curl -sS -o /dev/null -D - -H @- -H 'anthropic-version: 2023-06-01' https://api.anthropic.com/v1/models
    .why-2 = Asks the API directly with this shell's key, without printing it: 200 means that the key is good and the program uses another one.
    .fix-3 = Replace older copies too: .env, ~/.claude/settings.json, the MCP configuration, the secrets of the deployment.

auth-conflicting = Two different credentials are in play
    .means = An API key and a token are set at once, and they do not belong together; which one is sent depends on the client. Python 2.x and TypeScript 1.x send the key alone, the 0.x SDKs send both, and Claude Code prefers a key to its log-in. A stale one makes the good one look invalid.
    .run-1 = unset ANTHROPIC_AUTH_TOKEN
    .why-1 = Leaves ANTHROPIC_API_KEY as the only credential of this shell.
    .run-2 = env | grep -E '^(ANTHROPIC_API_KEY|ANTHROPIC_AUTH_TOKEN|CLAUDE_CODE_OAUTH_TOKEN)=' | cut -d= -f1
    .why-2 = Names the credentials that are set in this shell, without their values.
    .fix-3 = Delete the stale one where it is set for good as well: the shell's start file, .env, and the env section of ~/.claude/settings.json.
    .fix-4 = Run /logout in Claude Code if the variable is to count, or remove the variable if the log-in is to count.

auth-wrong-kind = The credential is of the wrong kind for this call
    .means = An OAuth token is used where an API key is needed, or the reverse. The token of a Claude Code log-in is valid only for Claude Code and is refused for any other call. The credential itself may be valid.
    .fix-1 = Create an API key in the Claude Console for your own programs and put it into ANTHROPIC_API_KEY.
    .run-2 = printenv ANTHROPIC_API_KEY | grep -c '^sk-ant-oat'
    .why-2 = Prints 1 if ANTHROPIC_API_KEY holds an OAuth token instead of a key, without showing it.
    .fix-3 = Put an OAuth token for Claude Code into CLAUDE_CODE_OAUTH_TOKEN, never into ANTHROPIC_API_KEY.
    .fix-4 = Let a gateway pass anthropic-beta on unchanged; without its value oauth-2025-04-20 the API refuses an OAuth token.

auth-expired = The token has expired
    .means = The token was valid and its time has run out, so the API answers 401. Clients that hold a log-in renew it by themselves; a token that stands in a variable is never renewed. Neither the account nor the network is at fault.
    .fix-1 = Log in again, in Claude Code with /login.
    .run-2 = env | grep -E '^(ANTHROPIC_AUTH_TOKEN|CLAUDE_CODE_OAUTH_TOKEN)=' | cut -d= -f1
    .why-2 = Names the variables in this shell that hold a fixed token; remove or replace the expired one.
    .fix-3 = Use an API key, or credentials that the SDK renews itself, for servers and CI.

auth-revoked = The token was revoked
    .means = The token was withdrawn before its time ran out, and the API answers 403. It stays withdrawn: renewing and repeating do not bring it back. Whoever owns the account has to act.
    .fix-1 = Log in again, in Claude Code with /login, or create a new key in the Claude Console.
    .fix-2 = Ask the administrator of the organisation who revoked it and why, if it was not you.
    .fix-3 = Replace the token everywhere it is used: other machines, CI, the secrets of the deployment.

auth-forbidden = The credential may not use this resource
    .title = The credential may not use { $name }
    .means = The API recognises the credential, but it lacks the right to this model or resource and gets a 403. It is a matter of roles and workspaces, not a block of the region or the network. A new key with the same rights changes nothing.
    .fix-1 = Ask the administrator of the organisation to give the key's workspace or role access in the Claude Console, and name the model and the request-id.
    .fix-2 = Log in again, in Claude Code with /login, if the message speaks of a scope; the new token gets the right user:inference.
    .run-3 = printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" | curl -sS -H @- -H 'anthropic-version: 2023-06-01' https://api.anthropic.com/v1/models | grep -o '"id":"[^"]*"'
    .why-3 = Lists the models that the API offers to this shell's key, without printing the key.

auth-org-disabled = The organisation is disabled or does not allow this log-in
    .means = The API recognises the credential, but its organisation is disabled or on hold, or it does not allow this kind of log-in. No other key of the same organisation helps while it is disabled. An administrator of the organisation has to act.
    .fix-1 = Ask an administrator of the organisation to look at its state in the Claude Console and to write to Anthropic's support with the request-id.
    .run-2 = unset ANTHROPIC_API_KEY
    .why-2 = Lets Claude Code use its log-in again; a left-over key of an old organisation takes precedence over it.
    .fix-3 = Use an API key from the Claude Console, or ask the administrator to allow the log-in, if the message says that OAuth is not allowed for this organisation.
    .fix-4 = Follow the appeal_url in the error's details if the organisation is on hold and the answer gives one.

auth-workspace-missing = The request names no workspace, and the key needs one
    .means = The key belongs to a person or a service account and spans workspaces, so the API wants to know which one this request is for. It answers 400 until the header anthropic-workspace-id names one. The key is valid.
    .fix-1 = Send the header anthropic-workspace-id with the id of the workspace, which begins with wrkspc_ and stands in the Claude Console.
    .fix-2 = Put this header into ANTHROPIC_CUSTOM_HEADERS for Claude Code; with a key it ignores ANTHROPIC_WORKSPACE_ID.
    .fix-3 = Let a gateway pass anthropic-workspace-id on unchanged if the calls go through one.
    .fix-4 = Use a key that belongs to a single workspace if the program cannot send headers of its own.
