import { z } from "zod";

/** A number above 0. */
export const positive = z.number().positive();
/** A share above 0, up to 1. */
export const share = z.number().positive().max(1);

/** What every file of published figures and assumptions has. */
export const datedData = {
  schemaVersion: z.literal(1),
  /** As on the command line. */
  name: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  /** For people. */
  title: z.string().min(1),
  /** The day the file was made from its sources. */
  asOf: z.iso.date(),
  /** What was taken from which page, and what could not be confirmed. */
  sources: z.array(z.strictObject({ url: z.url({ protocol: /^https$/ }), note: z.string().min(1) })).min(1),
};
