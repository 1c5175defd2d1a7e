import { describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatMs } from "./format.ts";
import { formatTable } from "./table.ts";

describe("formats", () => {
  it("writes bytes in binary units with three digits", () => {
    expect([0, 1, 1023, 1024, 208_896, 23_068_672, 1023 * 2 ** 20, 2 ** 40].map(formatBytes)).toEqual([
      "0 B",
      "1 B",
      "1023 B",
      "1.00 KiB",
      "204 KiB",
      "22.0 MiB",
      "1023 MiB",
      "1.00 TiB",
    ]);
  });

  it("writes milliseconds as precisely as they matter", () => {
    expect([0.4218, 9.99, 87.4, 999, 3140].map(formatMs)).toEqual(["0.42 ms", "9.99 ms", "87 ms", "999 ms", "3.14 s"]);
  });

  it("groups digits", () => {
    expect(formatCount(151_936)).toBe("151,936");
  });
});

describe("formatTable", () => {
  it("aligns columns and leaves no blanks at the end of a line", () => {
    const rows = [
      ["q8_0", "43", "large"],
      ["f32", "7", ""],
    ];
    expect(formatTable(rows, [1])).toBe("q8_0  43  large\nf32    7\n");
  });
});
