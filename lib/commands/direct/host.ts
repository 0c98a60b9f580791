import { OPTIONS } from "../options.ts";
import { parsePort } from "../../addresses.ts";
import { ConnectionError, NotSignedInError, UsageError } from "../../errors.ts";
import { HostedChat } from "../../peer/host.ts";
import type { Tally } from "../../peer/direct_chat.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { bold, cyan, dim, yellow } from "../../terminal/style.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { unlessAborted } from "../../waiting.ts";
import type { Account } from "../account.ts";
import type { App } from "../app.ts";
import type { Notice } from "../notify/notifier.ts";
import { type ChatFlags, parseChatFlags } from "./flags.ts";
import { ChatScreen } from "./screen.ts";
import { rendezvousOf } from "./rendezvous.ts";
import { typedName } from "../chat/typed_name.ts";

export function hostOption(app: App): MenuCommand {
  return {
    ...OPTIONS.host,
    details:
      "Listens on a port of this machine and invites your friend, who joins with 5. What you write goes from " +
      "machine to machine where the networks let it, through the server where not, and nobody in between can read it.\n" +
      "--map-port asks your router to forward the port while the chat lasts.",
    complete: (args) => completeFirstWord(args, app.names()),
    run: async (args, { signal }) => {
      const flags = await ask(app, parseChatFlags(args), args.trim() === "");
      if (flags) await runHost(app, flags, signal);
    },
  };
}

export async function runHost(app: App, flags: ChatFlags, signal: AbortSignal): Promise<Tally | null> {
  const { terminal } = app;
  const { friend } = flags;
  if (friend === undefined) throw new UsageError("Cannot host a chat for nobody: name a friend");
  const account = signedIn(app);
  const screen = chatScreen(app, account.name, friend);
  if (flags.isMapped) terminal.status("Asking the router to forward a port…");
  await using hosted = await HostedChat.open(screen, {
    rendezvous: rendezvousOf(account),
    friend,
    port: flags.port ?? 0,
    downloadFolder: app.downloadFolder,
    isMapped: flags.isMapped,
    signal,
  }).finally(() => terminal.status(""));
  using _goodbye = app.beforeLeaving(() => hosted.close());
  app.learnName(friend);
  await printInvitation(app, hosted, friend);
  if (!await isJoined(app, hosted, friend, signal)) return null;
  return await screen.run(hosted.chat);
}

export function chatScreen(app: App, name: string, friend: string): ChatScreen {
  const notify = (notice: Notice) => app.notifier.notify(notice);
  return new ChatScreen(app.terminal, { name, friend, folders: app, notify });
}

export function signedIn(app: App): Account {
  if (!app.account) throw new NotSignedInError("Cannot chat before you are connected: 0 connects");
  if (!app.isOnline) {
    throw new ConnectionError("Cannot begin a chat as there is no connection to the server right now");
  }
  return app.account;
}

async function ask(app: App, flags: ChatFlags, asksPort: boolean): Promise<ChatFlags | null> {
  signedIn(app);
  const { terminal } = app;
  const friend = flags.friend ?? typedName(
    await terminal.readLine({
      prompt: "Friend: ",
      multiline: false,
      complete: (typed) => completeFirstWord(typed, app.names()),
    }) ?? "",
  );
  if (!friend) return null;
  if (!asksPort) return { ...flags, friend };
  const typed = await terminal.readLine({ prompt: "Port (empty: one is picked): ", multiline: false });
  if (typed === null) return null;
  return { ...flags, friend, port: typed.trim() === "" ? undefined : parsePort(typed.trim()) };
}

async function printInvitation(app: App, hosted: HostedChat, friend: string): Promise<void> {
  const { terminal } = app;
  const name = bold(cyan(safeText(friend)));
  await terminal.print(
    `Listening on port ${bold(String(hosted.port))}. ` +
      (hosted.isFriendOnline
        ? `${name} has been told.`
        : `${name} is not here now, and finds the invitation on connecting, for as long as you wait.`),
  );
  const addresses = hosted.addresses.length > 0 ? hosted.addresses.join(", ") : "none but loopback";
  await terminal.print(
    dim(`  Addresses of this machine: ${addresses}; the server sees ${safeText(hosted.seenAddress)}`),
  );
  if (hosted.mapped) {
    await terminal.print(dim(`  The router forwards ${hosted.mapped.address}, port ${hosted.mapped.port}`));
  }
  if (hosted.mappingFailure !== undefined) {
    await terminal.print(
      yellow(`Port mapping failed: ${safeText(hosted.mappingFailure)}. Trying other routes.`),
    );
  }
}

async function isJoined(
  { terminal }: App,
  hosted: HostedChat,
  friend: string,
  signal: AbortSignal,
): Promise<boolean> {
  terminal.status(`Waiting for ${safeText(friend)}… (Ctrl+C takes the invitation back)`);
  try {
    await unlessAborted(signal, hosted.linked);
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    terminal.status("");
  }
  await hosted.close();
  await terminal.print("The invitation is taken back; nothing listens any more.");
  return false;
}
