import { defineConfig } from "vitest/config";

/** Needs a Kubernetes cluster for tests and the container engine that its node uses; each file has a namespace of its own. */
export default defineConfig({
  test: {
    globalSetup: "test/build.ts",
    include: ["test/k8s/*.suite.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ["verbose", "./test/count-reporter.ts"], // verbose prints why a test was skipped
  },
});
