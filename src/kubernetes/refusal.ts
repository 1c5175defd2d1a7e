import { isRemoeError } from "../core/errors.ts";

/** Whether an error is the API's answer with this HTTP status. */
export function isRefusal(error: unknown, status: number): boolean {
  return isRemoeError(error) && error.code === "KUBERNETES_REFUSED" && error.details["status"] === status;
}

export const NOT_FOUND = 404;
export const CONFLICT = 409;
export const GONE = 410;
