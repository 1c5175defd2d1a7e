import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { renderKustomization } from "./kustomization.ts";
import { renderManifests } from "./render.ts";
import { SAMPLE_KEYS, sampleOptions } from "./testing/sample-options.ts";

const manifests = renderManifests(sampleOptions(), { keys: SAMPLE_KEYS, disruptionBudgets: true });
const files = renderKustomization(sampleOptions(), manifests);

describe("a kustomization", () => {
  it("names a file for each object but the Secret", () => {
    const { resources } = parse(files.get("kustomization.yaml") ?? "") as { readonly resources: readonly string[] };
    expect(resources).toHaveLength(manifests.length - 1);
    expect(resources.map((file) => (parse(files.get(file) ?? "") as { readonly kind: string }).kind)).toEqual(
      manifests.map(({ kind }) => kind).filter((kind) => kind !== "Secret"),
    );
  });

  it("says how to make the Secret", () => {
    expect(files.get("kustomization.yaml")).toMatch(
      /^# kubectl create secret generic chat --namespace models --from-literal=function-secret=\$\(openssl rand -hex 32\) --from-literal=api-key=/,
    );
  });

  it("has no keys in it", () => {
    for (const key of Object.values(SAMPLE_KEYS)) expect([...files.values()].join()).not.toContain(key);
  });
});
