// Option 2: send a message. It is on this machine's disk before anything else happens, and on the server's before it counts as sent.
import { OPTIONS } from "../options.ts";
import type { SendOutcome } from "../../client/outbox_sender.ts";
import { ChatError } from "../../errors.ts";
import { isBlank } from "../../protocol/fields.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { cyan, green, yellow } from "../../terminal/style.ts";
import { Interrupt } from "../../terminal/read_line.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";
import { typedName } from "./typed_name.ts";

/** How long the menu waits for the server's word before it says that the message is queued, in milliseconds. */
const ANSWER_WITHIN_MS = 3_000;

export function sendOption(app: App, answerWithinMs: number = ANSWER_WITHIN_MS): MenuCommand {
  return {
    ...OPTIONS.send,
    aliases: ["msg", "message"],
    details: "The text may have several lines: Alt+Enter starts a new one, and pasted line breaks are kept.",
    complete: (args) => completeFirstWord(args, app.names()),
    run: async (args, { terminal, signal }) => {
      const client = app.client();
      const [to, text] = splitName(args);
      const name = to || (await terminal.readLine({
        prompt: "To: ",
        multiline: false,
        complete: (typed) => completeFirstWord(typed, app.names()),
      }))?.trim();
      if (!name) return;
      const recipient = typedName(name);
      if (app.isOnline && !text && await client.findUser(recipient, { signal }) === null) {
        throw new ChatError(
          "not_found",
          `Cannot send to ${safeText(recipient)}: no such user; 1 lists all users`,
        );
      }
      const message = text || await terminal.readLine({ prompt: "Text: " });
      if (message === null || isBlank(message)) {
        await terminal.print("Nothing was sent: the text is empty, or nobody would see anything of it.");
        return;
      }
      const sending = await client.send(recipient, message);
      app.learnName(recipient);
      const outcome = await app.outcomeWithin(sending, app.isOnline ? answerWithinMs : 0);
      // A router that has forgotten the connection says nothing: the next one takes the message.
      if (!outcome) app.account?.checkConnection();
      await terminal.print(outcome ? sentence(recipient, outcome) : yellow(queued(app, recipient)));
    },
  };
}

/** For who begins a line of the menu with the name of somebody they know, as in other chats; null for any other word. */
export function adviseToSend(app: App, word: string): string | null {
  const name = typedName(word);
  if (!app.names().includes(name)) return null;
  return `To write to ${safeText(name)}, type ${cyan(`send ${safeText(name)}`)} and the text.`;
}

const STILL_QUEUED = "The message is saved here and will be sent, only once, at the next connection";

/** What a person reads about a message that was stored. Throws the refusal of one that was not. */
function sentence(to: string, outcome: SendOutcome): string {
  if (outcome.kind === "refused") throw outcome.error;
  return green(`Sent: it is in ${safeText(to)}'s mailbox.`);
}

function queued(app: App, to: string): string {
  const kept = `Queued for ${safeText(to)}: it is saved here and will be sent, only once,`;
  if (app.account?.ended.aborted) return `${kept} once you are connected again: 0 connects.`;
  if (!app.isOnline) return `${kept} when the connection is back.`;
  return `${kept} as soon as the server takes it. ${safeText(app.whyQueued().words)}.`;
}

export async function sendOnce(
  app: App,
  to: string,
  text: string,
  options: { readonly json: boolean },
): Promise<void> {
  const sending = app.client().send(to, text);
  const outcome = await app.waitFor(
    `Sending to ${safeText(to)}`,
    (signal) => app.outcomeOrDisconnect(sending, signal),
  ).catch((error) => {
    // Whoever stops it may think that it will not be sent.
    if (error instanceof Interrupt) app.warn(STILL_QUEUED);
    throw error;
  });
  if (outcome.kind === "refused") throw outcome.error;
  app.learnName(to);
  if (options.json) await app.terminal.print(jsonLine({ to, ...outcome.acknowledgement }));
}

export function splitName(args: string): [name: string, rest: string] {
  const match = /^(\S+)\s*([\s\S]*)$/.exec(args);
  return match ? [match[1]!, match[2]!] : ["", ""];
}
