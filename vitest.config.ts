import { defineConfig } from "vitest/config";

const common = { pool: "forks", testTimeout: 30_000 } as const;

/**
 * `native` tests load ggml, whose threads want the processors for themselves: one file at a time, after the others,
 * each in a process of its own. The others share processes, which is several times faster.
 */
export default defineConfig({
  test: {
    globalSetup: "test/build.ts",
    reporters: ["default", "./test/count-reporter.ts"],
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          include: ["{src,test}/**/*.test.ts"],
          exclude: ["**/*.native.test.ts"],
          isolate: false,
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...common,
          name: "native",
          include: ["{src,test}/**/*.native.test.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
