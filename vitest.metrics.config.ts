import { defineConfig } from "vitest/config";

/** Needs Prometheus' `promtool`; the suite says so and skips where it is missing. */
export default defineConfig({
  test: {
    include: ["test/metrics.suite.ts"],
    pool: "forks",
    reporters: ["verbose", "./test/count-reporter.ts"], // verbose prints why a test was skipped
  },
});
