/**
 * Addresses of peers: one spelling for each, whatever socket they came through.
 * @module
 */

/**
 * The one spelling of an IP address that throttles, logs and people see.
 *
 * A socket that listens on `::` shows an IPv4 caller as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2); that is the same caller
 * as `a.b.c.d`.
 *
 * @param address What the runtime says; anything that is no mapped address stays as it is.
 * @returns The address, IPv4 in dotted form.
 */
export function normalizeAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/**
 * The part of an address that one household or host can choose freely, for counting callers.
 *
 * @param address A normalised address.
 * @returns An IPv4 address whole; an IPv6 address cut to its /64, since one customer gets at least that many
 *   (RFC 6177 §2), as four groups and `::/64`.
 */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    while (groups.length + last.length < 8) groups.push("0");
    groups.push(...last);
  }
  return `${groups.slice(0, 4).map((group) => group.toLowerCase().replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
