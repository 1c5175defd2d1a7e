import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { remoeError } from "../../core/errors.ts";
import { functionCommand } from "../function-command.ts";
import { packageRoot } from "../package-root.ts";
import { docker } from "./docker-cli.ts";
import { type ImageFiles, libraryPath, listImageFiles, NODE, PROGRAM } from "./image-files.ts";

/** A user without name or rights, for gateways that run as root. */
export const FUNCTION_USER = 65532;

export interface FunctionImage {
  /** Names the content: equal files have the same tag. */
  readonly tag: string;
  readonly bytes: number;
  /** `false`: there was one. */
  readonly built: boolean;
}

/**
 * Makes the image that runs a bundled function program: Node.js of this process, the libraries it needs and the native
 * packages, on nothing else. There is no shell in it. An image of the same content is not built again.
 * @param program the bundled program, one file
 * @throws NATIVE_PLATFORM_UNSUPPORTED, CONTAINER_IMAGE_FAILED
 */
export async function buildFunctionImage(
  program = join(packageRoot(), "dist", "functions", "program.js"),
): Promise<FunctionImage> {
  const files = await listImageFiles(program);
  try {
    return await ensureImage(files);
  } catch (error) {
    throw remoeError("CONTAINER_IMAGE_FAILED", { reason: (error as Error).message }, error);
  }
}

async function ensureImage(files: ImageFiles): Promise<FunctionImage> {
  const containerfile = describeImage(files);
  const tag = `remoe-function:${await digest(files, containerfile)}`;
  const present = await imageBytes(tag);
  if (present !== null) return { tag, bytes: present, built: false };
  await build(files, { containerfile, tag });
  return { tag, bytes: (await imageBytes(tag)) ?? 0, built: true };
}

function describeImage(files: ImageFiles): string {
  const [, ...parameters] = functionCommand(PROGRAM);
  return `FROM scratch
COPY root/ /
ENV LD_LIBRARY_PATH=${libraryPath(files)}
USER ${FUNCTION_USER}:${FUNCTION_USER}
ENTRYPOINT ${JSON.stringify([NODE, ...parameters])}
`;
}

async function digest(files: ImageFiles, containerfile: string): Promise<string> {
  const hash = createHash("sha256").update(containerfile);
  for (const [path, file] of files) {
    hash.update(`${path}\0`);
    for await (const chunk of createReadStream(file)) hash.update(chunk);
  }
  return hash.digest("hex").slice(0, 16);
}

async function imageBytes(tag: string): Promise<number | null> {
  const size = await docker(["image", "inspect", "--format", "{{.Size}}", tag]).catch(() => null);
  return size === null ? null : Number(size);
}

/** The classic builder needs no plug-in, and nothing of what BuildKit adds is used. */
async function build(
  files: ImageFiles,
  { containerfile, tag }: { readonly containerfile: string; readonly tag: string },
): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), "remoe-image-"));
  try {
    await writeFile(join(context, "Containerfile"), containerfile);
    for (const [path, file] of files) await place(file, join(context, "root", path));
    // Functions run as another user than the one whose files these are.
    await promisify(execFile)("chmod", ["-R", "a+rX", join(context, "root")]);
    await docker(["build", "--quiet", "--tag", tag, "--file", join(context, "Containerfile"), context], {
      ...process.env,
      DOCKER_BUILDKIT: "0",
    });
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

async function place(file: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(file, target);
}
