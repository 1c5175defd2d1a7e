// Talks to a running gateway with OpenAI's own client: first one whole answer, then one that streams.
//
//   npx remoe serve &
//   node examples/chat.mjs "Was ist ein Wald?"
//
// The client reads OPENAI_BASE_URL and OPENAI_API_KEY; without them this uses the gateway's own defaults.
import OpenAI from "openai";

const {
  OPENAI_BASE_URL: baseURL = "http://127.0.0.1:8000/v1",
  OPENAI_API_KEY: apiKey = "a gateway without a key takes any",
} = process.env;
const client = new OpenAI({ baseURL, apiKey });

const [content = "Hello, who are you?"] = process.argv.slice(2);
const request = { model: "tiny-moe", messages: [{ role: "user", content }], max_tokens: 48, temperature: 0 };

const answer = await client.chat.completions.create(request);
const { timings, experts } = answer.x_remoe;
process.stdout.write(`${answer.choices[0].message.content}\n`);
process.stdout.write(`(${answer.usage.completion_tokens} tokens, the first after ${timings.ttftMs} ms, `);
process.stdout.write(`${experts.localRows} expert rows)\n\n`);

for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}
process.stdout.write("\n");
