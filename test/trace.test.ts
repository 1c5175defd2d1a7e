import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readHistory } from "../src/history/read-history.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { runRemoe, startRemoe } from "./run-remoe.ts";

const PROMPTS = "models/tiny-moe/prompts/bundle-test.jsonl";
const [LAYERS, EXPERTS, K] = [6, 16, 2];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trace-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, ...prompts: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join(""));
  return path;
}

async function recordsOf(path: string): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  for await (const record of await readHistory(path)) records.push(record);
  return records;
}

const sum = (counts: Uint32Array): number => counts.reduce((a, b) => a + b, 0);

const trace = (out: string, ...flags: readonly string[]) =>
  runRemoe(["trace", "--prompts", PROMPTS, "--raw", "--limit", "5", "--out", out, ...flags]);

describe("remoe trace", () => {
  it("writes a record for every prompt, with all that the gates chose", async () => {
    const out = join(folder, "prompts.history");
    const { code, stdout, stderr } = await trace(out, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const records = await recordsOf(out);
    const tokens = records.reduce((total, record) => total + record.tokens.length, 0);
    expect(JSON.parse(stdout)).toMatchObject({ prompts: 5, tokens, layers: LAYERS, experts: EXPERTS, skipped: 0 });
    expect(records.map(({ id, domain }) => `${id} ${domain}`).slice(0, 2)).toEqual([
      "bundle-test-0000 german",
      "bundle-test-0001 bible",
    ]);
    for (const record of records) {
      expect(sum(record.prefill)).toBe(record.tokens.length * LAYERS * K);
      expect(sum(record.decode)).toBe(0);
      expect([...record.prefillSample.tokens]).toEqual(record.tokens);
      expect(record.vector.some((value) => value !== 0)).toBe(true);
    }
  });

  it("appends, and records answers too where they are asked for", async () => {
    const out = join(folder, "answers.history");
    await trace(out);
    const { stderr } = await trace(out, "--max-tokens", "6");
    expect(stderr).toMatch(/answers\.history: 5 prompts of \d+ tokens, 6 layers of 16 experts\n$/);
    const records = await recordsOf(out);
    expect(records).toHaveLength(10);
    const [prompts, answers] = [records.slice(0, 5), records.slice(5)];
    expect(answers.map(({ prefill }) => prefill)).toEqual(prompts.map(({ prefill }) => prefill));
    const decoded = answers.map(({ decode }) => sum(decode) / (LAYERS * K));
    expect(decoded).toContain(5); // the first of six tokens comes of the prompt
    expect(decoded).toEqual(answers.map(({ decodeSample }) => decodeSample.tokens.length));
  });

  it("wraps prompts in the chat template unless they are raw", async () => {
    const prompts = fileWith("one.jsonl", { prompt: "Hello" });
    const [raw, chat] = [join(folder, "raw.history"), join(folder, "chat.history")];
    await runRemoe(["trace", "--prompts", prompts, "--raw", "--out", raw]);
    await runRemoe(["trace", "--prompts", prompts, "--out", chat]);
    const [[bare], [wrapped]] = [await recordsOf(raw), await recordsOf(chat)];
    expect(bare?.id).toBe("line-1");
    expect(wrapped?.tokens.length).toBeGreaterThan(bare?.tokens.length ?? 0);
  });

  it("skips a prompt that does not fit the context and says which", async () => {
    const prompts = fileWith("long.jsonl", { prompt: "Hello" }, { prompt: "word ".repeat(500) }, { prompt: "Bye" });
    const out = join(folder, "short.history");
    const { code, stdout, stderr } = await runRemoe([
      "trace",
      "--prompts",
      prompts,
      "--raw",
      "--out",
      out,
      "--context",
      "64",
      "--json",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ prompts: 2, skipped: 1 });
    expect(stderr).toMatch(
      /^line 2 skipped: the prompt has \d+ tokens, more than the context of 64 tokens can hold\n$/,
    );
  });

  it("keeps at Ctrl-C what is written", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({ prompt: `Number ${i} of many` }));
    const prompts = fileWith("many.jsonl", ...many.slice(0, 5), { prompt: "word ".repeat(500) }, ...many);
    const out = join(folder, "cut.history");
    const running = startRemoe(["trace", "--prompts", prompts, "--raw", "--out", out, "--context", "64"]);
    await running.saw("stderr", "line 6 skipped");
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(130);
    const records = await recordsOf(out);
    expect(records.length).toBeGreaterThanOrEqual(5);
    expect(records.length).toBeLessThan(5005);
  });

  it("names the line of a bad prompt before it computes anything", async () => {
    const prompts = fileWith("bad.jsonl", { prompt: "Hello" }, { text: "no prompt" });
    const out = join(folder, "bad.history");
    const { code, stderr } = await runRemoe(["trace", "--prompts", prompts, "--out", out]);
    expect(code).toBe(2);
    expect(stderr).toContain("its line 2 has no text `prompt`");
    await expect(readHistory(out)).rejects.toMatchObject({ code: "HISTORY_UNREADABLE" });
  });

  it("refuses to append to what is no history", async () => {
    const out = join(folder, "text.history");
    writeFileSync(out, "once upon a time, a text that is long enough to be a header of something");
    const { code, stderr } = await trace(out);
    expect(code).toBe(2);
    expect(stderr).toContain(`the history '${out}' cannot be used`);
    expect(readFileSync(out, "utf8")).toMatch(/^once upon/);
  });
});

