// Where the server of a data folder is called from this machine, and the key that has to answer there.
import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { CERTIFICATE_FILE } from "../../net/identity.ts";
import type { ReachOptions } from "../options.ts";
import { readRunFile } from "./run_file.ts";

export interface PlaceToCall {
  readonly hosts: readonly string[];
  readonly port: number;
  readonly certificatePem: string;
}

/**
 * As the running server says itself, or as the flags say, where its data folder is not at hand or they name another port.
 * @throws {UsageError} No server runs on the folder as far as is known, and the flags do not say enough.
 */
export async function whereToCall(folder: string, flags: ReachOptions): Promise<PlaceToCall> {
  const running = await readRunFile(folder);
  const port = flags.port || running?.port;
  if (port === undefined) {
    throw new UsageError(
      `Cannot find a server that runs on data folder ${folder}: start it, or name its folder with --data DIR or its ` +
        "port with --port NUMBER",
    );
  }
  const certificatePem = running?.port === port
    ? running.certificatePem // the one it shows, while that on disk may have been renewed
    : await readCertificate(flags.cert ?? join(folder, CERTIFICATE_FILE));
  return { hosts: hostsOf(flags.host ?? running?.host ?? "::"), port, certificatePem };
}

/** A server that listens on every address is called by loopback, IPv4 first: `::` takes both kinds as a rule. */
export function hostsOf(bound: string): readonly string[] {
  if (bound === "0.0.0.0") return ["127.0.0.1"];
  return bound === "::" ? ["127.0.0.1", "::1"] : [bound];
}

async function readCertificate(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const words =
      `Cannot read certificate ${path}: name its folder with --data DIR, or the file with --cert FILE`;
    throw new UsageError(words, { cause });
  }
}
