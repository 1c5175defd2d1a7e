import { describe, expect, it } from "vitest";
import { ERRORS, isRemoeError, remoeError, reviveError } from "./errors.ts";

describe("the error catalogue", () => {
  it.each(Object.entries(ERRORS))("%s says what to do and leaves with a valid exit code and status", (_code, entry) => {
    expect(entry.message.length).toBeGreaterThan(5);
    expect(entry.hint).toMatch(/\.$/);
    expect([1, 2, 3, 4, 5, 6, 130]).toContain(entry.exitCode);
    expect(entry.httpStatus).toBeGreaterThanOrEqual(400);
    expect(entry.httpStatus).toBeLessThan(600);
  });

  it("fills the values into message and hint", () => {
    const error = remoeError("CONTEXT_LENGTH_EXCEEDED", { promptTokens: 2000, contextLength: 1024 });
    expect(error.message).toBe("the prompt has 2000 tokens, more than the context of 1024 tokens can hold");
    expect(error.publicCode).toBe("REMOE_ERR_CONTEXT_LENGTH_EXCEEDED");
  });

  it("survives a process boundary as JSON", () => {
    const error = remoeError("MODEL_NOT_FOUND", { path: "x.gguf" });
    const revived = reviveError(JSON.parse(JSON.stringify(error)));
    expect(isRemoeError(revived)).toBe(true);
    expect(revived.message).toBe(error.message);
    expect(revived.entry.httpStatus).toBe(404);
  });
});
