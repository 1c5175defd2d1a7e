import { remoeError } from "../core/errors.ts";

/** Whether a model is behind a URL; else its location is a path. */
export function isModelUrl(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

/** @throws MODEL_URL_INVALID */
export function parseModelUrl(location: string): URL {
  if (!URL.canParse(location)) {
    throw remoeError("MODEL_URL_INVALID", { url: location.replace(/[?#].*$/s, ""), problem: "is no valid URL" });
  }
  const url = new URL(location);
  if (url.username !== "" || url.password !== "") {
    throw remoeError("MODEL_URL_INVALID", { url: publicUrl(url), problem: "has a user name or password in it" });
  }
  return url;
}

/** A URL as messages may show it: its query may hold a signature or a token. */
export function publicUrl({ origin, pathname }: URL): string {
  return origin + pathname;
}
