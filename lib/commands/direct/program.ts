import { type Command, Option } from "commander";
import type { App } from "../app.ts";
import { type ChatFlags, parsePort } from "./flags.ts";
import { addAccountOptions, type WithApp } from "../program.ts";
import type { ScriptOptions } from "../scripts.ts";

interface HostFlags extends Pick<ScriptOptions, "server" | "user"> {
  readonly port?: string;
  readonly mapPort?: boolean;
}

export function addChatCommands(program: Command, withApp: WithApp): void {
  const chat = program.command("chat").description("talk with a friend from machine to machine");
  function subcommand(name: string, summary: string): Command {
    return addAccountOptions(chat.command(name).description(summary))
      .argument("[friend]", "name of the friend")
      .addOption(new Option("--port <number>", "port of the chat"));
  }
  subcommand("host", "open a chat for a friend, and wait; a free port is picked when none is given")
    .option("--map-port", "ask the router to forward the port while the chat lasts")
    .action((friend: string | undefined, flags: HostFlags) =>
      run(withApp, friend, flags, async () => (await import("./host.ts")).hostOnce)
    );
  subcommand("join", "join a chat that a friend has open for you")
    .action((friend: string | undefined, flags: HostFlags) =>
      run(withApp, friend, flags, async () => (await import("./join.ts")).joinOnce)
    );
}

function run(
  withApp: WithApp,
  friend: string | undefined,
  flags: HostFlags,
  loadWork: () => Promise<(app: App, flags: ChatFlags) => Promise<void>>,
): Promise<void> {
  const chatFlags: ChatFlags = {
    isMapped: flags.mapPort ?? false,
    ...(friend === undefined ? {} : { friend: friend.toLowerCase() }),
    ...(flags.port === undefined ? {} : { port: parsePort(flags.port) }),
  };
  return withApp(async (app) => {
    const { openAccount } = await import("../scripts.ts");
    await openAccount(app, flags, true);
    const work = await loadWork();
    await work(app, chatFlags);
  });
}
