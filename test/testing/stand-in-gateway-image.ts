import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { docker } from "../../src/platform/docker/docker-cli.ts";
import { buildImage } from "../../src/platform/docker/image.ts";

const PROGRAM = fileURLToPath(new URL("stand-in-gateway.mjs", import.meta.url));

/** Makes the image of Remoe with a stand-in for the command line, which only answers probes. → its tag */
export async function buildStandInGateway(tag: string): Promise<string> {
  const { tag: base } = await buildImage();
  const folder = await mkdtemp(join(tmpdir(), "remoe-stand-in-"));
  try {
    await copyFile(PROGRAM, join(folder, "gateway.mjs"));
    await writeFile(join(folder, "Containerfile"), `FROM ${base}\nCOPY --chown=65532 gateway.mjs /app/remoe.mjs\n`);
    const env = { ...process.env, DOCKER_BUILDKIT: "0" };
    await docker(["build", "--quiet", "--tag", tag, "--file", join(folder, "Containerfile"), folder], { env });
    return tag;
  } finally {
    await rm(folder, { recursive: true });
  }
}
