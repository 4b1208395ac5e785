# The causes of the layer edge.
edge-captive-portal = A log-in page of the network answers in place of the API
    .title = This network's log-in page answers in place of { $host }
    .means = The network lets traffic out only after a log-in in the browser (hotel, train, guest Wi-Fi), and answers everything else itself or resets it. The request never left this network. Neither the key nor the API is at fault.
    .fix-1 = Open http://neverssl.com in a browser, and log in or accept the terms on the page that appears.
    .run-2 = curl -sS -o /dev/null -D - http://connectivitycheck.gstatic.com/generate_204
    .why-2 = Answers 204 once the way is free; a 302 or 200 is still the portal, and its Location line names the log-in page.
    .fix-3 = Ask the network's operator to register the device if it has no browser, as a server or build machine has not.

edge-waf-blocked = A web application firewall refuses this request
    .title = A web application firewall in front of { $host } refuses this request
    .means = The answer is the block page of a firewall that reads requests, not an error of the API. Such rules look at address, headers and text: a prompt with SQL, shell commands, paths like ../../ or XML tags can trip them while a short test passes. A different key changes nothing.
    .fix-1 = Ask whoever runs the firewall in front of your gateway to exempt POST /v1/messages from the rules on bodies; give the time and the Ray ID or request id on the page.
    .fix-2 = Write to Anthropic's support with the cf-ray value and the time if the answer names api.anthropic.com as the site.
    .fix-3 = Repeat the call with a one-line prompt: if that passes, a rule reacts to the text, otherwise to the address or the client.
    .run-4 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-4 = Asks the API without key and prompt: a 405 shows that this machine itself is not blocked there.

edge-bot-challenge = The edge of the service takes this client for a bot and challenges it
    .title = The edge of { $host } takes this client for a bot and challenges it
    .means = The edge in front of the service wants a proof that only a browser can give, or refuses with an error 10xx, because it mistrusts the client or the address that the call comes from. That often hits shared or hosted addresses and inspecting proxies. The key was not looked at.
    .fix-1 = Call with the official SDK, straight from your own or your company's network instead of a shared exit.
    .fix-2 = Write to Anthropic's support with the cf-ray value, the time and your public address.
    .run-3 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-3 = Shows whether every client is challenged here: cf-mitigated or "Just a moment" is the challenge, a 405 is the API itself.
    .fix-4 = Ask your network's administrator to let api.anthropic.com pass without inspection if only calls through the company's proxy are challenged.

edge-region-blocked = The API is not offered from this country or network
    .title = { $host } refuses calls from this country or network
    .means = The edge answers 403 "Request not allowed" before any key is read: the address that the calls come from lies in a region where the API is not offered. The connection itself works, so looking for a fault in it leads astray. Another key changes nothing.
    .fix-1 = Compare the country of your network's exit with Anthropic's list of supported countries.
    .fix-2 = Ask your administrator for an exit in your own country if you are in a supported one and the company's proxy or VPN leaves the network elsewhere.
    .fix-3 = Use Claude through Amazon Bedrock or Google Vertex AI where your contract and their regions permit it.
    .run-4 = curl -sS -i https://api.anthropic.com/v1/messages
    .why-4 = Repeats the refusal without a key: 403 and "Request not allowed" is the region block, a 405 means that calls from here are let in.

edge-web-filter = A web filter of the company answers in place of the API
    .title = The company's web filter answers in place of { $host }
    .means = The filter holds the name to be in a forbidden category, such as generative AI, and sends its own block page. That page often comes with status 200, so an SDK hands it over as if it were the answer. The request did not reach the API.
    .fix-1 = Ask your IT department to allow api.anthropic.com on port 443; give them the category and the rule that the block page names.
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-2 = Shows the page with the filter's name and category; a 405 in JSON instead is the API itself.
    .fix-3 = Use the way to Claude that your company has approved, for example its own gateway, Amazon Bedrock or Google Vertex AI.

edge-not-the-api = Something that is not the API answers here
    .title = What answers at { $host } is not the API
    .means = The answer is an HTML page or empty where JSON belongs, and it has no request-id, which every answer of the API carries. A web server, portal or proxy answers in the API's place. A status of 200 does not make it a success.
    .fix-1 = Correct ANTHROPIC_BASE_URL if it names a web page, a console or a gateway's start page instead of the API; without the variable the SDK calls api.anthropic.com.
    .run-2 = curl -sS -i https://api.anthropic.com/v1/messages | head -n 40
    .why-2 = Shows who answers: a 405 is the API; the server header, the title or the Location line names what stands in its place.
    .fix-3 = Send these header lines to whoever runs the gateway or the proxy that they name.
