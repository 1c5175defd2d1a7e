import { basename } from "node:path";
import { listDevices } from "../../ggml/device.ts";
import { loadNative } from "../../ggml/library.ts";
import { readGguf } from "../../gguf/read.ts";
import { readTransformer } from "../../model/registry.ts";
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

export function checkModel(path: string): Check {
  return checkThat("model", () => {
    const file = readGguf(path);
    readTransformer(file);
    const architecture = file.metadata.string("general.architecture");
    return {
      found: `${path} (${architecture}, ${formatBytes(file.fileBytes)})`,
      details: { path, architecture, bytes: file.fileBytes },
    };
  });
}
