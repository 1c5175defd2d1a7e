import type { Native } from "../../ggml/library.ts";

/** Calls that take something, and the call that gives it back. */
const PAIRS = {
  ggml: {
    ggml_init: "ggml_free",
    ggml_backend_buft_alloc_buffer: "ggml_backend_buffer_free",
    ggml_backend_dev_init: "ggml_backend_free",
    ggml_gallocr_new: "ggml_gallocr_free",
    ggml_backend_graph_plan_create: "ggml_backend_graph_plan_free",
  },
  cpu: { ggml_threadpool_new: "ggml_threadpool_free" },
} as const;

export interface CountingNative {
  readonly native: Native;
  /** What is held now: how often each call took something that was not given back. */
  held(): Readonly<Record<string, number>>;
}

/** The libraries, counting what is taken and given back. */
export function countHeld(native: Native): CountingNative {
  const counts = new Map<string, number>();
  const counted = <Table extends object>(table: Table, pairs: Readonly<Record<string, string>>): Table => {
    const copy = { ...table } as Record<string, unknown>;
    for (const [take, give] of Object.entries(pairs)) {
      counts.set(take, 0);
      copy[take] = counting(copy[take] as Call, () => counts.set(take, (counts.get(take) ?? 0) + 1));
      copy[give] = counting(copy[give] as Call, () => counts.set(take, (counts.get(take) ?? 0) - 1));
    }
    return copy as Table;
  };
  return {
    native: { ...native, ggml: counted(native.ggml, PAIRS.ggml), cpu: counted(native.cpu, PAIRS.cpu) },
    held: () => Object.fromEntries(counts),
  };
}

type Call = (...parameters: unknown[]) => unknown;

function counting(call: Call, count: () => void): Call {
  return (...parameters) => {
    count();
    return call(...parameters);
  };
}
