// Recipients as a person types them, turned into addresses; Mini-Chat users by the address that they publish.
import { findAddressFault, formatAddress, type MailAddress, parseRecipients } from "../../mail/address.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { EmailOptions } from "./parts.ts";

const NO_SUCH_USER = "no Mini-Chat user of that name has published an address";
const NOT_ASKED = "the addresses of Mini-Chat users can be looked up only while you are connected";

export async function resolveRecipients(
  typed: string,
  findPublishedAddress: EmailOptions["findPublishedAddress"],
): Promise<{ addresses: readonly MailAddress[]; problems: readonly string[] }> {
  const addresses: MailAddress[] = [];
  const problems: string[] = [];
  for (const item of parseRecipients(typed)) {
    if (item.kind === "address") {
      addresses.push({ name: item.name, address: item.address });
    } else if (item.kind === "problem") {
      problems.push(`${safeText(item.text)} is not an address: ${safeText(item.reason)}`);
    } else {
      const { userName } = item;
      const address = await findPublishedAddress(userName);
      // As the user typed it and the server passed it on: neither is believed.
      const fault = typeof address === "string" ? findAddressFault(address) : null;
      if (address === undefined) problems.push(`${userName} has no @, and ${NOT_ASKED}`);
      else if (address === null) problems.push(`${userName} has no @, and ${NO_SUCH_USER}`);
      else if (fault === null) addresses.push({ name: userName, address });
      else {problems.push(
          `${safeText(address)}, which ${userName} publishes, is not an address: ${safeText(fault)}`,
        );}
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
  const others = items.length - users;
  if (users === 0) return `${others} by address`;
  return `${others > 0 ? `${others} by address, ` : ""}${users} by Mini-Chat name`;
}

export function listAddresses(addresses: readonly MailAddress[]): string {
  return addresses.map(formatAddress).join(", ");
}
