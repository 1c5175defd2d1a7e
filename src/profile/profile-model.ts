import { cpus, totalmem } from "node:os";
import { basename } from "node:path";
import type { ModelProgram } from "../gateway/function-specs.ts";
import { loadNative } from "../ggml/library.ts";
import { modelFingerprint } from "../gguf/fingerprint.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import type { Limits, Platform } from "../platform/platform.ts";
import { chooseEffort } from "./effort.ts";
import { ForeignLoad } from "./foreign-load.ts";
import { FunctionBench } from "./function-bench.ts";
import { type IdentifiedProfile, identifyProfile } from "./identify-profile.ts";
import { measureModel } from "./measure-model.ts";
import type { Measurements } from "./measurements.ts";
import { readModelSizes } from "./model-sizes.ts";

export interface ProfileOptions {
  readonly file: GgufFile;
  readonly program: ModelProgram;
  readonly platform: Platform;
  /** Shared with the platform's functions. */
  readonly secret: string;
  /** Fewer sizes and repetitions: seconds instead of a minute, and rougher. */
  readonly isQuick: boolean;
  /** Told what is being measured. */
  readonly onProgress: (text: string) => void;
}

/** A profile with what it was made from. */
export interface ProfileReport extends IdentifiedProfile {
  readonly schemaVersion: 2;
  readonly machine: MachineFacts;
  readonly points: Measurements;
}

export interface MachineFacts {
  readonly processor: string;
  readonly processors: number;
  readonly memoryMb: number;
  readonly node: string;
  /** The native library that computes. */
  readonly library: string;
  readonly platform: string;
  /** What holds functions to their specs. */
  readonly limits: Limits;
}

const MIB = 2 ** 20;

/**
 * Measures what a model takes on this machine, in real functions on a platform, which end before this returns.
 * @throws what starting functions and generating throws, or the signal's reason
 */
export async function profileModel(options: ProfileOptions, signal: AbortSignal): Promise<ProfileReport> {
  const { file, program, platform, secret, isQuick, onProgress } = options;
  const { contextLength, processors } = program;
  const hyper = readTransformer(file).hyper;
  const sizes = readModelSizes(file, { contextLength, threads: processors });
  const clock = () => performance.now();
  const points = await measureModel({
    bench: new FunctionBench({ platform, secret, program, sizes, clock, signal }),
    effort: chooseEffort({ processors, contextLength, isQuick }),
    connection: { secret, fingerprint: await modelFingerprint(file), hidden: hyper.hidden },
    vocabulary: hyper.vocabulary,
    foreignLoad: new ForeignLoad(),
    hyper,
    program,
    clock,
    signal,
    onProgress,
  });
  const machine = machineFacts(program, platform, points.limits);
  const identified = identifyProfile(points, {
    machine: `${machine.processor}, ${machine.processors} processors`,
    date: new Date().toISOString().slice(0, 10),
    model: sizes.name,
    parallelStarts: platform.name === "local" ? processors : null,
  });
  return { schemaVersion: 2, machine, ...identified, points };
}

function machineFacts({ processors }: ModelProgram, { name }: Platform, limits: Limits): MachineFacts {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    processors,
    memoryMb: Math.round(totalmem() / MIB),
    node: process.version,
    library: basename(loadNative().cpuLibrary),
    platform: name,
    limits,
  };
}
