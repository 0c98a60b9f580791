import { ChatError, ConnectionError, isTemporary, messageOf } from "../../errors.ts";
import { bold, cyan, dim, yellow } from "../../terminal/style.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { Account } from "../account.ts";
import type { App } from "../app.ts";
import { Flood } from "../flood.ts";
import { rendezvousOf } from "./rendezvous.ts";

/** Of the invitations that came to an account and are open, by chat: whether it was printed, or counted. */
const toldByAccount = new WeakMap<Account, Map<string, boolean>>();

export function forgetInvitation(account: Account, chatId: string): void {
  toldByAccount.get(account)?.delete(chatId);
}

/** Tells when one comes, when it is taken back, and on connecting those that wait. */
export function announceInvitations(app: App, account: Account): void {
  const { terminal } = app;
  const rendezvous = rendezvousOf(account);
  const told = new Map<string, boolean>();
  toldByAccount.set(account, told);
  const flood = new Flood(terminal, {
    words: (more, from) =>
      `${yellow("*")} … and ${more} more invitations from ${bold(cyan(from))}${
        dim(app.isAtMenu ? " (5 lists those that are open)" : "")
      }`,
  });
  account.ended.addEventListener("abort", () => flood[Symbol.dispose]());
  const tell = (chatId: string, from: string) => {
    if (told.has(chatId)) return;
    const hint = dim(app.isAtMenu ? " (5 joins)" : "");
    const words = `${bold(cyan(safeText(from)))} invites you to a direct chat.${hint}`;
    told.set(chatId, flood.tell(from, `${yellow("*")} ${words}`));
    app.learnName(from);
    app.notifier.notify({ kind: "invitation", from });
  };
  rendezvous.onEvent((event) => {
    if (event.name === "chat_invited") tell(event.content.chatId, event.content.from);
    else if (event.name === "chat_closed") {
      const { chatId, by } = event.content;
      if (told.get(chatId)) terminal.printAbove(dim(`  The invitation of ${safeText(by)} is over.`));
      told.delete(chatId);
    }
  });
  account.onSignedIn(() => {
    rendezvous.request("list_chats", {}).then(
      ({ chats }) => chats.forEach(({ chatId, from }) => tell(chatId, from)),
      (error) => {
        // The next connection asks again.
        if (error instanceof ConnectionError || (error instanceof ChatError && isTemporary(error))) return;
        account.news?.onFault(new Error(`invitations could not be listed: ${messageOf(error)}`));
      },
    );
  });
}
