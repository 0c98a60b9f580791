/**
 * Option 7: disconnect. Says goodbye to the server, and leaves.
 * @module
 */
import type { MenuCommand } from "../../terminal/menu.ts";
import type { App } from "../app.ts";

export function disconnectOption(app: App): MenuCommand {
  return {
    number: 7,
    name: "disconnect",
    aliases: ["quit", "exit", "bye"],
    summary: "Disconnect and leave",
    run: async (_args, context) => {
      await app.leave();
      await context.terminal.print("Goodbye.");
      context.leave();
    },
  };
}
