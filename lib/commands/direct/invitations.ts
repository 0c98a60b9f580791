/**
 * Invitations to direct chats, told at the menu: when one comes, when it is taken back, and those that wait on connecting.
 * @module
 */
import { messageOf } from "../../errors.ts";
import { bold, cyan, dim, yellow } from "../../terminal/style.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import type { Account } from "../account.ts";
import { rendezvousOf } from "./rendezvous.ts";

/** Names of hosts by chat, of the invitations that a session's person was told of and that are open. */
const toldBySession = new WeakMap<Account, Map<string, string>>();

export function forgetInvitation(session: Account, chatId: string): void {
  toldBySession.get(session)?.delete(chatId);
}

export function announceInvitations(
  terminal: Terminal,
  session: Account,
  learnName: (name: string) => void,
): void {
  const rendezvous = rendezvousOf(session);
  const told = new Map<string, string>();
  toldBySession.set(session, told);
  const tell = (chatId: string, from: string) => {
    if (told.has(chatId)) return;
    told.set(chatId, from);
    learnName(from);
    terminal.printAbove(
      `${yellow("*")} ${bold(cyan(safeText(from)))} invites you to a direct chat. ${dim("(5 joins)")}`,
    );
  };
  rendezvous.onEvent((event) => {
    if (event.name === "chat_invited") tell(event.content.chatId, event.content.from);
    else if (event.name === "chat_closed" && told.delete(event.content.chatId)) {
      terminal.printAbove(dim(`  The invitation of ${safeText(event.content.by)} is over.`));
    }
  });
  session.onSignedIn(() => {
    rendezvous.request("list_chats", {}).then(
      ({ chats }) => chats.forEach(({ chatId, from }) => tell(chatId, from)),
      // The next connection asks again.
      (error) => session.news?.onFault(new Error(`invitations could not be listed: ${messageOf(error)}`)),
    );
  });
}
