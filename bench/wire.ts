import { spawn } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { median, quantile, type Spread, spread } from "../src/core/stats.ts";
import { openOwnFolder } from "../src/platform/own-folder.ts";
import { packageRoot } from "../src/platform/package-root.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type Contender, openContenders, type Payload, payloadBytes } from "./wire-contenders.ts";
import type { WireEndpoints } from "./wire-endpoints.ts";

/**
 * What a call to remote experts costs besides their work: two processes, the experts answer at once. The transports,
 * each with and without polling, and grpc-js take turns within every round.
 */
export interface WireBenchOptions {
  readonly rounds: number;
}

/** Of one call, in microseconds, over all rounds. */
export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
  /** The rounds' medians. */
  readonly roundsUs: Spread;
}

export interface WireCosts {
  /** One row of one number: next to no payload. */
  readonly empty: Latency;
  /** One row of 2048 numbers, 8 KB, both ways. */
  readonly row: Latency;
  /** Median over median, round by round. */
  readonly rowOverEmpty: Spread;
  /** 512 such rows both ways, in one call; bytes of both directions count, 1 MB is 10⁶ of them. */
  readonly batch: { readonly mbPerS: number; readonly roundsMbPerS: Spread };
}

/** The same of grpc-js. */
export interface GrpcCosts {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly rowP50Us: number;
  readonly rowP99Us: number;
  readonly batchMbPerS: number;
}

/** At the top: over a Unix socket, with polling. */
export interface WireBenchmark extends WireCosts {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly date: string;
  readonly rounds: number;
  readonly callsPerRound: Readonly<Record<Payload, number>>;
  /** How long the wait for a reply may keep a processor of the caller awake. */
  readonly pollMs: number;
  /** Load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  readonly tcp: WireCosts;
  readonly http: WireCosts;
  /** With `pollMs` 0. */
  readonly unpolled: { readonly unix: WireCosts; readonly tcp: WireCosts; readonly http: WireCosts };
  /** Unary calls of grpc-js with as many bytes over a Unix socket, as they come and with the same polling. */
  readonly grpc: (GrpcCosts & { readonly polled: GrpcCosts }) | null;
  readonly notes: readonly string[];
}

/** Not counted: meanwhile both processes clear away what the contender before left behind. */
const WARM_UP = { empty: 20, row: 20, batch: 6 } as const satisfies Record<Payload, number>;
const CALLS = { empty: 200, row: 200, batch: 16 } as const satisfies Record<Payload, number>;

export async function benchWire({ rounds }: WireBenchOptions): Promise<WireBenchmark> {
  const before = loadavg()[0] ?? 0;
  await using folder = await openOwnFolder({ prefix: "remoe-bench-" });
  const script = join(packageRoot(), "dist", "bench", "wire-server.js");
  const server = spawn(process.execPath, [script, folder.path], { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(server, "close");
  try {
    const contenders = await openContenders(JSON.parse(await firstLine(server.stdout)) as WireEndpoints);
    const turns = await takeTurns(contenders, rounds);
    for (const { close } of contenders) close();
    const load = [before, loadavg()[0] ?? 0] as const;
    return { schemaVersion: 1, machine: describeMachine(), date: today(), rounds, load, ...summarise(turns) };
  } finally {
    server.stdin.end();
    await closed;
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

async function firstLine(stream: Readable): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error("the benchmark's server ended before it listened");
}

/** Milliseconds of every call in a round. */
type Turn = Readonly<Record<Payload, readonly number[]>>;

/** Every contender in every round, another one first each time; a first round warms up and does not count. */
async function takeTurns(contenders: readonly Contender[], rounds: number): Promise<Map<Contender, Turn[]>> {
  const turns = new Map<Contender, Turn[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round <= rounds; round++) {
    const first = round % contenders.length;
    const order = [...contenders.slice(first), ...contenders.slice(0, first)];
    const empty = await timeInOrder(order, "empty");
    const row = await timeInOrder(order, "row");
    // Last, for it leaves garbage to both processes.
    const batch = await timeInOrder(order, "batch");
    if (round === 0) continue;
    for (const [i, contender] of order.entries()) {
      turns.get(contender)?.push({ empty: empty[i] ?? [], row: row[i] ?? [], batch: batch[i] ?? [] });
    }
  }
  return turns;
}

async function timeInOrder(contenders: readonly Contender[], payload: Payload): Promise<number[][]> {
  const all: number[][] = [];
  for (const contender of contenders) {
    const times: number[] = [];
    for (let i = 0; i < WARM_UP[payload] + CALLS[payload]; i++) {
      const began = performance.now();
      await contender.call(payload);
      times.push(performance.now() - began);
    }
    all.push(times.slice(WARM_UP[payload]));
  }
  return all;
}

type Figures = Omit<WireBenchmark, "schemaVersion" | "machine" | "date" | "rounds" | "load">;

function summarise(turns: ReadonlyMap<Contender, readonly Turn[]>): Figures {
  const pollMs = Math.max(...[...turns.keys()].map((contender) => contender.pollMs));
  const costs = (transport: Contender["transport"], poll: number): WireCosts => {
    const [, own = []] = [...turns].find(([{ transport: t, pollMs: p }]) => t === transport && p === poll) ?? [];
    return toCosts(own);
  };
  const hasGrpc = [...turns.keys()].some(({ transport }) => transport === "grpc");
  return {
    callsPerRound: CALLS,
    pollMs,
    ...costs("unix", pollMs),
    tcp: costs("tcp", pollMs),
    http: costs("http", pollMs),
    unpolled: { unix: costs("unix", 0), tcp: costs("tcp", 0), http: costs("http", 0) },
    grpc: hasGrpc ? { ...toGrpcCosts(costs("grpc", 0)), polled: toGrpcCosts(costs("grpc", pollMs)) } : null,
    notes: hasGrpc ? [] : ["grpc-js is not installed (npm install @grpc/grpc-js), so it was not measured."],
  };
}

function toCosts(turns: readonly Turn[]): WireCosts {
  const medians = (payload: Payload): number[] => turns.map((turn) => median(turn[payload]));
  const [empty, row] = [medians("empty"), medians("row")];
  const speeds = medians("batch").map((ms) => (2 * payloadBytes("batch")) / 1e3 / ms);
  return {
    empty: toLatency(turns.map((turn) => turn.empty)),
    row: toLatency(turns.map((turn) => turn.row)),
    rowOverEmpty: spread(row.map((ms, round) => ms / (empty[round] as number))),
    batch: { mbPerS: median(speeds), roundsMbPerS: spread(speeds) },
  };
}

function toLatency(rounds: readonly (readonly number[])[]): Latency {
  const toUs = (ms: number): number => 1e3 * ms;
  const calls = rounds.flat().map(toUs);
  return {
    p50Us: median(calls),
    p99Us: quantile(calls, 0.99),
    roundsUs: spread(rounds.map((round) => toUs(median(round)))),
  };
}

function toGrpcCosts({ empty, row, batch }: WireCosts): GrpcCosts {
  return {
    p50Us: empty.p50Us,
    p99Us: empty.p99Us,
    rowP50Us: row.p50Us,
    rowP99Us: row.p99Us,
    batchMbPerS: batch.mbPerS,
  };
}
