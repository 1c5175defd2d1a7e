import { defineConfig } from "vitest/config";

/** Needs a Vulkan device (a software one will do) and the package @node-llama-cpp/linux-x64-vulkan. */
export default defineConfig({
  test: {
    include: ["test/vulkan.suite.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 120_000,
    reporters: ["verbose", "./test/count-reporter.ts"], // verbose prints why a test was skipped
    // llvmpipe is a device of type CPU, which ggml hides unless it is named.
    env: { GGML_VK_VISIBLE_DEVICES: process.env["GGML_VK_VISIBLE_DEVICES"] ?? "0" },
  },
});
