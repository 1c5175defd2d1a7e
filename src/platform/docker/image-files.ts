import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { remoeError } from "../../core/errors.ts";
import { packageRoot } from "../package-root.ts";

const run = promisify(execFile);

/** Places in the image. */
export const NODE = "/bin/node";
const APPLICATION = "/app";
/** The program of functions. */
export const PROGRAM = `${APPLICATION}/program.mjs`;
/** The command line `remoe`. */
export const COMMANDS = `${APPLICATION}/remoe.mjs`;

/** Of this package, by their places in the image; the bundled model is where `remoe` looks for it. */
const OWN_FILES: ReadonlyMap<string, string> = new Map([
  [COMMANDS, "dist/container/remoe.mjs"],
  [`${APPLICATION}/package.json`, "package.json"],
  [`${APPLICATION}/models/tiny-moe/tiny-moe-q8_0.gguf`, "models/tiny-moe/tiny-moe-q8_0.gguf"],
]);

/** Packages the bundled programs load at run time; the GPU variants are left out, a container has no device. */
const PACKAGES: readonly string[] = [
  "koffi",
  `@koromix/koffi-${process.platform}-${process.arch}`,
  `@node-llama-cpp/${process.platform}-${process.arch}`,
];

/** Absolute path in the image → file on this machine. */
export type ImageFiles = ReadonlyMap<string, string>;

/**
 * Everything that gateways and functions need to run without an operating system around them: Node.js, the libraries
 * that it and the native packages are linked to, those packages, the bundled programs and the bundled model.
 * @param program of functions, one file
 * @throws NATIVE_PLATFORM_UNSUPPORTED
 */
export async function listImageFiles(
  program = join(packageRoot(), "dist", "functions", "program.js"),
): Promise<ImageFiles> {
  const packages = (await Promise.all(PACKAGES.map((name) => listPackage(name)))).flat();
  const binaries = packages.map(([, file]) => file).filter((file) => /\.(so|node)$/.test(file));
  const libraries = await listLibraries([process.execPath, ...binaries]);
  return new Map([
    [PROGRAM, program],
    ...[...OWN_FILES].map(([place, file]) => [place, join(packageRoot(), file)] as const),
    [NODE, process.execPath],
    ...libraries.map((file) => [file, file] as const),
    ...packages,
  ]);
}

/** The files of an installed package by their place in the image. */
async function listPackage(name: string): Promise<readonly (readonly [string, string])[]> {
  const roots = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const folder = roots.map((root) => join(root, name)).find(existsSync);
  if (folder === undefined) {
    const platform = `${process.platform}-${process.arch} (package ${name})`;
    throw remoeError("NATIVE_PLATFORM_UNSUPPORTED", { platform, supported: "linux-x64, linux-arm64" });
  }
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.path, entry.name));
  return files.sort().map((file) => [`${APPLICATION}/node_modules/${name}${file.slice(folder.length)}`, file] as const);
}

/** The loader and every shared library that the binaries ask for and this system has. */
async function listLibraries(binaries: readonly string[]): Promise<readonly string[]> {
  // ldd fails when one of the files is linked statically or for another C library; what it found is still printed.
  const { stdout } = await run("ldd", binaries).catch((error: { readonly stdout: string }) => error);
  const found = [...stdout.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map(([, path]) => path as string);
  return [...new Set(found)].filter((path) => !binaries.includes(path)).sort();
}

/** Where the loader finds the libraries without this system's cache. */
export function libraryPath(files: ImageFiles): string {
  const folders = [...files.keys()].filter((path) => /\.so(\.\d+)*$/.test(path) && !path.startsWith(APPLICATION));
  return [...new Set(folders.map(dirname))].join(":");
}
