import { defineConfig } from "vitest/config";

/** Many requests while functions are killed: minutes, not seconds. Needs nothing but Linux, macOS or another Unix. */
export default defineConfig({
  test: {
    globalSetup: "test/build.ts",
    include: ["test/faults.suite.ts"],
    pool: "forks",
    maxWorkers: 1,
    reporters: ["verbose", "./test/count-reporter.ts"],
  },
});