describe("remoe history", () => {
  let history: string;
  beforeAll(async () => {
    history = join(folder, "all.history");
    await trace(history, "--max-tokens", "4");
  });

  it("info says what is there", async () => {
    const { stdout } = await runRemoe(["history", "info", history]);
    expect(stdout).toMatch(/^records +5$/m);
    expect(stdout).toMatch(/^layers +6 of 16 experts, 2 for a token$/m);
    expect(stdout).toMatch(/^damage +none$/m);
    const info = JSON.parse((await runRemoe(["history", "info", history, "--json"])).stdout);
    expect(info).toMatchObject({ records: 5, identity: { layers: LAYERS, experts: EXPERTS }, domains: { german: 1 } });
  });

  it("export to JSONL and import give the same records", async () => {
    const [text, copy] = [join(folder, "all.jsonl"), join(folder, "copy.history")];
    const exported = await runRemoe(["history", "export", history, "--out", text, "--json"]);
    expect(JSON.parse(exported.stdout)).toMatchObject({ records: 5, format: "jsonl" });
    const { stderr } = await runRemoe(["history", "import", text, "--out", copy]);
    expect(stderr).toContain("5 records imported");
    expect(await recordsOf(copy)).toEqual(await recordsOf(history));
  });

  it("trace can write that JSONL itself", async () => {
    const [text, copy] = [join(folder, "direct.jsonl"), join(folder, "direct.history")];
    await trace(text, "--format", "jsonl", "--max-tokens", "4");
    await runRemoe(["history", "import", text, "--out", copy]);
    const untimed = (records: readonly HistoryRecord[]) => records.map((record) => ({ ...record, time: 0 }));
    expect(untimed(await recordsOf(copy))).toEqual(untimed(await recordsOf(history)));
  });

  it("export to CSV has a line for every expert that was chosen", async () => {
    const table = join(folder, "all.csv");
    await runRemoe(["history", "export", history, "--format", "csv", "--out", table]);
    const [header, ...lines] = readFileSync(table, "utf8").trimEnd().split("\n");
    expect(header).toBe("id,phase,layer,expert,count");
    const total = lines.reduce((sum, line) => sum + Number(line.split(",")[4]), 0);
    const expected = (await recordsOf(history)).reduce(
      (all, { prefill, decode }) => all + sum(prefill) + sum(decode),
      0,
    );
    expect(total).toBe(expected);
  });

  it("of another model is refused", async () => {
    const model = join(folder, "other.gguf");
    await runRemoe(["model", "synth", "--shape", "tiny", "--quant", "Q8_0", "--out", model]);
    const { code, stderr } = await trace(history, "--model", model);
    expect(code).toBe(2);
    expect(stderr).toContain("belongs to another model");
  });
});
