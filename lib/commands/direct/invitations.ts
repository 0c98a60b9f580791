import { messageOf } from "../../errors.ts";
import { bold, cyan, dim, yellow } from "../../terminal/style.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { Account } from "../account.ts";
import type { App } from "../app.ts";
import { rendezvousOf } from "./rendezvous.ts";

/** Names of hosts by chat, of the invitations that an account's person was told of and that are open. */
const toldByAccount = new WeakMap<Account, Map<string, string>>();

export function forgetInvitation(account: Account, chatId: string): void {
  toldByAccount.get(account)?.delete(chatId);
}

/** Tells when one comes, when it is taken back, and on connecting those that wait. */
export function announceInvitations(app: App, account: Account): void {
  const { terminal } = app;
  const rendezvous = rendezvousOf(account);
  const told = new Map<string, string>();
  toldByAccount.set(account, told);
  const tell = (chatId: string, from: string) => {
    if (told.has(chatId)) return;
    told.set(chatId, from);
    app.learnName(from);
    terminal.printAbove(
      `${yellow("*")} ${bold(cyan(safeText(from)))} invites you to a direct chat. ${dim("(5 joins)")}`,
    );
    app.notifier.notify({ kind: "invitation", from });
  };
  rendezvous.onEvent((event) => {
    if (event.name === "chat_invited") tell(event.content.chatId, event.content.from);
    else if (event.name === "chat_closed" && told.delete(event.content.chatId)) {
      terminal.printAbove(dim(`  The invitation of ${safeText(event.content.by)} is over.`));
    }
  });
  account.onSignedIn(() => {
    rendezvous.request("list_chats", {}).then(
      ({ chats }) => chats.forEach(({ chatId, from }) => tell(chatId, from)),
      // The next connection asks again.
      (error) => account.news?.onFault(new Error(`invitations could not be listed: ${messageOf(error)}`)),
    );
  });
}
