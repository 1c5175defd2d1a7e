import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { remoeError } from "../core/errors.ts";

/** Version of the native packages this binding is written for; package.json pins the same. */
export const NATIVE_VERSION = "3.22.1";

/** Where one native package's libraries lie. */
export interface Installation {
  /** Name in the package, e.g. `linux-x64` or `linux-x64-vulkan`. */
  readonly variant: string;
  readonly directory: string;
  readonly base: string;
  readonly registry: string;
  readonly llama: string;
  /** One library for each processor generation; the probe picks one. */
  readonly cpu: readonly string[];
  /** GPU back ends of this package (Vulkan, CUDA, Metal). */
  readonly accelerators: readonly string[];
}

const PLATFORMS: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

/** Packages with a GPU back end, which a user installs beside Remoe; the first that is there is taken. */
const ACCELERATED = ["-cuda", "-vulkan"];

/**
 * Finds the native package of this platform: one with a GPU back end if the user installed it, else the plain one.
 * The environment variable REMOE_NATIVE names another, e.g. `linux-x64`.
 * @throws NATIVE_PLATFORM_UNSUPPORTED
 */
export function findInstallation(variant = process.env["REMOE_NATIVE"]): Installation {
  const platform = `${process.platform}-${process.arch}`;
  const plain = PLATFORMS[platform];
  const names = variant === undefined ? [...ACCELERATED, ""].map((suffix) => `${plain}${suffix}`) : [variant];
  for (const name of names) {
    const directory = packageDirectory(name);
    if (directory !== undefined) return readInstallation(name, directory);
  }
  const supported = Object.keys(PLATFORMS).join(", ");
  throw remoeError("NATIVE_PLATFORM_UNSUPPORTED", { platform: variant ?? platform, supported });
}

/** Looks through the folders Node would: the packages export no path that `require.resolve` accepts. */
function packageDirectory(variant: string): string | undefined {
  const roots = createRequire(import.meta.url).resolve.paths("@node-llama-cpp") ?? [];
  return roots.map((root) => join(root, "@node-llama-cpp", variant, "bins", variant)).find(existsSync);
}

const LIBRARY = String.raw`\.(so|dylib|dll)$`;

function readInstallation(variant: string, directory: string): Installation {
  const files = readdirSync(directory);
  const all = (pattern: string): string[] =>
    files.filter((file) => new RegExp(`^(lib)?${pattern}${LIBRARY}`).test(file)).map((file) => join(directory, file));
  const one = (pattern: string): string => {
    const [file] = all(pattern);
    if (file !== undefined) return file;
    throw remoeError("NATIVE_ABI_MISMATCH", { directory, what: pattern, actual: "missing", expected: "a library" });
  };
  return {
    variant,
    directory,
    base: one("ggml-base"),
    registry: one(String.raw`ggml(\.\w+)?\.v[\d.]+`),
    llama: one(String.raw`llama(\.\w+)?\.v[\d.]+`),
    cpu: all("ggml-cpu.*"),
    accelerators: all("ggml-(vulkan|cuda|metal).*"),
  };
}
