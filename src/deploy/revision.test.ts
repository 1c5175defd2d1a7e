import { describe, expect, it } from "vitest";
import { renderManifests } from "./render.ts";
import { decodeRevision, encodeRevision, toRevisionContent } from "./revision.ts";
import { SAMPLE_KEYS, sampleOptions } from "./testing/sample-options.ts";
import { validateManifest } from "./testing/validate-manifest.ts";

const manifests = renderManifests(sampleOptions(), { keys: SAMPLE_KEYS, disruptionBudgets: true });
const revision = {
  ...toRevisionContent(manifests),
  number: 7,
  appliedAt: "2026-01-31T12:00:00.000Z",
  version: "1.2.3",
};
const record = encodeRevision(revision, { name: "chat", namespace: "models" });

describe("the record of a revision", () => {
  it("is an object of the cluster that cannot be changed", () => {
    expect(() => validateManifest(record)).not.toThrow();
    expect(record).toMatchObject({ immutable: true, metadata: { name: "chat-revision-7", namespace: "models" } });
  });

  it("gives the revision back", () => {
    expect(decodeRevision(record)).toEqual(JSON.parse(JSON.stringify(revision)));
  });

  it("that is damaged is told by its name", () => {
    const damaged = { ...record, binaryData: { "objects.json.gz": "AAAA" } };
    expect(() => decodeRevision(damaged)).toThrow(
      "the record of a revision, ConfigMap chat-revision-7, cannot be read",
    );
  });
});

describe("the hash of a revision", () => {
  it("changes with the objects", () => {
    const other = renderManifests(sampleOptions({ replicas: 2 }), { keys: SAMPLE_KEYS, disruptionBudgets: true });
    expect(toRevisionContent(other).hash).not.toBe(revision.hash);
    expect(toRevisionContent(manifests).hash).toBe(revision.hash);
  });
});
