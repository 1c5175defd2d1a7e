import { describe, expect, it } from "vitest";
import { isModelUrl, parseModelUrl, publicUrl } from "./model-url.ts";

describe("a model's location", () => {
  it.each(["http://models/m.gguf", "https://hub.example/a/b/m.gguf?download=true", "HTTPS://hub.example/m.gguf"])(
    "is a URL: %s",
    (location) => expect(isModelUrl(location)).toBe(true),
  );

  it.each(["m.gguf", "/models/m.gguf", "C:\\models\\m.gguf", "http.gguf", "file:///models/m.gguf"])(
    "is a path: %s",
    (location) => expect(isModelUrl(location)).toBe(false),
  );
});

describe("a model's URL", () => {
  it("is shown without its query", () => {
    const url = parseModelUrl("https://store.example:8443/m.gguf?X-Signature=secret#part");
    expect(publicUrl(url)).toBe("https://store.example:8443/m.gguf");
  });

  it.each([
    ["http://?token=secret", "'http://' is no valid URL"],
    ["https://user:secret@hub.example/m.gguf", "'https://hub.example/m.gguf' has a user name or password in it"],
  ])("is refused without showing secrets: %s", (location, message) => {
    const parse = () => parseModelUrl(location);
    expect(parse).toThrow(expect.objectContaining({ code: "MODEL_URL_INVALID" }));
    expect(parse).toThrow(message);
  });
});
