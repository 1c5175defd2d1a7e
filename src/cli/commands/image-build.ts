import type { Command } from "commander";
import { buildImage, writeImageContext } from "../../platform/docker/image.ts";
import { flag } from "../flag.ts";
import { formatBytes } from "../format.ts";
import { printJson } from "../print-json.ts";

interface ImageBuildFlags {
  readonly tag?: string;
  readonly outputDir?: string;
  readonly json?: boolean;
}

export function defineImageBuild(command: Command): void {
  command
    .description(
      "Builds the container image of gateways and functions with Docker: Node.js, Remoe and the bundled model, " +
        "nothing else. Prints its name, or writes what other builders need.",
    )
    .addOption(flag("--tag <name>", "name of the image", { initially: "remoe:<digest of its content>" }))
    .addOption(
      flag("--output-dir <folder>", "write a Containerfile and its files there and build nothing", {
        conflicts: ["tag", "json"],
      }),
    )
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      `
Examples:
  remoe image build
  remoe image build --tag registry.example.com/remoe:1 && docker push registry.example.com/remoe:1
  remoe image build --output-dir context && buildah build --tag remoe:1 context`,
    )
    .action(build);
}

async function build({ tag, outputDir, json }: ImageBuildFlags): Promise<void> {
  if (outputDir !== undefined) {
    await writeImageContext(outputDir);
    process.stderr.write(`wrote ${outputDir}\n`);
    return;
  }
  const image = await buildImage({ tag });
  if (json) {
    printJson({ ...image });
  } else {
    process.stderr.write(`${image.built ? "built" : "there is"} an image of ${formatBytes(image.bytes)}\n`);
    process.stdout.write(`${image.tag}\n`);
  }
}
