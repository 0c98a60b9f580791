// The command `notify`: when and how a person is called for what arrives, seen and changed.
import { NotSignedInError, UsageError } from "../../errors.ts";
import { nameField } from "../../protocol/fields.ts";
import { checked } from "../../protocol/requests.ts";
import type { AccountKey } from "../../profile/account_records.ts";
import type { Completion } from "../../terminal/read_line.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";
import { readChoices, saveChoices, type Way, WAYS } from "./choices.ts";
import { parseQuietHours } from "./quiet_hours.ts";
import { typedName } from "../chat/typed_name.ts";

const WORDS = ["on", "off", "how", "command", "quiet", "hide-text", "test"];

const DETAILS =
  `notify on|off: whether you are called for new messages, invitations and lines in direct chats,
  while another window has the focus.
notify USER on|off: the same for one conversation.
notify how ${WAYS.slice(0, -1).join("|")}: by what; auto chooses what your terminal shows.
notify command LINE: by a command of yours, which gets one JSON object on its input:
  kind (message, invitation, line), from, text, unread, at.
notify quiet 22:00-07:00|off: hours without any.
notify hide-text on|off: whether the text is left out.
notify test: calls you now.`;

export function notifyCommand(app: App): MenuCommand {
  return {
    name: "notify",
    usage: "[[USER] on|off | …]",
    summary: "Choose when and how you are called for what arrives",
    details: DETAILS,
    complete: (args) => complete(args, app.names()),
    run: async (args, { terminal }) => {
      const account = () => app.account?.key ?? null;
      if (args.trim() !== "") changeNotify(app, args, account);
      for (const line of describeNotify(app, app.account?.key ?? null)) await terminal.print(line);
    },
  };
}

/**
 * Does what the words say.
 * @param account The account whose conversations are meant; null when nobody is signed in. Asked only if needed.
 * @throws {UsageError} for words that say nothing.
 * @throws {NotSignedInError} for a conversation without an account.
 */
export function changeNotify(app: App, args: string, account: () => AccountKey | null): void {
  const { profile } = app;
  const [, word = "", rest = ""] = /^\s*(\S+)\s*([^]*?)\s*$/.exec(args) ?? [];
  switch (word) {
    case "on":
    case "off":
      mustBeEmpty(word, rest);
      return saveChoices(profile, { isOn: word === "on" });
    case "how": {
      if (rest === "command" && readChoices(profile).command === null) throw missingCommand();
      if (!WAYS.includes(rest as Way)) {
        throw new UsageError(`Cannot notify by ${quoted(rest)}: the ways are ${WAYS.join(", ")}`);
      }
      return saveChoices(profile, { way: rest as Way });
    }
    case "command":
      if (rest === "") throw missingCommand();
      return saveChoices(profile, { way: "command", command: rest });
    case "quiet":
      return saveChoices(profile, { quiet: rest === "off" ? null : parseQuietHours(rest) });
    case "hide-text":
      return saveChoices(profile, { hidesText: isOn(word, rest) });
    case "test": {
      mustBeEmpty(word, rest);
      const text = "This is what a notification looks like.";
      return app.notifier.call(readChoices(profile), { kind: "message", from: "Mini-Chat", text });
    }
    default:
      return changeConversation(app, word, rest, account);
  }
}

/** What is chosen, a line for each part. */
export function describeNotify(app: App, account: AccountKey | null): string[] {
  const { isOn, way, command, quiet, hidesText } = readChoices(app.profile);
  const { style } = app.terminal.alerts;
  const by = way === "command"
    ? `command: ${oneLine(command ?? "", 200)}`
    : way === "auto"
    ? `how auto: ${style ?? "nothing, as this is no terminal"}`
    : `how ${way}`;
  const exceptions = account === null ? [] : app.profile.settings.notifiedConversations(account);
  return [
    isOn ? "notify on: you are called while another window has the focus" : "notify off",
    ...exceptions.map(({ other, isOn }) => `  ${safeText(other)} ${isOn ? "on" : "off"}`),
    by,
    quiet === null ? "quiet off" : `quiet ${quiet}`,
    `hide-text ${hidesText ? "on: nobody reads over your shoulder" : "off"}`,
  ];
}

function changeConversation(
  { profile }: App,
  given: string,
  rest: string,
  account: () => AccountKey | null,
): void {
  const wanted = isOn(given, rest);
  // With @, somebody may be called as one of the words above.
  const name = checked(nameField, typedName(given), "the name");
  const key = account();
  if (key === null) throw new NotSignedInError("Cannot choose for a conversation before you are signed in");
  profile.settings.setNotifiesOf(key, name, wanted === readChoices(profile).isOn ? null : wanted);
}

function isOn(word: string, value: string): boolean {
  if (value === "on" || value === "off") return value === "on";
  const given = oneLine(`${word} ${value}`, 60);
  throw new UsageError(`Cannot do notify ${given}: say on or off behind it; help notify lists what there is`);
}

function mustBeEmpty(word: string, rest: string): void {
  if (rest !== "") throw new UsageError(`Cannot take ${quoted(rest)} behind notify ${word}`);
}

function missingCommand(): UsageError {
  return new UsageError(`Cannot notify by a command without one: notify command 'notify-send "Mini-Chat"'`);
}

function quoted(text: string): string {
  return text === "" ? "nothing" : oneLine(text, 40);
}

function complete(args: string, names: readonly string[]): Completion {
  const [, head, word] = /^(\S+\s+)(\S*)$/.exec(args) ?? [];
  if (head === undefined) return completeFirstWord(args, [...WORDS, ...names]);
  const values = head.trim() === "how" ? WAYS : ["on", "off"];
  return { from: head.length, candidates: values.filter((value) => value.startsWith(word ?? "")) };
}
