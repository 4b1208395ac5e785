// One call with the official TypeScript SDK. Prints one JSON object.
// Arguments: the SDK's module, the file of the body, headers.
import { readFileSync } from "node:fs";

const [sdk, file, ...given] = process.argv.slice(2);
const { default: Anthropic } = await import(sdk);
const body = JSON.parse(readFileSync(file.replace(/^@/, "")));
const headers = Object.fromEntries(given.map((h) => h.split(": ", 2)));
const begun = performance.now();
const told = (ok, text) =>
  console.log(JSON.stringify({ ok, text: text.slice(0, 600), took_ms: Math.round(performance.now() - begun) }));
const chain = (error) => {
  const all = [];
  for (; error; error = error.cause) all.push(`${error.name} [${error.code ?? ""}]: ${error.message}`);
  return all.join(" <- ");
};
try {
  const client = new Anthropic({ maxRetries: 0, timeout: 12_000 });
  const answer = await client.messages.create(body, { headers });
  if (body.stream) {
    const events = [];
    for await (const event of answer) events.push(event.type);
    told(events.at(-1) === "message_stop", `stream of ${events.length} events, last ${events.at(-1)}`);
  } else {
    told(Boolean(answer?.content?.length), `message ${answer?.id ?? answer}`);
  }
} catch (error) {
  told(false, chain(error));
}
