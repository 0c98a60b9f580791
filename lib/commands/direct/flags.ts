import { parsePort } from "../../addresses.ts";
import { UsageError } from "../../errors.ts";
import { typedName } from "../chat/typed_name.ts";

export interface ChatFlags {
  readonly friend?: string | undefined;
  readonly port?: number | undefined;
  readonly isMapped: boolean;
}

/** Reads what a person typed behind the command, such as `bob --port 5000` or `bob 5000`. */
export function parseChatFlags(args: string): ChatFlags {
  const words = args.trim().split(/\s+/).filter((word) => word !== "");
  let flags: ChatFlags = { isMapped: false };
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, equals] = /^--port=(.*)$/.exec(word) ?? [];
    if (word === "--map-port") flags = { ...flags, isMapped: true };
    else if (word === "--port") flags = { ...flags, port: parsePort(words.shift() ?? "") };
    else if (equals !== undefined) flags = { ...flags, port: parsePort(equals) };
    else if (word.startsWith("--")) {
      throw new UsageError(`Cannot understand ${word}: there are --port N and --map-port`);
    } else if (flags.friend === undefined) flags = { ...flags, friend: typedName(word) };
    else if (flags.port === undefined) flags = { ...flags, port: parsePort(word) };
    else throw new UsageError(`Cannot understand ${word}: a friend's name and a port are enough`);
  }
  return flags;
}
