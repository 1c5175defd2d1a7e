import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { remoeError } from "../../core/errors.ts";
import { functionCommand } from "../function-command.ts";
import { openOwnFolder } from "../own-folder.ts";
import { assertEngine, docker } from "./docker-cli.ts";
import { type ImageFiles, libraryPath, listImageFiles, NODE, PROGRAM } from "./image-files.ts";

const CONTAINERFILE = "Containerfile";
/** A user without name or rights, for gateways that run as root. */
export const FUNCTION_USER = 65532;

export interface Image {
  readonly tag: string;
  readonly bytes: number;
  /** `false`: there was one. */
  readonly built: boolean;
}

export interface ImageOptions {
  /** The bundled program of functions, one file. Defaults to Remoe's own. */
  readonly program?: string | undefined;
  /** Defaults to one that names the content: equal files have the same tag. */
  readonly tag?: string | undefined;
}

/**
 * Makes the image of gateways and functions: Node.js of this process, the libraries it needs, the native packages and
 * the programs, on nothing else. There is no shell in it. An image of the same content is not built again.
 * @throws NATIVE_PLATFORM_UNSUPPORTED, CONTAINER_ENGINE_UNAVAILABLE, CONTAINER_IMAGE_FAILED
 */
export async function buildImage({ program, tag }: ImageOptions = {}): Promise<Image> {
  const files = await listImageFiles(program);
  await assertEngine();
  return await orImageError(async () => {
    const image = await ensureImage(files);
    if (tag === undefined) return image;
    await docker(["tag", image.tag, tag]);
    return { ...image, tag };
  });
}

/**
 * Writes what an image is built from, for builders other than Docker: `Containerfile`, and `root`, its file system.
 * @throws NATIVE_PLATFORM_UNSUPPORTED, CONTAINER_IMAGE_FAILED
 */
export async function writeImageContext(folder: string): Promise<void> {
  const files = await listImageFiles();
  await orImageError(() => writeContext(files, folder));
}

async function orImageError<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw remoeError("CONTAINER_IMAGE_FAILED", { reason: (error as Error).message }, error);
  }
}

async function ensureImage(files: ImageFiles): Promise<Image> {
  const tag = `remoe:${await digest(files)}`;
  const present = await imageBytes(tag);
  if (present !== null) return { tag, bytes: present, built: false };
  await build(files, tag);
  return { tag, bytes: (await imageBytes(tag)) ?? 0, built: true };
}

/** A container is a function, unless it is told to run something else with Node.js. */
function describeImage(files: ImageFiles): string {
  const [, ...parameters] = functionCommand(PROGRAM);
  return `FROM scratch
COPY root/ /
ENV LD_LIBRARY_PATH=${libraryPath(files)}
USER ${FUNCTION_USER}:${FUNCTION_USER}
WORKDIR ${dirname(PROGRAM)}
ENTRYPOINT ${JSON.stringify([NODE])}
CMD ${JSON.stringify(parameters)}
`;
}

async function digest(files: ImageFiles): Promise<string> {
  const hash = createHash("sha256").update(describeImage(files));
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
async function build(files: ImageFiles, tag: string): Promise<void> {
  await using context = await openOwnFolder({ prefix: "remoe-image-" });
  const { path } = context;
  await writeContext(files, path);
  const env = { ...process.env, DOCKER_BUILDKIT: "0" };
  await docker(["build", "--quiet", "--tag", tag, "--file", join(path, CONTAINERFILE), path], { env });
}

async function writeContext(files: ImageFiles, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, CONTAINERFILE), describeImage(files));
  for (const [path, file] of files) await place(file, join(folder, "root", path));
  // Containers run as another user than the one whose files these are.
  await promisify(execFile)("chmod", ["-R", "a+rX", join(folder, "root")]);
}

async function place(file: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(file, target);
}
