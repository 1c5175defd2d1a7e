import type { Command } from "commander";
import { benchPlatform, type PlatformBenchmark, type StartParts, type WarmTimes } from "../../../bench/platform.ts";
import type { Spread } from "../../core/stats.ts";
import { byteSize, share, wholeNumber } from "../argument-parsers.ts";
import { PLATFORMS, type PlatformName } from "../create-named-platform.ts";
import { flag } from "../flag.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";

interface BenchPlatformFlags extends ResultFlags {
  readonly platform: PlatformName;
  readonly kubernetesSettings?: string;
  readonly model?: string;
  readonly memory?: number;
  readonly remoteRatio: number;
  readonly expertMemory?: number;
  readonly starts: number;
  readonly rounds: number;
  readonly tokens: number;
}

const MIB = 2 ** 20;

export function defineBenchPlatform(command: Command): void {
  command
    .description(
      "Starts the same functions on a platform and as local processes, says where the time of a start goes, and what a " +
        "request on warm functions takes besides computing; both take turns.",
    )
    .addOption(
      flag("--platform <name>", "what is compared with local processes", { choices: PLATFORMS, required: true }),
    )
    .addOption(flag("--kubernetes-settings <file>", "settings (JSON) of the platform kubernetes"))
    .addOption(flag("-m, --model <file>", "model file", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--memory <size>", "memory of the main function; 1 GiB brings one processor", {
        parse: byteSize,
        initially: "what it needs, and 1 GiB a thread",
      }),
    )
    .addOption(
      flag("--remote-ratio <b>", "share of each layer's experts in expert functions", { parse: share, initial: 0 }),
    )
    .addOption(
      flag("--expert-memory <size>", "memory of each expert function", {
        parse: byteSize,
        initially: "what it needs, at least 1 GiB",
      }),
    )
    .addOption(flag("--starts <n>", "starts of each side", { parse: wholeNumber(1, 1000), initial: 7 }))
    .addOption(flag("--rounds <n>", "requests of each side", { parse: wholeNumber(1, 10_000), initial: 40 }))
    .addOption(flag("--tokens <n>", "tokens of an answer", { parse: wholeNumber(2, 900), initial: 16 }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      "\nExamples:\n  remoe bench platform --platform docker\n" +
        "  remoe bench platform --platform kubernetes --kubernetes-settings kubernetes.json --memory 900MiB",
    )
    .action(run);
}

async function run({ out, json, memory, expertMemory, ...flags }: BenchPlatformFlags): Promise<void> {
  const toMb = (bytes: number | undefined): number | undefined => (bytes === undefined ? undefined : bytes / MIB);
  const result = await benchPlatform({ ...flags, memoryMb: toMb(memory), expertMemoryMb: toMb(expertMemory) });
  writeResult(result, { out, json }, () => describe(result));
}

function describe(result: PlatformBenchmark): string {
  const { platform, coldStart, warm, overhead, load, identical } = result;
  const ms = (of: Spread | null): string => (of === null ? "" : of.median.toFixed(2));
  const startRow = (name: string, parts: StartParts): string[] => {
    const { scheduleMs, containerMs, processMs, librariesMs, weightsMs, totalMs } = parts;
    return [name, ...[scheduleMs, containerMs, processMs, librariesMs, weightsMs, totalMs].map(ms)];
  };
  const warmRow = (name: string, { ttftMs, totalMs, besidesComputingMs }: WarmTimes): string[] => {
    return [name, ...[ttftMs, totalMs, besidesComputingMs].map(ms)];
  };
  const { ttftMs, besidesComputingMs } = overhead;
  return [
    formatTable(
      [
        ["start, ms", "schedule", "container", "process", "libraries", "weights", "until ready"],
        startRow(platform, coldStart.platform),
        startRow("local", coldStart.local),
      ],
      [1, 2, 3, 4, 5, 6],
    ),
    "\n",
    formatTable(
      [
        ["warm request, ms", "TTFT", "total", "besides computing"],
        warmRow(platform, warm.platform),
        warmRow("local", warm.local),
        ["more", ms(ttftMs), "", `${ms(besidesComputingMs)} (${quartiles(besidesComputingMs)})`],
      ],
      [1, 2, 3],
    ),
    `tokens ${identical ? "identical" : "DIFFER"}, load average ${load.map((each) => each.toFixed(2)).join(" → ")}\n`,
  ].join("");
}

function quartiles({ p25, p75 }: Spread): string {
  return `${p25.toFixed(2)} to ${p75.toFixed(2)}`;
}
