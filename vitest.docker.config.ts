import { defineConfig } from "vitest/config";

/** Needs a container engine that answers, or root and `dockerd` (Debian: docker.io) to start one for the tests. */
export default defineConfig({
  test: {
    globalSetup: "test/build.ts",
    include: ["test/docker.suite.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["verbose", "./test/count-reporter.ts"], // verbose prints why a test was skipped
  },
});
