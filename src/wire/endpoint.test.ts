import { describe, expect, it } from "vitest";
import { formatEndpoint, parseEndpoint } from "./endpoint.ts";

describe("parseEndpoint", () => {
  it.each([
    ["unix:/run/e.sock", { type: "unix", path: "/run/e.sock" }],
    ["http+unix:/run/e e.sock", { type: "http+unix", path: "/run/e e.sock" }],
    ["tcp://127.0.0.1:0", { type: "tcp", host: "127.0.0.1", port: 0 }],
    ["tls://[::1]:65535", { type: "tls", host: "::1", port: 65_535 }],
    ["http://experts-1.local:8080", { type: "http", host: "experts-1.local", port: 8080 }],
    ["https://[fe80::1]:443", { type: "https", host: "fe80::1", port: 443 }],
  ])("reads %s, and formatEndpoint writes it again", (text, endpoint) => {
    expect(parseEndpoint(text)).toEqual(endpoint);
    expect(formatEndpoint(parseEndpoint(text))).toBe(text);
  });

  it.each([
    ["http://example.org", 80],
    ["https://example.org", 443],
  ])("knows the port of %s", (text, port) => {
    expect(parseEndpoint(text)).toMatchObject({ port });
  });

  it.each([
    ["", "none of the known forms"],
    ["ftp://host:1", "none of the known forms"],
    ["http://host:80/path", "none of the known forms"],
    ["tcp://user@host:1", "'user@host' is no host"],
    ["tcp://:1", "the host is missing"],
    ["tcp://host", "the port is missing"],
    ["tcp://host:65536", "port 65536 is over 65535"],
    ["tcp://[::zz]:1", "'::zz' is no IPv6 address"],
    ["tcp://::1:80", "none of the known forms"],
    ["unix:relative", "must be absolute"],
    ["unix:/a\0b", "a zero byte"],
    [`unix:/${"x".repeat(107)}`, "has 108 bytes, the system takes at most 107"],
  ])("refuses '%s'", (text, problem) => {
    expect(() => parseEndpoint(text)).toThrow(problem);
  });
});
