import { describe, expect, it } from "vitest";
import { parseKubernetesSettings } from "./settings.ts";

describe("the settings of a cluster", () => {
  it("need an image and nothing else", () => {
    expect(parseKubernetesSettings({ image: "remoe:1" }, "k.json")).toEqual({ image: "remoe:1" });
  });

  it("take parts of a pod as the API has them", () => {
    const settings = {
      image: "remoe:1",
      modelVolume: { mountPath: "/models", source: { persistentVolumeClaim: { claimName: "models", readOnly: true } } },
      tolerations: [{ key: "gpu", operator: "Exists" }],
    };
    expect(parseKubernetesSettings(settings, "k.json")).toEqual(settings);
  });

  it.each([
    [{}, "image"],
    [{ image: "remoe:1", immagePullPolicy: "Never" }, "immagePullPolicy"],
    [{ image: "remoe:1", modelVolume: { mountPath: "models", source: {} } }, "modelVolume.mountPath"],
    [{ image: "remoe:1", tolerations: "all" }, "tolerations: must be an object of the API"],
    ["remoe:1", "object"],
  ])("%j is refused with the place of the mistake", (settings, problem) => {
    expect(() => parseKubernetesSettings(settings, "k.json")).toThrow(
      expect.objectContaining({
        code: "KUBERNETES_SETTINGS_INVALID",
        details: { path: "k.json", problem: expect.stringContaining(problem) },
      }),
    );
  });
});
