import { type Command, Option } from "commander";
import type { Tally } from "../../peer/direct_chat.ts";
import type { App } from "../app.ts";
import type { ChatFlags } from "./flags.ts";
import { addAccountOptions, type WithApp } from "../program.ts";
import type { ScriptOptions } from "../scripts.ts";
import { typedName } from "../chat/typed_name.ts";

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
      run(withApp, friend, flags, async () => (await import("./host.ts")).runHost)
    );
  subcommand("join", "join a chat that a friend has open for you")
    .action((friend: string | undefined, flags: HostFlags) =>
      run(withApp, friend, flags, async () => (await import("./join.ts")).runJoin)
    );
}

function run(
  withApp: WithApp,
  friend: string | undefined,
  flags: HostFlags,
  load: () => Promise<(app: App, flags: ChatFlags, signal: AbortSignal) => Promise<Tally | null>>,
): Promise<void> {
  return withApp(async (app) => {
    const { openAccount } = await import("../scripts.ts");
    const { parsePort } = await import("../../addresses.ts");
    const chatFlags: ChatFlags = {
      friend: friend === undefined ? undefined : typedName(friend),
      port: flags.port === undefined ? undefined : parsePort(flags.port),
      isMapped: flags.mapPort ?? false,
    };
    await openAccount(app, flags, true);
    const runChat = await load();
    const { Interrupt } = await import("../../terminal/read_line.ts");
    const { assertDelivered } = await import("./words.ts");
    const stop = new AbortController();
    using _interrupt = app.terminal.onInterrupt(() => stop.abort(new Interrupt()));
    const tally = await runChat(app, chatFlags, stop.signal);
    // A chat that was had ends with Ctrl+C as it does with bye.
    if (tally === null) stop.signal.throwIfAborted();
    assertDelivered(tally);
  });
}
