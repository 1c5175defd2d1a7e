import { describe, expect, it } from "vitest";
import { findInstallation } from "./installation.ts";
import { assertLayout } from "./layout.ts";
import { loadLlama, loadNative } from "./library.ts";

describe("loadNative", () => {
  it("loads the libraries once for each process", () => {
    const native = loadNative();
    expect(loadNative()).toBe(native);
    expect(loadLlama(native)).toBe(loadLlama(native));
    expect(native.installation.cpu).toContain(native.cpuLibrary);
  });
});

describe("assertLayout", () => {
  const check = (actual: unknown, expected: unknown) => () => assertLayout("/lib", "size of x", actual, expected);

  it("accepts the layout the binding was written for, however the call returned it", () => {
    expect(check(336, 336)).not.toThrow();
    expect(check(336n, 336)).not.toThrow();
    expect(check([5, 7n], [5, 7])).not.toThrow();
  });

  it("refuses another, and says what differs and how", () => {
    expect(check(344, 336)).toThrow(
      expect.objectContaining({
        code: "NATIVE_ABI_MISMATCH",
        details: { directory: "/lib", what: "size of x", actual: "344", expected: "336" },
      }),
    );
    expect(check([5, 7], [7, 5])).toThrow(expect.objectContaining({ code: "NATIVE_ABI_MISMATCH" }));
    expect(check(undefined, true)).toThrow(expect.objectContaining({ code: "NATIVE_ABI_MISMATCH" }));
  });
});

it("a variant that is not installed is named together with the supported platforms", () => {
  expect(() => findInstallation("linux-x64-abacus")).toThrow(
    expect.objectContaining({
      code: "NATIVE_PLATFORM_UNSUPPORTED",
      message: expect.stringContaining("linux-x64-abacus"),
      hint: expect.stringContaining("linux-arm64"),
    }),
  );
});
