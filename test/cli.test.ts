import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { writeGguf } from "../src/gguf/write.ts";
import { runRemoe, startRemoe } from "./run-remoe.ts";

const TINY_MOE = "models/tiny-moe/tiny-moe-q8_0.gguf";
/** Long enough to be interrupted: without chance, the model repeats itself and never ends. */
const LONG_RUN = ["run", "--raw", "--temperature", "0", "--max-tokens", "1000", "def main("];
const HISTORY_COMMANDS = ["trace", "history info", "history export", "history import"];
const COMMANDS = [
  "run",
  "serve",
  "demo",
  "inspect",
  "model synth",
  "doctor",
  "completion",
  "version",
  ...HISTORY_COMMANDS,
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("remoe", () => {
  it("prints short help and succeeds without arguments", async () => {
    const { code, stdout, stderr } = await runRemoe([]);
    expect(code).toBe(0);
    expect(stdout).toContain("Usage: remoe");
    expect(stderr).toBe("");
  });

  it.each(COMMANDS)("%s --help shows examples and a variable for every flag", async (command) => {
    const { code, stdout } = await runRemoe([...command.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: remoe ${command}`);
    expect(stdout).toMatch(/Examples?:\n {2}\S/);
    const flags = stdout.split(/\n(?= {2}-)/).slice(1);
    for (const flag of flags.filter((text) => !text.includes("--help"))) {
      expect(flag.replace(/\s+/g, " ")).toMatch(/env: REMOE_[A-Z_]+/);
    }
  });

  it("help COMMAND is the same as COMMAND --help", async () => {
    const help = await runRemoe(["help", "model", "synth"]);
    expect(help).toEqual(await runRemoe(["model", "synth", "--help"]));
  });

  it("suggests the command that was meant", async () => {
    const { code, stdout, stderr } = await runRemoe(["insepct", "model.gguf"]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("error: unknown command 'insepct' (Did you mean inspect?)");
    expect(stderr).toContain("hint: Run `remoe --help`");
  });

  it("suggests the flag that was meant", async () => {
    const { code, stderr } = await runRemoe(["run", "--sede", "1"]);
    expect(code).toBe(2);
    expect(stderr).toContain("error: unknown option '--sede' (Did you mean --seed?)");
    expect(stderr).toContain("hint: Run `remoe run --help`");
  });

  it("says which value a flag takes", async () => {
    const { code, stderr } = await runRemoe(["serve", "--port", "http"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Give a whole number from 0 to 65535.");
  });

  it("prints errors as one JSON object when JSON was asked for", async () => {
    const { code, stdout, stderr } = await runRemoe(["inspect", "nowhere.gguf", "--json"]);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual({
      schemaVersion: 1,
      error: {
        code: "REMOE_ERR_MODEL_NOT_FOUND",
        message: "no model file at 'nowhere.gguf'",
        hint: expect.stringContaining(".gguf"),
      },
    });
    expect(stderr).toContain("error: no model file at 'nowhere.gguf'");
  });

  it("colours its messages only where colours are wanted", async () => {
    const plain = { env: { NO_COLOR: "1" } };
    const coloured = { env: { FORCE_COLOR: "1" } };
    expect((await runRemoe(["inspect", "nowhere"], plain)).stderr).not.toContain("\u001b[");
    expect((await runRemoe(["inspect", "nowhere"], coloured)).stderr).toContain("\u001b[");
  });

  it("prints its version", async () => {
    expect((await runRemoe(["version"])).stdout).toBe((await runRemoe(["--version"])).stdout);
    expect(JSON.parse((await runRemoe(["version", "--json"])).stdout)).toMatchObject({
      schemaVersion: 1,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });
});

describe.skipIf(!existsSync("/dev/full"))("on a disk without space (needs /dev/full)", () => {
  const MEASURE = ["bench", "plan", "--shapes", "gpt2-moe", "--prompts", "1", "--instances", "0"];

  it("a result that its file does not take is printed as JSON, and the exit code tells", async () => {
    const { code, stdout, stderr } = await runRemoe([
      ...MEASURE,
      "--out",
      "/dev/full",
      "--plot",
      join(folder, "p.svg"),
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain("cannot write to '/dev/full': ENOSPC");
    expect(JSON.parse(stdout).shapes).toHaveLength(1);
    expect(existsSync(join(folder, "p-costs.svg"))).toBe(true);
  });

  it("standard output that takes nothing is an error that is told once", async () => {
    const { code, stderr } = await runRemoe(["--help"], { full: "stdout" });
    expect(code).toBe(2);
    expect(stderr.match(/cannot write to 'standard output': ENOSPC/g)).toHaveLength(1);
  });

  it("a server serves on, though nobody reads its log", async () => {
    const port = await freePort();
    const remoe = startRemoe(["serve", "--port", String(port)], { full: "stderr" });
    const answers = () => fetch(`http://127.0.0.1:${port}/v1/models`).then(({ status }) => status);
    await vi.waitUntil(() => answers().catch(() => null), { timeout: 20_000 });
    expect([await answers(), await answers()]).toEqual([200, 200]);
    remoe.child.kill("SIGINT");
    expect((await remoe.ended).code).toBe(130);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

describe("remoe inspect", () => {
  it("prints the table of a model for people", async () => {
    const { code, stdout } = await runRemoe(["inspect", TINY_MOE]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^architecture {2}qwen3moe$/m);
    expect(stdout).toMatch(/^layers 0-5 {2}16 experts of \d+ KiB {2}gate q8_0, up q8_0, down q8_0$/m);
  });

  it("prints the table of a model for programs", async () => {
    const inspection = JSON.parse((await runRemoe(["inspect", TINY_MOE, "--json"])).stdout);
    expect(inspection).toMatchObject({
      schemaVersion: 1,
      architecture: "qwen3moe",
      supported: true,
      layers: 6,
      moeLayers: 6,
      experts: 16,
      expertsPerToken: 2,
      sharedExperts: 0,
      vocabulary: 6144,
      contextLength: 1024,
    });
    const { total, nonExpert, experts, perExpert } = inspection.bytes;
    expect(nonExpert + experts).toBe(total);
    expect(perExpert * 6 * 16).toBe(experts);
  });

  it("describes a model that Remoe cannot run, and says so", async () => {
    const path = join(folder, "falcon.gguf");
    writeGguf(path, {
      metadata: [
        ["general.architecture", { type: "string", value: "falcon" }],
        ["falcon.block_count", { type: "uint32", value: 22 }],
      ],
      tensors: [],
    });
    const { code, stdout } = await runRemoe(["inspect", path]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^layers {8}22,/m);
    expect(stdout).toMatch(/Remoe cannot run this architecture; it runs bailingmoe2, deepseek2, .*, qwen3moe\./);
    expect(JSON.parse((await runRemoe(["inspect", path, "--json"])).stdout)).toMatchObject({
      supported: false,
      layers: 22,
      experts: 0,
      bytes: { total: 0, perExpert: 0 },
    });
  });

  it("refuses what is no model file", async () => {
    const { code, stderr } = await runRemoe(["inspect", fileWith("text.gguf", "once upon a time, a text")]);
    expect(code).toBe(1);
    expect(stderr).toContain("is not a GGUF file");
  });
});

describe("remoe run", () => {
  it("prints the text to standard output and a summary to standard error", async () => {
    const { code, stdout, stderr } = await runRemoe(["run", "--max-tokens", "8", "--seed", "1", "Hello"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\S.*\n$/s);
    expect(stderr).toMatch(/^\d+ tokens in .* first after .* tokens\/s \((stop|length)\)\ncost \$0\.\d+ /);
    expect(stderr).toMatch(/^main +cold-start .*\nmain +keep-alive .*\ntotal .*\$0\.\d+\n$/m);
  });

  it("predicts from a history and adds to it; a damaged end is cut off and told", async () => {
    const history = join(folder, "requests.history");
    const ask = () => runRemoe(["run", "--json", "--history", history, "--max-tokens", "4", "--seed", "1", "Hello"]);
    const first = JSON.parse((await ask()).stdout);
    const second = JSON.parse((await ask()).stdout);
    expect(first.prediction).toMatchObject({ source: "none", divergence: expect.any(Number) });
    expect(second.prediction.source).toBe("prompt");
    expect(second.prediction.divergence).toBeLessThan(first.prediction.divergence);
    truncateSync(history, statSync(history).size - 5);
    const third = await ask();
    expect(third.stderr).toMatch(/^warning: history .* cut off a damaged end of \d+ bytes$/m);
    const info = await runRemoe(["history", "info", "--json", history]);
    expect(JSON.parse(info.stdout)).toMatchObject({ records: 2 });
  });

  it("prints one object with everything about the request", async () => {
    const slo = ["--slo-ttft", "1h", "--slo-tpot", "1h"];
    const { stdout, stderr } = await runRemoe(["run", "--json", "--max-tokens", "4", "--seed", "1", ...slo, "Hello"]);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      schemaVersion: 1,
      model: "tiny-moe",
      completionTokens: result.tokens.length,
      seed: 1,
      plan: { placement: "local" },
      bill: { currency: "USD", priceBook: "aws-lambda-x86", total: expect.any(Number) },
      experts: { localRows: expect.any(Number), remoteRows: 0, remoteCalls: 0 },
      slo: { ttftMet: true, tpotMet: true },
    });
    expect(result.bill.items.map(({ phase }: { phase: string }) => phase)).toEqual([
      "busy",
      "cold-start",
      "keep-alive",
    ]);
    expect(Object.keys(result.timings).sort()).toEqual(
      "coldStartMs decodeMs planMs predictMs prefillMs queueMs totalMs tpotMs ttftMs".split(" "),
    );
    expect(result.text).not.toBe("");
    expect(stderr).toBe("");
  });

  it("says no objective was met or missed when none was given", async () => {
    const { stdout } = await runRemoe(["run", "--json", "--max-tokens", "1", "Hello"]);
    expect(JSON.parse(stdout).slo).toBeNull();
  });

  it("reads the prompt from standard input, where the line break of echo does not count", async () => {
    const args = ["run", "--raw", "--temperature", "0", "--max-tokens", "8"];
    const { stdout: expected } = await runRemoe([...args, "def main("]);
    expect((await runRemoe(args, { input: "def main(\n" })).stdout).toBe(expected);
    expect((await runRemoe([...args, "-"], { input: "def main(" })).stdout).toBe(expected);
  });

  it("gives the same tokens for the same seed, which a variable may set", async () => {
    const args = ["run", "--json", "--max-tokens", "16", "Hello"];
    const [byFlag, byVariable] = await Promise.all([
      runRemoe([...args, "--seed", "7"]),
      runRemoe(args, { env: { REMOE_SEED: "7" } }),
    ]);
    expect(JSON.parse(byVariable.stdout).tokens).toEqual(JSON.parse(byFlag.stdout).tokens);
  });

  it("takes a variable of 0 for no", async () => {
    const { stdout } = await runRemoe(["run", "--max-tokens", "1", "Hello"], { env: { REMOE_JSON: "0" } });
    expect(() => JSON.parse(stdout)).toThrow();
  });

  it.each([
    ["without a prompt", ["run"], 2, "the prompt is empty"],
    ["with a system message but no template", ["run", "--raw", "--system", "Be brief.", "Hello"], 2, "--system needs"],
    ["with a temperature out of range", ["run", "--temperature", "9", "Hello"], 2, "temperature is 9"],
    ["with a model that is not there", ["run", "--model", "nowhere.gguf", "Hello"], 3, "no model file"],
  ])("refuses to start %s", async (_case, args, expected, message) => {
    const { code, stdout, stderr } = await runRemoe(args);
    expect(code).toBe(expected);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
  });

  it("stops at Ctrl-C and leaves no process behind", async () => {
    const remoe = startRemoe(LONG_RUN);
    await remoe.saw("stdout", /\w/);
    remoe.child.kill("SIGINT");
    expect(await remoe.ended).toMatchObject({ code: 130, stderr: "" });
    expect(remoe.isAlive()).toBe(false);
  });

  it("stops quietly when nobody reads its output any more", async () => {
    const remoe = startRemoe(LONG_RUN);
    await remoe.saw("stdout", /\w/);
    remoe.child.stdout?.destroy();
    expect(await remoe.ended).toMatchObject({ code: 0, stderr: "" });
    expect(remoe.isAlive()).toBe(false);
  });
});

describe("remoe serve", () => {
  it("says where it listens, answers there and stops cleanly at SIGTERM", async () => {
    const remoe = startRemoe(["serve", "--port", "0", "--alias", "storyteller"]);
    const [, url] = await remoe.saw("stderr", /serving storyteller at (http:\/\/127\.0\.0\.1:\d+)/);
    expect(await (await fetch(`${url}/v1/models`)).json()).toMatchObject({ data: [{ id: "storyteller" }] });
    remoe.child.kill("SIGTERM");
    const { code, stdout } = await remoe.ended;
    expect(code).toBe(143);
    expect(stdout).toBe("");
    expect(remoe.isAlive()).toBe(false);
  });

  it("asks clients for the key of a file", async () => {
    const remoe = startRemoe(["serve", "--port", "0", "--api-key-file", fileWith("key", "swordfish\n")]);
    const [, url] = await remoe.saw("stderr", /at (http:\S+),/);
    const models = (key: string) => fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect((await models("marlin")).status).toBe(401);
    expect((await models("swordfish")).status).toBe(200);
    remoe.child.kill("SIGINT");
    const { code, stderr } = await remoe.ended;
    expect(code).toBe(130);
    expect(stderr).not.toContain("swordfish");
  });

  it("refuses an address that other machines reach without a key", async () => {
    const { code, stderr } = await runRemoe(["serve", "--host", "0.0.0.0", "--port", "0"]);
    expect(code).toBe(2);
    expect(stderr).toContain("no API key is set");
  });
});

describe("remoe demo", () => {
  it("streams an answer, shows which experts were used and ends with --once", async () => {
    const { code, stdout, stderr } = await runRemoe(["demo", "--once"]);
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(50);
    expect(stderr).toMatch(/^layer 5 \|.{16}\|$/m);
  });

  it("says so when the port is taken", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await runRemoe(["demo", "--port", String(port)]);
    taken.close();
    expect(code).toBe(1);
    expect(stderr).toContain("address already in use");
    expect(stderr).toContain("--port");
  });
});

describe("remoe doctor", () => {
  it("finds this machine fit and reports what it saw", async () => {
    const { code, stdout } = await runRemoe(["doctor", "--json"]);
    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report).toMatchObject({ schemaVersion: 1, ok: true });
    expect(report.checks.map(({ name }: { name: string }) => name)).toEqual([
      "node",
      "platform",
      "processor",
      "memory",
      "libraries",
      "devices",
      "model",
      "cache",
      "huge pages",
      "limits",
    ]);
  });

  it("fails with advice where Remoe cannot run", async () => {
    const { code, stdout } = await runRemoe(["doctor"], { env: { REMOE_NATIVE: "linux-pdp11" } });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^fail {2}libraries +no prebuilt ggml library for linux-pdp11 is installed\n +Run `npm install`/m,
    );
  });
});

describe("remoe model synth", () => {
  it("writes a model that inspect and run accept", async () => {
    const path = join(folder, "synth.gguf");
    const args = ["model", "synth", "--shape", "tiny", "--quant", "Q8_0", "--layers", "3", "--out", path, "--json"];
    const synth = JSON.parse((await runRemoe(args)).stdout);
    expect(synth).toMatchObject({ schemaVersion: 1, shape: "tiny", quant: "Q8_0", layers: 3 });
    expect(synth.bytes).toBeGreaterThan(100_000);
    const inspection = JSON.parse((await runRemoe(["inspect", path, "--json"])).stdout);
    expect(inspection).toMatchObject({ layers: 3, moeLayers: 3, experts: 8, expertsPerToken: 2 });
    const answer = await runRemoe(["run", "--model", path, "--max-tokens", "3", "--json", "Hello"]);
    expect(JSON.parse(answer.stdout)).toMatchObject({ model: "synth", experts: { remoteRows: 0 } });
  });

  it("wants a shape", async () => {
    const { code, stderr } = await runRemoe(["model", "synth", "--quant", "F16", "--out", join(folder, "none.gguf")]);
    expect(code).toBe(2);
    expect(stderr).toContain("required option '--shape <name>' not specified");
  });
});

describe("remoe completion", () => {
  it("completes commands, subcommands and flags in bash", async () => {
    const script = fileWith("completion.bash", (await runRemoe(["completion", "bash"])).stdout);
    const complete = (...words: readonly string[]) =>
      execFileSync("bash", [
        "-c",
        `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _remoe; echo "\${COMPREPLY[*]}"`,
        script,
        ...words,
      ])
        .toString()
        .trim();
    expect(complete("remoe", "ins")).toBe("inspect");
    expect(complete("remoe", "model", "")).toContain("synth");
    expect(complete("remoe", "model", "synth", "--sh")).toBe("--shape");
    expect(complete("remoe", "run", "--max")).toBe("--max-tokens");
  });
});
