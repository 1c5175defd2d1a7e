import { defineConfig } from "vitest/config";

/** Native code is not parallel-safe in one process: files run in forks, one at a time where they load ggml. */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
