import type { Violation } from "./evaluation.ts";

/** The objective that is missed most, in multiples of its limit; `null` if none is. */
export function worstViolation(violations: readonly Violation[]): Violation | null {
  return violations.reduce<Violation | null>(
    (worst, each) => (worst === null || multipleOf(each) > multipleOf(worst) ? each : worst),
    null,
  );
}

/** The greatest expected / limit of a missed objective; 0 if none is missed. */
export function missOf(violations: readonly Violation[]): number {
  return Math.max(0, ...violations.map(multipleOf));
}

function multipleOf({ expectedMs, limitMs }: Violation): number {
  return expectedMs / limitMs;
}
