/**
 * The judge: reads the histories of all devices, and finds what must not be.
 *
 * Pure. What was written to an outbox comes to every device of its recipient exactly once and in order, unless its
 * writer was told that it was refused; what the server acknowledged is what it then delivers. A message may be shown
 * again only by a device that was killed after showing it and before noting so: that is counted apart.
 * @module
 */
import { type DeviceHistory, type Entry, originOf } from "./history.ts";

/** One thing that must not be. */
export interface Violation {
  readonly kind: "lost" | "doubled" | "out of order" | "false acknowledgement" | "invented";
  /** What and where, for people. */
  readonly detail: string;
  /** When the message was written, or shown when nobody wrote it; on the harness's clock. */
  readonly at: number;
}

/** What the judge found. */
export interface Verdict {
  readonly violations: readonly Violation[];
  /** Messages that were put into outboxes. */
  readonly written: number;
  /** Of these, refused for good. */
  readonly refused: number;
  /** Messages shown, on all devices. */
  readonly shown: number;
  /** Shown a second time by a device that was killed in between. */
  readonly shownAgain: number;
}

interface Written {
  readonly id: string;
  readonly from: string;
  readonly device: string;
  readonly to: string;
  readonly number: number;
  readonly at: number;
}

/** Judges the histories of a run that has come to rest. */
export function judge(histories: readonly DeviceHistory[]): Verdict {
  const violations: Violation[] = [];
  const written = new Map<string, Written>();
  const intended = new Map<string, number>(); // "device number": when
  const acknowledged = new Map<string, number>(); // id: sequence
  const refused = new Set<string>();
  for (const history of histories) {
    for (const entry of history.lives.flat()) readSender(history, entry);
  }

  let shown = 0;
  let shownAgain = 0;
  for (const history of histories) {
    const first = readShown(history);
    for (const message of written.values()) {
      if (message.to !== history.account || refused.has(message.id) || first.has(message.id)) continue;
      const state = acknowledged.has(message.id) ? "acknowledged" : "in the outbox";
      violations.push({
        kind: "lost",
        detail: `${describe(message)}, ${state}, never came to ${history.device}`,
        at: message.at,
      });
    }
  }
  return { violations, written: written.size, refused: refused.size, shown, shownAgain };

  function readSender({ account, device }: DeviceHistory, entry: Entry & { readonly at: number }): void {
    switch (entry.kind) {
      case "intends":
        return void intended.set(`${device} ${entry.number}`, entry.at);
      case "wrote":
        return void written.set(entry.id, { ...entry, from: account, device });
      case "refused":
        return void refused.add(entry.id);
      case "accepted": {
        const before = acknowledged.get(entry.id);
        if (before !== undefined && before !== entry.sequence) {
          const detail = `${entry.id} was acknowledged as ${before} and as ${entry.sequence}`;
          violations.push({ kind: "false acknowledgement", detail, at: entry.at });
        }
        acknowledged.set(entry.id, entry.sequence);
      }
    }
  }

  /** The ids that a device showed; complains about what it showed wrongly. */
  function readShown(history: DeviceHistory): ReadonlySet<string> {
    const ids = new Set<string>();
    const newest = new Map<string, number>(); // per sending device, the highest number shown
    let noted = 0; // on this device's disk
    for (const life of history.lives) {
      let last = noted;
      const inThisLife = new Set<string>();
      for (const entry of life) {
        if (entry.kind === "noted") noted = Math.max(noted, entry.sequence);
        if (entry.kind !== "shows") continue;
        shown += 1;
        const { id, sequence, at, text } = entry;
        const where = `${text} (${sequence}) on ${history.device}`;
        if (inThisLife.has(id) || (ids.has(id) && sequence <= noted)) {
          violations.push({ kind: "doubled", detail: where, at: written.get(id)?.at ?? at });
        } else if (sequence <= last) {
          violations.push({
            kind: "out of order",
            detail: `${where} after ${last}`,
            at: written.get(id)?.at ?? at,
          });
        } else if (ids.has(id)) {
          shownAgain += 1;
        } else {
          checkOrigin(entry, newest, where);
        }
        last = Math.max(last, sequence);
        ids.add(id);
        inThisLife.add(id);
      }
      if (history.notesAfter !== undefined) {
        const shownHere = life.filter(({ kind }) => kind === "shows") as Extract<Entry, { kind: "shows" }>[];
        noted = Math.max(noted, shownHere.at(-history.notesAfter - 1)?.sequence ?? 0);
      }
    }
    return ids;
  }

  function checkOrigin(
    { id, sequence, text, at }: Extract<Entry, { kind: "shows" }> & { readonly at: number },
    newest: Map<string, number>,
    where: string,
  ): void {
    const message = written.get(id);
    const origin = originOf(text);
    if (origin === null || (message ? originOf(text)!.number !== message.number : !intended.has(text))) {
      violations.push({ kind: "invented", detail: where, at });
      return;
    }
    const before = newest.get(origin.device) ?? -1;
    if (origin.number <= before) {
      violations.push({
        kind: "out of order",
        detail: `${where} after number ${before}`,
        at: message?.at ?? at,
      });
    }
    newest.set(origin.device, Math.max(before, origin.number));
    const promised = acknowledged.get(id);
    if (promised !== undefined && promised !== sequence) {
      const detail = `${where} was acknowledged as ${promised}`;
      violations.push({ kind: "false acknowledgement", detail, at: message?.at ?? at });
    }
  }
}

function describe({ from, to, number, device }: Written): string {
  return `message ${number} of ${device} (${from}) to ${to}`;
}
