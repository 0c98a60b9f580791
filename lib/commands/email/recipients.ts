/**
 * Recipients as a person types them, turned into addresses; Mini-Chat users by the address that they publish.
 * @module
 */
import { formatAddress, type MailAddress, parseRecipients } from "../../mail/address.ts";
import { safeText } from "../../terminal/safe_text.ts";

export async function resolveRecipients(
  typed: string,
  findPublishedAddress: (userName: string) => Promise<string | null>,
): Promise<{ addresses: readonly MailAddress[]; problems: readonly string[] }> {
  const addresses: MailAddress[] = [];
  const problems: string[] = [];
  for (const item of parseRecipients(typed)) {
    if (item.kind === "address") {
      addresses.push({ name: item.name, address: item.address });
    } else if (item.kind === "problem") {
      problems.push(`${safeText(item.text)} is not an address: ${safeText(item.reason)}`);
    } else {
      const address = await findPublishedAddress(item.userName);
      if (address === null) {
        problems.push(
          `${item.userName} has no @, and no Mini-Chat user of that name has published an address (0 connects, 1 lists them)`,
        );
      } else addresses.push({ name: item.userName, address });
    }
  }
  if (addresses.length === 0 && problems.length === 0 && typed.trim() !== "") {
    problems.push(`${safeText(typed.trim())} holds no address`);
  }
  return { addresses, problems };
}

/** A few words for beneath the line while a list is being typed. */
export function recipientHint(typed: string): string | undefined {
  const items = parseRecipients(typed);
  const problem = items.find((item) => item.kind === "problem");
  // The last one is still being typed: it is wrong until it is finished.
  if (problem?.kind === "problem" && problem !== items.at(-1)) {
    return safeText(`${problem.text}: ${problem.reason}`);
  }
  if (items.length === 0) return undefined;
  const users = items.filter((item) => item.kind === "user").length;
  const kinds = [
    items.length - users > 0 ? `${items.length - users} by address` : "",
    users > 0 ? `${users} by Mini-Chat name` : "",
  ];
  return kinds.filter((kind) => kind !== "").join(", ");
}

export function listAddresses(addresses: readonly MailAddress[]): string {
  return addresses.map(formatAddress).join(", ");
}
