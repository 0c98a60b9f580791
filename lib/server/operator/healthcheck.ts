// `healthcheck`: whether the server of this data folder serves; for containers, monitors and scripts.
import type { Command } from "commander";
import { formatHostAndPort } from "../../addresses.ts";
import { ChatError, messageOf } from "../../errors.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { dataPaths } from "../data_folder.ts";
import { addFolderOption, addReachOptions, type ReachOptions, wholeNumber } from "../options.ts";

export function addHealthcheckCommand(command: Command, openTerminal: () => Promise<Terminal>): void {
  addReachOptions(addFolderOption(command))
    .description("whether the running server serves: calls it as a client does, store and all")
    .option("--timeout <seconds>", "how long it may take", wholeNumber, 5)
    .action(async (options: HealthcheckOptions) => {
      const words = await healthcheck(options);
      const terminal = await openTerminal();
      await terminal.print(words);
      await terminal.flush();
    });
}

type HealthcheckOptions = ReachOptions & { readonly data: string; readonly timeout: number };

async function healthcheck({ data, timeout, ...flags }: HealthcheckOptions): Promise<string> {
  const [{ callServer }, { whereToCall }] = await Promise.all([
    import("../live/call.ts"),
    import("../live/where_to_call.ts"),
  ]);
  try {
    const place = await whereToCall(dataPaths(data).folder, flags);
    const { host, version, helloMs, storeMs } = await callServer({ ...place, timeoutMs: timeout * 1000 });
    return `Healthy: ${formatHostAndPort(host, place.port)} answers in ${
      helloMs.toFixed(0)
    } ms, its store in ` +
      `${storeMs.toFixed(0)} ms (version ${version})`;
  } catch (cause) {
    // One exit code for all that can be wrong: 2 would mean something else to a container's engine.
    throw new ChatError("unavailable", `Not healthy: ${messageOf(cause)}`, { cause });
  }
}
