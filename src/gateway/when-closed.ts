import type { ServerResponse } from "node:http";

/** Calls back once when a response is over: complete, or cut off because the client went away. */
export function whenClosed(response: ServerResponse, onClosed: (complete: boolean) => void): void {
  let complete = false;
  response.once("finish", () => {
    complete = true;
  });
  response.once("close", () => onClosed(complete));
}
