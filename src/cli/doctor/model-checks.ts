import { basename } from "node:path";
import { DEVICE_TYPE, loadNative, type Native } from "../../ggml/library.ts";
import { readGguf } from "../../gguf/read.ts";
import { architectureOf } from "../../model/registry.ts";
import { formatBytes } from "../format.ts";
import { type Check, checkThat } from "./check.ts";

export function checkLibraries(): Check {
  return checkThat("libraries", () => {
    const { installation, cpuLibrary } = loadNative();
    const { variant, directory } = installation;
    return {
      found: `${variant}, ${basename(cpuLibrary)}`,
      details: { variant, directory, cpuLibrary },
    };
  });
}

export function checkDevices(): Check {
  return checkThat("devices", () => {
    const devices = listDevices(loadNative());
    return {
      found: devices.map(({ name, description }) => `${name} (${description.trim()})`).join(", "),
      details: { devices },
    };
  });
}

function listDevices({ registry, ggml }: Native) {
  const kinds = Object.entries(DEVICE_TYPE);
  return Array.from({ length: Number(registry.ggml_backend_dev_count()) }, (_, index) => {
    const device = registry.ggml_backend_dev_get(index);
    const type = ggml.ggml_backend_dev_type(device);
    return {
      name: ggml.ggml_backend_dev_name(device),
      kind: kinds.find(([, number]) => number === type)?.[0] ?? "other",
      description: ggml.ggml_backend_dev_description(device),
    };
  });
}

export function checkModel(path: string): Check {
  return checkThat("model", () => {
    const file = readGguf(path);
    const architecture = architectureOf(file).name;
    return {
      found: `${path} (${architecture}, ${formatBytes(file.fileBytes)})`,
      details: { path, architecture, bytes: file.fileBytes },
    };
  });
}
