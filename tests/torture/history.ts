/**
 * What each device wrote down: every message that was written, stored, refused and shown, in the order in which it happened there.
 * @module
 */

/** One line of a device's journal. */
export type Entry =
  /** About to put a message into the outbox; the device may die before it is there. */
  | { readonly kind: "intends"; readonly number: number; readonly to: string }
  /** The message is in the outbox, on this device's disk. */
  | { readonly kind: "wrote"; readonly number: number; readonly to: string; readonly id: string }
  /** The server says that it is stored. */
  | { readonly kind: "accepted"; readonly id: string; readonly sequence: number }
  /** The server will never take it. */
  | { readonly kind: "refused"; readonly id: string; readonly code: string }
  /** The person sees a message. */
  | {
    readonly kind: "shows";
    readonly sequence: number;
    readonly id: string;
    readonly from: string;
    readonly text: string;
  }
  /** This device has noted on its disk that all up to here was shown. */
  | { readonly kind: "noted"; readonly sequence: number }
  /** Nothing waits in the outbox. */
  | { readonly kind: "empty" };

/** What one run of a device's program wrote down, from its start to its death. */
export type Life = readonly (Entry & { readonly at: number })[];

/** All lives of one device, in order. */
export interface DeviceHistory {
  /** Account that uses it. */
  readonly account: string;
  /** Name of the device, unique. */
  readonly device: string;
  readonly lives: readonly Life[];
  /** How many messages it may show before it notes them, where it writes down no notes: the real client's `tail`. */
  readonly notesAfter?: number;
}

/** The text of a test message, which says where it comes from. */
export function textOf(device: string, number: number): string {
  return `${device} ${number}`;
}

/** The reverse of {@linkcode textOf}; null for a text that is none. */
export function originOf(text: string): { device: string; number: number } | null {
  const [, device, number] = /^(\S+) (\d+)$/.exec(text) ?? [];
  return device === undefined ? null : { device, number: Number(number) };
}
