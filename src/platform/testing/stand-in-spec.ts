import { join } from "node:path";
import type { SerialisedError } from "../../core/errors.ts";
import { type FunctionProgram, PROTOCOL } from "../../functions/spec.ts";
import type { FunctionSpec } from "../platform.ts";

/** The stand-in's source: plain JavaScript without dependencies. */
export const STAND_IN_PROGRAM = join(import.meta.dirname, "stand-in-program.mjs");

/** What the stand-in does at its start; nothing: it becomes ready. */
export interface StandInStart {
  /** What it speaks, `undefined` not to say. Defaults to what this gateway does. */
  readonly protocol?: number | undefined;
  readonly failWith?: SerialisedError;
  readonly exitWith?: number;
  readonly allocateMb?: number;
  readonly hang?: boolean;
  /** A line it writes before its report. */
  readonly say?: string;
}

type StandInOptions = Partial<Omit<FunctionSpec, "program">> & { readonly start?: StandInStart };

/** A function that is the stand-in program. */
export function standInSpec({ start = {}, ...options }: StandInOptions = {}): FunctionSpec {
  // The stand-in is no program of Remoe; this is the only place that says it is.
  const program = {
    role: "experts",
    model: "none.gguf",
    standIn: { protocol: PROTOCOL, ...start },
  } as unknown as FunctionProgram;
  return { name: "experts", program, memoryMb: 160, vcpus: 0.25, concurrency: 1, ...options };
}
