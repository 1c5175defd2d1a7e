import { defineConfig } from "vitest/config";

/** Needs a Vulkan driver and the Vulkan build of ggml; the suite says so and skips where they are missing. */
export default defineConfig({
  test: {
    include: ["test/vulkan.suite.ts"],
    pool: "forks",
    testTimeout: 120_000, // a software driver computes tokens a hundred times slower than the processor does
    reporters: ["verbose", "./test/count-reporter.ts"], // verbose prints why a test was skipped
  },
});
