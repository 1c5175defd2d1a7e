/** Vitest calls this once before a run: tests that start processes run the built program. */
export { buildRemoe as default } from "./run-remoe.ts";
