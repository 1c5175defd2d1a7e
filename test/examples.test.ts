import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startRemoe } from "./run-remoe.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

function runExample(name: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  return promisify(execFile)(process.execPath, [`examples/${name}`, ...args], { cwd: ROOT, env });
}

it("chat.mjs gets the same answer whole and streamed from a gateway", async () => {
  const remoe = startRemoe(["serve", "--port", "0"]);
  const [, url] = await remoe.saw("stderr", /serving tiny-moe at (http:\S+),/);
  const env = { ...process.env, OPENAI_BASE_URL: `${url}/v1` };
  const { stdout } = await runExample("chat.mjs", ["Hello, who are you?"], env);
  remoe.child.kill("SIGTERM");
  await remoe.ended;
  const [, whole, streamed] =
    /^(.+)\n\(\d+ tokens, the first after [\d.]+ ms, \d+ expert rows\)\n\n(.+)\n$/s.exec(stdout) ?? [];
  expect(whole).toContain("tiny-moe");
  expect(streamed).toBe(whole);
});

it("expert-bytes.mjs adds up the experts of every layer of the bundled model", async () => {
  const { stdout } = await runExample("expert-bytes.mjs", []);
  const expertBytes = 3 * 16 * 256 * 256 * (34 / 32); // gate, up and down, 16 experts, Q8_0: 34 bytes for 32 weights
  const lines = Array.from({ length: 6 }, (_, layer) => `layer ${layer}: ${expertBytes} bytes of experts\n`);
  expect(stdout).toBe(`tiny-moe (qwen3moe)\n${lines.join("")}`);
});

it("expert-bytes.mjs says what is wrong with a file, and ends with the error's exit code", async () => {
  await expect(runExample("expert-bytes.mjs", ["nowhere.gguf"])).rejects.toMatchObject({
    code: 3,
    stderr: expect.stringContaining("no model file at 'nowhere.gguf'"),
  });
});
