// Makes calls with the official TypeScript SDK, each at its moment: `calls.mjs SDK URL DEADLINE`, else as calls.py.

import { createInterface } from "node:readline";

const { default: Anthropic } = await import(process.argv[2]);
const [url, deadline] = [process.argv[3], Number(process.argv[4])];

async function make({ key, prompt, stream }) {
  const client = new Anthropic({ baseURL: url, apiKey: key });
  const messages = [{ role: "user", content: prompt }];
  const ask = { model: "claude-sonnet-5-5", max_tokens: 64, messages, metadata: { user_id: prompt } };
  const message = stream ? await client.messages.stream(ask).finalMessage() : await client.messages.create(ask);
  return message.content[0].text;
}

async function one(call) {
  const began = performance.now();
  let seen;
  try {
    seen = { ok: true, text: await make(call) };
  } catch (error) {
    seen = { ok: false, error: `${error.constructor.name}: ${error.message}`.slice(0, 200) };
  }
  console.log(JSON.stringify({ n: call.n, took: (performance.now() - began) / 1000, ...seen }));
}

console.log("ready");
const calls = [];
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "go") break;
  calls.push(JSON.parse(line));
}
const all = calls.map((call) => new Promise((done) => setTimeout(() => one(call).then(done), call.at * 1000)));
const last = 1000 * (calls.at(-1).at + deadline + 1);
await Promise.race([Promise.all(all), new Promise((done) => setTimeout(done, last))]);
process.exit(0);
