import { type Bill, type BillItem, PHASES, type Phase } from "./bill.ts";
import { addCharges, type Charge, NO_CHARGE } from "./charge.ts";
import type { PriceBook } from "./price-book.ts";
import type { FunctionUsage } from "./usage.ts";

/** All charges of one role in one phase. */
export interface LedgerTotal extends Charge {
  readonly role: FunctionUsage["role"];
  readonly phase: Phase;
}

const ROLES = ["main", "experts"] as const;

/** Running totals of everything billed. */
export class Ledger {
  readonly priceBook: PriceBook;
  #totals: readonly LedgerTotal[] = ROLES.flatMap((role) => PHASES.map((phase) => ({ role, phase, ...NO_CHARGE })));

  constructor(priceBook: PriceBook) {
    this.priceBook = priceBook;
  }

  /** Adds a bill made with this ledger's price book. */
  addBill(bill: Bill): void {
    for (const item of bill.items) this.#add(item);
  }

  /** One entry for every role and phase, also where nothing happened yet: its sums never fall. */
  get totals(): readonly LedgerTotal[] {
    return this.#totals;
  }

  #add(item: BillItem): void {
    const { role, phase } = item;
    this.#totals = this.#totals.map((total) =>
      total.role === role && total.phase === phase ? { role, phase, ...addCharges(total, item) } : total,
    );
  }
}
