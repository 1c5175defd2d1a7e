import { describe, expect, it } from "vitest";
import { createGuard, isLoopback } from "./guard.ts";

describe("loopback addresses", () => {
  it.each(["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST", "app.localhost"])(
    "%s is one",
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );

  it.each([
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "128.0.0.1",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "2130706433",
  ])("%s is none", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

describe("the guard", () => {
  it("lets only the key's owner pass where there is a key", () => {
    const guard = createGuard({ host: "0.0.0.0", apiKey: "sk-right" });
    expect(() => guard({ authorization: "Bearer sk-right", hostname: "any.example" })).not.toThrow();
    for (const authorization of [
      undefined,
      "",
      "sk-right",
      "Basic sk-right",
      "Bearer",
      "Bearer sk-wrong",
      "Bearer sk-right2",
    ]) {
      expect(() => guard({ authorization, hostname: "localhost" })).toThrow("the API key is missing or wrong");
    }
  });

  it("lets nobody pass with an empty key", () => {
    const guard = createGuard({ host: "127.0.0.1", apiKey: "" });
    for (const authorization of [undefined, "Bearer ", "Bearer"]) {
      expect(() => guard({ authorization, hostname: "localhost" })).toThrow("the API key is missing or wrong");
    }
  });

  it("refuses foreign names of a loopback address without a key", () => {
    const guard = createGuard({ host: "127.0.0.1", apiKey: null });
    expect(() => guard({ authorization: undefined, hostname: "localhost" })).not.toThrow();
    expect(() => guard({ authorization: undefined, hostname: "rebound.example" })).toThrow("'rebound.example'");
  });

  it("lets everybody pass where unprotected access was allowed", () => {
    const guard = createGuard({ host: "0.0.0.0", apiKey: null });
    expect(() => guard({ authorization: undefined, hostname: "gateway.example" })).not.toThrow();
  });
});
