import type { RequestTrace } from "../gateway/trace.ts";
import { billTable, formatMoney } from "../ledger/format-bill.ts";
import { formatTable } from "./table.ts";

/** The first column of numbers in a bill's table. */
const FIRST_NUMBER = 2;

/** What a request cost and where its experts were computed, for people. */
export function describeBill({ bill, experts, faults }: RequestTrace): string[] {
  const rows = billTable(bill);
  const numbers = Array.from({ length: rows[0]?.length ?? 0 }, (_, column) => column).slice(FIRST_NUMBER);
  const { localRows = 0, remoteRows = 0, remoteCalls = 0 } = experts ?? {};
  const total = formatMoney(bill.total, bill.currency);
  return [
    `cost ${total} (${bill.priceBook}); expert rows: ${localRows} local, ${remoteRows} remote in ${remoteCalls} calls`,
    ...describeFaults(faults),
    "",
    formatTable(rows, numbers).trimEnd(),
  ];
}

function describeFaults({ failedCalls, lostReplicas, adoptedExperts, mainRestarts }: RequestTrace["faults"]): string[] {
  if (failedCalls + lostReplicas + mainRestarts === 0) return [];
  return [
    `survived: ${failedCalls} failed calls, ${lostReplicas} lost expert functions (${adoptedExperts} experts taken ` +
      `over), ${mainRestarts} lost main functions`,
  ];
}
