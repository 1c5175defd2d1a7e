import { realpathSync } from "node:fs";
import { FUNCTION_USER } from "./image.ts";

const MIB = 2 ** 20;
/** Threads included: those of Node.js, of its pool and of ggml. */
const MOST_PROCESSES = 512;

export interface RunOptions {
  readonly image: string;
  /** Label by which the containers of one launcher are found. */
  readonly launcherId: string;
  readonly memoryMb: number;
  /** Paths of the files a function reads; none if its model is behind a URL. */
  readonly modelFiles: readonly string[];
  /** Folder that all functions of the launcher and this process share. */
  readonly shared: string;
}

/**
 * What follows `docker run --name NAME` for a function: it can compute, read its model and use the shared folder,
 * nothing else. Sockets in that folder are the only way in and out, but for the network where the model is behind a URL.
 */
export function runArguments({ image, launcherId, memoryMb, modelFiles, shared }: RunOptions): readonly string[] {
  const reach = modelFiles.length === 0 ? ["--network", "bridge", "--env", "REMOE_MODEL_TOKEN"] : ["--network", "none"];
  const memory = `${Math.floor(memoryMb * MIB)}b`;
  return [
    ...["--interactive", "--rm", "--pull", "never", "--label", `remoe=${launcherId}`, "--log-driver", "none"],
    // Together with swap: swapping would hide that a function needs more than it is billed for.
    ...["--memory", memory, "--memory-swap", memory, "--pids-limit", String(MOST_PROCESSES)],
    ...reach,
    ...["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ...["--user", functionUser().join(":")],
    ...["--mount", mount(shared, shared), ...modelFiles.flatMap(modelMount)],
    // Values come from the environment of `docker run`: command lines can be read by everyone on this machine.
    ...["--env", "REMOE_FUNCTION", "--env", "UV_THREADPOOL_SIZE", "--env", `REMOE_CACHE_DIR=${shared}`],
    image,
  ];
}

/** User and group of functions: those of this process, never root. */
export function functionUser(): readonly [number, number] {
  const [user, group] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return user === 0 ? [FUNCTION_USER, FUNCTION_USER] : [user, group];
}

/** The file itself, wherever a link to it leads. That there is none, the function says better than the engine. */
function modelMount(model: string): readonly string[] {
  try {
    return ["--mount", `${mount(realpathSync(model), model)},readonly`];
  } catch {
    return [];
  }
}

/** The engine reads a line of comma-separated values. */
function mount(source: string, target: string): string {
  const quote = (field: string): string => `"${field.replaceAll('"', '""')}"`;
  return ["type=bind", quote(`source=${source}`), quote(`target=${target}`)].join(",");
}
