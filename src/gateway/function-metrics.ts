import { Counter, Gauge, type Registry } from "prom-client";
import { type Bill, billRequest } from "../ledger/bill.ts";
import { Ledger, type LedgerTotal } from "../ledger/ledger.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import type { FunctionUsage } from "../ledger/usage.ts";
import type { InstanceReport, Platform, UntoldTime } from "../platform/platform.ts";

export interface FunctionMetricsOptions {
  /** Of all bills that will come; the first one also says what time costs that is on no bill. */
  readonly priceBooks: readonly PriceBook[];
  readonly platforms: readonly Platform[];
}

export interface FunctionMetrics {
  addBill(bill: Bill): void;
  /** Stops watching the platforms. */
  close(): void;
}

/** What functions run, and what they used and cost, in the registry of a gateway. */
export function registerFunctionMetrics(
  registry: Registry,
  { priceBooks, platforms }: FunctionMetricsOptions,
): FunctionMetrics {
  const ledgers = new Map(priceBooks.map((book) => [book.name, new Ledger(book)]));
  const [first] = ledgers.values();
  registerInstances(registry, platforms);
  for (const billed of BILLED) registerBilled(registry, billed, [...ledgers.values()]);
  const exits = new Counter({
    name: "remoe_instance_exits_total",
    help: "Instances of functions that have ended.",
    labelNames: ["role", "reason"],
    registers: [registry],
  });
  const stops = platforms.map((platform) =>
    platform.onEvent((event) => {
      if (event.type !== "exited") return;
      const { instance, exit, untold } = event;
      exits.inc({ role: instance.role, reason: exit.reason });
      first?.addBill(billRequest([untoldUsage(instance, untold)], first.priceBook));
    }),
  );
  return {
    addBill: (bill) => ledgers.get(bill.priceBook)?.addBill(bill),
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

/** What is on no request's bill. */
function untoldUsage({ name, role, memoryMb, vcpus }: InstanceReport, { startMs, idleMs }: UntoldTime): FunctionUsage {
  const nothing = { gpuMemoryMb: 0, invocations: 0, busyMs: 0, billedMs: 0 };
  return { function: name, role, memoryMb, vcpus, ...nothing, coldStartMs: startMs, idleMs };
}

const ROLES: readonly InstanceReport["role"][] = ["main", "experts"];
const STATES: readonly InstanceReport["state"][] = ["starting", "idle", "leased", "stopping"];

function registerInstances(registry: Registry, platforms: readonly Platform[]): void {
  new Gauge({
    name: "remoe_instances",
    help: "Instances of functions.",
    labelNames: ["role", "state"],
    registers: [registry],
    collect() {
      for (const role of ROLES) for (const state of STATES) this.set({ role, state }, 0);
      for (const { role, state } of platforms.flatMap((platform) => platform.list())) this.inc({ role, state });
    },
  });
  new Gauge({
    name: "remoe_instance_leases",
    help: "Requests that use an instance, summed over instances: beside remoe_instances, how many share one.",
    labelNames: ["role"],
    registers: [registry],
    collect() {
      for (const role of ROLES) this.set({ role }, 0);
      for (const { role, leases } of platforms.flatMap((platform) => platform.list())) this.inc({ role }, leases);
    },
  });
}

type BillLabel = "role" | "phase" | "currency";

/** A counter of something that is on the ledgers. */
interface Billed {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly BillLabel[];
  readonly value: (total: LedgerTotal) => number;
}

const BILLED: readonly Billed[] = [
  {
    name: "remoe_invocations_total",
    help: "Invocations of functions, failed and duplicate ones included.",
    labelNames: ["role"],
    value: ({ requests }) => requests,
  },
  {
    name: "remoe_billed_seconds_total",
    help: "Time of functions as the price book counts it.",
    labelNames: ["role", "phase"],
    value: ({ billedMs }) => billedMs / 1000,
  },
  {
    name: "remoe_gigabyte_seconds_total",
    help: "Memory that functions held, in GiB, times billed seconds.",
    labelNames: ["role", "phase"],
    value: ({ gbSeconds }) => gbSeconds,
  },
  {
    name: "remoe_cost_total",
    help: "What functions cost by the price book.",
    labelNames: ["role", "phase", "currency"],
    value: ({ cost }) => cost,
  },
];

/** The sums of ledgers never fall, so that they can be read at each scrape. */
function registerBilled(
  registry: Registry,
  { name, help, labelNames, value }: Billed,
  ledgers: readonly Ledger[],
): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { totals, priceBook } of ledgers) {
        for (const total of totals) {
          const { role, phase } = total;
          const labels = { role, phase, currency: priceBook.currency };
          this.inc(Object.fromEntries(labelNames.map((label) => [label, labels[label]])), value(total));
        }
      }
    },
  });
}
