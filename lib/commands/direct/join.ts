import { OPTIONS } from "../options.ts";
import { UsageError } from "../../errors.ts";
import { joinChat } from "../../peer/joiner.ts";
import type { Tally } from "../../peer/direct_chat.ts";
import type { Invitation } from "../../protocol/chat_messages.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { bold, cyan, dim } from "../../terminal/style.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { unlessAborted } from "../../waiting.ts";
import type { Account } from "../account.ts";
import { splitName } from "../chat/send.ts";
import type { App } from "../app.ts";
import { type ChatFlags, parseChatFlags } from "./flags.ts";
import { chatScreen, signedIn } from "./host.ts";
import { ago } from "../format.ts";
import { forgetInvitation } from "./invitations.ts";
import { rendezvousOf } from "./rendezvous.ts";

export function joinOption(app: App): MenuCommand {
  return {
    ...OPTIONS.join,
    details:
      "Joins a chat that a friend has opened with 4. Alone, it lists the invitations that wait for you.",
    complete: (args) => completeFirstWord(args, app.names()),
    run: async (args, { signal }) => void await runJoin(app, parseChatFlags(args), signal),
  };
}

export async function runJoin(app: App, flags: ChatFlags, signal: AbortSignal): Promise<Tally | null> {
  const account = signedIn(app);
  const invitation = await choose(app, account, flags, signal);
  if (!invitation) return null;
  const { terminal } = app;
  const screen = chatScreen(app, account.name, invitation.from);
  const startedAt = performance.now();
  const chat = await joinChat(screen, {
    rendezvous: rendezvousOf(account),
    chatId: invitation.chatId,
    friend: invitation.from,
    downloadFolder: app.downloadFolder,
    signal,
  }).finally(() => terminal.status(""));
  using _goodbye = app.beforeLeaving(() => chat.bye());
  forgetInvitation(account, invitation.chatId);
  app.learnName(invitation.from);
  return await screen.run(chat, performance.now() - startedAt);
}

async function choose(
  app: App,
  account: Account,
  flags: ChatFlags,
  signal: AbortSignal,
): Promise<Invitation | null> {
  const { terminal } = app;
  const { chats } = await unlessAborted(signal, rendezvousOf(account).request("list_chats", {}));
  if (flags.friend !== undefined) return pick(chats, flags.friend, flags.port);
  const [first] = chats;
  if (!first) {
    throw new UsageError(
      "Cannot join: nobody has a chat open for you. A friend opens one with option 4, or chat host",
    );
  }
  if (!terminal.isInteractive && chats.length > 1) {
    const names = [...new Set(chats.map(({ from }) => safeText(from)))].join(", ");
    throw new UsageError(`Cannot choose for you: chats are open from ${names}; name one`);
  }
  if (chats.length === 1) {
    const opened = dim(`(opened ${ago(first.openedAt, Date.now())})`);
    await terminal.print(
      `Joining the chat of ${bold(cyan(safeText(first.from)))} on port ${first.port} ${opened}.`,
    );
    return first;
  }
  return await terminal.choose(
    "Which chat?",
    chats.map((invitation) => ({
      label: safeText(invitation.from),
      description: `port ${invitation.port}, opened ${ago(invitation.openedAt, Date.now())}`,
      value: invitation,
    })),
  );
}

function pick(chats: readonly Invitation[], friend: string, port: number | undefined): Invitation {
  const from = chats.filter((invitation) => invitation.from === friend);
  const name = safeText(friend);
  if (from.length === 0) {
    throw new UsageError(
      `Cannot join: ${name} has no chat open for you. It is opened with option 4, or chat host, and joined then`,
    );
  }
  // The newest, where a friend has several open.
  const found = port === undefined ? from.at(-1) : from.find((invitation) => invitation.port === port);
  if (found) return found;
  const ports = from.map((invitation) => invitation.port).join(", ");
  throw new UsageError(`Cannot join on port ${port}: ${name}'s chat is open on port ${ports}`);
}

/** Options 4 and 5 at the menu, in the words that the subcommands have. */
export function chatCommand(options: readonly MenuCommand[]): MenuCommand {
  const names = options.map(({ name }) => name);
  return {
    name: "chat",
    usage: `${names.join("|")} [FRIEND] [--port N]`,
    summary: "Options 4 and 5 in other words",
    complete: (args) => completeFirstWord(args, names),
    run: (args, context) => {
      const [word, rest] = splitName(args);
      const option = options.find(({ name }) => name === word);
      if (!option) {
        throw new UsageError(
          `${word ? "Unknown" : "Missing"} word after chat: type chat ${names.join(" or chat ")}`,
        );
      }
      return option.run(rest, context);
    },
  };
}
