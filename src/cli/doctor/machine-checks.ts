import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { cacheDirectory } from "../../ggml/probe.ts";
import { readCgroupFacts } from "../../platform/local/find-cgroup.ts";
import { createLimiter } from "../../platform/local/limiter.ts";
import type { Limits } from "../../platform/platform.ts";
import { formatBytes } from "../format.ts";
import type { Check } from "./check.ts";

/** What package.json's `engines` asks for. */
const MINIMUM_NODE = [20, 19] as const;
/** The bundled model, the libraries and two Node processes. */
const MINIMUM_MEMORY = 512 * 2 ** 20;

/** Instruction sets ggml has kernels for, as /proc/cpuinfo calls them on x86 and ARM. */
const SIMD =
  /^(avx|avx2|fma|f16c|bmi2|avx_vnni|avx512(f|bw|vl|dq|_vnni|_vbmi|_bf16|_fp16)|amx_(tile|int8|bf16)|asimd|asimddp|asimdhp|i8mm|bf16|sve|sve2|sme)$/;

export function checkNode(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor, leastMinor] = MINIMUM_NODE;
  const isNew = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  return {
    name: "node",
    status: isNew ? "ok" : "fail",
    found: version,
    advice: isNew ? null : `Install Node.js ${leastMajor}.${leastMinor} or newer.`,
  };
}

export function checkPlatform(): Check {
  return { name: "platform", status: "ok", found: `${platform()} ${arch()}, kernel ${release()}`, advice: null };
}

export function checkProcessor(): Check {
  const model = cpus()[0]?.model ?? "unknown";
  const features = simdFeatures(readText("/proc/cpuinfo"));
  const isSlow = arch() === "x64" && features.length > 0 && !features.includes("avx2");
  return {
    name: "processor",
    status: isSlow ? "warn" : "ok",
    found: `${model}, ${availableParallelism()} threads, ${features.join(" ") || "SIMD features not known"}`,
    advice: isSlow ? "Without AVX2 tokens are several times slower: use a machine that has it." : null,
    details: { model, threads: availableParallelism(), features },
  };
}

/** Of the first processor in the text of /proc/cpuinfo. */
export function simdFeatures(cpuInfo: string): readonly string[] {
  const [, flags = ""] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuInfo) ?? [];
  return flags.split(" ").filter((flag) => SIMD.test(flag));
}

export function checkMemory(): Check {
  const total = totalmem();
  const available = process.availableMemory();
  const constrained = process.constrainedMemory();
  const limit = constrained > 0 && constrained < total ? constrained : null; // no cgroup limit: 0 or a huge number
  const isLow = available < MINIMUM_MEMORY;
  const limited = limit === null ? "" : `, limited to ${formatBytes(limit)}`;
  return {
    name: "memory",
    status: isLow ? "warn" : "ok",
    found: `${formatBytes(available)} of ${formatBytes(total)} available${limited}`,
    advice: isLow
      ? `Free some memory: the bundled model wants ${formatBytes(MINIMUM_MEMORY)}, others their size.`
      : null,
    details: { total, available, limit },
  };
}

export function checkCacheDirectory(directory = cacheDirectory()): Check {
  const problem = whyUnwritable(directory);
  return {
    name: "cache",
    status: problem === null ? "ok" : "warn",
    found: problem ?? directory,
    advice: problem === null ? null : "Set REMOE_CACHE_DIR to a folder you may write to: starts are slower without.",
  };
}

function whyUnwritable(directory: string): string | null {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Linux only: elsewhere nobody chooses. */
export function checkHugePages(setting = readText("/sys/kernel/mm/transparent_hugepage/enabled")): Check {
  const [, chosen] = /\[(\w+)\]/.exec(setting) ?? [];
  const isOff = chosen === "never";
  return {
    name: "huge pages",
    status: isOff ? "warn" : "ok",
    found: chosen ?? "not applicable",
    advice: isOff
      ? "As root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (large models decode faster)."
      : null,
  };
}

/** What holds local functions to the memory and processors they are billed for, found out by trying. */
export async function findLimits(): Promise<Limits> {
  const limiter = await createLimiter(`remoe-doctor-${process.pid}`, readCgroupFacts());
  await limiter.close();
  return limiter.limits;
}

export function checkLimits({ memory, cpu }: Limits): Check {
  const isLimited = memory !== "none" && cpu !== "none";
  return {
    name: "limits",
    status: isLimited ? "ok" : "warn",
    found: `memory of functions by ${memory}, processors by ${cpu}`,
    advice: isLimited
      ? null
      : "On Linux run as root or with a delegated control group: functions take more than their bill says otherwise.",
    details: { memory, cpu },
  };
}

/** Empty where there is no such file, as on other systems than Linux. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
