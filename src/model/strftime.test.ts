import { describe, expect, it } from "vitest";
import { strftime } from "./strftime.ts";

describe("strftime", () => {
  const date = new Date("2009-01-04T05:06:07Z");

  it.each([
    ["%d %b %Y", "04 Jan 2009"],
    ["%Y-%m-%d", "2009-01-04"],
    ["%A, %B %d, %Y", "Sunday, January 04, 2009"],
    ["%a %H:%M:%S %y", "Sun 05:06:07 09"],
    ["100%% %Q", "100% %Q"],
  ])("writes %s as %s", (format, expected) => {
    expect(strftime(date, format)).toBe(expected);
  });
});
