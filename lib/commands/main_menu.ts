// The main menu: every option of the client in one place. It is loaded only when no subcommand was given.
import { Interrupt } from "../terminal/read_line.ts";
import { Menu, sentenceOf } from "../terminal/menu.ts";
import type { Profile } from "../profile/profile.ts";
import { TITLE } from "./options.ts";
import { accountCommands } from "./chat/account.ts";
import type { App } from "./app.ts";
import { hostOption } from "./direct/host.ts";
import { chatCommand, joinOption } from "./direct/join.ts";
import { connect, connectOption, disconnectOption, reconnect } from "./chat/connect.ts";
import { emailAtMenu, emailOption } from "./email/option.ts";
import { startMailOutbox } from "./email/outbox.ts";
import type { EmailSurroundings } from "./email/parts.ts";
import { historyCommand } from "./chat/history.ts";
import { inboxOption } from "./chat/inbox.ts";
import { notifyCommand } from "./notify/option.ts";
import { deleteAccountCommand } from "./chat/leaving.ts";
import { exportCommand } from "./chat/export.ts";
import { reportCommand } from "./chat/report.ts";
import { adviseToSend, sendOption } from "./chat/send.ts";
import { forgetServerCommand } from "./chat/servers.ts";
import { usersOption } from "./chat/users.ts";

/**
 * Runs the menu, which is on the screen already, until the person leaves it; connected to `where` first, or as by option 0. In a pipe
 * only a saved login connects by itself: no line of it answers a question that nobody expected.
 */
export async function runMenu(app: App, where: string | undefined, mail: EmailSurroundings): Promise<void> {
  const { terminal, profile } = app;
  const email = emailAtMenu(app, mail);
  const [host, join] = [hostOption(app), joinOption(app)];
  const menu = new Menu({
    terminal,
    title: TITLE,
    prompt: () => app.prompt(),
    typedLines: typedLinesOf(profile),
    advise: (word) => adviseToSend(app, word),
    commands: [
      connectOption(app),
      usersOption(app),
      sendOption(app),
      inboxOption(app),
      host,
      join,
      emailOption(email),
      disconnectOption(app),
      chatCommand([host, join]),
      historyCommand(app),
      reportCommand(app),
      ...accountCommands(app),
      exportCommand(app),
      deleteAccountCommand(app),
      notifyCommand(app),
      forgetServerCommand(app),
    ],
  });
  try {
    if (where !== undefined || (terminal.isInteractive && profile.listServers().length > 0)) {
      await connect(app, where ?? "", { instead: (line) => menu.instead(line) });
    } else if (!terminal.isInteractive) {
      await reconnect(app);
    }
  } catch (error) {
    await terminal.print(error instanceof Interrupt ? "Stopped." : sentenceOf(error));
  }
  await using _outbox = startMailOutbox(email);
  await menu.run();
}

function typedLinesOf(profile: Profile) {
  return { load: () => profile.listHistory(), add: (line: string) => profile.addHistory(line) };
}
