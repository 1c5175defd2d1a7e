import { describe, expect, it } from "vitest";
import { createLogger, type LoggerOptions } from "./log.ts";

function createRecordedLogger(options: LoggerOptions = {}) {
  const lines: string[] = [];
  const now = () => new Date("2026-01-02T03:04:05.678Z");
  return { lines, logger: createLogger({ write: (line) => lines.push(line), now, ...options }) };
}

describe("log lines", () => {
  it("as text carry time, level, message and fields", () => {
    const { lines, logger } = createRecordedLogger();
    logger.warn("slow start", { coldStartMs: 12, model: "a b", nothing: null });
    expect(lines).toEqual(["2026-01-02T03:04:05.678Z WARN  slow start coldStartMs=12 model=a b nothing=null\n"]);
  });

  it("as JSON carry the same", () => {
    const { lines, logger } = createRecordedLogger({ format: "json" });
    logger.error("lost", { code: "X" });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { time: "2026-01-02T03:04:05.678Z", level: "error", message: "lost", code: "X" },
    ]);
  });

  it("below the level are dropped", () => {
    const { lines, logger } = createRecordedLogger({ level: "warn" });
    logger.debug("a");
    logger.info("b");
    logger.warn("c");
    expect(lines).toHaveLength(1);
  });

  it.each(["text", "json"] as const)("as %s keep secrets and content to themselves, at any depth", (format) => {
    const { lines, logger } = createRecordedLogger({ format });
    logger.info("sent Bearer sk-1", {
      apiKey: "sk-2",
      headers: { authorization: "Bearer sk-3", accept: "*" },
      reason: "header was 'Bearer sk-4'",
      prompt: "private",
      promptTokens: 3,
    });
    expect(lines[0]).not.toMatch(/sk-|private/);
    expect(lines[0]).toMatch(/promptTokens"?[=:]3/);
  });

  it("stay one line, whatever a value contains", () => {
    const { lines, logger } = createRecordedLogger();
    logger.info("hello", { id: "a\n2026-01-02 ERROR forged", key: 'x="y' });
    expect(lines[0]?.split("\n")).toHaveLength(2);
    expect(lines[0]).toContain('id="a\\n2026-01-02 ERROR forged" key="x=\\"y"');
  });
});
