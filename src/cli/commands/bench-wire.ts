import type { Command } from "commander";
import { benchWire, type GrpcCosts, type WireBenchmark, type WireCosts } from "../../../bench/wire.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";

interface BenchWireFlags extends ResultFlags {
  readonly rounds: number;
}

export function defineBenchWire(command: Command): void {
  command
    .description("Measures a call to remote experts that do no work, between two processes, and grpc-js beside it.")
    .addOption(flag("--rounds <n>", "turns of each transport", { parse: wholeNumber(1, 10_000), initial: 20 }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExamples:\n  remoe bench wire\n  remoe bench wire --rounds 100 --json")
    .action(run);
}

async function run({ rounds, out, json }: BenchWireFlags): Promise<void> {
  const result = await benchWire({ rounds });
  writeResult(result, { out, json }, () => describe(result));
}

function describe(result: WireBenchmark): string {
  const { unpolled, grpc, machine, load, notes, pollMs } = result;
  const rows = [
    ["", "empty p50 µs", "p99", "8 KB row p50 µs", "p99", "batch MB/s"],
    wireRow("Unix socket", result),
    wireRow("TCP", result.tcp),
    wireRow("HTTP", result.http),
    wireRow("Unix socket, no polling", unpolled.unix),
    wireRow("TCP, no polling", unpolled.tcp),
    wireRow("HTTP, no polling", unpolled.http),
    ...(grpc === null ? [] : [grpcRow("grpc-js", grpc), grpcRow(`grpc-js, polling`, grpc.polled)]),
  ];
  return [
    formatTable(rows, [1, 2, 3, 4, 5]),
    ...targets(result),
    ...notes,
    `polling ends ${pollMs} ms after a call began; ${machine.cores} × ${machine.processor}, load average ${load.map((value) => value.toFixed(2)).join(" → ")}`,
    "",
  ].join("\n");
}

function wireRow(name: string, { empty, row, batch }: WireCosts): string[] {
  return [name, ...[empty.p50Us, empty.p99Us, row.p50Us, row.p99Us, batch.mbPerS].map((value) => value.toFixed(0))];
}

function grpcRow(name: string, { p50Us, p99Us, rowP50Us, rowP99Us, batchMbPerS }: GrpcCosts): string[] {
  return [name, ...[p50Us, p99Us, rowP50Us, rowP99Us, batchMbPerS].map((value) => value.toFixed(0))];
}

/** What the wire promises, and whether it holds here. */
function targets({ empty, tcp, rowOverEmpty, batch }: WireBenchmark): string[] {
  const atMost = (name: string, value: number, limit: number): string =>
    `${value <= limit ? "holds" : "fails"}: ${name} ${value.toPrecision(3)}, at most ${limit}`;
  return [
    atMost("empty call over a Unix socket, µs", empty.p50Us, 60),
    atMost("empty call over TCP, µs", tcp.empty.p50Us, 100),
    atMost("8 KB row over empty call, Unix socket", rowOverEmpty.median, 1.3),
    `${batch.mbPerS >= 1000 ? "holds" : "fails"}: batch over a Unix socket, MB/s ${batch.mbPerS.toFixed(0)}, at least 1000`,
  ];
}
