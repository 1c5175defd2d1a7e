import { describe, expect, it } from "vitest";
import { parseModelVolume } from "./volume-source.ts";

describe("a model's volume", () => {
  it.each([
    ["pvc:models", { persistentVolumeClaim: { claimName: "models", readOnly: true } }],
    ["host:/srv/models", { hostPath: { path: "/srv/models", type: "Directory" } }],
    [
      "image:registry.example:5000/olmoe:1",
      { image: { reference: "registry.example:5000/olmoe:1", pullPolicy: "IfNotPresent" } },
    ],
    ["nfs:files.example:/models", { nfs: { server: "files.example", path: "/models", readOnly: true } }],
  ])("%s", (text, source) => {
    expect(parseModelVolume("chat", text)).toEqual({ mountPath: "/models", source });
  });

  it.each(["models", "pvc:", "host:models", "nfs:files", "constructor:x", ""])("'%s' is refused", (text) => {
    expect(() => parseModelVolume("chat", text)).toThrow(`'${text}' is no volume; give pvc:CLAIM`);
  });
});
