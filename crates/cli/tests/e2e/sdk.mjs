// Makes calls with the official TypeScript SDK and prints what its user would see, as one JSON object a line. The calls come
// as lines of JSON on the standard input: {"url", "case"}, where a case is KIND[:MODEL].

import { createInterface } from "node:readline";

const { default: Anthropic, APIError } = await import(process.argv[2]);
const MESSAGES = [{ role: "user", content: "Hello there" }];

async function make(url, kind, model) {
  const client = new Anthropic({ baseURL: url, apiKey: "sk-ant-fake-caller", maxRetries: 0, timeout: 20_000 });
  const ask = { model, max_tokens: 32, messages: MESSAGES };
  if (kind === "message") {
    return (await client.messages.create(ask)).content[0].text;
  }
  let text = "";
  const stream = client.messages.stream(ask);
  stream.on("text", (delta) => (text += delta));
  const message = await stream.finalMessage();
  if (message.stop_reason !== "end_turn") {
    throw new Error(`stop_reason ${message.stop_reason}`);
  }
  return text;
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  const [kind, model = "claude-sonnet-5-5"] = call.case.split(":");
  let seen;
  try {
    seen = { ok: true, text: await make(call.url, kind, model) };
  } catch (error) {
    const status = error instanceof APIError ? (error.status ?? null) : null;
    seen = { ok: false, class: error.constructor.name, status, request_id: error.requestID ?? null, message: String(error.message) };
  }
  console.log(JSON.stringify({ ...call, ...seen }));
}
