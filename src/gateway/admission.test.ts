import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { remoeError } from "../core/errors.ts";
import { Admission, type Place } from "./admission.ts";

const never = new AbortController().signal;

function createClock() {
  const clock = { now: 0, read: () => clock.now };
  return clock;
}

/** Whether a promise has settled once everything that can run now has run. */
async function isAdmitted(place: Place): Promise<boolean> {
  const pending = Symbol("pending");
  const winner = await Promise.race([place.admitted, new Promise((resolve) => setImmediate(resolve, pending))]);
  return winner !== pending;
}

describe("admission", () => {
  it("runs one request at a time and lets the others wait in order of arrival", async () => {
    const admission = new Admission({ clock: () => 0 });
    const [first, second, third] = [admission.enter(never), admission.enter(never), admission.enter(never)];
    expect([await isAdmitted(first), await isAdmitted(second), await isAdmitted(third)]).toEqual([true, false, false]);
    first.leave();
    expect([await isAdmitted(second), await isAdmitted(third)]).toEqual([true, false]);
    second.leave();
    expect(await isAdmitted(third)).toBe(true);
    expect([admission.running, admission.waiting]).toEqual([1, 0]);
  });

  it("refuses what neither may run nor wait, and says when to come back", () => {
    const clock = createClock();
    const admission = new Admission({ clock: clock.read, concurrency: 1, queueLimit: 1 });
    const place = admission.enter(never);
    clock.now = 3_000;
    place.leave(); // the mean service time is 3 s now
    admission.enter(never);
    admission.enter(never);
    expect(() => admission.enter(never)).toThrow(
      expect.objectContaining({ code: "OVERLOADED", details: { waiting: 1, retryAfterS: 6 } }),
    );
  });

  it("says when the last request has left", async () => {
    const admission = new Admission({ clock: () => 0 });
    const idle: boolean[] = [];
    admission.onIdle(() => idle.push(admission.isIdle));
    const [first, second] = [admission.enter(never), admission.enter(never)];
    first.leave();
    expect([admission.isIdle, idle]).toEqual([false, []]);
    await second.admitted;
    second.leave();
    second.leave();
    expect(idle).toEqual([true]);
  });

  it("says one second where nothing is known yet", () => {
    const admission = new Admission({ clock: () => 0, queueLimit: 0 });
    admission.enter(never);
    expect(() => admission.enter(never)).toThrow(expect.objectContaining({ details: { waiting: 0, retryAfterS: 1 } }));
  });

  it("forgets a waiting request whose client goes away", async () => {
    const admission = new Admission({ clock: () => 0 });
    const client = new AbortController();
    const running = admission.enter(never);
    const gone = admission.enter(client.signal);
    const next = admission.enter(never);
    client.abort();
    await expect(gone.admitted).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
    expect(admission.waiting).toBe(1);
    running.leave();
    expect(await isAdmitted(next)).toBe(true);
  });

  it("does not admit a request whose client has gone before it came", () => {
    const admission = new Admission({ clock: () => 0 });
    expect(() => admission.enter(AbortSignal.abort())).toThrow("aborted");
    expect(admission.running).toBe(0);
  });

  it("keeps those inside and refuses the others once it is closed", async () => {
    const admission = new Admission({ clock: () => 0 });
    const running = admission.enter(never);
    const waiting = admission.enter(never);
    admission.close(remoeError("SHUTTING_DOWN", { retryAfterS: 5 }));
    expect(() => admission.enter(never)).toThrow(expect.objectContaining({ code: "SHUTTING_DOWN" }));
    running.leave();
    expect(await isAdmitted(waiting)).toBe(true);
  });

  it("never runs more than its bound, loses no place and admits in order, whatever happens", async () => {
    const steps = fc.array(fc.oneof(fc.constant("enter" as const), fc.nat({ max: 9 })), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.nat({ max: 4 }),
        steps,
        async (concurrency, queueLimit, plan) => {
          const admission = new Admission({ clock: () => 0, concurrency, queueLimit });
          const inside: Place[] = [];
          for (const step of plan) {
            const full = inside.length >= concurrency + queueLimit;
            if (step !== "enter") {
              const [leaving] = inside.splice(step, 1);
              leaving?.leave();
              leaving?.leave();
            } else if (full) {
              expect(() => admission.enter(never)).toThrow("waiting");
            } else {
              inside.push(admission.enter(new AbortController().signal));
            }
            const admitted = await Promise.all(inside.map(isAdmitted));
            const expected = Math.min(concurrency, inside.length);
            expect(admission.running).toBe(expected);
            expect(admission.waiting).toBe(inside.length - expected);
            expect(admitted).toEqual(inside.map((_, index) => index < expected));
          }
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });
});
