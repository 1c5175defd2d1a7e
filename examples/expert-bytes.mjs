// Reads the header of a model file with Remoe as a library and says how much of it are experts, layer by layer: the
// bytes that need not be in memory for every request.
//
//   node examples/expert-bytes.mjs models/tiny-moe/tiny-moe-q8_0.gguf
// biome-ignore lint/correctness/noUnresolvedImports: in its own folder a package is found by its name once it is built
import { isRemoeError, openModel } from "remoe";

const [path = "models/tiny-moe/tiny-moe-q8_0.gguf"] = process.argv.slice(2);

try {
  const { metadata, tensors } = await openModel(path);
  const layers = bytesByLayer([...tensors.values()].filter(({ name }) => name.includes("_exps.")));
  process.stdout.write(`${metadata.stringOr("general.name", path)} (${metadata.string("general.architecture")})\n`);
  for (const [layer, bytes] of layers) process.stdout.write(`layer ${layer}: ${bytes} bytes of experts\n`);
} catch (error) {
  if (!isRemoeError(error)) throw error;
  process.stderr.write(`${error.message}\n${error.hint}\n`);
  process.exitCode = error.entry.exitCode;
}

/** Tensors of layer 3 are called `blk.3.…`. */
function bytesByLayer(expertTensors) {
  const layers = new Map();
  for (const { name, bytes } of expertTensors) {
    const layer = Number(name.split(".")[1]);
    layers.set(layer, (layers.get(layer) ?? 0) + bytes);
  }
  return layers;
}
