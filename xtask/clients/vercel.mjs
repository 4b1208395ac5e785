// One call with the Vercel AI SDK: `vercel.mjs MODULES URL stream|message`; prints the text of the answer.

import { createRequire } from "node:module";

const [modules, url, how] = process.argv.slice(2);
const from = createRequire(`${modules}/`);
const { generateText, streamText } = await import(from.resolve("ai"));
const { createAnthropic } = await import(from.resolve("@ai-sdk/anthropic"));

const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: process.env.ANTHROPIC_API_KEY });
const ask = { model: anthropic("claude-haiku-4-5"), prompt: "Hello there", maxOutputTokens: 64 };
const text = how === "stream" ? await streamText(ask).text : (await generateText(ask)).text;
console.log(text);
